//! dbmate: `dbmate up`, `dbmate migrate`. Rules from its source (`pkg/dbmate/{db,migration}.go`,
//! `pkg/driver/postgres/postgres.go`), and from what dbmate 2.36.0 did on PostgreSQL 15, case by case:
//!
//! | migration | dbmate |
//! |---|---|
//! | files `10_a.sql` and `9_a.sql` | `10_a.sql` first: sorted by name |
//! | `1.sql`, `2foo.sql` | migrations; the version is the leading digits as they stand (`1` is not `01`) |
//! | two files with one version, or two sections in one file | the second fails on the ledger's key, the first stays |
//! | no `-- migrate:up`, no `-- migrate:down`, two downs in a row, a statement before the first up | refused in words of its own, but only when it comes to that file |
//! | a byte-order mark before the first marker | as without a marker |
//! | an empty section | applied |
//! | its own `COMMIT` or `ROLLBACK` | the rest runs, the ledger's row is written, then "unexpected transaction status idle": stops, with the row in the ledger |
//! | its own `BEGIN` | a warning |
//! | `COMMIT; BEGIN;` | applied |
//! | `transaction:false` with two statements, one of them `CREATE INDEX CONCURRENTLY` | the server refuses: one message, one implicit transaction |
//! | `transaction:false` with `BEGIN` and no `COMMIT` | "applied", then the next one: "unexpected transaction status idle in transaction"; without a next one exit code 0, and nothing has happened |
//! | `Transaction:false` | the option has no effect: its case counts |
//! | `set_config('search_path', '', false)` | its row is written (see below); the next migration has no schema to create in |
//! | a version in the ledger without a file | no matter |
//! | a pending version older than an applied one | applied (refused with `--strict`) |
//!
//! A file that dbmate would refuse when it comes to it is refused here with its line, before anything runs.
//!
//! The section is sent as it stands, with its marker line. `BEGIN READ WRITE` is what `lib/pq` sends.
//!
//! The ledger is `schema_migrations` in the first schema of the URL's `search_path`; that is how a tenant's schema is
//! chosen. Without one in the URL, dbmate asks for `current_schema()` *each time*, so a script that changes the session's
//! search path makes it write elsewhere; where the path is empty it is `public`. Targets named `public` are taken for
//! databases whose URL has none.

mod down;
mod next;
mod sections;

use std::time::SystemTime;

use sections::{UP, has_transaction, sections};

use super::ledger::by_version;
use super::step::{LIB_PQ, in_transaction};
use super::{
    ClientLibrary, Decision, Detection, Directory, DownDecision, DownRefusal, DownTo, Format,
    FormatError, Ledger, LedgerRow, MigrationName, NewFile, QueryBatch,
};
use crate::model::{Migration, Script};
use crate::sql::{quote_identifier, quote_literal};

const TABLE: &str = "schema_migrations";

#[derive(Debug)]
pub(crate) struct Dbmate;

