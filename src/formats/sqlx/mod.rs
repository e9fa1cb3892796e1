//! sqlx: `sqlx migrate run` and `sqlx::migrate!()`. Rules from sqlx 0.9.0, `sqlx-core/src/migrate/` and
//! `sqlx-postgres/src/migrate.rs`.
//!
//! - Files: `<version>_<description>.sql`, in the directory itself; `.up.sql` and `.down.sql` for reversible ones. The
//!   version is an `i64`; a name with `_` and `.sql` whose first part is no integer breaks the directory. Everything else
//!   is ignored. Sorted by version alone; a version that comes twice is applied twice, and the ledger's key stops it.
//!   (Two files with the same version and kind come in the order of the file system there, by name here. A version that
//!   has a down file alone counts as present there; here it is not seen.)
//! - A file that *begins with* `-- no-transaction`, at its first byte, runs outside of a transaction: as one message, so
//!   two statements still share an implicit one.
//! - The ledger is `_sqlx_migrations`, wherever the search path leads; `sqlx.toml` may name another. The row is written in
//!   the script's transaction. Its checksum is the SHA-384 of the text, less the `ignored-chars`.
//! - It refuses a ledger with an unfinished migration, then one with a version that has no file; and when it comes to an
//!   applied file that has been changed it stops there, *after* having applied what was pending before. Older pending
//!   files are applied without a word.
//!
//! sqlx writes `execution_time = -1` and updates it after the commit. Here the row has its time (in nanoseconds) at once;
//! outside of a transaction, where SQL cannot know the beginning, it is 0.

mod down;
mod file;
mod next;

use std::collections::BTreeSet;
use std::time::SystemTime;

use sha2::{Digest as _, Sha384};

use file::{SqlxFile, SqlxFileKind};

use super::ledger::{by_version, parse_name};
use super::sqlx_toml::settings;
use super::step::{PLAIN, in_transaction};
use super::{
    ClientLibrary, Decision, Detection, Directory, DownDecision, DownRefusal, DownTo, Format,
    FormatError, Ledger, LedgerRow, MigrationName, NewFile, QueryBatch, dbmate, unsupported,
};
use crate::model::{Migration, Script};
use crate::sql::{quote_bytes, quote_literal};

const TABLE: &str = "_sqlx_migrations";

#[derive(Debug)]
pub(crate) struct Sqlx;

