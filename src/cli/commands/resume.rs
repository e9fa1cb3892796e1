//! `upgrade --resume REPORT`: the remaining units of a saved report; and `downgrade --report REPORT`: the applied migrations of
//! its run.

use std::io::Read as _;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};

use crate::cli::exit::Exit;
use crate::report::MOST_BYTES;
use crate::report::upgrade::{
    self as report, AppliedBy, RemainingUnits, UpgradeReadError, applied, remaining,
};

/// Why a run cannot continue from a report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    #[error("cannot read the report {path}: {reason}")]
    File { path: Utf8PathBuf, reason: String },
    #[error("cannot use the report {path}: {source}")]
    Report { path: Utf8PathBuf, source: UpgradeReadError },
    #[error(
        "the report {path} is for the database `{of}`, but -n is {named}: omit -n, or use the report of that database"
    )]
    OtherDatabase { path: Utf8PathBuf, of: String, named: String },
}

impl ResumeError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::File { .. } => Exit::Environment,
            Self::Report { .. } => Exit::Project,
            Self::OtherDatabase { .. } => Exit::Usage,
        }
    }
}

/// The report of a run that has nothing to do.
pub(crate) fn nothing_left(path: &Utf8Path, left: &RemainingUnits) -> report::Report {
    let started_at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let words = match left.of {
        0 => format!("Nothing left to do: {path} has no targets"),
        1 => format!("Nothing left to do: the only target of {path} is upgraded or up to date"),
        number => {
            format!("Nothing left to do: all {number} targets of {path} are upgraded or up to date")
        }
    };
    report::nothing_left(started_at, words)
}

/// The remaining units. `named` are the requested databases; without any, the report's own.
pub(crate) fn read(path: &Utf8Path, named: &[String]) -> Result<RemainingUnits, ResumeError> {
    let left = remaining(&text_of(path)?).map_err(|source| no_report(path, source))?;
    check(path, left.database.as_ref(), named)?;
    Ok(left)
}

/// The migrations that its run has applied; otherwise like [`read`].
pub(crate) fn read_applied(path: &Utf8Path, named: &[String]) -> Result<AppliedBy, ResumeError> {
    let applied = applied(&text_of(path)?).map_err(|source| no_report(path, source))?;
    check(path, applied.database.as_ref(), named)?;
    Ok(applied)
}

fn text_of(path: &Utf8Path) -> Result<String, ResumeError> {
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    // Reads one byte more than the maximum, to detect larger files: the path may name an infinite file.
    let read = std::fs::File::open(path).and_then(|file| file.take(most).read_to_string(&mut text));
    read.map_err(|error| ResumeError::File { path: path.to_owned(), reason: error.to_string() })?;
    Ok(text)
}

fn no_report(path: &Utf8Path, source: UpgradeReadError) -> ResumeError {
    ResumeError::Report { path: path.to_owned(), source }
}

fn check(path: &Utf8Path, of: Option<&String>, named: &[String]) -> Result<(), ResumeError> {
    match of {
        Some(of) if !named.is_empty() && !named.contains(of) => Err(ResumeError::OtherDatabase {
            path: path.to_owned(),
            of: of.clone(),
            named: named.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        }),
        _ => Ok(()),
    }
}
