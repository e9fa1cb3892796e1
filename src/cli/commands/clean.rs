//! `mig-ci clean`: removes leftovers of interrupted runs, of all providers or one.

use std::fmt::Write as _;

use super::verify::overrides;
use crate::cli::args::{CleanArgs, Global};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;
use crate::model::{PostgresSettings, ProviderChoice};
use crate::project::load_project;
use crate::server;
use crate::server::CleanReport;

pub(crate) async fn run(
    global: &Global,
    args: &CleanArgs,
    streams: &Streams,
) -> Result<Exit, CommandError> {
    let settings = settings(global, args)?;
    let with = args.server.provider.unwrap_or(ProviderChoice::Auto);
    let cleaned = server::clean(&settings, with, args.all).await;
    streams.print(&describe(&cleaned))?;
    let all_asked = cleaned.unasked.is_empty() || with == ProviderChoice::Auto;
    Ok(if cleaned.problems.is_empty() && all_asked { Exit::Passed } else { Exit::Environment })
}

/// `clean` works in any folder, also without a project. A configuration given by a flag has to be valid.
fn settings(global: &Global, args: &CleanArgs) -> Result<PostgresSettings, CommandError> {
    let overrides = overrides(&args.server);
    let url = overrides.url.clone();
    match load_project(global.config.as_deref(), overrides) {
        Ok((project, _)) => Ok(project.postgres),
        Err(_) if global.config.is_none() => {
            Ok(PostgresSettings { url, ..PostgresSettings::default() })
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn describe(report: &CleanReport) -> String {
    let mut text = String::new();
    for each in &report.removed {
        let _ = writeln!(text, "removed {} {} of run {}", each.kind, each.name, each.run);
    }
    for problem in &report.problems {
        let _ = writeln!(text, "problem: {problem}");
    }
    for silent in &report.unasked {
        let _ = writeln!(text, "not checked: {silent}");
    }
    let _ = match (report.removed.len(), report.kept) {
        (0, 0) if !report.problems.is_empty() => Ok(()),
        (0, 0) => writeln!(text, "nothing to remove"),
        (removed, 0) => writeln!(text, "{removed} removed"),
        (removed, kept) => {
            writeln!(text, "{removed} removed, {kept} kept for runs that are still alive")
        }
    };
    text
}
