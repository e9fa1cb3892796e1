//! One run of a migration program on a unit: reads the ledger, runs the program, reads the ledger again, and records what was
//! applied.

use std::collections::BTreeSet;

use super::at;
use super::context::UnitContext;
use super::unapplied::note_unapplied;
use crate::driver::{Observation, ServerAddress, TargetNames, TrackProgram};
use crate::execution::program::{ProgramFiles, ProgramRun, ProgramTarget, used_ledger};
use crate::formats::{Ledger, LedgerRow};
use crate::model::{
    AlembicTrack, Failure, FailureKind, Migration, Phase, RunEvent, StepOutcome, Tenancy,
    TrackKind, UnitEnd, UnitRecord,
};

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
    let planned = context.unit.ledger.clone();
    let before = context.ledger_rows(&planned).await.map_err(&failed)?;
    let decision = format.decide(&before, migrations);
    decision.log(&before, migrations);
    let pending: Vec<&Migration> = decision.apply.iter().map(|index| &migrations[*index]).collect();
    let observation = observe(context, alembic, migrations, &revisions).await.map_err(&failed)?;
    let ledger = own_ledger(context, &observation).unwrap_or(planned);
    let after = context.ledger_rows(&ledger).await.map_err(&failed)?;
    let history = format.history(&after, migrations);
    let applied: BTreeSet<&str> = history.iter().map(|row| row.version.as_str()).collect();
    let outcome = ProgramRun {
        observation: &observation,
        files: ProgramFiles { root: context.replay.programs.root(), files: context.replay.files },
        pending: &pending,
        is_applied: &|migration| applied.contains(migration.version.as_str()),
        target: ProgramTarget {
            database: &context.scratch.name,
            ledger: &ledger,
            tenant: tenant_schema(context),
        },
        phase,
    }
    .outcome();
    record.steps.extend(outcome.steps);
    if phase == Phase::Head {
        note_unapplied(context, record, &before, &decision);
    }
    if let Some(failure) = outcome.failure {
        let failure = context.replay.settle(failure).await;
        return Err(failed(failure));
    }
    if !outcome.is_complete {
        for step in &record.steps {
            if let StepOutcome::Failed(failure) = &step.outcome {
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

/// Runs the program and collects what happens.
async fn observe(
    context: &UnitContext<'_>,
    alembic: &AlembicTrack,
    migrations: &[Migration],
    revisions: &[String],
) -> Result<Observation, Failure> {
    let programs = &context.replay.programs;
    let driver = programs.driver(alembic).await?;
    let options = context.replay.server.owner(&context.scratch.name);
    let program = TrackProgram { track: alembic, root: programs.root().as_std_path() };
    let names = TargetNames { tenant: &context.unit.name, target: target_name(context) };
    let id = programs.next_id();
    let request = program.upgrade(
        id,
        alembic.isolation,
        names,
        ServerAddress::of(&options, &context.scratch.name, context.replay.server.program_port()),
        programs.environment(),
        revisions,
    );
    let events = driver.run(id, request);
    let name_of = |revision: &str| {
        let known = migrations.iter().find(|migration| migration.version == revision);
        known.map_or(revision, Migration::file_name).into()
    };
    let observation = Observation::of(events, |revision| {
        let (unit, migration) = (context.name(), name_of(revision));
        context.replay.emit(RunEvent::StepStarted { unit, migration });
    })
    .await;
    Ok(observation)
}

/// The schema, or the database on the server of the run: a database of the run has another name than in production.
fn target_name<'a>(context: &'a UnitContext<'_>) -> &'a str {
    match (context.unit.track, context.database.tenancy) {
        (TrackKind::Tenant, Tenancy::Schema) => &context.unit.target,
        _ => &context.scratch.name,
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
fn own_ledger(context: &UnitContext<'_>, observation: &Observation) -> Option<Ledger> {
    let used = used_ledger(observation)?;
    let is_own = match tenant_schema(context) {
        None => true,
        Some((schema, name)) => {
            used.schema == schema || used.table.contains(schema) || used.table.contains(name)
        }
    };
    is_own.then_some(used)
}

impl UnitContext<'_> {
    /// The rows of a ledger; none if it does not exist.
    async fn ledger_rows(&self, ledger: &Ledger) -> Result<Vec<LedgerRow>, Failure> {
        let mut session = self.owner_session().await?;
        let format = self.track.detected.format;
        let rows = session.ledger(ledger, &format.ledger_rows(ledger)).await?;
        session.close().await;
        Ok(rows.unwrap_or_default())
    }
}
