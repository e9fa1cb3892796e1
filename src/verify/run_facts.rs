//! The facts about a run in the report, in addition to plan, evidence and findings: the server, the revisions, notes.

use super::notes::{note, of_plan};
use super::run::Ran;
use super::second_run::Replayed;
use super::timing::Stopwatch;
use crate::model::Severity;
use crate::project::Loaded;
use crate::report::RunFacts;
use crate::report::verify::v1;
use crate::source::Revisions;

pub(super) fn of_run(
    loaded: &Loaded,
    Ran { evidence, server, stopped }: &Ran,
    replayed: Vec<Replayed>,
    watch: &Stopwatch,
    timings: Option<v1::Timings>,
) -> RunFacts {
    let (mut server, mut notes) = server.clone();
    server.lost = evidence.server_lost;
    if evidence.server_lost {
        notes.push(note(
            Severity::Error,
            "the server was lost during the run; units that were not run have no result",
        ));
        notes.extend(stop_reason(&stopped.log).map(|words| note(Severity::Info, &words)));
    }
    // A lost server cannot be stopped in an orderly way.
    if !evidence.server_lost {
        notes.extend(stopped.problems.iter().map(|problem| note(Severity::Warning, problem)));
    }
    notes.extend(replayed.iter().map(|each| of_replayed(loaded, each)));
    notes.extend(evidence.program_notes.iter().map(|(_, text)| note(Severity::Info, text)));
    notes.extend(of_plan(loaded));
    let replayed = replayed.into_iter().map(|each| (each.database, each.reason));
    RunFacts {
        started_at: watch.started_at(),
        duration: watch.elapsed(),
        server,
        revisions: revisions(&loaded.revisions),
        notes,
        timings,
        replayed: replayed.collect(),
        flags: loaded.flags.clone(),
        fail_on: loaded.project.checks.fail_on.unwrap_or(Severity::Error),
    }
}

fn of_replayed(loaded: &Loaded, replayed: &Replayed) -> v1::Note {
    let database = &loaded.plan.databases[replayed.database].name;
    let text = format!(
        "database `{database}` was replayed again from an empty state, with one job on a fresh server, and only that run counts: {}",
        replayed.reason
    );
    note(Severity::Info, &text)
}

/// Why it stopped, if its log says so: the log is removed with the server.
fn stop_reason(log: &str) -> Option<String> {
    const REASONS: [&str; 6] =
        ["PANIC:", "FATAL:", "terminated by", "shutdown request", "No space left", "ut of memory"];
    /// The server's reply to connections while it is not available.
    const ANSWER: &str = "the database system is ";
    const MOST: usize = 3;
    let is_reason =
        |line: &&str| !line.contains(ANSWER) && REASONS.iter().any(|reason| line.contains(reason));
    let mut lines: Vec<&str> = Vec::new();
    for line in log.lines().filter(is_reason) {
        // The text before the level contains the time and the process.
        let start =
            ["PANIC:", "FATAL:", "ERROR:", "LOG:"].iter().find_map(|level| line.find(level));
        let text = &line[start.unwrap_or(0)..];
        if !lines.contains(&text) {
            lines.push(text);
        }
    }
    let last = &lines[lines.len().saturating_sub(MOST)..];
    (!last.is_empty()).then(|| format!("the end of the server's log: {}", last.join("; ")))
}

fn revisions(revisions: &Revisions) -> v1::Revisions {
    v1::Revisions {
        base: revisions.base.revision.as_ref().map(|revision| v1::Revision {
            commit: revision.commit.clone(),
            name: revision.name.clone(),
            dirty: Some(false),
        }),
        base_reason: revisions.base.reason.clone(),
        head: revisions.head.as_ref().map(|head| v1::Revision {
            commit: head.commit.clone(),
            name: "HEAD".to_owned(),
            dirty: head.dirty,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::stop_reason;

    #[test]
    fn the_reason_is_read_from_the_end_of_the_servers_log() {
        let log = "2026-01-02 03:04:05.678 UTC [7] LOG:  database system is ready to accept connections\n\
                   2026-01-02 03:04:06.678 UTC [8] ERROR:  relation \"x\" does not exist\n\
                   2026-01-02 03:04:06.678 UTC [8] STATEMENT:  ALTER ROLE me PASSWORD 'secret'\n\
                   2026-01-02 03:04:07.678 UTC [9] PANIC:  could not write to file: No space left on device\n\
                   2026-01-02 03:04:07.679 UTC [7] LOG:  server process (PID 9) was terminated by signal 6\n\
                   2026-01-02 03:04:07.680 UTC [11] FATAL:  the database system is in recovery mode\n";
        assert_eq!(
            stop_reason(log).unwrap(),
            "the end of the server's log: PANIC:  could not write to file: No space left on device; \
             LOG:  server process (PID 9) was terminated by signal 6"
        );
        assert_eq!(stop_reason("LOG:  all is well"), None);
    }
}
