//! Files that look like migrations or samples, and that are not read.

use std::collections::BTreeMap;

use super::{Check, CheckMeta, ProjectProblem, UnitProblem, meta};
use crate::model::{Place, ProjectRecord, Severity, TrackKind, UnitRecord, UnreadFile};

#[derive(Debug)]
pub(super) struct FilesNotRead;

/// The maximum number of names in one finding.
const SHOWN: usize = 10;

impl Check for FilesNotRead {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Warning, "files-not-read", "Files next to migrations or samples are not read")
    }

    fn check<'a>(&self, _: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        Vec::new()
    }

    /// One finding for each reason in each track.
    fn check_project(&self, project: &ProjectRecord) -> Vec<ProjectProblem> {
        type CauseKey<'a> = (&'a str, TrackKind, bool, &'static str);
        let mut causes: BTreeMap<CauseKey<'_>, Vec<&UnreadFile>> = BTreeMap::new();
        for file in &project.unread {
            let cause = (&*file.database, file.track, !file.is_read_by_base, file.reason);
            causes.entry(cause).or_default().push(file);
        }
        causes.into_values().filter_map(|files| problem(&files)).collect()
    }
}

fn problem(files: &[&UnreadFile]) -> Option<ProjectProblem> {
    let first = files.first()?;
    let names: Vec<String> =
        files.iter().take(SHOWN).map(|file| format!("`{}`", file.path)).collect();
    let more = files.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let reads = if first.is_read_by_base { "; the base reads it" } else { "" };
    let message = format!("not read: {}{more}. It {}{reads}", names.join(", "), first.reason);
    Some(ProjectProblem {
        database: first.database.clone(),
        track: first.track,
        message: message.replace("`. It ", if files.len() > 1 { "`. Each " } else { "`. It " }),
        place: Some(Place { path: first.path.clone(), line: 1, column: None, excerpt: None }),
        unplaced: None,
        help: Some(
            "rename or move the file so that it is read, or move it to another folder".to_owned(),
        ),
        at_most: None,
        at_least: first.is_read_by_base.then_some(Severity::Error),
        is_acknowledged: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::judge_project;
    use crate::model::CheckSettings;

    fn file(path: &str, reason: &'static str, is_read_by_base: bool) -> UnreadFile {
        let (database, track) = ("app".to_owned(), TrackKind::Tenant);
        UnreadFile { database, track, path: path.into(), reason, is_read_by_base }
    }

    #[test]
    fn files_are_grouped_by_reason_and_one_that_the_base_reads_is_an_error() {
        let unread = vec![
            file("m/v2/2.sql", "is in a subfolder", false),
            file("m/3.sql", "has another name", true),
            file("m/v2/4.sql", "is in a subfolder", false),
        ];
        let project = ProjectRecord { unread, ..ProjectRecord::default() };
        let findings = judge_project(&project, &CheckSettings::default());
        let results =
            findings.iter().map(|one| (one.severity, one.fails_run, one.message.as_str()));
        assert_eq!(
            results.collect::<Vec<_>>(),
            [
                (
                    Severity::Error,
                    true,
                    "not read: `m/3.sql`. It has another name; the base reads it"
                ),
                (
                    Severity::Warning,
                    false,
                    "not read: `m/v2/2.sql`, `m/v2/4.sql`. Each is in a subfolder"
                ),
            ]
        );
    }
}
