//! Shared by the commands on real databases: selection of the database, progress, report and exit code.

use std::io::{IsTerminal as _, Write as _};
use std::num::NonZero;
use std::sync::mpsc::RecvTimeoutError;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cli::args::{ExecutionArgs, Global, OrderArg, TenantArgs};
use crate::cli::edge;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::stream::Streams;
use crate::config::{Connect, Overrides, process_environment};
use crate::model::FailureKind;
use crate::project::Scope;
use crate::replay::plan::Selection;
use crate::report::RenderOptions;
use crate::report::upgrade::Report;
use crate::report::verify::v1::Verdict;
use crate::server::EventSink;
use crate::source::BaseRequest;
use crate::tenants::{ResolveError, TenantSelector};
use crate::ui::{self, Progress, Task};
use crate::upgrade::{Confirm, DryRun, Interruption, Order, RolloutLimits, UpgradeError};

/// The current project, and the real databases of these names.
///
/// `has_url` means that a flag gives the address.
pub(crate) fn scope(global: &Global, databases: &[String], has_url: bool) -> Scope {
    let connect = match databases {
        [] => Connect::All,
        names => Connect::These(names.to_vec()),
    };
    Scope {
        config: global.config.clone(),
        overrides: Overrides {
            connect: Some(connect),
            has_database_url: has_url,
            ..Overrides::default()
        },
        base: BaseRequest::None,
        remote_repo: None,
        selection: Selection { databases: databases.to_vec(), ..Selection::default() },
    }
}

pub(crate) fn limits(execution: &ExecutionArgs) -> RolloutLimits {
    RolloutLimits { wait: execution.wait, ..read_only_limits(execution.jobs) }
}

/// The limits of read-only commands.
pub(crate) fn read_only_limits(jobs: Option<u16>) -> RolloutLimits {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let jobs = jobs.map_or(cores, usize::from);
    RolloutLimits { jobs, canary: None, max_failures: None, wait: Duration::ZERO }
}

/// The settings of sessions that run migrations.
pub(crate) fn settings(execution: &ExecutionArgs) -> Vec<(String, String)> {
    let milliseconds =
        |name: &str, duration: Duration| (name.to_owned(), duration.as_millis().to_string());
    vec![
        milliseconds("lock_timeout", execution.lock_timeout),
        milliseconds("statement_timeout", execution.statement_timeout),
    ]
}

