//! Files next to migrations and samples that nothing reads, although they look like migrations or samples.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use crate::model::{Database, Files, FilesError, Project, TrackKind, UnreadFile};
use crate::replay::plan::{ReplayPlan, TrackPlan};

/// Extensions of files that are never SQL: code, configuration, prose. In lower case.
const OTHER_ENDINGS: [&str; 27] = [
    "md", "rst", "adoc", "html", "toml", "yaml", "yml", "json", "xml", "lock", "ini", "conf",
    "cfg", "env", "sh", "rs", "go", "py", "pyc", "js", "ts", "rb", "php", "java", "kt", "ex",
    "exs",
];
/// Extensions of files that editors and merges leave.
const BACKUP_ENDINGS: [&str; 5] = ["swp", "swo", "orig", "rej", "tmp"];
/// Extensions of dumps. In lower case.
const DUMP_ENDINGS: [&str; 7] = ["dump", "backup", "pgdump", "zst", "xz", "bz2", "zip"];

const IN_A_FOLDER: &str = "is in a folder that the format does not search";
const UPPER_CASE: &str = "does not have the extension `.sql` in lower case";
const OTHER_ENDING: &str = "does not have the extension `.sql`";
const NOT_OF_THE_FORMAT: &str = "does not have the name of a migration in this format";
const NO_PATTERN: &str = "does not match any pattern of `samples`";

/// All of them in the tracks of the plan.
pub(super) fn files_not_read(
    project: &Project,
    plan: &ReplayPlan,
    files: &dyn Files,
) -> Result<Vec<UnreadFile>, FilesError> {
    let known = ReadPaths::of(project);
    let mut unread = Vec::new();
    for planned in &plan.databases {
        let Some(database) = project.databases.iter().find(|one| *one.name == *planned.name) else {
            continue;
        };
        // A revision may read any file beside it, and Alembic's own rules say which files are revisions.
        let tracks = planned.shared.iter().chain(&planned.tenants);
        for track in tracks.filter(|track| track.alembic.is_none()) {
            unread.extend(of_track(&database.name, track, &known, files)?);
        }
        unread.extend(of_samples(database, &known, files)?);
    }
    Ok(unread)
}

/// Paths from which the project is read.
struct ReadPaths<'a> {
    files: BTreeSet<&'a Utf8Path>,
    folders: BTreeSet<&'a Utf8Path>,
}

impl<'a> ReadPaths<'a> {
    fn of(project: &'a Project) -> Self {
        let mut files: BTreeSet<&Utf8Path> = project.prepare.iter().map(|path| &**path).collect();
        let mut folders = BTreeSet::new();
        for database in &project.databases {
            files.extend(database.prepare.iter().map(|path| &**path));
            for (_, track) in database.tracks() {
                folders.insert(&*track.migrations);
                files.extend(track.sample.iter().map(|sample| &*sample.path));
            }
            if let Some(tenants) = &database.tenants {
                files.extend(tenants.prepare.iter().map(|path| &**path));
                files.extend(tenants.samples.iter().map(|sample| &*sample.path));
            }
        }
        Self { files, folders }
    }
}

fn of_track(
    database: &str,
    track: &TrackPlan,
    known: &ReadPaths<'_>,
    files: &dyn Files,
) -> Result<Vec<UnreadFile>, FilesError> {
    let paths = |migrations: &'_ [crate::model::Migration]| -> BTreeSet<Utf8PathBuf> {
        let scripts = migrations.iter().flat_map(|one| [Some(&one.up), one.down.as_ref()]);
        scripts.flatten().map(|script| script.path().to_owned()).collect()
    };
    let (read, read_by_base) = (paths(&track.head), paths(&track.base));
    // A folder inside this one that belongs to another track.
    let others: Vec<&Utf8Path> = known
        .folders
        .iter()
        .filter(|folder| **folder != track.directory && folder.starts_with(&track.directory))
        .copied()
        .collect();
    let mut unread = Vec::new();
    for path in files.list(&track.directory)? {
        let is_known = read.contains(&path)
            || known.files.contains(&*path)
            || others.iter().any(|folder| path.starts_with(folder));
        let is_read_by_base = read_by_base.contains(&path);
        if is_known || !(is_read_by_base || looks_like_a_migration(&path)) {
            continue;
        }
        let reason = reason(&track.directory, &path);
        let database = database.to_owned();
        unread.push(UnreadFile { database, track: track.kind, path, reason, is_read_by_base });
    }
    Ok(unread)
}

