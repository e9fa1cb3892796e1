//! Replays one named database: creates its scratch databases, and runs its units in order.
//!
//! ```text
//! main database ─▶ shared track to base ─▶ tenants to base ─▶ shared track to head ─▶ tenants to head
//!                                          (in parallel)                              (the first empty one,
//!                                                                                      then in parallel)
//! another database ─▶ shared track from zero, concurrently (with one job: afterwards)
//! ```
//!
//! In production both tracks are at the base when the pull request is deployed. Therefore the tenants' samples are loaded,
//! and migrated to the base, while the shared track is at the base. Only if the base has no shared migrations does the
//! shared track go to the head first, because a sample cannot refer to anything else then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures::stream::{self, StreamExt as _};
use tracing::Instrument as _;

use super::Replay;
use super::isolation_proof::{IsolationProof, isolation_of};
use super::plan::{DatabasePlan, PlannedUnit, StartingState};
use super::shape::{OutsideCatalog, compare_shapes, first_fresh};
use super::unit::{ScratchDatabase, UnitRun};
use crate::model::{
    EnvironmentCause, Failure, FailureKind, Phase, RunEvent, Tenancy, TrackKind, UnitRecord,
};
use crate::samples::run_file;
use crate::sql::quote_identifier;

/// Schemas created in one message. Each takes locks until its end.
const SCHEMAS_A_MESSAGE: usize = 200;

/// Replays one database. The records are in plan order.
pub(crate) async fn replay_database(
    replay: &Replay<'_>,
    database: &DatabasePlan,
) -> Vec<UnitRecord> {
    let started = Instant::now();
    let name = || Arc::clone(&database.name);
    replay.emit(RunEvent::DatabaseStarted { database: name(), units: database.units.len() });
    let is_fresh =
        |unit: &&PlannedUnit| unit.track == TrackKind::Shared && unit.start == StartingState::Fresh;
    let (fresh, main): (Vec<&PlannedUnit>, Vec<&PlannedUnit>) =
        database.units.iter().partition(is_fresh);
    let in_fresh =
        stream::iter(fresh).then(|unit| replay_fresh(replay, database, unit)).collect::<Vec<_>>();
    let in_main = replay_main(replay, database, &main);
    let (main, fresh) = if replay.jobs == 1 {
        (in_main.await, in_fresh.await)
    } else {
        futures::join!(in_main, in_fresh)
    };
    replay.emit(RunEvent::DatabaseFinished { database: name(), took: started.elapsed() });
    in_plan_order(database, fresh.into_iter().chain(main))
}

/// Replays a shared track that starts empty, in a database of its own.
async fn replay_fresh(
    replay: &Replay<'_>,
    database: &DatabasePlan,
    unit: &PlannedUnit,
) -> UnitRecord {
    let scratch = create_scratch_database(replay, database).await;
    let mut run = begin(replay, database, unit, &scratch);
    run_half(&mut run, Half::Base).await;
    run_half(&mut run, Half::Head).await;
    run.finish()
}

async fn replay_main(
    replay: &Replay<'_>,
    database: &DatabasePlan,
    units: &[&PlannedUnit],
) -> Vec<UnitRecord> {
    let (shared, tenants): (Vec<&PlannedUnit>, Vec<&PlannedUnit>) =
        units.iter().partition(|unit| unit.track == TrackKind::Shared);
    let scratch = if shared.is_empty() && database.tenancy == Tenancy::Database {
        // No unit would use it.
        None
    } else {
        Some(create_main_scratch_database(replay, database, &tenants).await)
    };
    let mut shared: Vec<UnitRun<'_>> = shared
        .into_iter()
        .zip(&scratch)
        .map(|(unit, scratch)| begin(replay, database, unit, scratch))
        .collect();
    run_each(&mut shared, 1, Half::Base).await;
    let mut reason = "the shared track failed before the base was reached";
    if database.shared.as_ref().is_some_and(|track| track.base.is_empty()) {
        run_each(&mut shared, 1, Half::Head).await;
        reason = "the shared track failed";
    }
    let mut runs = begin_tenants(replay, database, &tenants, scratch.as_ref()).await;
    let isolation = isolation_of(replay, database.tenants.as_ref(), runs.len());
    runs.iter_mut().for_each(|run| run.set_isolation(isolation));
    skip_after_shared(&mut runs, &shared, reason);
    run_each(&mut runs, replay.jobs, Half::Base).await;
    run_each(&mut shared, 1, Half::Head).await;
    skip_after_shared(&mut runs, &shared, "the shared track failed");
    run_tenants_to_head(replay, database, &mut runs).await;
    shared.into_iter().chain(runs).map(UnitRun::finish).collect()
}

/// The first empty tenant runs alone, then all others concurrently: `shape.rs` explains why.
async fn run_tenants_to_head<'a>(
    replay: &'a Replay<'a>,
    database: &'a DatabasePlan,
    runs: &mut [UnitRun<'a>],
) {
    let first = first_fresh(runs);
    let proof = IsolationProof::prepare(replay, database, runs).await;
    let mut outside = OutsideCatalog::read(replay, database, runs).await;
    let (first, others) = runs.split_at_mut(first);
    for part in [first, others] {
        run_each(part, replay.jobs, Half::Head).await;
        if let Some(outside) = &mut outside {
            outside.note_changes(part).await;
        }
    }
    if let Some(proof) = proof {
        proof.check(runs).await;
    }
    compare_shapes(replay, database, runs).await;
}

#[derive(Clone, Copy)]
enum Half {
    Base,
    Head,
}

