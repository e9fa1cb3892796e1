//! golang-migrate: `migrate up`. Rules from `golang-migrate/migrate` v4: `source/{parse,migration}.go`, `migrate.go`,
//! `database/postgres/postgres.go`.
//!
//! - Files: `^([0-9]+)_(.*)\.(down|up)\.(.*)$`, whatever their last extension, in the directory itself; the version is a
//!   64-bit number. Everything else is ignored. Two files for one version and direction are an error. A version that has
//!   a down file alone is applied too: it does nothing.
//! - The ledger is `schema_migrations`, in the session's first schema when the tool starts. It holds **one** row, the
//!   current version: only greater ones are applied, and an older file that comes late never is. Nobody says so.
//! - Around each migration the row is replaced (`TRUNCATE`, `INSERT`, in a transaction): first by one that is `dirty`,
//!   afterwards by one that is not. A dirty row stops the tool, and so does a current version that has no file.
//! - A file is sent as one message, without a transaction of its own: its statements share an implicit one, and
//!   `CREATE INDEX CONCURRENTLY` has to be alone in its file. An empty file is not sent.
//!
//! For real databases a step and its row are one transaction where the script allows that: see `at_once.rs`.
//! (`x-multi-statement=true`, which cuts files at every semicolon, is not followed.)

mod at_once;
mod down;
mod next;
mod version;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::LazyLock;
use std::time::SystemTime;

use regex::Regex;

use super::ledger::parse_name;
use super::{
    BegunMark, Decision, Detection, Directory, DownDecision, DownRefusal, DownTo, Format,
    FormatError, Ledger, LedgerRow, MigrationName, NewFile, QueryBatch,
};
use crate::model::{Migration, Script};
use version::{current, history, set_version, stands_at, version_is};

const TABLE: &str = "schema_migrations";

static NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^([0-9]+)_(.*)\.(down|up)\.(.*)$").expect("internal error: golang-migrate's name")
});

#[derive(Debug)]
pub(crate) struct GolangMigrate;