fn reason(directory: &Utf8Path, path: &Utf8Path) -> &'static str {
    let ending = path.extension().unwrap_or_default();
    if ending != "sql" {
        return if ending.eq_ignore_ascii_case("sql") { UPPER_CASE } else { OTHER_ENDING };
    }
    if path.parent() == Some(directory) { NOT_OF_THE_FORMAT } else { IN_A_FOLDER }
}

/// By its extension, or by a version at the beginning of its name.
fn looks_like_a_migration(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_lowercase();
    if is_of_no_interest(&name) {
        return false;
    }
    let endings: Vec<&str> = name.split('.').skip(1).map(str::trim).collect();
    let is_sql = endings.iter().any(|ending| {
        matches!(*ending, "sql" | "psql" | "pgsql" | "ddl" | "dml") || ending.starts_with("sql~")
    });
    let is_numbered =
        name.trim_start_matches(['v', 'u', 'r']).starts_with(|c: char| c.is_ascii_digit());
    is_sql || is_numbered
}

/// Dotfiles, files of editors, prose and code. In lower case.
fn is_of_no_interest(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_prose = ["readme", "license", "changelog", "makefile", "dockerfile"];
    is_hidden(name)
        || name.starts_with('#')
        || name.ends_with('~')
        || BACKUP_ENDINGS.contains(&ending)
        || OTHER_ENDINGS.contains(&ending)
        || is_prose.iter().any(|word| name.starts_with(word))
}

/// A file that begins with a dot and is not SQL. SQL files with a leading dot are reported: tools do not read them. Files that
/// editors and macOS create next to others are hidden.
fn is_hidden(name: &str) -> bool {
    let of_programs = ["._", ".#"].iter().any(|begin| name.starts_with(begin));
    name.starts_with('.') && (of_programs || !name.ends_with(".sql"))
}

/// Next to the samples that are read.
fn of_samples(
    database: &Database,
    known: &ReadPaths<'_>,
    files: &dyn Files,
) -> Result<Vec<UnreadFile>, FilesError> {
    let Some(tenants) = &database.tenants else { return Ok(Vec::new()) };
    let folders: BTreeSet<&Utf8Path> =
        tenants.samples.iter().filter_map(|sample| sample.path.parent()).collect();
    let mut unread: BTreeMap<Utf8PathBuf, UnreadFile> = BTreeMap::new();
    for folder in folders.into_iter().filter(|folder| !folder.as_str().is_empty()) {
        for path in files.list(folder)? {
            let is_of_track = known.folders.iter().any(|track| path.starts_with(track));
            if known.files.contains(&*path) || is_of_track || !looks_like_a_sample(&path) {
                continue;
            }
            let file = UnreadFile {
                database: database.name.clone(),
                track: TrackKind::Tenant,
                path: path.clone(),
                reason: NO_PATTERN,
                is_read_by_base: false,
            };
            unread.insert(path, file);
        }
    }
    Ok(unread.into_values().collect())
}

fn looks_like_a_sample(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_lowercase();
    let mut endings = name.split('.').skip(1).map(str::trim);
    !is_of_no_interest(&name)
        && endings.any(|ending| {
            matches!(ending, "sql" | "psql" | "pgsql" | "gz") || DUMP_ENDINGS.contains(&ending)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_like_a_migration() {
        for name in [
            "m/v2/2.sql",
            "m/3_x.SQL",
            "m/4.sql.bak",
            "m/5.psql",
            "m/0006_x.txt",
            "m/7_x",
            "m/V8__x.sq",
            "m/9.sql.gz",
            "m/notes.Sql",
            "m/10.sql ",
            "m/.11_x.sql",
        ] {
            assert!(looks_like_a_migration(name.into()), "{name}");
        }
        for name in [
            "m/README.md",
            "m/README",
            "m/.gitkeep",
            "m/.1.sql.swp",
            "m/._1_x.sql",
            "m/.#1_x.sql",
            "m/1.sql~",
            "m/1.sql.swp",
            "m/#1.sql#",
            "m/embed.go",
            "m/1_x.py",
            "m/atlas.sum",
            "m/sqlx.toml",
            "m/notes.txt",
            "m/LICENSE",
            "m/1.sql.orig",
            "m/Makefile",
        ] {
            assert!(!looks_like_a_migration(name.into()), "{name}");
        }
    }

    #[test]
    fn names_that_look_like_a_sample() {
        for name in ["s/a.SQL", "s/a.sql.zst", "s/a.dump", "s/a.sql.bak", "s/x/a.sql", "s/a.gz"] {
            assert!(looks_like_a_sample(name.into()), "{name}");
        }
        for name in ["s/README.md", "s/make.sh", "s/.a.sql.swp", "s/a.csv", "s/a.sql~"] {
            assert!(!looks_like_a_sample(name.into()), "{name}");
        }
    }
}
