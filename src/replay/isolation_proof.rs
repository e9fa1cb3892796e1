//! Proves in each run that forked processes do what new interpreters do.
//!
//! A process that is forked from one that has imported the project's modules is many times faster, and wrong for a project
//! whose modules read a tenant's variable when they are imported. So the first and the last tenant are also migrated by a new
//! interpreter each, on copies of their databases that are made before the head's migrations. Statements, ledger, catalog and
//! rows have to be equal; otherwise the results of the database are discarded, and it is replayed with new interpreters.

use std::collections::BTreeMap;

use super::Replay;
use super::plan::{DatabasePlan, TrackPlan};
use super::row_digest::row_digests;
use super::unit::{ScratchDatabase, UnitRun};
use crate::catalog::CatalogReader;
use crate::model::{Catalog, Failure, LeaveOut, ProcessIsolation, Tenancy, TrackKind};

/// With fewer tenants a proof costs as much as it saves.
const WORTHWHILE: usize = 5;

/// The isolation of the tenants of a database.
pub(crate) fn isolation_of(
    replay: &Replay<'_>,
    track: Option<&TrackPlan>,
    tenants: usize,
) -> ProcessIsolation {
    let configured = track.and_then(|track| track.alembic.as_ref()).map(|one| one.isolation);
    match configured {
        Some(isolation) if replay.may_fork() && tenants >= WORTHWHILE => isolation,
        _ => ProcessIsolation::Process,
    }
}

/// Copies of the first and the last tenant.
pub(crate) struct IsolationProof<'a> {
    replay: &'a Replay<'a>,
    database: &'a DatabasePlan,
    copies: Vec<UnitRun<'a>>,
}

impl<'a> IsolationProof<'a> {
    /// Copies the databases before the migrations of the head. `None` if no forked process is used; all runs use new
    /// interpreters if a copy is not possible.
    pub(crate) async fn prepare(
        replay: &'a Replay<'a>,
        database: &'a DatabasePlan,
        runs: &mut [UnitRun<'a>],
    ) -> Option<Self> {
        let is_forked = runs.iter().any(|run| run.isolation() != ProcessIsolation::Process);
        let completed: Vec<usize> =
            (0..runs.len()).filter(|index| runs[*index].is_completed()).collect();
        let (first, last) = (*completed.first().filter(|_| is_forked)?, *completed.last()?);
        match Self::copy(replay, database, [&runs[first], &runs[last]]).await {
            Ok(copies) => Some(Self { replay, database, copies }),
            Err(failure) => {
                let note = format!(
                    "database `{}`: the migrations of each tenant run in a new interpreter, because its database cannot be \
                     copied to prove forked processes: {}",
                    database.name, failure.message
                );
                replay.programs.note(&database.name, note);
                for run in runs {
                    run.set_isolation(ProcessIsolation::Process);
                }
                None
            }
        }
    }

    async fn copy(
        replay: &'a Replay<'a>,
        database: &'a DatabasePlan,
        runs: [&UnitRun<'a>; 2],
    ) -> Result<Vec<UnitRun<'a>>, Failure> {
        let mut by_name: BTreeMap<String, ScratchDatabase> = BTreeMap::new();
        let mut copies = Vec::new();
        for run in runs {
            let source = run.scratch_name().to_owned();
            let scratch = match by_name.get(&source) {
                Some(scratch) => scratch.clone(),
                None => {
                    let name = replay.server.copy_database(&source).await?;
                    let scratch = ScratchDatabase::new(&name, &replay.cluster);
                    by_name.insert(source, scratch.clone());
                    scratch
                }
            };
            let Some(track) = database.track(TrackKind::Tenant) else { break };
            let mut copy = UnitRun::new(replay, database, track, run.unit(), scratch);
            copy.run_silently(ProcessIsolation::Process);
            copies.push(copy);
        }
        Ok(copies)
    }

    /// Runs the copies, and discards the results of the database if one differs.
    pub(crate) async fn check(mut self, runs: &[UnitRun<'a>]) {
        for copy in &mut self.copies {
            let Some(run) = runs.iter().find(|run| run.unit().name == copy.unit().name) else {
                continue;
            };
            copy.run_head().await;
            if let Some(difference) = difference(self.replay, self.database, run, copy).await {
                let reason = format!(
                    "a forked process and a new interpreter differ for tenant `{}` ({difference}): modules of \
                     the project keep state between tenants",
                    run.unit().name
                );
                self.replay.inconclusive.consider_isolation(&self.database.name, reason);
                return;
            }
        }
        // Two failures that are equal prove nothing.
        if !self.copies.iter().all(UnitRun::is_completed) {
            return;
        }
        let mut names: Vec<_> =
            self.copies.iter().map(|copy| format!("`{}`", copy.unit().name)).collect();
        names.dedup();
        let note = format!(
            "database `{}`: the migrations of {} tenants ran in forked processes; new interpreters did the same for {} \
             (statements, ledger, catalog and rows)",
            self.database.name,
            runs.len(),
            names.join(" and ")
        );
        self.replay.programs.note(&self.database.name, note);
    }
}

/// What differs between a run and its copy, in the order in which it is cheap to see.
async fn difference(
    replay: &Replay<'_>,
    database: &DatabasePlan,
    run: &UnitRun<'_>,
    copy: &UnitRun<'_>,
) -> Option<String> {
    if run.is_completed() != copy.is_completed() {
        let word = |run: &UnitRun<'_>| if run.is_completed() { "succeeds" } else { "fails" };
        return Some(format!("the first {}, the second {}", word(run), word(copy)));
    }
    if let Some(version) = run.first_other_statements(copy) {
        return Some(format!("statements of {version}"));
    }
    let read = async {
        let (of_run, of_copy) =
            (content(replay, database, run).await?, content(replay, database, copy).await?);
        Ok::<_, Failure>((of_run, of_copy))
    };
    match read.await {
        Err(failure) => Some(format!("their content cannot be compared: {}", failure.message)),
        Ok((of_run, of_copy)) if of_run.catalog != of_copy.catalog => Some("catalog".to_owned()),
        Ok((of_run, of_copy)) => {
            let tables = of_run.rows.keys().chain(of_copy.rows.keys());
            let mut differing =
                tables.filter(|name| of_run.rows.get(*name) != of_copy.rows.get(*name));
            differing.next().map(|name| format!("rows of {name}"))
        }
    }
}

/// What a target contains, its ledger included.
struct Content {
    catalog: Catalog,
    rows: BTreeMap<String, String>,
}

async fn content(
    replay: &Replay<'_>,
    database: &DatabasePlan,
    run: &UnitRun<'_>,
) -> Result<Content, Failure> {
    let options = replay.server.admin().database(run.scratch_name());
    let mut reader = CatalogReader::open(&options).await?;
    let target = &run.unit().target;
    let (catalog, schema) = match database.tenancy {
        Tenancy::Schema => {
            (reader.catalog(target, &LeaveOut::default()).await?, Some(target.as_str()))
        }
        Tenancy::Database => (reader.database_catalog(&LeaveOut::default()).await?, None),
    };
    reader.close().await;
    let mut session = replay.session(options, None).await?;
    let rows = row_digests(&mut session, schema).await?;
    session.close().await;
    Ok(Content { catalog, rows })
}
