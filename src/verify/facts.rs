//! What the report says of a run besides plan, evidence and findings: the server, the revisions, notes.

use camino::Utf8PathBuf;

use super::again::Replayed;
use super::run::Ran;
use super::timing::Stopwatch;
use super::{Loaded, VerifyError, VerifyRequest};
use crate::model::{Database, Deploy, Project, Sample, Severity, Track, TrackKind};
use crate::replay::plan::{MigrationState, ReplayPlan, StartingState, TrackPlan};
use crate::report::RunFacts;
use crate::report::verify::v1;
use crate::server::{DatabaseLocale, Server};
use crate::source::{BaseDivergence, Revisions};

/// Files and folders whose state at the base matters. `above` is the number of folders from the project's root to the top of
/// the checkout.
pub(super) fn paths_of(databases: &[Database], above: usize) -> Vec<Utf8PathBuf> {
    let tracks = databases.iter().flat_map(|database| {
        database.shared.iter().chain(database.tenants.as_ref().map(|tenants| &tenants.track))
    });
    let with_settings = |track: &Track| {
        // sqlx's settings lie in the directory or in a folder above it.
        let settings = track.migrations.ancestors().map(|folder| folder.join("sqlx.toml"));
        settings.chain([track.migrations.clone()]).collect::<Vec<_>>()
    };
    let outside = (1..=above).map(|count| Utf8PathBuf::from("../".repeat(count) + "sqlx.toml"));
    let mut paths: Vec<Utf8PathBuf> = tracks.flat_map(with_settings).chain(outside).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// `--require-migrations` and `--require-tenants`: exit code 5 where there is nothing.
pub(super) fn check_there_is_something(
    request: &VerifyRequest,
    plan: &ReplayPlan,
) -> Result<(), VerifyError> {
    let pending: usize = plan.tracks().map(TrackPlan::pending).sum();
    if request.require_migrations && pending == 0 {
        return Err(VerifyError::Nothing(
            "no migration is pending, and --require-migrations is set".to_owned(),
        ));
    }
    let is_sample = |start: &StartingState| matches!(start, StartingState::Sample(Sample { .. }));
    let samples = plan
        .units()
        .filter(|(_, unit)| unit.track == TrackKind::Tenant && is_sample(&unit.start))
        .count();
    if request.require_tenants && samples == 0 {
        return Err(VerifyError::Nothing(
            "there is no sample tenant, and --require-tenants is set".to_owned(),
        ));
    }
    Ok(())
}

pub(super) fn of_server(server: &Server, project: &Project) -> (v1::Server, Vec<v1::Note>) {
    let facts = v1::Server {
        provider: server.provider().to_string(),
        description: server.description().to_owned(),
        version: server.version().to_owned(),
        role: project.postgres.role.to_string(),
        lost: false,
        locale: Some(locale(server.locale())),
    };
    let notes =
        server.notes().iter().map(|note| self::note(note.severity, &note.message)).collect();
    (facts, notes)
}

fn locale(locale: &DatabaseLocale) -> v1::Locale {
    v1::Locale {
        encoding: locale.encoding.clone(),
        collate: locale.collate.clone(),
        ctype: locale.ctype.clone(),
        provider: locale.provider.clone(),
        locale: locale.locale.clone(),
        name: locale.name(),
    }
}

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
        notes.extend(last_words(&stopped.log).map(|words| note(Severity::Info, &words)));
    }
    // A server that was lost leaves nothing to stop in order.
    if !evidence.server_lost {
        notes.extend(stopped.problems.iter().map(|problem| note(Severity::Warning, problem)));
    }
    notes.extend(replayed.iter().map(|each| of_replayed(loaded, each)));
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

