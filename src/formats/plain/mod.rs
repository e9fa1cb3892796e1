//! Plain SQL files, without a tool. The rules are our own, close to `psql -1 -f`:
//!
//! - Migrations are the `*.sql` files in the directory itself. The version is the file's name without `.sql`. Their order
//!   is that of their names, by bytes (`lexical`) or with numbers by value (`natural`); where the two differ, `order` has
//!   to say which.
//! - Each file runs in a transaction, together with its row in the ledger; unless its first line is
//!   `-- mig-ci: no-transaction`: then each of its statements is sent on its own, as psql without `-1` does. A byte-order
//!   mark is skipped, as psql does.
//! - The files are SQL alone: psql's commands, the variables that it sets itself, and the data of `COPY … FROM stdin` are
//!   refused. (Of `:name` psql leaves alone what has no value, and so the server gets it.)
//! - The ledger is `mig_ci_migrations`, always addressed by its qualified name. It has the SHA-256 of the file; an applied
//!   file that was changed, or that is gone, stops the run before anything is applied. A pending file older than applied
//!   ones is applied.

mod down;
mod next;
mod order;

use std::collections::BTreeMap;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use order::ordered;

use super::ledger::by_version;
use super::step::{PLAIN, in_transaction};
use super::{
    ClientLibrary, Decision, Detection, Directory, DownDecision, DownRefusal, DownTo, Format,
    FormatError, Ledger, LedgerRow, MigrationName, NewFile, QueryBatch,
};
use crate::model::{Migration, Script};
use crate::sql::{Dialect, LineIndex, Piece, first_variable, quote_bytes, quote_literal, split};

const TABLE: &str = "mig_ci_migrations";
const NO_TRANSACTION: &str = "-- mig-ci: no-transaction";

#[derive(Debug)]
pub(crate) struct Plain;

impl Format for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn client(&self) -> ClientLibrary {
        ClientLibrary::Psql
    }

    fn detect(&self, directory: &Directory<'_>) -> Result<Detection, FormatError> {
        Ok(if directory.sql_names()?.is_empty() {
            Detection::No
        } else {
            Detection::Fallback("its .sql files contain no tool's markers".to_owned())
        })
    }

    fn load(&self, directory: &Directory<'_>) -> Result<Vec<Migration>, FormatError> {
        let names = directory.sql_names()?;
        if names.is_empty() {
            return Err(directory.no_migrations("none ends in `.sql`"));
        }
        let names = ordered(directory, names)?;
        names.iter().map(|name| migration(directory, name)).collect()
    }

    fn ledger(&self, directory: &Directory<'_>, schema: &str) -> Result<Ledger, FormatError> {
        let name = directory.ledger.unwrap_or(TABLE);
        match name.split('.').collect::<Vec<_>>().as_slice() {
            [table] if !table.is_empty() => Ok(Ledger::new(schema, *table)),
            [schema, table] if !schema.is_empty() && !table.is_empty() => {
                Ok(Ledger::new(*schema, *table))
            }
            _ => Err(directory.no_ledger(name, "`table` or `schema.table`")),
        }
    }

    fn ensure_ledger(&self, ledger: &Ledger) -> Vec<QueryBatch> {
        vec![QueryBatch::tool(format!(
            "CREATE TABLE IF NOT EXISTS {} (version text PRIMARY KEY, checksum bytea NOT NULL, \
             applied_at timestamptz NOT NULL DEFAULT now())",
            ledger.qualified()
        ))]
    }

    fn ledger_rows(&self, ledger: &Ledger) -> String {
        format!(
            "SELECT version, checksum, true AS complete FROM {} ORDER BY applied_at, version",
            ledger.qualified()
        )
    }

    fn decide(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Decision {
        if let Some((refusal, refused)) = refusal_of_ledger(rows, migrations) {
            return Decision { refusal: Some(refusal), refused, ..Decision::default() };
        }
        let applied = by_version(rows);
        let all = migrations.iter().enumerate();
        let pending = all.filter(|(_, file)| !applied.contains_key(file.version.as_str()));
        let apply = pending.map(|(index, _)| index);
        Decision { apply: apply.collect(), ..Decision::default() }
    }

    fn apply(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        let row = format!(
            // Migrations that share a message share `now()`, and the order of the rows is that of their times.
            "INSERT INTO {} (version, checksum, applied_at) VALUES ({}, pg_catalog.clock_timestamp())",
            ledger.qualified(),
            values(migration)
        );
        if migration.in_transaction {
            return in_transaction(&PLAIN, &migration.up, row);
        }
        let start = migration.up.range().start;
        let statement = |piece: Piece| {
            let range = piece.range();
            QueryBatch::script(migration.up.section(start + range.start..start + range.end))
        };
        let statements =
            split(migration.up.text(), Dialect::Psql).pieces.into_iter().map(statement);
        statements.chain([QueryBatch::tool(row)]).collect()
    }

    fn decide_down(
        &self,
        rows: &[LedgerRow],
        migrations: &[Migration],
        to: &DownTo,
    ) -> Result<DownDecision, DownRefusal> {
        down::decide(rows, migrations, to)
    }

    /// There are no down files.
    fn revert(&self, _: &Migration, _: Option<&Migration>, _: &Ledger) -> Vec<QueryBatch> {
        Vec::new()
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
        // A microsecond each: the order of the rows is that of their times.
        let insert = |(number, migration): (usize, &&Migration)| {
            format!(
                "INSERT INTO {} (version, checksum, applied_at) \
                 VALUES ({}, now() + {number} * interval '1 microsecond') ON CONFLICT DO NOTHING;",
                ledger.qualified(),
                values(migration)
            )
        };
        migrations.iter().enumerate().map(insert).collect::<Vec<_>>().join("\n")
    }
}