impl Format for Sqlx {
    fn name(&self) -> &'static str {
        "sqlx"
    }

    fn client(&self) -> ClientLibrary {
        ClientLibrary::Sqlx
    }

    fn detect(&self, directory: &Directory<'_>) -> Result<Detection, FormatError> {
        let names = directory.sql_names()?;
        let files: Vec<_> = names.iter().filter_map(|name| SqlxFile::parse(name)?.ok()).collect();
        if files.is_empty() {
            return Ok(Detection::No);
        }
        // Marks in the files say more than a dependency beside them: the crate is not only there to migrate.
        if dbmate::marked(directory)?.is_none()
            && unsupported::marked(directory)?.is_none()
            && let Some(reason) = hint(directory)?
        {
            return Ok(Detection::Certain(reason));
        }
        // A number, `_` and a name are everybody's.
        Ok(files.iter().find(|file| file.kind != SqlxFileKind::Simple).map_or(
            Detection::No,
            |file| {
                Detection::Possible(format!(
                    "`{}` has the name of a reversible sqlx migration",
                    file.name
                ))
            },
        ))
    }

    fn stem<'n>(&self, name: &'n str) -> Option<&'n str> {
        let stem = name.strip_suffix(".sql")?;
        Some(stem.strip_suffix(".up").unwrap_or(stem))
    }

    fn load(&self, directory: &Directory<'_>) -> Result<Vec<Migration>, FormatError> {
        let settings = settings(directory)?;
        let names = directory.sql_names()?;
        let mut files = Vec::new();
        for name in &names {
            match SqlxFile::parse(name) {
                None => {}
                Some(Ok(file)) => files.push(file),
                Some(Err(problem)) => {
                    return Err(FormatError::File {
                        path: directory.join(name),
                        line: None,
                        problem,
                        help: Some(
                            "sqlx refuses the whole directory: rename or move the file".into(),
                        ),
                    });
                }
            }
        }
        files.sort_by_key(|file| (file.version, file.kind));
        let mut migrations = Vec::new();
        for file in files.iter().filter(|file| file.kind != SqlxFileKind::Down) {
            let up = file.script(directory)?;
            let is_its_down = |other: &&SqlxFile| {
                other.kind == SqlxFileKind::Down && other.version == file.version
            };
            let down =
                files.iter().find(is_its_down).map(|down| down.script(directory)).transpose()?;
            migrations.push(Migration {
                version: file.version.to_string(),
                description: file.description.clone(),
                in_transaction: !opts_out(&up),
                down_in_transaction: !down.as_ref().is_some_and(opts_out),
                checksum: Some(checksum(up.text(), &settings.ignored_chars)),
                up,
                down,
            });
        }
        if migrations.is_empty() {
            return Err(directory.no_migrations("none has a name such as `1_create_users.sql`"));
        }
        Ok(migrations)
    }

    fn ledger(&self, directory: &Directory<'_>, schema: &str) -> Result<Ledger, FormatError> {
        let settings = settings(directory)?;
        let named = directory.ledger.or(settings.table_name.as_deref()).unwrap_or(TABLE);
        let Some((explicit, table)) = parse_name(named) else {
            return Err(directory.no_ledger(named, "`table` or `schema.table`, as in SQL"));
        };
        Ok(Ledger {
            schema: explicit.unwrap_or_else(|| schema.to_owned()),
            table,
            named: named.to_owned(),
            schemas: settings.create_schemas.into_iter().collect(),
        })
    }

    fn ensure_ledger(&self, ledger: &Ledger) -> Vec<QueryBatch> {
        let schemas =
            ledger.schemas.iter().map(|schema| format!("CREATE SCHEMA IF NOT EXISTS {schema};"));
        let table = format!(
            "CREATE TABLE IF NOT EXISTS {} (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
             installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, \
             checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL);",
            ledger.named
        );
        schemas.chain([table]).map(QueryBatch::tool).collect()
    }

    fn ledger_rows(&self, ledger: &Ledger) -> String {
        format!(
            "SELECT version::text AS version, checksum, success AS complete FROM {} \
             ORDER BY {0}.version",
            ledger.qualified()
        )
    }

    fn decide(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Decision {
        if let Some((refusal, refused)) = refusal_of_ledger(rows, migrations) {
            return Decision { refusal: Some(refusal), refused, ..Decision::default() };
        }
        let rows = by_version(rows);
        let mut decision = Decision::default();
        for (index, migration) in migrations.iter().enumerate() {
            match rows.get(migration.version.as_str()) {
                None => decision.apply.push(index),
                Some(row) if row.checksum != migration.checksum => {
                    decision.refusal = Some(format!(
                        "migration {} was previously applied but has been modified",
                        migration.version
                    ));
                    decision.refused = Some(index);
                    break;
                }
                Some(_) => {}
            }
        }
        decision
    }

    fn apply(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        let row = |time: &str| format!("INSERT INTO {} {}", ledger.named, values(migration, time));
        if migration.in_transaction {
            let time = "(extract(epoch FROM clock_timestamp() - now()) * 1000000000)::bigint";
            in_transaction(&PLAIN, &migration.up, row(time))
        } else {
            vec![QueryBatch::script(migration.up.clone()), QueryBatch::tool(row("0"))]
        }
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
        _below: Option<&Migration>,
        ledger: &Ledger,
    ) -> Vec<QueryBatch> {
        down::revert(migration, ledger)
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
            "EXISTS (SELECT FROM {} WHERE version = {} AND success)",
            ledger.qualified(),
            migration.version
        )
    }

    fn stamp(&self, migrations: &[&Migration], ledger: &Ledger) -> String {
        let insert = |migration: &&Migration| {
            let ledger = ledger.qualified();
            format!("INSERT INTO {ledger} {} ON CONFLICT DO NOTHING;", values(migration, "-1"))
        };
        migrations.iter().map(insert).collect::<Vec<_>>().join("\n")
    }
}

/// Why sqlx does not even begin with such a ledger, and the migration that it is about.
fn refusal_of_ledger(
    rows: &[LedgerRow],
    migrations: &[Migration],
) -> Option<(String, Option<usize>)> {
    if let Some(dirty) = rows.iter().find(|row| !row.complete) {
        let version = &dirty.version;
        let refusal = format!(
            "migration {version} is partially applied; fix and remove row from `{TABLE}` table"
        );
        return Some((refusal, migrations.iter().position(|file| file.version == *version)));
    }
    let files: BTreeSet<&str> = migrations.iter().map(|file| file.version.as_str()).collect();
    let missing = rows.iter().find(|row| !files.contains(row.version.as_str()))?;
    let refusal = format!(
        "migration {} was previously applied but is missing in the resolved migrations",
        missing.version
    );
    Some((refusal, None))
}

