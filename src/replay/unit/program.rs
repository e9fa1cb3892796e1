//! One run of a migration program on a unit: reads the ledger, runs the program, reads the ledger again, and records what was
//! applied.

use std::collections::BTreeSet;

use super::at;
use super::context::UnitContext;
use super::unapplied::note_unapplied;
use crate::driver::{ProgramObservation, ProgramServer, TargetNames, TrackProgram};
use crate::execution::program::{
    ProgramFiles, ProgramOutcome, ProgramRun, ProgramTarget, used_ledger,
};
use crate::formats::{Ledger, LedgerRow};
use crate::model::{
    AlembicTrack, Failure, FailureKind, Migration, Phase, ProcessIsolation, ProgramCause, RunEvent,
    SkippedMigration, StepOutcome, StepRecord, Tenancy, TrackKind, UnitEnd, UnitRecord,
};
use crate::replay::programs::ProgramRunner;

/// Runs the program of a track: to the base's newest revisions, or to the configured ones of the head.
pub(super) async fn run_program(
    context: &UnitContext<'_>,
    record: &mut UnitRecord,
    alembic: &AlembicTrack,
    phase: Phase,
    migrations: &[Migration],
) -> Result<(), UnitEnd> {
    context.enter(phase);
    let revisions = match phase {
        Phase::Head => alembic.revisions.clone(),
        Phase::Prepare | Phase::Base => heads_of(migrations),
    };
    if revisions.is_empty() {
        return Ok(());
    }
    let failed = at(phase);
    let format = context.track.detected.format;
    let planned = context.ledger_of_program.get().unwrap_or(&context.unit.ledger).clone();
    let before = context.ledger_rows(&planned).await.map_err(&failed)?;
    let decision = format.decide(&before, migrations);
    decision.log(&before, migrations);
    let pending: Vec<&Migration> = decision.apply.iter().map(|index| &migrations[*index]).collect();
    let run = PlannedRun { alembic, phase, migrations, revisions: &revisions, pending, planned };
    let outcome = run.outcome(context, &before).await.map_err(&failed)?;
    let applied_before = record.steps.len();
    record.steps.extend(outcome.steps);
    if phase == Phase::Head {
        note_unapplied(context, record, &before, &decision);
        let not_planned = outcome.not_planned.iter().filter(|one| context.track.is_pending(one));
        record.skipped_migrations.extend(not_planned.map(|migration| SkippedMigration {
            version: migration.version.clone(),
            path: migration.up.path().to_owned(),
        }));
    }
    if let Some(failure) = outcome.failure {
        let failure = context.replay.settle(failure).await;
        return Err(failed(failure));
    }
    if !outcome.is_complete {
        for step in &mut record.steps[applied_before..] {
            if let StepOutcome::Failed(failure) = &mut step.outcome {
                **failure = context.replay.settle((**failure).clone()).await;
                context.check_conclusive(phase, failure);
            }
        }
        return Err(UnitEnd::Failed { phase, failure: None });
    }
    match decision.refusal {
        None => Ok(()),
        Some(reason) => Err(failed(Failure::new(FailureKind::Refused, reason))),
    }
}

/// A run of a program on a unit, before it starts.
struct PlannedRun<'a> {
    alembic: &'a AlembicTrack,
    phase: Phase,
    migrations: &'a [Migration],
    revisions: &'a [String],
    pending: Vec<&'a Migration>,
    /// The ledger that the configuration names.
    planned: Ledger,
}

/// What a completed run of a program on a unit did.
struct UnitOutcome<'a> {
    steps: Vec<StepRecord>,
    failure: Option<Failure>,
    is_complete: bool,
    /// Migrations that the program, told to upgrade to a part of the heads, did not plan.
    not_planned: Vec<&'a Migration>,
}

/// A completed run of a program on a unit.
struct Judged<'a> {
    outcome: ProgramOutcome,
    not_planned: Vec<&'a Migration>,
    /// The ledger's rows afterwards.
    rows: Vec<LedgerRow>,
}