/// Why it went, if its log says: the log goes with the server.
fn last_words(log: &str) -> Option<String> {
    const REASONS: [&str; 6] =
        ["PANIC:", "FATAL:", "terminated by", "shutdown request", "No space left", "ut of memory"];
    /// What it answered to those who asked whether it still lives.
    const ANSWER: &str = "the database system is ";
    const MOST: usize = 3;
    let tells =
        |line: &&str| !line.contains(ANSWER) && REASONS.iter().any(|reason| line.contains(reason));
    let mut lines: Vec<&str> = Vec::new();
    for line in log.lines().filter(tells) {
        // What stands before the level is when, and in which process.
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

fn of_plan(loaded: &Loaded) -> Vec<v1::Note> {
    let mut notes = of_base(loaded);
    let pending: usize = loaded.plan.tracks().map(TrackPlan::pending).sum();
    let changes = changes(&loaded.plan);
    // What the tool does not notice is a check's business.
    let changed: Vec<&String> =
        changes.iter().filter(|(noticed, _)| *noticed).map(|(_, change)| change).collect();
    match (pending, changes.len()) {
        (0, 0) => notes.push(note(
            Severity::Info,
            "no migration is pending: head and base have the same migrations; all of them were replayed on empty databases",
        )),
        (0, _) => notes.push(note(Severity::Warning, "no migration is pending")),
        _ => {}
    }
    if !changed.is_empty() {
        const SHOWN: usize = 5;
        let more = changed.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        notes.push(note(
            Severity::Warning,
            &format!(
                "migrations of the base were changed: {}{more}. The change has no effect where they have already been \
                 applied; add a new migration instead",
                changed.iter().take(SHOWN).map(|change| change.as_str()).collect::<Vec<_>>().join(", ")
            ),
        ));
    }
    let by_mig_ci = loaded.plan.tracks().filter(|track| track.deploy == Deploy::MigCi);
    notes.extend(by_mig_ci.map(|track| {
        let words = "was replayed as `mig-ci upgrade` runs it (deploy = \"mig-ci\"), not as its format's tool does";
        note(Severity::Info, &format!("{} {words}", track.directory))
    }));
    let allowed = loaded.plan.tracks().flat_map(TrackPlan::allowed_directions);
    notes.extend(allowed.map(|text| note(Severity::Warning, &text)));
    for database in &loaded.plan.databases {
        let samples =
            database.units.iter().filter(|unit| matches!(unit.start, StartingState::Sample(_)));
        if database.tenants.is_none() && samples.clone().count() == 0 {
            let name = &database.name;
            let text = format!("no sample for `{name}`: its migrations ran on empty tables");
            notes.push(note(Severity::Info, &text));
        }
        if database.tenants.is_some() && samples.count() == 0 {
            notes.push(note(
                Severity::Warning,
                &format!(
                    "database `{}` has no sample tenants: only empty tenants and one created by the base's migrations were \
                     replayed, without data",
                    database.name
                ),
            ));
        }
    }
    notes
}

/// What makes the base another one than was meant.
fn of_base(loaded: &Loaded) -> Vec<v1::Note> {
    let Revisions { base, .. } = &loaded.revisions;
    let Some(revision) = &base.revision else {
        let text =
            format!("there is no base ({}), so every migration counts as pending", base.reason);
        return vec![note(Severity::Warning, &text)];
    };
    let name = &revision.name;
    let lacks = match base.lacking {
        BaseDivergence::Commits(1) => Some(format!("HEAD does not contain 1 commit of {name}")),
        BaseDivergence::Commits(commits) => {
            Some(format!("HEAD does not contain {commits} commits of {name}"))
        }
        BaseDivergence::Unknown if has_removed(&loaded.plan) => Some(format!(
            "HEAD may not contain all commits of {name}; this shallow clone cannot show it"
        )),
        BaseDivergence::Unknown | BaseDivergence::Nothing => None,
    };
    let advice = |lacks| {
        format!(
            "{lacks}. `--base` compares with exactly {name}, so its newer migrations count as removed; rebase, or omit \
             --base to compare with the merge base"
        )
    };
    let moved =
        loaded.plan.tracks().filter(|track| track.base.is_empty() && !track.head.is_empty());
    let moved = moved.map(|track| {
        format!(
            "the base ({name}) has no migrations in {}: if the folder was moved, edited migrations are not detected, and \
             every migration counts as pending",
            track.directory
        )
    });
    lacks.map(advice).into_iter().chain(moved).map(|text| note(Severity::Warning, &text)).collect()
}

fn has_removed(plan: &ReplayPlan) -> bool {
    plan.tracks().flat_map(TrackPlan::states).any(|(_, state)| state == MigrationState::Removed)
}

/// Migrations of the base that the head has otherwise, or has no more, and whether the tool's checksums tell it.
fn changes(plan: &ReplayPlan) -> Vec<(bool, String)> {
    let states = plan.tracks().flat_map(TrackPlan::states);
    let changed = states.filter_map(|(migration, state)| {
        let change = match state {
            MigrationState::Edited => format!("{} (edited)", migration.up.path()),
            MigrationState::Removed => format!("{} (removed)", migration.up.path()),
            MigrationState::Base | MigrationState::Pending => return None,
        };
        Some((migration.checksum.is_some(), change))
    });
    changed.collect()
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

fn note(severity: Severity, message: &str) -> v1::Note {
    let severity = match severity {
        Severity::Info => v1::Severity::Info,
        Severity::Warning => v1::Severity::Warning,
        Severity::Error => v1::Severity::Error,
    };
    v1::Note { severity, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::last_words;

    #[test]
    fn a_servers_last_words_are_those_that_tell_why() {
        let log = "2026-01-02 03:04:05.678 UTC [7] LOG:  database system is ready to accept connections\n\
                   2026-01-02 03:04:06.678 UTC [8] ERROR:  relation \"x\" does not exist\n\
                   2026-01-02 03:04:06.678 UTC [8] STATEMENT:  ALTER ROLE me PASSWORD 'secret'\n\
                   2026-01-02 03:04:07.678 UTC [9] PANIC:  could not write to file: No space left on device\n\
                   2026-01-02 03:04:07.679 UTC [7] LOG:  server process (PID 9) was terminated by signal 6\n\
                   2026-01-02 03:04:07.680 UTC [11] FATAL:  the database system is in recovery mode\n";
        assert_eq!(
            last_words(log).unwrap(),
            "the end of the server's log: PANIC:  could not write to file: No space left on device; \
             LOG:  server process (PID 9) was terminated by signal 6"
        );
        assert_eq!(last_words("LOG:  all is well"), None);
    }
}