impl Format for GolangMigrate {
    fn name(&self) -> &'static str {
        "golang-migrate"
    }

    fn detect(&self, directory: &Directory<'_>) -> Result<Detection, FormatError> {
        let names = directory.names()?;
        let Some(name) = names.iter().find(|name| GolangFile::parse(name).is_some()) else {
            return Ok(Detection::No);
        };
        if let Some((path, text)) = directory.beside("go.mod")?
            && text.contains("golang-migrate/migrate")
        {
            return Ok(Detection::Certain(format!("`{path}` names golang-migrate")));
        }
        Ok(Detection::Possible(format!("`{name}` has a name of golang-migrate's form")))
    }

    fn stem<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.rsplit_once(".up.").map(|(stem, _)| stem)
    }

    fn load(&self, directory: &Directory<'_>) -> Result<Vec<Migration>, FormatError> {
        let names = directory.names()?;
        let mut files: BTreeMap<(u64, FileDirection), GolangFile<'_>> = BTreeMap::new();
        for file in names.iter().filter_map(|name| GolangFile::parse(name)) {
            match files.entry((file.version, file.direction)) {
                Entry::Vacant(free) => {
                    free.insert(file);
                }
                Entry::Occupied(other) => {
                    return Err(FormatError::File {
                        path: directory.join(file.name),
                        line: None,
                        problem: format!("duplicate migration file: {}", file.name),
                        help: Some(format!("`{}` has the same version", other.get().name)),
                    });
                }
            }
        }
        let mut versions: Vec<u64> = files.keys().map(|(version, _)| *version).collect();
        versions.dedup();
        let migration = |version| {
            let up = files.get(&(version, FileDirection::Up));
            let down = files.get(&(version, FileDirection::Down));
            migration(directory, up, down)
        };
        let migrations: Vec<_> = versions
            .into_iter()
            .filter_map(|version| migration(version).transpose())
            .collect::<Result<_, _>>()?;
        if migrations.is_empty() {
            return Err(directory.no_migrations("none has a name such as `1_create_users.up.sql`"));
        }
        Ok(migrations)
    }

    fn ledger(&self, directory: &Directory<'_>, schema: &str) -> Result<Ledger, FormatError> {
        match directory.ledger {
            None => Ok(Ledger::new(schema, TABLE)),
            // As with `x-migrations-table-quoted`.
            Some(quoted) if quoted.starts_with('"') => match parse_name(quoted) {
                Some((explicit, table)) => {
                    Ok(Ledger::new(explicit.unwrap_or_else(|| schema.to_owned()), table))
                }
                None => {
                    Err(directory.no_ledger(quoted, "`table`, or `\"schema\".\"table\"` in quotes"))
                }
            },
            Some(table) => Ok(Ledger::new(schema, table)),
        }
    }

    fn ensure_ledger(&self, ledger: &Ledger) -> Vec<QueryBatch> {
        vec![QueryBatch::tool(format!(
            "CREATE TABLE IF NOT EXISTS {} (version bigint not null primary key, dirty boolean not null)",
            ledger.qualified()
        ))]
    }

    fn ledger_rows(&self, ledger: &Ledger) -> String {
        format!(
            "SELECT version::text AS version, NULL::bytea AS checksum, NOT dirty AS complete FROM {} LIMIT 1",
            ledger.qualified()
        )
    }

    fn history<'r>(&self, rows: &'r [LedgerRow], migrations: &[Migration]) -> Cow<'r, [LedgerRow]> {
        history(rows, migrations)
    }

    fn decide(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Decision {
        let Some(row) = current(rows) else {
            return Decision { apply: (0..migrations.len()).collect(), ..Decision::default() };
        };
        match stands_at(row, migrations) {
            Ok(at) => Decision {
                apply: (at + 1..migrations.len()).collect(),
                passed_over: (0..at).collect(),
                ..Decision::default()
            },
            Err((refusal, refused)) => {
                Decision { refusal: Some(refusal), refused, ..Decision::default() }
            }
        }
    }

    fn apply(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        apply(migration, ledger)
    }

    fn apply_atomic(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        at_once::apply(migration, ledger)
    }

    fn clear_begun_mark(&self, mark: &BegunMark<'_>, ledger: &Ledger) -> Option<QueryBatch> {
        at_once::take_back_mark(mark, ledger)
    }

    fn decide_down(
        &self,
        rows: &[LedgerRow],
        migrations: &[Migration],
        to: &DownTo,
    ) -> Result<DownDecision, DownRefusal> {
        down::decide(rows, migrations, to)
    }

    fn revert(
        &self,
        migration: &Migration,
        below: Option<&Migration>,
        ledger: &Ledger,
    ) -> Vec<QueryBatch> {
        down::revert(migration, below, ledger)
    }

    fn revert_atomic(
        &self,
        migration: &Migration,
        below: Option<&Migration>,
        ledger: &Ledger,
    ) -> Vec<QueryBatch> {
        at_once::revert(migration, below, ledger)
    }

    fn keeps_one_row(&self) -> bool {
        true
    }

    fn in_doubt(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Vec<usize> {
        version::in_doubt(rows, migrations)
    }

    fn recovery_hint(
        &self,
        rows: &[LedgerRow],
        migrations: &[Migration],
        ledger: &Ledger,
    ) -> Option<String> {
        at_once::way_on(rows, migrations, ledger)
    }

    fn next_files(
        &self,
        directory: &Directory<'_>,
        slug: &MigrationName,
        now: SystemTime,
    ) -> Result<Vec<NewFile>, FormatError> {
        next::files(directory, slug, now)
    }

    fn is_applied_expr(&self, migration: &Migration, ledger: &Ledger) -> String {
        format!(
            "EXISTS (SELECT FROM {} WHERE version >= {} AND NOT dirty)",
            ledger.qualified(),
            migration.version
        )
    }

    fn stamp(&self, migrations: &[&Migration], ledger: &Ledger) -> String {
        let stands_after = |last: &&Migration| version_is(&last.version, false, ledger) + ";";
        migrations.last().map(stands_after).unwrap_or_default()
    }
}

fn apply(migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
    let mut messages = vec![set_version(&migration.version, true, ledger)];
    if !migration.up.text().trim().is_empty() {
        messages.push(QueryBatch::script(migration.up.clone()));
    }
    messages.push(set_version(&migration.version, false, ledger));
    messages
}

/// A version's migration, from its two files; nothing if it has none.
fn migration(
    directory: &Directory<'_>,
    up: Option<&GolangFile<'_>>,
    down: Option<&GolangFile<'_>>,
) -> Result<Option<Migration>, FormatError> {
    let script = |file: &GolangFile<'_>| -> Result<Script, FormatError> {
        Ok(Script::whole(directory.join(file.name), directory.text(file.name)?))
    };
    let Some(file) = up.or(down) else { return Ok(None) };
    let down = down.map(script).transpose()?;
    let up = match (up, &down) {
        (Some(up), _) => script(up)?,
        (None, Some(down)) => down.section(0..0),
        (None, None) => return Ok(None),
    };
    Ok(Some(Migration {
        version: file.version.to_string(),
        description: file.description.replace('_', " "),
        up,
        down,
        in_transaction: false,
        down_in_transaction: false,
        checksum: None,
    }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FileDirection {
    Up,
    Down,
}

/// A file's name, taken apart.
#[derive(Debug)]
struct GolangFile<'n> {
    name: &'n str,
    version: u64,
    description: &'n str,
    direction: FileDirection,
    extension: &'n str,
}

impl<'n> GolangFile<'n> {
    /// `None` for a file that golang-migrate ignores; so does it with a version that has too many digits.
    fn parse(name: &'n str) -> Option<Self> {
        let parts = NAME.captures(name)?;
        let part = |index| parts.get(index).map(|part| part.as_str());
        Some(Self {
            name,
            version: part(1)?.parse().ok()?,
            description: part(2)?,
            direction: if part(3)? == "up" { FileDirection::Up } else { FileDirection::Down },
            extension: part(4)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::testing::{directory, rows, texts};
    use crate::model::MemoryFiles;

    fn load(names: &[&str]) -> Result<Vec<Migration>, FormatError> {
        let files = MemoryFiles::new(names.iter().map(|name| (format!("m/{name}"), *name)));
        GolangMigrate.load(&directory(&files, "m"))
    }

    #[test]
    fn names_are_paired_by_version_and_ordered_by_number() {
        let migrations = load(&[
            "10_b.up.sql",
            "9_a_c.up.pgsql",
            "09_x.down.sql",
            "8_.up.",
            "7_only.down.sql",
            "1_a.sql",
            "x_1.up.sql",
            "99999999999999999999_x.up.sql",
            "sub/1_a.up.sql",
        ])
        .unwrap();
        let found: Vec<_> = migrations
            .iter()
            .map(|m| {
                let down = m.down.as_ref().map(|down| down.path().as_str());
                (m.version.as_str(), m.description.as_str(), m.up.text(), down)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("7", "only", "", Some("m/7_only.down.sql")),
                ("8", "", "8_.up.", None),
                ("9", "a c", "9_a_c.up.pgsql", Some("m/09_x.down.sql")),
                ("10", "b", "10_b.up.sql", None),
            ]
        );
        assert!(migrations.iter().all(|migration| !migration.in_transaction));
    }

    #[test]
    fn the_last_direction_in_a_name_counts() {
        let file = GolangFile::parse("1_a.up.b.down.sql").unwrap();
        assert_eq!((file.description, file.direction), ("a.up.b", FileDirection::Down));
    }

    #[test]
    fn duplicates_are_an_error() {
        let error = load(&["1_a.up.sql", "01_b.up.sql"]).unwrap_err();
        assert_eq!(error.to_string(), "m/1_a.up.sql: duplicate migration file: 1_a.up.sql");
        assert_eq!(error.help(), Some("`01_b.up.sql` has the same version"));
    }

    #[test]
    fn without_migrations_there_is_an_error() {
        assert!(matches!(load(&["1_a.sql"]), Err(FormatError::NoMigrations { .. })));
    }

    #[test]
    fn the_ledger_is_in_the_first_schema() {
        let files = MemoryFiles::default();
        let ledger = |name| {
            let directory = Directory { ledger: name, ..directory(&files, "m") };
            GolangMigrate.ledger(&directory, "t").map(|ledger| ledger.qualified())
        };
        assert_eq!(ledger(None).unwrap(), "\"t\".\"schema_migrations\"");
        assert_eq!(ledger(Some("a.b")).unwrap(), "\"t\".\"a.b\"", "as the tool reads it");
        assert_eq!(ledger(Some("\"a\".\"b\"")).unwrap(), "\"a\".\"b\"");
        assert!(ledger(Some("\"a\".\"b\".\"c\"")).is_err());
    }

    #[test]
    fn decisions_follow_the_one_row() {
        let migrations = load(&["1_a.up.sql", "2_b.up.sql", "3_c.up.sql"]).unwrap();
        let decide = |rows: &[LedgerRow]| GolangMigrate.decide(rows, &migrations);
        assert_eq!(decide(&[]).apply, [0, 1, 2]);
        assert_eq!(
            decide(&rows([("2", None)])),
            Decision { apply: vec![2], passed_over: vec![0], ..Decision::default() }
        );
        assert_eq!(decide(&rows([("3", None)])).apply, Vec::<usize>::new());
        assert_eq!(
            decide(&rows([("4", None)])).refusal.unwrap(),
            "no migration found for version 4: read down for version 4 .: file does not exist"
        );
        let dirty = LedgerRow { version: "2".into(), checksum: None, complete: false };
        assert_eq!(
            decide(&[dirty]),
            Decision {
                refusal: Some("Dirty database version 2. Fix and force version.".into()),
                refused: Some(1),
                ..Decision::default()
            }
        );
    }

    #[test]
    fn the_script_stands_between_two_rows() {
        let migrations = load(&["1_a.up.sql", "2_b.down.sql"]).unwrap();
        let ledger = Ledger::new("t", "l");
        let row = |version, dirty| {
            format!(
                "BEGIN READ WRITE; TRUNCATE \"t\".\"l\"; INSERT INTO \"t\".\"l\" (version, dirty) VALUES ({version}, \
                 {dirty}); COMMIT"
            )
        };
        let messages = GolangMigrate.apply(&migrations[0], &ledger);
        assert_eq!(texts(&messages), [row(1, true), "1_a.up.sql".into(), row(1, false)]);
        assert!(messages[2].demand().is_some_and(|demand| !demand.in_transaction));
        assert_eq!(
            texts(&GolangMigrate.apply(&migrations[1], &ledger)),
            [row(2, true), row(2, false)]
        );
        let all: Vec<_> = migrations.iter().collect();
        assert!(GolangMigrate.stamp(&all, &ledger).ends_with("VALUES (2, false);"));
        assert_eq!(GolangMigrate.stamp(&[], &ledger), "");
    }

    #[test]
    fn go_mod_makes_it_certain() {
        let detect = |files: &[(&str, &str)]| {
            GolangMigrate.detect(&directory(&MemoryFiles::new(files.iter().copied()), "m")).unwrap()
        };
        assert!(matches!(detect(&[("m/1_a.up.sql", "")]), Detection::Possible(_)));
        assert_eq!(detect(&[("m/1_a.sql", "")]), Detection::No);
        assert_eq!(
            detect(&[
                ("m/1_a.up.sql", ""),
                ("go.mod", "\tgithub.com/golang-migrate/migrate/v4 v4.1\n")
            ]),
            Detection::Certain("`go.mod` names golang-migrate".into())
        );
    }
}