impl<'a> PlannedRun<'a> {
    /// Runs the program. If a forked process has not moved the ledger, a new interpreter runs it again before it is judged.
    async fn outcome(
        &self,
        context: &UnitContext<'_>,
        before: &[LedgerRow],
    ) -> Result<UnitOutcome<'a>, Failure> {
        let isolation = context.isolation.min(self.alembic.isolation);
        let first = self.judged(context, isolation).await?;
        let is_stuck = !first.outcome.is_complete && first.rows == before;
        if isolation == ProcessIsolation::Process || !is_stuck || self.pending.is_empty() {
            return Ok(first.into());
        }
        let again = self.judged(context, ProcessIsolation::Process).await?;
        if again.outcome.is_complete && !context.is_copy {
            let reason = format!(
                "a forked process did not migrate tenant `{}`, and a new interpreter did: modules of the \
                 project keep state between tenants",
                context.unit.name
            );
            context.replay.inconclusive.consider_isolation(&context.database.name, reason);
        }
        // The second run can fail because of what the first one left, so the first error counts.
        let is_second = again.outcome.is_complete || first.outcome.is_silent;
        Ok(if is_second { again } else { first }.into())
    }

    async fn judged(
        &self,
        context: &UnitContext<'_>,
        isolation: ProcessIsolation,
    ) -> Result<Judged<'a>, Failure> {
        let observation = self.observe(context, isolation).await?;
        let format = context.track.detected.format;
        let ledger = own_ledger(context, &observation).unwrap_or_else(|| self.planned.clone());
        let _ = context.ledger_of_program.set(ledger.clone());
        let (pending, not_planned) = self.expected(&observation);
        let rows = context.ledger_rows(&ledger).await?;
        let history = format.history(&rows, self.migrations);
        let applied: BTreeSet<&str> = history.iter().map(|row| row.version.as_str()).collect();
        let tree = context.replay.programs.tree(context.track, self.phase);
        let mut outcome = ProgramRun {
            observation: &observation,
            files: ProgramFiles { root: tree.root, files: tree.files },
            pending: &pending,
            is_applied: &|migration| applied.contains(migration.version.as_str()),
            target: ProgramTarget {
                database: &context.scratch.name,
                ledger: &ledger,
                tenant: tenant_schema(context),
            },
            phase: self.phase,
        }
        .outcome();
        drop(history);
        let runner = context.replay.programs.runner(context.database, context.track, self.alembic);
        if let Some(failure) = &mut outcome.failure
            && failure.kind == FailureKind::Program(ProgramCause::NotStarted)
            && let Some(name) = runner.await?.in_image
        {
            failure.detail.get_or_insert(format!("it ran in {name}"));
        }
        Ok(Judged { outcome, not_planned, rows })
    }

    /// The migrations that have to be applied, and those that the program did not plan. Told to upgrade to all heads, it has to
    /// apply all; told to upgrade to some revisions or labels, only what it plans for each of them.
    fn expected(
        &self,
        observation: &ProgramObservation,
    ) -> (Vec<&'a Migration>, Vec<&'a Migration>) {
        let is_all = |target: &String| matches!(target.as_str(), "head" | "heads");
        let has_all = self.revisions.iter().any(is_all) || self.phase != Phase::Head;
        if has_all || observation.plans < self.revisions.len() {
            return (self.pending.clone(), Vec::new());
        }
        self.pending
            .iter()
            .copied()
            .partition(|migration| observation.planned.contains(&migration.version))
    }

    /// Runs the program and collects what happens.
    async fn observe(
        &self,
        context: &UnitContext<'_>,
        isolation: ProcessIsolation,
    ) -> Result<ProgramObservation, Failure> {
        let programs = &context.replay.programs;
        let runner = programs.runner(context.database, context.track, self.alembic).await?;
        let server = context.program_address(&runner);
        let tree = programs.tree(context.track, self.phase);
        let head = programs.tree(context.track, Phase::Head).root;
        let program = TrackProgram {
            track: self.alembic,
            root: tree.root.as_std_path(),
            foreign_root: (tree.root != head).then_some(head.as_std_path()),
        };
        let names = TargetNames { tenant: &context.unit.name, target: context.target_name() };
        let (id, common) = (programs.next_id(), &*runner.environment);
        let request = program.upgrade(id, isolation, names, server, common, self.revisions);
        let name_of = |revision: &str| {
            let known = self.migrations.iter().find(|migration| migration.version == revision);
            known.map_or(revision, Migration::file_name).into()
        };
        let observed = ProgramObservation::of(runner.driver.run(id, request), |revision| {
            let (unit, migration) = (context.name(), name_of(revision));
            context.emit(RunEvent::StepStarted { unit, migration });
        });
        Ok(observed.await)
    }
}