/// `( columns ) VALUES ( … )` of a migration's row; the time is an SQL expression for nanoseconds.
fn values(migration: &Migration, time: &str) -> String {
    format!(
        "( version, description, success, checksum, execution_time ) \
         VALUES ( {}, {}, TRUE, {}, {time} )",
        migration.version,
        quote_literal(&migration.description),
        quote_bytes(migration.checksum.as_deref().unwrap_or_default()),
    )
}

/// What is sqlx's beside the directory. Reads after "because".
fn hint(directory: &Directory<'_>) -> Result<Option<String>, FormatError> {
    if let Some((path, _)) = directory.beside("sqlx.toml")? {
        return Ok(Some(format!("there is `{path}`")));
    }
    if let Some(path) = directory.folder_beside(".sqlx")? {
        return Ok(Some(format!("there is `{path}`")));
    }
    let is_dependency = |line: &str| {
        let line = line.trim();
        line.starts_with("sqlx") || line.contains("dependencies.sqlx") || line == "name = \"sqlx\""
    };
    for name in ["Cargo.toml", "Cargo.lock"] {
        if let Some((path, text)) = directory.beside(name)?
            && text.lines().any(is_dependency)
        {
            return Ok(Some(format!("`{path}` names the crate sqlx")));
        }
    }
    Ok(None)
}

fn opts_out(script: &Script) -> bool {
    script.text().starts_with("-- no-transaction")
}