/// The first of its files that has a marker of dbmate's.
pub(super) fn marked(directory: &Directory<'_>) -> Result<Option<String>, FormatError> {
    for name in directory.sql_names()? {
        if version(&name).is_some() && UP.is_match(&directory.text(&name)?) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

impl Format for Dbmate {
    fn name(&self) -> &'static str {
        "dbmate"
    }

    fn client(&self) -> ClientLibrary {
        ClientLibrary::LibPq
    }

    fn detect(&self, directory: &Directory<'_>) -> Result<Detection, FormatError> {
        Ok(marked(directory)?.map_or(Detection::No, |name| {
            Detection::Certain(format!("`{name}` has a line `-- migrate:up`"))
        }))
    }

    fn load(&self, directory: &Directory<'_>) -> Result<Vec<Migration>, FormatError> {
        let mut migrations = Vec::new();
        for name in directory.sql_names()? {
            let Some(version) = version(&name) else { continue };
            let file = Script::whole(directory.join(&name), directory.text(&name)?);
            let sections = sections(&file)?;
            let several = sections.len() > 1;
            for (number, section) in sections.into_iter().enumerate() {
                let mut description = description(&name, version);
                if several {
                    description = format!("{description} (section {})", number + 1);
                }
                migrations.push(Migration {
                    version: version.to_owned(),
                    description,
                    in_transaction: has_transaction(section.up.text()),
                    down_in_transaction: has_transaction(section.down.text()),
                    up: section.up,
                    down: Some(section.down),
                    checksum: None,
                });
            }
        }
        if migrations.is_empty() {
            return Err(directory
                .no_migrations("none has a name such as `20250101000000_create_users.sql`"));
        }
        Ok(migrations)
    }

    fn ledger(&self, directory: &Directory<'_>, schema: &str) -> Result<Ledger, FormatError> {
        let name = directory.ledger.unwrap_or(TABLE);
        if !survives_unquoted(schema) {
            return Err(FormatError::Directory {
                path: directory.path.to_owned(),
                problem: format!("dbmate cannot use the schema `{schema}`"),
                help: Some(
                    "dbmate does not quote its `search_path`: the server reads it in lower case, and a comma or a quote \
                     ends the name, so tables are created in the next schema; choose a `target` without these characters"
                        .to_owned(),
                ),
            });
        }
        match name.split('.').collect::<Vec<_>>().as_slice() {
            [table] => Ok(Ledger::new(schema, *table)),
            [schema, table] => {
                // dbmate makes it when the server says that it is not there.
                Ok(Ledger {
                    schemas: vec![quote_identifier(schema)],
                    ..Ledger::new(*schema, *table)
                })
            }
            _ => Err(directory.no_ledger(name, "`table` or `schema.table`")),
        }
    }

    fn ensure_ledger(&self, ledger: &Ledger) -> Vec<QueryBatch> {
        let schemas =
            ledger.schemas.iter().map(|schema| format!("create schema if not exists {schema}"));
        let table = format!(
            "create table if not exists {} (version varchar primary key)",
            ledger.qualified()
        );
        schemas.chain([table]).map(QueryBatch::tool).collect()
    }

    fn ledger_rows(&self, ledger: &Ledger) -> String {
        format!(
            "SELECT version::text AS version, NULL::bytea AS checksum, true AS complete FROM {} \
             ORDER BY version::text COLLATE \"C\"",
            ledger.qualified()
        )
    }

    fn decide(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Decision {
        let applied = by_version(rows);
        let all = migrations.iter().enumerate();
        let apply = all.filter(|(_, migration)| !applied.contains_key(migration.version.as_str()));
        Decision { apply: apply.map(|(index, _)| index).collect(), ..Decision::default() }
    }

    fn apply(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        let row = in_ledger(
            "insert into {table} (version) values ({version})",
            &migration.version,
            ledger,
        );
        if migration.in_transaction {
            in_transaction(&LIB_PQ, &migration.up, row)
        } else {
            vec![QueryBatch::script(migration.up.clone()), QueryBatch::tool(row)]
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
            "EXISTS (SELECT FROM {} WHERE version = {})",
            ledger.qualified(),
            quote_literal(&migration.version)
        )
    }

    fn stamp(&self, migrations: &[&Migration], ledger: &Ledger) -> String {
        let insert = |migration: &&Migration| {
            format!(
                "INSERT INTO {} (version) VALUES ({}) ON CONFLICT DO NOTHING;",
                ledger.qualified(),
                quote_literal(&migration.version)
            )
        };
        migrations.iter().map(insert).collect::<Vec<_>>().join("\n")
    }
}

/// SQL about a version's row, where dbmate writes it: see the top of this file. `statement` has `{table}` and `{version}`.
fn in_ledger(statement: &str, version: &str, ledger: &Ledger) -> String {
    let with = |version: &str, table: &str| {
        statement.replace("{version}", version).replace("{table}", table)
    };
    if ledger.schema == "public" && ledger.schemas.is_empty() {
        let block = format!(
            "BEGIN EXECUTE pg_catalog.format({}, \
             coalesce(pg_catalog.current_schema(), 'public'), {}, {}); END",
            quote_literal(&with("%L", "%I.%I")),
            quote_literal(&ledger.table),
            quote_literal(version)
        );
        return format!("DO {}", quote_literal(&block));
    }
    with(&quote_literal(version), &ledger.qualified())
}

/// The version of a file that dbmate sees as a migration: `^(\d+).*\.sql$`.
fn version(name: &str) -> Option<&str> {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0 && name.ends_with(".sql")).then(|| &name[..digits])
}

fn description(name: &str, version: &str) -> String {
    let rest = name[version.len()..].trim_end_matches(".sql");
    rest.trim_start_matches(['_', '-']).replace('_', " ")
}

/// Whether the server reads a name in an unquoted list as it is written. Seen with dbmate 2.36.0: with
/// `?search_path=tenant_Acme,shared` its ledger is in "tenant_Acme", and what the migrations make is in `shared`.
fn survives_unquoted(schema: &str) -> bool {
    let ends_it = |c: char| c.is_ascii_uppercase() || c.is_whitespace() || matches!(c, ',' | '"');
    !schema.contains(ends_it)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::testing::{directory, rows, texts};
    use crate::model::MemoryFiles;

    const EMPTY: &str = "-- migrate:up\n-- migrate:down\n";

    fn load(files: &[(&str, &str)]) -> Result<Vec<Migration>, FormatError> {
        Dbmate.load(&directory(&MemoryFiles::new(files.iter().copied()), "m"))
    }

    #[test]
    fn files_are_sorted_by_name_and_versions_kept_as_written() {
        let migrations = load(&[
            ("m/9_a.sql", EMPTY),
            ("m/10_add_x.sql", EMPTY),
            ("m/01.sql", EMPTY),
            ("m/2foo.sql", EMPTY),
            ("m/x3.sql", "not read"),
            ("m/4_a.txt", "not read"),
        ])
        .unwrap();
        let found: Vec<_> =
            migrations.iter().map(|m| (m.version.as_str(), m.description.as_str())).collect();
        assert_eq!(found, [("01", ""), ("10", "add x"), ("2", "foo"), ("9", "a")]);
    }

    #[test]
    fn a_file_is_taken_apart_at_its_markers() {
        let text = "\n-- first\n-- migrate:up transaction:false\nvacuum;\n--migrate:down\nselect 2;\n\
                    --\t migrate:up foo:bar\nselect 3;\n-- migrate:down transaction:false x:y\n";
        let migrations = load(&[("m/1_a.sql", text)]).unwrap();
        let ups: Vec<_> = migrations.iter().map(|m| m.up.text()).collect();
        assert_eq!(
            ups,
            ["-- migrate:up transaction:false\nvacuum;\n", "--\t migrate:up foo:bar\nselect 3;\n"]
        );
        assert_eq!(migrations[0].down.as_ref().unwrap().text(), "--migrate:down\nselect 2;\n");
        let modes: Vec<_> =
            migrations.iter().map(|m| (m.in_transaction, m.down_in_transaction)).collect();
        assert_eq!(modes, [(false, true), (true, false)]);
        assert_eq!(migrations[1].version, "1");
        assert_eq!(migrations[1].description, "a (section 2)");
        assert_eq!(migrations[1].up.file_text(), text);
    }

    #[test]
    fn what_dbmate_refuses_is_refused_in_its_words() {
        let up = "an up block with '-- migrate:up'";
        let down = "a down block with '-- migrate:down'";
        for (text, expected) in [
            ("create table a();", format!("m/1_a.sql:1: dbmate requires each migration to define {up}")),
            ("\u{feff}-- migrate:up\n-- migrate:down", format!("m/1_a.sql:1: dbmate requires each migration to define {up}")),
            ("-- a\n-- migrate:up\nselect 1;", format!("m/1_a.sql:2: dbmate requires each migration to define {down}")),
            ("-- migrate:down\n-- migrate:up", format!("m/1_a.sql:2: dbmate requires each migration to define {down}")),
            ("-- migrate:up\n-- migrate:up\n-- migrate:down", format!("m/1_a.sql:1: dbmate requires each migration to define {down}")),
            ("-- migrate:up\n-- migrate:down\n-- migrate:down", "m/1_a.sql:3: dbmate requires every '-- migrate:down' to be preceded by a '-- migrate:up'".into()),
            ("-- a\n\nselect 1;\n-- migrate:up\n-- migrate:down", "m/1_a.sql:3: dbmate does not support statements preceding the '-- migrate:up' block".into()),
        ] {
            let error = load(&[("m/1_a.sql", text)]).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(error.help().is_some());
        }
        assert!(matches!(load(&[("m/a.sql", "")]), Err(FormatError::NoMigrations { .. })));
    }

    #[test]
    fn lines_that_only_look_like_markers_are_text() {
        let text = "-- migrate:up\n-- migrate:downwards\n -- migrate:down\n-- migrate:down\n";
        assert_eq!(
            load(&[("m/1.sql", text)]).unwrap()[0].down.as_ref().unwrap().text(),
            "-- migrate:down\n"
        );
    }

    #[test]
    fn the_ledger_follows_the_table_name() {
        let files = MemoryFiles::new([("m/1.sql", EMPTY)]);
        let ledger =
            |name| Dbmate.ledger(&Directory { ledger: name, ..directory(&files, "m") }, "t");
        assert_eq!(ledger(None).unwrap().qualified(), "\"t\".\"schema_migrations\"");
        assert_eq!(ledger(Some("Foo")).unwrap().qualified(), "\"t\".\"Foo\"");
        let elsewhere = ledger(Some("x.y")).unwrap();
        assert_eq!(
            texts(&Dbmate.ensure_ledger(&elsewhere)),
            [
                "create schema if not exists \"x\"",
                "create table if not exists \"x\".\"y\" (version varchar primary key)"
            ]
        );
        assert!(ledger(Some("a.b.c")).is_err());
    }

    #[test]
    fn whatever_the_ledger_does_not_have_is_applied() {
        let migrations =
            load(&[("m/1_a.sql", EMPTY), ("m/2_b.sql", &EMPTY.repeat(2)), ("m/3_c.sql", EMPTY)])
                .unwrap();
        let decide = |versions: &[&str]| {
            Dbmate.decide(&rows(versions.iter().map(|version| (*version, None))), &migrations)
        };
        assert_eq!(decide(&[]).apply, [0, 1, 2, 3]);
        let decision = decide(&["3", "01", "99"]);
        assert_eq!(decision, Decision { apply: vec![0, 1, 2], ..Decision::default() });
        assert_eq!(decide(&["2"]).apply, [0, 3]);
    }

    #[test]
    fn the_driver_looks_at_the_session() {
        let text = "-- migrate:up\ncommit;\n-- migrate:down\n-- migrate:up transaction:false\nvacuum;\n\
                    -- migrate:down\n-- migrate:up\nselect 1;\n-- migrate:down\n";
        let migrations = load(&[("m/1_a.sql", text)]).unwrap();
        let ledger = Ledger::new("t", "schema_migrations");
        let insert = "insert into \"t\".\"schema_migrations\" (version) values ('1')";
        let commits = Dbmate.apply(&migrations[0], &ledger);
        assert_eq!(
            texts(&commits),
            ["BEGIN READ WRITE", "-- migrate:up\ncommit;\n", insert, "COMMIT"]
        );
        assert_eq!(commits[3].demand().unwrap().refusal, "pq: unexpected transaction status idle");
        let outside = Dbmate.apply(&migrations[1], &ledger);
        assert_eq!(texts(&outside), ["-- migrate:up transaction:false\nvacuum;\n", insert]);
        assert!(outside.iter().all(|message| message.demand().is_none()));
        let fused = Dbmate.apply(&migrations[2], &ledger);
        assert_eq!(fused.len(), 1);
        assert!(!fused[0].demand().unwrap().in_transaction);
    }

    #[test]
    fn the_row_of_public_goes_where_the_session_stands() {
        let migrations = load(&[("m/1_a.sql", EMPTY)]).unwrap();
        let sql = texts(&Dbmate.apply(&migrations[0], &Ledger::new("public", "schema_migrations")));
        assert!(
            sql[0].contains("DO 'BEGIN EXECUTE pg_catalog.format(''insert into %I.%I"),
            "{}",
            sql[0]
        );
    }

    #[test]
    fn a_marker_gives_dbmate_away() {
        let detect = |name: &str, text: &str| {
            Dbmate.detect(&directory(&MemoryFiles::new([(name, text)]), "m")).unwrap()
        };
        assert_eq!(
            detect("m/1_a.sql", EMPTY),
            Detection::Certain("`1_a.sql` has a line `-- migrate:up`".into())
        );
        assert_eq!(detect("m/1_a.sql", "select 1"), Detection::No);
        assert_eq!(detect("m/a.sql", EMPTY), Detection::No);
    }
}