/// The revisions that no other one follows.
fn heads_of(migrations: &[Migration]) -> Vec<String> {
    let nodes = migrations.iter().filter_map(|migration| migration.node.as_ref());
    let followed: BTreeSet<&str> =
        nodes.flat_map(|node| &node.down_revisions).map(String::as_str).collect();
    let versions = migrations.iter().map(|migration| &migration.version);
    versions.filter(|version| !followed.contains(version.as_str())).cloned().collect()
}

/// The schema and the name of a tenant that is a schema.
fn tenant_schema<'a>(context: &'a UnitContext<'_>) -> Option<(&'a str, &'a str)> {
    let is_schema =
        context.unit.track == TrackKind::Tenant && context.database.tenancy == Tenancy::Schema;
    is_schema.then_some((context.unit.target.as_str(), &*context.unit.name))
}

/// The ledger that the program used, if it can be the target's own: env.py alone knows where it is. A tenant that is a schema
/// has its ledger in this schema, or in a table that is named after it.
fn own_ledger(context: &UnitContext<'_>, observation: &ProgramObservation) -> Option<Ledger> {
    let used = used_ledger(observation)?;
    let is_own = match tenant_schema(context) {
        None => true,
        Some((schema, name)) => {
            let is_named = used.table != context.unit.ledger.table
                && [schema, name].iter().any(|name| has_part(&used.table, name));
            used.schema == schema || is_named
        }
    };
    is_own.then_some(used)
}

/// Whether a name contains another one as a whole part: `alembic_version_acme` contains `acme`, and not `e`.
fn has_part(name: &str, part: &str) -> bool {
    let is_border = |text: Option<char>| text.is_none_or(|c| !c.is_alphanumeric());
    name.match_indices(part).any(|(at, _)| {
        !part.is_empty()
            && is_border(name[..at].chars().next_back())
            && is_border(name[at + part.len()..].chars().next())
    })
}

impl<'a> From<Judged<'a>> for UnitOutcome<'a> {
    fn from(Judged { outcome, not_planned, .. }: Judged<'a>) -> Self {
        let ProgramOutcome { steps, failure, is_complete, .. } = outcome;
        Self { steps, failure, is_complete, not_planned }
    }
}

impl UnitContext<'_> {
    /// The schema, or the database on the server of the run: a database of the run has another name than in production.
    pub(super) fn target_name(&self) -> &str {
        match (self.unit.track, self.database.tenancy) {
            (TrackKind::Tenant, Tenancy::Schema) => &self.unit.target,
            _ => &self.scratch.name,
        }
    }

    /// The server and the database of the unit, for programs.
    pub(super) fn program_address(&self, runner: &ProgramRunner) -> ProgramServer {
        let server = self.replay.server;
        let options = server.owner(&self.scratch.name);
        let address = runner.address(options, &self.scratch.name, server.program_port());
        address.with_settings(server.session_settings())
    }

    /// The rows of a ledger; none if it does not exist.
    async fn ledger_rows(&self, ledger: &Ledger) -> Result<Vec<LedgerRow>, Failure> {
        let mut session = self.owner_session().await?;
        let format = self.track.detected.format;
        let rows = session.ledger(ledger, &format.ledger_rows(ledger)).await?;
        session.close().await;
        Ok(rows.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::has_part;

    #[test]
    fn only_a_whole_part_of_a_name_counts() {
        for (name, part) in
            [("alembic_version_acme", "acme"), ("acme", "acme"), ("v_acme_2", "acme")]
        {
            assert!(has_part(name, part), "{name} {part}");
        }
        for (name, part) in [("alembic_version", "e"), ("alembic_version_all", "a"), ("x", "")] {
            assert!(!has_part(name, part), "{name} {part}");
        }
    }
}