/// Why nothing is begun with such a ledger, and the migration that it is about.
fn refusal_of_ledger(
    rows: &[LedgerRow],
    migrations: &[Migration],
) -> Option<(String, Option<usize>)> {
    let files: BTreeMap<&str, (usize, &Migration)> = migrations
        .iter()
        .enumerate()
        .map(|(index, migration)| (migration.version.as_str(), (index, migration)))
        .collect();
    for row in rows {
        let (refused, problem) = match files.get(row.version.as_str()) {
            None => (None, "it no longer exists"),
            Some((index, file)) if file.checksum != row.checksum => {
                (Some(*index), "it has been edited since")
            }
            Some(_) => continue,
        };
        let refusal = format!("`{}.sql` was applied before, and {problem}", row.version);
        return Some((refusal, refused));
    }
    None
}

/// Version and checksum, as SQL.
fn values(migration: &Migration) -> String {
    let checksum = migration.checksum.as_deref().unwrap_or_default();
    format!("{}, {}", quote_literal(&migration.version), quote_bytes(checksum))
}

fn migration(directory: &Directory<'_>, name: &str) -> Result<Migration, FormatError> {
    let file = Script::whole(directory.join(name), directory.text(name)?);
    check_plain_sql(&file)?;
    let mark = if file.text().starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let up = file.section(mark..file.text().len());
    let version = name.trim_end_matches(".sql").to_owned();
    let description =
        version.trim_start_matches(|c: char| c.is_ascii_digit() || "_-. ".contains(c));
    Ok(Migration {
        description: description.replace('_', " "),
        in_transaction: up
            .text()
            .lines()
            .next()
            .is_none_or(|line| line.trim_end() != NO_TRANSACTION),
        down_in_transaction: true,
        checksum: Some(Sha256::digest(file.text()).to_vec()),
        version,
        up,
        down: None,
    })
}