/// Runs the upgrade with progress, and prints and writes its report.
pub(crate) async fn run(
    global: &Global,
    execution: &ExecutionArgs,
    streams: &Streams,
    interruption: &Interruption,
    work: impl AsyncFnOnce(&Confirm<'_>, EventSink) -> Result<Report, UpgradeError>,
) -> Result<Exit, CommandError> {
    output::probe(&execution.outputs)?;
    let (events, received) = mpsc::unbounded_channel();
    let asks = !execution.yes && std::io::stdin().is_terminal();
    let mode = streams.progress(global.quiet);
    let progress = Progress::new(mode, Task::Upgrade, Box::new(edge::harmless_stderr()));
    let progress = ui::spawn(progress, received);
    let confirm = |question: &str| !asks || is_yes(question, &interruption.requested);
    let outcome = work(&confirm, events).await;
    let _ = progress.await;
    match outcome {
        Ok(report) => Ok(show(execution, &report, streams)),
        Err(error) => refused(error, streams),
    }
}

/// Prints and writes a report.
pub(crate) fn show(execution: &ExecutionArgs, report: &Report, streams: &Streams) -> Exit {
    let options = RenderOptions {
        color: streams.out_colour(),
        width: streams.out_width(),
        ..RenderOptions::default()
    };
    let printed = streams.print(&execution.format.render(report, &options));
    let plain = RenderOptions::default();
    let written = execution
        .outputs
        .iter()
        .filter_map(|each| output::write(&each.path, &each.format.render(report, &plain)).err());
    let errors: Vec<CommandError> = written.chain(printed.err()).collect();
    errors.iter().for_each(|error| streams.explain(error));
    match exit_of_report(report) {
        Exit::Passed if !errors.is_empty() => Exit::Environment,
        exit => exit,
    }
}

/// Prints why nothing was started.
pub(crate) fn refused(error: UpgradeError, streams: &Streams) -> Result<Exit, CommandError> {
    match error {
        UpgradeError::Project(error) => Err(error.into()),
        UpgradeError::Interrupted => Err(CommandError::Interrupted),
        error => {
            streams.complain(&error.to_string());
            Ok(exit_of(&error))
        }
    }
}

/// Input after an interruption is ignored.
fn is_yes(question: &str, interrupted: &CancellationToken) -> bool {
    const LOOK_AGAIN: Duration = Duration::from_millis(50);
    let written = write!(std::io::stderr(), "{} [y/N] ", crate::report::visible(question));
    let (answers, answered) = std::sync::mpsc::channel();
    // A read from a terminal cannot be cancelled: the thread ends with the process.
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        // After an interruption there is no receiver.
        let _ = answers.send(read.map(|_| answer));
    });
    while written.is_ok() && !interrupted.is_cancelled() {
        match answered.recv_timeout(LOOK_AGAIN) {
            Ok(answer) => return answer.is_ok_and(|text| matches!(text.trim(), "y" | "Y" | "yes")),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    false
}

fn exit_of_report(report: &Report) -> Exit {
    match report.verdict {
        Verdict::Failed => Exit::Failed,
        _ if report.interrupted => Exit::Interrupted,
        _ if report.counts.environment_failed > 0 => Exit::Environment,
        Verdict::NotRun => Exit::Failed,
        Verdict::Passed => Exit::Passed,
    }
}

fn exit_of(error: &UpgradeError) -> Exit {
    match error {
        UpgradeError::Project(error) => Exit::of_project(error),
        UpgradeError::Interrupted => Exit::Interrupted,
        UpgradeError::Usage(_)
        | UpgradeError::OtherServer { .. }
        | UpgradeError::Declined
        | UpgradeError::NoVersion { .. } => Exit::Usage,
        UpgradeError::Format { .. }
        | UpgradeError::OneLedger { .. }
        | UpgradeError::Address { .. }
        | UpgradeError::Contradiction { .. }
        | UpgradeError::Alembic { .. }
        | UpgradeError::NoUrl(_) => Exit::Project,
        UpgradeError::Tenants(ResolveError::NoTenants { .. }) => Exit::Nothing,
        UpgradeError::Tenants(ResolveError::Query { failure, .. })
            if failure.is_environmental() || failure.kind == FailureKind::ConnectionLost =>
        {
            Exit::Environment
        }
        UpgradeError::Tenants(_) => Exit::Project,
        UpgradeError::Connect { .. } => Exit::Environment,
    }
}

/// Prints the SQL to stdout, unless a report is printed there.
pub(crate) fn dry_run(tenants: &TenantArgs, execution: &ExecutionArgs) -> Option<DryRun> {
    let prints = execution.format.is_terminal();
    tenants.dry_run.then(|| {
        DryRun::new(move |sql| {
            if prints {
                // A closed reader is not an error.
                let sql = edge::runnable(sql, edge::is_job_log(std::io::stdout()));
                let _ = std::io::stdout().write_all(sql.as_bytes());
            }
        })
    })
}

pub(crate) fn order(tenants: &TenantArgs) -> Order {
    match tenants.order {
        OrderArg::Source => Order::Source,
        OrderArg::Name => Order::Name,
        OrderArg::Random => Order::Random,
    }
}

/// The limits, including canary and maximum number of failures.
pub(crate) fn limits_of(tenants: &TenantArgs, execution: &ExecutionArgs) -> RolloutLimits {
    RolloutLimits {
        canary: tenants.canary,
        max_failures: tenants.max_failures,
        ..limits(execution)
    }
}

/// The tenants selected by flags, or by variables that scripts for other tools set.
pub(crate) fn selected_tenants(args: &TenantArgs) -> Option<TenantSelector> {
    if args.all_tenants {
        return Some(TenantSelector::All);
    }
    if !args.tenants.is_empty() {
        return Some(TenantSelector::Named(args.tenants.clone()));
    }
    if args.shared {
        return None;
    }
    let variable = |name| process_environment(name).filter(|value| !value.is_empty());
    let (schema, database) = (variable("TENANT_SCHEMA"), variable("TENANT_DB"));
    (schema.is_some() || database.is_some()).then_some(TenantSelector::Target { schema, database })
}