fn checksum(text: &str, ignored: &BTreeSet<char>) -> Vec<u8> {
    let mut digest = Sha384::new();
    for part in text.split(|character| ignored.contains(&character)) {
        digest.update(part);
    }
    digest.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::testing::{directory, rows, texts};
    use crate::model::MemoryFiles;

    fn load(files: &MemoryFiles) -> Vec<Migration> {
        Sqlx.load(&directory(files, "m")).unwrap()
    }

    fn versions(migrations: &[Migration]) -> Vec<&str> {
        migrations.iter().map(|migration| migration.version.as_str()).collect()
    }

    #[test]
    fn names_become_versions_and_descriptions() {
        let files = MemoryFiles::new([
            ("m/10_add_users.sql", ""),
            ("m/0009_b.up.sql", "up"),
            ("m/9_b.down.sql", "down"),
            ("m/-1_x.sql.sql", ""),
            ("m/README.md", ""),
            ("m/nothing.sql", ""),
            ("m/1_x.txt", ""),
            ("m/sub/1_y.sql", ""),
        ]);
        let migrations = load(&files);
        assert_eq!(versions(&migrations), ["-1", "9", "10"]);
        let descriptions: Vec<_> = migrations.iter().map(|m| m.description.as_str()).collect();
        assert_eq!(descriptions, ["x", "b", "add users"]);
        assert_eq!(migrations[1].down.as_ref().unwrap().path(), "m/9_b.down.sql");
        assert_eq!(migrations[1].file_name(), "0009_b.up.sql");
        assert_eq!(migrations[2].down, None);
    }

    #[test]
    fn a_version_that_comes_twice_is_kept_twice() {
        let files = MemoryFiles::new([("m/1_b.sql", ""), ("m/1_a.up.sql", ""), ("m/1_a.sql", "")]);
        let names: Vec<_> = load(&files).iter().map(|m| m.file_name().to_owned()).collect();
        assert_eq!(names, ["1_a.sql", "1_b.sql", "1_a.up.sql"]);
    }

    #[test]
    fn a_name_without_a_number_breaks_the_directory() {
        let files = MemoryFiles::new([("m/1_a.sql", ""), ("m/helper_fns.sql", "")]);
        let error = Sqlx.load(&directory(&files, "m")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "m/helper_fns.sql: error parsing migration filename \"helper_fns.sql\"; expected integer \
             version prefix (e.g. `01_foo.sql`)"
        );
    }

    #[test]
    fn without_migrations_there_is_an_error() {
        for files in
            [MemoryFiles::default(), MemoryFiles::new([("m/a.sql", ""), ("m/1_a.down.sql", "")])]
        {
            let error = Sqlx.load(&directory(&files, "m")).unwrap_err();
            assert!(matches!(error, FormatError::NoMigrations { .. }), "{error}");
        }
    }

    #[test]
    fn only_the_very_first_bytes_opt_out_of_the_transaction() {
        for (text, in_transaction) in [
            ("-- no-transaction\nvacuum;", false),
            ("-- no-transactions at all", false),
            ("\n-- no-transaction", true),
            ("--no-transaction", true),
            ("-- No-transaction", true),
            ("\u{feff}-- no-transaction", true),
        ] {
            let files = MemoryFiles::new([("m/1_a.up.sql", text), ("m/1_a.down.sql", "")]);
            let migration = &load(&files)[0];
            assert_eq!(migration.in_transaction, in_transaction, "{text}");
            assert!(migration.down_in_transaction);
        }
    }

    /// The directory as the crate sqlx itself reads it.
    #[test]
    fn sqlx_itself_sees_the_same() {
        let files = [
            ("3_c.sql", "\u{feff}select 'é';\r\n"),
            ("1_a_b.up.sql", "-- no-transaction\nselect 1"),
            ("1_a_b.down.sql", ""),
            ("20250101000000_x.sql.sql", " "),
            ("notes.sql", "?"),
        ];
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        for ignored in ["", "\r é"] {
            let mut config = ::sqlx::migrate::ResolveConfig::new();
            config.ignore_chars(ignored.chars());
            let theirs =
                ::sqlx::migrate::resolve_blocking_with_config(folder.path(), &config).unwrap();
            let theirs = theirs.into_iter().map(|(migration, _)| migration);
            let theirs: Vec<_> = theirs
                .filter(|migration| migration.migration_type.is_up_migration())
                .map(|m| {
                    (
                        m.version.to_string(),
                        m.description.into_owned(),
                        m.checksum.into_owned(),
                        !m.no_tx,
                    )
                })
                .collect();
            let toml =
                format!("[migrate]\nignored-chars = {:?}", ignored.chars().collect::<Vec<_>>())
                    .replace('\'', "\"");
            let memory = files.iter().map(|(name, text)| (format!("m/{name}"), *text));
            let files = MemoryFiles::new(memory.chain([("sqlx.toml".to_owned(), toml.as_str())]));
            let ours: Vec<_> = load(&files)
                .into_iter()
                .map(|m| (m.version, m.description, m.checksum.unwrap(), m.in_transaction))
                .collect();
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn the_ledger_is_where_the_search_path_leads() {
        let files = MemoryFiles::new([("m/1_a.sql", "")]);
        let ledger = Sqlx.ledger(&directory(&files, "m"), "Tenant").unwrap();
        assert_eq!(ledger.qualified(), "\"Tenant\".\"_sqlx_migrations\"");
        assert_eq!(ledger.named, "_sqlx_migrations");
        let sql = texts(&Sqlx.ensure_ledger(&ledger));
        assert_eq!(sql.len(), 1);
        assert!(sql[0].starts_with("CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT"));
    }

    #[test]
    fn sqlx_toml_names_another_ledger() {
        let toml =
            "[migrate]\ntable-name = 'Meta.\"Done\"'\ncreate-schemas = ['meta']\n[macros]\nx = 1";
        let files = MemoryFiles::new([("a/m/1_a.sql", ""), ("a/sqlx.toml", toml)]);
        let ledger = Sqlx.ledger(&directory(&files, "a/m"), "t").unwrap();
        assert_eq!(ledger.qualified(), "\"meta\".\"Done\"");
        assert_eq!(ledger.named, "Meta.\"Done\"");
        assert_eq!(texts(&Sqlx.ensure_ledger(&ledger))[0], "CREATE SCHEMA IF NOT EXISTS meta;");
        let configured = Directory { ledger: Some("other"), ..directory(&files, "a/m") };
        assert_eq!(Sqlx.ledger(&configured, "t").unwrap().qualified(), "\"t\".\"other\"");
        let hostile = Directory { ledger: Some("a; drop table b"), ..directory(&files, "a/m") };
        assert!(Sqlx.ledger(&hostile, "t").is_err());
    }

    #[test]
    fn mistakes_in_sqlx_toml_have_a_line() {
        let files =
            MemoryFiles::new([("m/1_a.sql", ""), ("sqlx.toml", "[migrate]\n\ntable = 'x'")]);
        let error = Sqlx.load(&directory(&files, "m")).unwrap_err().to_string();
        assert!(error.starts_with("sqlx.toml:3: unknown field `table`"), "{error}");
    }

    fn decided(rows: &[LedgerRow], changed: bool) -> Decision {
        let text = if changed { "changed" } else { "b" };
        let files = MemoryFiles::new([("m/1_a.sql", "a"), ("m/2_b.sql", text), ("m/3_c.sql", "c")]);
        Sqlx.decide(rows, &load(&files))
    }

    #[test]
    fn decisions_follow_sqlx() {
        let sum = checksum("b", &BTreeSet::new());
        let applied = rows([("2", Some(sum.as_slice()))]);
        assert_eq!(decided(&[], false).apply, [0, 1, 2]);
        assert_eq!(decided(&applied, false), Decision { apply: vec![0, 2], ..Decision::default() });
        let modified = decided(&applied, true);
        assert_eq!(modified.apply, [0], "what was pending before it is applied first");
        assert_eq!(modified.refused, Some(1));
        assert_eq!(
            modified.refusal.unwrap(),
            "migration 2 was previously applied but has been modified"
        );
        let mut missing = rows([("2", Some(sum.as_slice())), ("9", None)]);
        assert_eq!(
            decided(&missing, true),
            Decision {
                refusal: Some(
                    "migration 9 was previously applied but is missing in the resolved migrations"
                        .into()
                ),
                ..Decision::default()
            }
        );
        missing[0].complete = false;
        assert_eq!(
            decided(&missing, true).refusal.unwrap(),
            "migration 2 is partially applied; fix and remove row from `_sqlx_migrations` table"
        );
    }

    #[test]
    fn the_row_is_written_by_its_unqualified_name() {
        let files =
            MemoryFiles::new([("m/1_it's.sql", "select 1;"), ("m/2_b.sql", "-- no-transaction")]);
        let migrations = load(&files);
        let ledger = Sqlx.ledger(&directory(&files, "m"), "t").unwrap();
        let fused = texts(&Sqlx.apply(&migrations[0], &ledger));
        assert_eq!(fused.len(), 1);
        let row = "INSERT INTO _sqlx_migrations ( version, description, success, checksum, \
                   execution_time ) VALUES ( 1, 'it''s', TRUE, decode('";
        assert!(fused[0].starts_with(&format!("BEGIN\n;\nselect 1;\n;\n{row}")), "{}", fused[0]);
        let separate = texts(&Sqlx.apply(&migrations[1], &ledger));
        assert_eq!(separate[0], "-- no-transaction");
        assert_eq!(separate.len(), 2);
        let all = Sqlx.stamp(&migrations.iter().collect::<Vec<_>>(), &ledger);
        assert_eq!(all.matches("INSERT INTO \"t\".\"_sqlx_migrations\"").count(), 2);
        assert!(
            Sqlx.is_applied_expr(&migrations[1], &ledger)
                .contains("\"t\".\"_sqlx_migrations\" WHERE version = 2")
        );
    }

    #[test]
    fn what_gives_sqlx_away() {
        let detect = |files: &[(&str, &str)]| {
            Sqlx.detect(&directory(&MemoryFiles::new(files.iter().copied()), "a/m")).unwrap()
        };
        assert_eq!(detect(&[("a/m/1_a.sql", "")]), Detection::No);
        assert!(matches!(detect(&[("a/m/1_a.up.sql", "")]), Detection::Possible(_)));
        assert_eq!(
            detect(&[("a/m/1_a.sql", ""), ("a/.sqlx/query-1.json", "")]),
            Detection::Certain("there is `a/.sqlx`".into())
        );
        assert_eq!(
            detect(&[("a/m/1_a.sql", ""), ("Cargo.toml", "[dependencies]\nsqlx = \"0.9\"")]),
            Detection::Certain("`Cargo.toml` names the crate sqlx".into())
        );
        assert_eq!(detect(&[("a/m/1_a.sql", ""), ("Cargo.toml", "# no sqlx")]), Detection::No);
        assert_eq!(detect(&[("a/m/V1__a.sql", ""), ("sqlx.toml", "")]), Detection::No);
        assert_eq!(
            detect(&[("a/m/1_a.sql", "-- migrate:up\n-- migrate:down"), ("sqlx.toml", "")]),
            Detection::No,
            "the files say that they are dbmate's"
        );
    }
}