/// Refuses what psql alone understands.
fn check_plain_sql(file: &Script) -> Result<(), FormatError> {
    let text = file.text();
    let fault = |at: usize, problem: String, help: &str| FormatError::File {
        path: file.path().to_owned(),
        line: Some(LineIndex::new(text).line_column(at).0),
        problem,
        help: Some(help.to_owned()),
    };
    for piece in split(text, Dialect::Psql).pieces {
        let at = piece.range().start;
        match piece {
            Piece::Sql { .. } => {}
            Piece::Meta { range } => {
                let command = text[range].split_whitespace().next().unwrap_or("\\");
                return Err(fault(
                    at,
                    format!("`{command}` is a psql command, not SQL"),
                    "replace it with SQL",
                ));
            }
            Piece::Copy { .. } => {
                return Err(fault(
                    at,
                    "`COPY … FROM stdin` takes its data from psql, not from SQL".to_owned(),
                    "write the rows as INSERT statements",
                ));
            }
        }
    }
    match first_variable(text) {
        Some(at) => Err(fault(
            at,
            "a psql variable: its value is not in the file".to_owned(),
            "write the value itself, or read a setting with current_setting()",
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::testing::{directory, rows, texts};
    use crate::model::{FileOrder, MemoryFiles};

    fn load(files: &[(&str, &str)]) -> Result<Vec<Migration>, FormatError> {
        Plain.load(&directory(&MemoryFiles::new(files.iter().copied()), "m"))
    }

    fn one(text: &str) -> Result<Migration, FormatError> {
        load(&[("m/001_a.sql", text)]).map(|mut all| all.remove(0))
    }

    #[test]
    fn the_version_is_the_name() {
        let migrations =
            load(&[("m/002-b_c.sql", ""), ("m/001_a.sql", ""), ("m/x/3.sql", ""), ("m/4.txt", "")])
                .unwrap();
        let found: Vec<_> =
            migrations.iter().map(|m| (m.version.as_str(), m.description.as_str())).collect();
        assert_eq!(found, [("001_a", "a"), ("002-b_c", "b c")]);
    }

    #[test]
    fn an_order_that_is_not_clear_has_to_be_declared() {
        let files = MemoryFiles::new([("m/9_a.sql", ""), ("m/10_b.sql", ""), ("m/1_c.sql", "")]);
        let load = |order| {
            let all = Plain.load(&Directory { order, ..directory(&files, "m") })?;
            Ok::<_, FormatError>(all.into_iter().map(|m| m.version).collect::<Vec<_>>())
        };
        assert_eq!(
            load(None).unwrap_err().to_string(),
            "m: the order of its files is ambiguous: `10_b.sql` comes before `1_c.sql` by bytes, and after it by number"
        );
        assert_eq!(load(Some(FileOrder::Lexical)).unwrap(), ["10_b", "1_c", "9_a"]);
        assert_eq!(load(Some(FileOrder::Natural)).unwrap(), ["1_c", "9_a", "10_b"]);
    }

    #[test]
    fn what_only_psql_understands_is_refused_with_its_place() {
        for (text, expected) in [
            ("select 1;\n\\i other.sql\n", "m/001_a.sql:2: `\\i` is a psql command, not SQL"),
            (
                "\n\ncopy t from stdin;\n1\n\\.\n",
                "m/001_a.sql:3: `COPY … FROM stdin` takes its data from psql, not from SQL",
            ),
            (
                "select 1;\nselect :'DBNAME';",
                "m/001_a.sql:2: a psql variable: its value is not in the file",
            ),
        ] {
            let error = one(text).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(error.help().is_some());
        }
        assert!(one("select '\\i', a[1:n], b::text, $$ :USER $$, json_object('a':'b');").is_ok());
    }

    #[test]
    fn a_first_line_switches_the_transaction_off() {
        let ledger = Ledger::new("t", TABLE);
        let apply = |text: &str| texts(&Plain.apply(&one(text).unwrap(), &ledger));
        let together = apply("select 1;\nselect 2;");
        assert_eq!(together.len(), 1);
        assert!(
            together[0]
                .starts_with("BEGIN\n;\nselect 1;\nselect 2;\n;\nINSERT INTO \"t\".\"mig_ci")
        );
        let apart = apply("\u{feff}-- mig-ci: no-transaction \r\nselect 1; -- x\nselect 2");
        assert_eq!(apart[..2], ["select 1;", "select 2"]);
        assert!(apart[2].starts_with(
            "INSERT INTO \"t\".\"mig_ci_migrations\" (version, checksum, applied_at)"
        ));
        assert_eq!(apply("\n-- mig-ci: no-transaction\nselect 1;").len(), 1);
        assert_eq!(apply("-- mig-ci: no-transactions\nselect 1;").len(), 1);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_counts_in_the_checksum() {
        let (with, without) = (one("\u{feff}select 1;").unwrap(), one("select 1;").unwrap());
        assert_eq!(with.up.text(), "select 1;");
        assert_ne!(with.checksum, without.checksum);
        assert_eq!(without.checksum.unwrap()[..4], [0x35, 0x4b, 0x71, 0x96]);
    }

    #[test]
    fn the_ledger_is_refused_before_anything_runs() {
        let migrations = load(&[("m/1.sql", "a"), ("m/2.sql", "b"), ("m/3.sql", "c")]).unwrap();
        let sum = |index: usize| migrations[index].checksum.as_deref();
        let decide = |known: &[(&str, Option<&[u8]>)]| {
            Plain.decide(&rows(known.iter().copied()), &migrations)
        };
        assert_eq!(decide(&[]).apply, [0, 1, 2]);
        assert_eq!(decide(&[("2", sum(1))]), Decision { apply: vec![0, 2], ..Decision::default() });
        let refused = |refused, problem: &str| Decision {
            refusal: Some(problem.to_owned()),
            refused,
            ..Decision::default()
        };
        assert_eq!(
            decide(&[("3", sum(0))]),
            refused(Some(2), "`3.sql` was applied before, and it has been edited since")
        );
        assert_eq!(
            decide(&[("0", sum(0))]),
            refused(None, "`0.sql` was applied before, and it no longer exists")
        );
    }

    #[test]
    fn names_reach_sql_as_literals() {
        let migrations = load(&[("m/it's.sql", "")]).unwrap();
        let ledger = Ledger::new("t\"", TABLE);
        assert_eq!(
            Plain.is_applied_expr(&migrations[0], &ledger),
            "EXISTS (SELECT FROM \"t\"\"\".\"mig_ci_migrations\" WHERE version = 'it''s')"
        );
        let all = Plain.stamp(&[&migrations[0], &migrations[0]], &ledger);
        assert!(
            all.contains("now() + 0 * interval") && all.contains("now() + 1 * interval"),
            "{all}"
        );
    }
}
