//! The second run of databases with inconclusive results: from an empty state, with one job, on a new server. Only its results
//! count.

use super::VerifyError;
use super::run::{Laps, Ran, RunContext};
use super::timing::Stopwatch;
use crate::model::{
    EnvironmentCause, Failure, FailureKind, Files as _, Phase, RunEvent, UnitEnd, UnitRecord,
};
use crate::project::Loaded;
use crate::replay::plan::{DatabasePlan, PlannedUnit};
use crate::replay::{Attempt, InconclusiveReason, Mode};

const LAPS: Laps = ["start a second server", "replay again", "stop the second server"];

/// A database with the results of the second run.
#[derive(Debug)]
pub(super) struct Replayed {
    /// Its index in the plan.
    pub(super) database: usize,
    pub(super) reason: String,
}

/// Replays the databases in doubt, replaces their records, and returns which ones.
///
/// # Errors
/// It was interrupted. If the second run fails for another reason, those databases have no verdict.
pub(super) async fn replay_again_in_doubt(
    context: &RunContext<'_>,
    ran: &mut Ran,
    watch: &mut Stopwatch,
) -> Result<Vec<Replayed>, VerifyError> {
    let doubts: Vec<(usize, InconclusiveReason)> = std::mem::take(&mut ran.evidence.inconclusive)
        .into_iter()
        .enumerate()
        .filter_map(|(index, doubt)| Some((index, doubt?)))
        .collect();
    if doubts.is_empty() {
        return Ok(Vec::new());
    }
    let all = &context.loaded.plan.databases;
    let plans: Vec<&DatabasePlan> = doubts.iter().map(|(index, _)| &all[*index]).collect();
    let outcome = match hindrance(context, ran) {
        Some(hindrance) => Err(hindrance),
        None => second(context, &plans, &doubts, watch).await?,
    };
    let is_replayed = outcome.is_ok();
    let records = match outcome {
        Ok(second) => {
            let is_replayed = |name: &str| plans.iter().any(|plan| &*plan.name == name);
            ran.evidence.program_notes.retain(|(database, _)| !is_replayed(database));
            ran.join(second)
        }
        Err(failure) => plans.iter().map(|plan| unknown(plan, &failure)).collect(),
    };
    for ((index, _), records) in doubts.iter().zip(records) {
        ran.evidence.databases[*index] = records;
    }
    let replayed = |(database, doubt): (usize, InconclusiveReason)| Replayed {
        database,
        reason: doubt.reason,
    };
    Ok(doubts.into_iter().filter(|_| is_replayed).map(replayed).collect())
}

/// Why a second run would have no result.
fn hindrance(context: &RunContext<'_>, ran: &Ran) -> Option<Failure> {
    if ran.evidence.server_lost {
        let words = "the server was lost before the database could be replayed again";
        return Some(Failure::new(FailureKind::ServerLost, words));
    }
    let role = ran.stopped.roles_left.iter().find(|role| speaks_of(context.loaded, role))?;
    let words = format!(
        "the database cannot be replayed again on the server of postgres.url, which still has the role `{role}` of the \
         first run: use the provider `docker` or `local`, create the role in the server's `prepare` file, or use \
         `--jobs 1`"
    );
    Some(Failure::new(FailureKind::Environment(EnvironmentCause::NotReplayedAgain), words))
}

/// Whether a migration or a sample names this role: it may have created it.
fn speaks_of(loaded: &Loaded, role: &str) -> bool {
    let Loaded { plan, head, .. } = loaded;
    let mut migrations = plan.tracks().flat_map(|track| track.base.iter().chain(&track.head));
    let mut samples = plan.units().filter_map(|(_, unit)| unit.start.sample_path());
    migrations.any(|migration| migration.up.text().contains(role))
        || samples.any(|path| {
            let text = head.read(path).ok().flatten().unwrap_or_default();
            String::from_utf8_lossy(&text).contains(role)
        })
}

/// The second run; the inner error is what prevented it.
async fn second(
    context: &RunContext<'_>,
    plans: &[&DatabasePlan],
    doubts: &[(usize, InconclusiveReason)],
    watch: &mut Stopwatch,
) -> Result<Result<Ran, Failure>, VerifyError> {
    for (plan, (_, doubt)) in plans.iter().zip(doubts) {
        let (database, reason) = (plan.name.clone(), doubt.reason.clone());
        tracing::debug!(database = &*database, reason, "replaying again");
        let _ = context.events.send(RunEvent::ReplayedAgain { database, reason });
    }
    let mode = Mode { jobs: 1, attempt: Attempt::Last };
    match context.run(plans, mode, &LAPS, watch).await {
        Ok(second) => Ok(Ok(second)),
        Err(error @ VerifyError::Interrupted { .. }) => Err(error),
        Err(error) => {
            let words = format!("could not replay the database again: {error}");
            Ok(Err(Failure::new(
                FailureKind::Environment(EnvironmentCause::NotReplayedAgain),
                words,
            )))
        }
    }
}

impl Ran {
    /// Adds the facts about the second server, and returns what was replayed on it.
    fn join(&mut self, second: Self) -> Vec<Vec<UnitRecord>> {
        let Self { evidence, stopped, .. } = second;
        self.evidence.server_lost |= evidence.server_lost;
        self.stopped.problems.extend(stopped.problems);
        self.stopped.log.push_str(&stopped.log);
        let cpu = self.stopped.server_cpu.zip(stopped.server_cpu);
        self.stopped.server_cpu = cpu.map(|(first, second)| first + second);
        evidence.databases
    }
}

/// The units of a database without results.
fn unknown(plan: &DatabasePlan, failure: &Failure) -> Vec<UnitRecord> {
    let record = |unit: &PlannedUnit| UnitRecord {
        end: UnitEnd::Failed { phase: Phase::Prepare, failure: Some(Box::new(failure.clone())) },
        ..UnitRecord::new(&plan.name, unit.track, &unit.name, &unit.target)
    };
    plan.units.iter().map(record).collect()
}