/// Runs units concurrently. No other code does.
async fn run_each(runs: &mut [UnitRun<'_>], jobs: usize, half: Half) {
    stream::iter(runs.iter_mut())
        .for_each_concurrent(jobs, async |run| run_half(run, half).await)
        .await;
}

async fn run_half(run: &mut UnitRun<'_>, half: Half) {
    let span = run.span();
    match half {
        Half::Base => run.reach_base().instrument(span).await,
        Half::Head => run.run_head().instrument(span).await,
    }
}

fn skip_after_shared(tenants: &mut [UnitRun<'_>], shared: &[UnitRun<'_>], reason: &str) {
    let Some(stopped) = shared.iter().find(|run| run.is_stopped()) else { return };
    let reason = if stopped.is_judged() { reason } else { "the shared track has no result" };
    tenants.iter_mut().for_each(|run| run.not_run(reason));
}

fn begin<'a>(
    replay: &'a Replay<'a>,
    database: &'a DatabasePlan,
    unit: &'a PlannedUnit,
    scratch: &Result<ScratchDatabase, Failure>,
) -> UnitRun<'a> {
    let Some(track) = database.track(unit.track) else {
        unreachable!("internal error: a unit of `{}` without its track", database.name);
    };
    match scratch {
        Ok(scratch) => UnitRun::new(replay, database, track, unit, scratch.clone()),
        Err(failure) => {
            let mut run = UnitRun::new(
                replay,
                database,
                track,
                unit,
                ScratchDatabase::new("", &replay.cluster),
            );
            run.fail(Phase::Prepare, failure.clone());
            run
        }
    }
}

async fn begin_tenants<'a>(
    replay: &'a Replay<'a>,
    database: &'a DatabasePlan,
    tenants: &[&'a PlannedUnit],
    main: Option<&Result<ScratchDatabase, Failure>>,
) -> Vec<UnitRun<'a>> {
    match (database.tenancy, main) {
        // A missing database is the shared track's failure, and the tenants are not run.
        (Tenancy::Schema, Some(Err(_))) if database.shared.is_some() => {
            let nowhere = Ok(ScratchDatabase::new("", &replay.cluster));
            tenants.iter().map(|unit| begin(replay, database, unit, &nowhere)).collect()
        }
        (Tenancy::Schema, Some(scratch)) => {
            tenants.iter().map(|unit| begin(replay, database, unit, scratch)).collect()
        }
        _ => {
            stream::iter(tenants)
                .map(async |unit| {
                    let scratch = {
                        let _permit = replay.permit().await;
                        create_scratch_database(replay, database).await
                    };
                    begin(replay, database, unit, &scratch)
                })
                .buffered(replay.jobs)
                .collect()
                .await
        }
    }
}

/// Creates a scratch database as configured for this named database: prepared, with the shared schema.
async fn create_scratch_database(
    replay: &Replay<'_>,
    database: &DatabasePlan,
) -> Result<ScratchDatabase, Failure> {
    if replay.is_lost() {
        return Err(Failure::new(FailureKind::ServerLost, super::SERVER_LOST));
    }
    let made = async {
        let name = replay.server.create_database().await.map_err(|error| {
            Failure::new(
                FailureKind::Environment(EnvironmentCause::DatabaseNotCreated),
                error.to_string(),
            )
        })?;
        let mut session = replay.session(replay.server.admin_in(&name), None).await?;
        if !database.prepare.is_empty() {
            // The database is not in use yet, so no gate is needed.
            let _one_by_one = replay.cluster.lock().await;
            for path in &database.prepare {
                run_file(&mut session, replay.files, path).await?;
            }
        }
        if let Some(schema) = own_schema(database) {
            session.execute(create_schema(replay, &schema)).await?;
        }
        session.close().await;
        Ok(ScratchDatabase::new(&name, &replay.cluster))
    };
    match made.await {
        Ok(scratch) => Ok(scratch),
        Err(failure) => Err(replay.settle(failure).await),
    }
}

/// The same, with a schema for each tenant if tenants are schemas.
async fn create_main_scratch_database(
    replay: &Replay<'_>,
    database: &DatabasePlan,
    tenants: &[&PlannedUnit],
) -> Result<ScratchDatabase, Failure> {
    let scratch = create_scratch_database(replay, database).await?;
    if database.tenancy == Tenancy::Database {
        return Ok(scratch);
    }
    let made = async {
        let mut session = replay.session(replay.server.admin_in(&scratch.name), None).await?;
        for part in tenants.chunks(SCHEMAS_A_MESSAGE) {
            let sql: Vec<String> =
                part.iter().map(|unit| create_schema(replay, &unit.target)).collect();
            session.execute(sql.join(";\n")).await?;
        }
        session.close().await;
        Ok(())
    };
    match made.await {
        Ok(()) => Ok(scratch),
        Err(failure) => Err(replay.settle(failure).await),
    }
}

fn create_schema(replay: &Replay<'_>, schema: &str) -> String {
    format!(
        "CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}",
        quote_identifier(schema),
        quote_identifier(replay.server.role_name()),
    )
}

/// The shared track's schema, unless it is `public`.
fn own_schema(database: &DatabasePlan) -> Option<String> {
    let shared = database.units.iter().find(|unit| unit.track == TrackKind::Shared)?;
    shared.search_path.first().filter(|schema| *schema != "public").cloned()
}

fn in_plan_order(
    database: &DatabasePlan,
    records: impl Iterator<Item = UnitRecord>,
) -> Vec<UnitRecord> {
    let mut by_name: BTreeMap<(TrackKind, String), UnitRecord> =
        records.map(|record| ((record.track, record.name.clone()), record)).collect();
    let units = database.units.iter();
    units.filter_map(|unit| by_name.remove(&(unit.track, unit.name.to_string()))).collect()
}
