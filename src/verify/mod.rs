//! The main job, from the project to the report: load, plan, start a server, replay, check, report.

use tokio_util::sync::CancellationToken;

use crate::checks;
use crate::model::UnitRecord;
use crate::project::{self, Scope};
use crate::replay::plan::DatabasePlan;
use crate::replay::{Attempt, Mode};
use crate::report;
use crate::report::verify::v1;
use crate::server::EventSink;

mod base_tree;
mod coverage;
mod error;
mod history;
mod notes;
mod requirements;
mod run;
mod run_facts;
mod second_run;
mod server_facts;
mod timing;
mod unread;
mod without_effect;

pub(crate) use error::VerifyError;

use base_tree::BaseTree;
use coverage::{add_emptied_samples, project_record};
use history::leave_out_incomplete_histories;
use requirements::check_requirements;
use run::{FIRST_LAPS, RunContext};
use second_run::replay_again_in_doubt;
use timing::Stopwatch;
use without_effect::without_effect;

/// What to verify, and how.
#[derive(Debug)]
pub(crate) struct VerifyRequest {
    pub(crate) scope: Scope,
    /// The maximum number of concurrent units.
    pub(crate) jobs: usize,
    pub(crate) timings: bool,
    pub(crate) require_migrations: bool,
    pub(crate) require_tenants: bool,
}

/// Runs the job. When `interrupted` is cancelled, it stops, removes what it created, and returns
/// [`VerifyError::Interrupted`].
pub(crate) async fn verify(
    request: &VerifyRequest,
    events: EventSink,
    interrupted: &CancellationToken,
) -> Result<v1::Report, VerifyError> {
    let mut watch = Stopwatch::start();
    let loaded = interrupted.run_until_cancelled(project::load(&request.scope)).await;
    let loaded = loaded.ok_or(VerifyError::Interrupted { left: Vec::new() })??;
    check_requirements(request, &loaded.plan)?;
    let mut record = project_record(&loaded)?;
    watch.lap("read the project");

    let base_tree = BaseTree::of(&loaded, &request.scope);
    let base_tree = interrupted.run_until_cancelled(base_tree).await;
    let base_tree = base_tree.ok_or(VerifyError::Interrupted { left: Vec::new() })??;
    let context =
        RunContext { loaded: &loaded, base_tree: base_tree.as_ref(), events: &events, interrupted };
    let plans: Vec<&DatabasePlan> = loaded.plan.databases.iter().collect();
    let mode = Mode { jobs: request.jobs, attempt: Attempt::First };
    let mut ran = context.run(&plans, mode, &FIRST_LAPS, &mut watch).await?;
    let replayed = replay_again_in_doubt(&context, &mut ran, &mut watch).await?;

    let mut units: Vec<UnitRecord> = ran.evidence.databases.iter().flatten().cloned().collect();
    let mut plan = loaded.plan.clone();
    record.incomplete_histories = leave_out_incomplete_histories(&mut plan, &mut units);
    add_emptied_samples(&mut record, &loaded, &units);
    record.without_effect = without_effect(&loaded.plan.databases, &units);
    let mut findings = checks::judge(&units, &loaded.project.checks);
    findings.extend(checks::judge_project(&record, &loaded.project.checks));
    checks::sort(&mut findings);
    let timings = request.timings.then(|| watch.timings(&units, ran.stopped.server_cpu));
    let run = run_facts::of_run(&loaded, &ran, replayed, &watch, timings);
    Ok(report::build(&plan, &units, &findings, run))
}
