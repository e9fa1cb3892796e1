//! `mig-ci upgrade`: what `verify` has tried, on real databases.

use std::io::{IsTerminal as _, Write as _};
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::mpsc;

use super::args::Global;
use super::exit::Exit;
use super::output;
use super::stream::Streams;
use super::upgrade_args::UpgradeArgs;
use super::verify::watch_signals;
use crate::config::{Connect, Overrides, process_environment};
use crate::postgres::Url;
use crate::replay::plan::Selection;
use crate::report::RenderOptions;
use crate::report::upgrade::{RENDERERS, Report};
use crate::report::v1::Verdict;
use crate::source::BaseRequest;
use crate::tenants::Whom;
use crate::ui::{self, Progress, ProgressMode};
use crate::upgrade::{Error, Limits, Request, To, upgrade};
use crate::verify::{self, Scope};

pub(super) async fn run(
    global: &Global,
    args: &UpgradeArgs,
    streams: &Streams,
) -> Result<Exit, verify::Error> {
    output::probe(&args.outputs)?;
    let interrupted = watch_signals();
    let (events, received) = mpsc::unbounded_channel();
    let asks = !args.yes && std::io::stdin().is_terminal();
    let mode = match (global.quiet, streams.err_redraws()) {
        (true, _) => ProgressMode::Quiet,
        (false, true) => ProgressMode::Bars,
        (false, false) => ProgressMode::Lines,
    };
    let progress = ui::spawn(Progress::new(mode, Box::new(std::io::stderr())), received);
    let confirm = |question: &str| !asks || is_yes(question);
    let outcome = upgrade(&request(global, args), &confirm, events, &interrupted).await;
    let _ = progress.await;
    let report = match outcome {
        Ok(report) => report,
        Err(Error::Verify(error)) => return Err(error),
        Err(error) => {
            streams.complain(&error.to_string());
            return Ok(exit_of(&error));
        }
    };
    let options = RenderOptions {
        color: streams.out_colour(),
        width: streams.out_width(),
        ..RenderOptions::default()
    };
    let printed = streams.print(&render(&args.format, &report, &options));
    let plain = RenderOptions::default();
    let written = args
        .outputs
        .iter()
        .filter_map(|each| output::write(&each.path, &render(&each.format, &report, &plain)).err());
    let errors: Vec<verify::Error> = written.chain(printed.err()).collect();
    errors.iter().for_each(|error| streams.explain(error));
    Ok(match exit_of_report(&report) {
        Exit::Passed if !errors.is_empty() => Exit::Environment,
        exit => exit,
    })
}

fn request(global: &Global, args: &UpgradeArgs) -> Request {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let connect = match global.databases.as_slice() {
        [] => Connect::All,
        names => Connect::These(names.to_vec()),
    };
    let overrides = Overrides { connect: Some(connect), ..Overrides::default() };
    let milliseconds =
        |name: &str, duration: Duration| (name.to_owned(), duration.as_millis().to_string());
    Request {
        scope: Scope {
            config: global.config.clone(),
            overrides,
            base: BaseRequest::None,
            hosted: None,
            selection: Selection { databases: global.databases.clone(), ..Selection::default() },
        },
        url: args.url.clone().map(Url::new),
        whom: whom(args),
        shared_alone: args.shared,
        partition: args.partition,
        to: match args.to.as_str() {
            "head" => To::Head,
            version => To::Version(version.to_owned()),
        },
        limits: Limits {
            jobs: args.jobs.map_or(cores, usize::from),
            canary: args.canary,
            max_failures: args.max_failures,
            wait: args.wait,
        },
        settings: vec![
            milliseconds("lock_timeout", args.lock_timeout),
            milliseconds("statement_timeout", args.statement_timeout),
        ],
    }
}

/// Flags, and the variables that scripts around other tools set.
fn whom(args: &UpgradeArgs) -> Option<Whom> {
    if args.all_tenants {
        return Some(Whom::All);
    }
    if !args.tenants.is_empty() {
        return Some(Whom::Named(args.tenants.clone()));
    }
    if args.shared {
        return None;
    }
    let variables = ["TENANT_SCHEMA", "TENANT_DB"].into_iter().filter_map(process_environment);
    let targets: Vec<String> = variables.filter(|target| !target.is_empty()).collect();
    (!targets.is_empty()).then_some(Whom::Targets(targets))
}

fn is_yes(question: &str) -> bool {
    let mut answer = String::new();
    let asked = write!(std::io::stderr(), "{} [y/N] ", crate::report::visible(question));
    let read = asked.and_then(|()| std::io::stdin().read_line(&mut answer));
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn render(name: &str, report: &Report, options: &RenderOptions) -> String {
    let renderer = RENDERERS.iter().find(|(known, _)| *known == name);
    // The command line's own check has let no unknown name through.
    renderer.map_or_else(String::new, |(_, render)| render(report, options))
}

fn exit_of_report(report: &Report) -> Exit {
    match report.verdict {
        Verdict::Failed => Exit::Failed,
        _ if report.interrupted => Exit::Interrupted,
        Verdict::NotRun => Exit::Failed,
        Verdict::Passed => Exit::Passed,
    }
}

fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Verify(error) => Exit::of_error(error),
        Error::Usage(_) | Error::Declined | Error::NoVersion { .. } | Error::NotYet { .. } => {
            Exit::Usage
        }
        Error::Format { .. }
        | Error::OneLedger { .. }
        | Error::Address { .. }
        | Error::NoUrl(_) => Exit::Project,
        Error::Who(error) => match error {
            crate::tenants::WhoError::Nobody { .. } => Exit::Nothing,
            _ => Exit::Project,
        },
        Error::Connect { .. } => Exit::Environment,
    }
}
