//! Annotations on lines of files at GitHub: one for each cause, independent of the number of tenants.

use std::fmt::Write as _;

use super::v1::{Finding, Report, Severity, TrackKind};
use crate::report::text::{clip, count, is_of_project, one_line, subject_of, visible};

/// One annotation, as data: a workflow command or a part of a check run is built from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceAnnotation {
    pub(crate) severity: Severity,
    /// Absent if the cause has no position in the repository.
    pub(crate) place: Option<AnnotationPlace>,
    /// One line.
    pub(crate) title: String,
    /// Plain text of several lines, without control characters.
    pub(crate) message: String,
}

/// A position in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnnotationPlace {
    /// From the root of the repository.
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: Option<usize>,
}

/// The maximum length of a server's text and of the names of tenants, in characters.
const TEXT: usize = 1_000;
const NAMES: usize = 10;
const NAME: usize = 100;

/// One for each finding, the most severe first. `folder` is the project's folder in the repository: `services/shop/`, or empty.
pub(crate) fn annotations(report: &Report, folder: &str) -> Vec<SourceAnnotation> {
    let several = report.databases.len() > 1;
    report.findings.iter().map(|finding| annotation(finding, several, folder)).collect()
}

fn annotation(finding: &Finding, several: bool, folder: &str) -> SourceAnnotation {
    let place = finding.place.as_ref().filter(|place| is_of_project(&place.path));
    let database = one_line(&finding.database, NAME);
    let subject = match finding.track {
        _ if finding.units.is_empty() => one_line(&subject_of(finding), NAME),
        TrackKind::Shared => format!("shared track of {database}"),
        TrackKind::Tenant if several => {
            format!("{} of {database}", count(finding.units.len(), "tenant"))
        }
        TrackKind::Tenant => count(finding.units.len(), "tenant"),
    };
    SourceAnnotation {
        severity: finding.severity,
        place: place.map(|place| AnnotationPlace {
            path: format!("{folder}{}", place.path),
            line: place.line.max(1),
            column: place.column,
        }),
        title: format!("{}: {subject}", one_line(&finding.code, NAME)),
        message: message(finding),
    }
}

fn message(finding: &Finding) -> String {
    let mut text = visible(&clip(&finding.message, TEXT)).into_owned();
    if let Some(failure) = &finding.failure {
        for (name, part) in [("DETAIL", &failure.detail), ("HINT", &failure.hint)] {
            if let Some(part) = part {
                let _ = write!(text, "\n{name}: {}", visible(&clip(part, TEXT)));
            }
        }
    }
    if finding.track == TrackKind::Tenant && !finding.units.is_empty() {
        let names = finding.units.iter().take(NAMES).map(|name| one_line(name, NAME));
        let more = match finding.units.len().saturating_sub(NAMES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = write!(text, "\nTenants: {}{more}", names.collect::<Vec<_>>().join(", "));
    }
    if let Some(help) = &finding.help {
        let _ = write!(text, "\nHelp: {}", visible(&clip(help, TEXT)));
    }
    if let Some(command) = &finding.reproduce {
        let _ = write!(text, "\nReproduce: {}", one_line(command, TEXT));
    }
    text
}
