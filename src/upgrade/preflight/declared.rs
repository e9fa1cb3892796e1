//! Compares the migration tool's own files with the configuration: `.env`, which the tools read, and dbmate's schema dump,
//! which contains the rows of its ledger.

use camino::Utf8PathBuf;

use super::contradiction::{ExpectedLedger, failure};
use crate::config::process_environment;
use crate::formats::{Directory, FormatError};
use crate::model::{Database, Failure, Tenancy, TrackKind};
use crate::postgres::Url;
use crate::sql::words;
use crate::upgrade::target::Target;

/// dbmate's default for `DBMATE_SCHEMA_FILE`. Source: dbmate 2, `main.go` and `pkg/dbmate/db.go`.
const DUMP: &str = "db/schema.sql";
const DUMP_VARIABLE: &str = "DBMATE_SCHEMA_FILE";
const TABLE_VARIABLE: &str = "DBMATE_MIGRATIONS_TABLE";
const URL_VARIABLE: &str = "DATABASE_URL";
/// The comment that dbmate writes above its ledger's rows. Source: dbmate 2, `pkg/driver/postgres/postgres.go`,
/// `schemaMigrationsDump`.
const DUMPED_ROWS: &str = "-- Dbmate schema migrations";

/// Why a target must not be processed, according to the files next to its migrations.
pub(crate) fn of_files(
    (database, is_only_one): (&Database, bool),
    format: &str,
    target: &Target,
    directory: &Directory<'_>,
) -> Result<Option<Failure>, FormatError> {
    let settings = DotEnv::read(directory)?;
    let expected = ExpectedLedger::of(database, format, target);
    let by_schema = database.tenants.as_ref();
    let by_schema = by_schema.is_some_and(|tenants| tenants.tenancy == Tenancy::Schema);
    // With several databases, or a schema for each tenant, it is unknown which of them the variable is for.
    if is_only_one
        && !by_schema
        && let Some((shown, value)) = settings.value(URL_VARIABLE)
    {
        let address = Url::new(value).address().ok();
        let parameters = address.iter().flat_map(|address| address.parameters());
        for (name, value) in parameters {
            let shown = format!("{name} in {shown}");
            if let Some(failure) = expected.contradiction(&shown, name, value) {
                return Ok(Some(failure));
            }
        }
    }
    if format != "dbmate" {
        return Ok(None);
    }
    // A variable of the environment is checked together with the address.
    if process_environment(TABLE_VARIABLE).is_none()
        && let Some((shown, value)) = settings.value(TABLE_VARIABLE)
        && let Some(failure) = expected.contradiction(&shown, "migrations-table", &value)
    {
        return Ok(Some(failure));
    }
    let dump = settings.value(DUMP_VARIABLE).map_or_else(|| DUMP.to_owned(), |(_, path)| path);
    let Some((path, text)) = directory.beside(dump.trim_start_matches("./"))? else {
        return Ok(None);
    };
    Ok(dumped_ledger(&text).and_then(|dumped| of_dump(&path, &dumped, by_schema, target)))
}

/// Compares the ledger in a dump, which its tool has used, with the configured one.
fn of_dump(
    path: &Utf8PathBuf,
    dumped: &[String],
    by_schema: bool,
    target: &Target,
) -> Option<Failure> {
    let ledger = &target.ledger;
    let (table, schema) = (dumped.last()?, dumped.len().checked_sub(2).map(|at| &dumped[at]));
    // A tenant's dump contains the schema of that tenant.
    let counts = !by_schema && target.track == TrackKind::Shared;
    let is_same =
        *table == ledger.table && schema.is_none_or(|schema| !counts || *schema == ledger.schema);
    if is_same {
        return None;
    }
    let said = format!(
        "`{path}` contains the rows of the ledger `{}`, but the configuration sets {}",
        dumped.join("."),
        ledger.qualified()
    );
    Some(failure(
        said,
        "set `schema` and `ledger` to the values that dbmate uses, or create the dump again if it is out of date",
    ))
}

/// The parts of the table name for which dbmate's dump inserts ledger rows.
fn dumped_ledger(text: &str) -> Option<Vec<String>> {
    let (_, rows) = text.split_once(DUMPED_ROWS)?;
    let lines = rows.lines().map(str::trim_start);
    let name = lines.filter_map(|line| line.strip_prefix("INSERT INTO ")).next()?;
    let words = words(name).take_while(|word| word.text() != "(").filter(|word| word.text() != ".");
    let parts: Option<Vec<String>> =
        words.map(|word| Some(word.identifier()?.into_owned())).collect();
    parts.filter(|parts| !parts.is_empty())
}

/// The nearest `.env` above the migrations. As with the tools, a variable of the environment overrides the file's.
struct DotEnv {
    path: Option<Utf8PathBuf>,
    text: String,
}

impl DotEnv {
    fn read(directory: &Directory<'_>) -> Result<Self, FormatError> {
        let found = directory.beside(".env")?;
        let (path, text) = found.map_or((None, String::new()), |(path, text)| (Some(path), text));
        Ok(Self { path, text })
    }

    /// The description of the variable's origin, and its value.
    fn value(&self, name: &str) -> Option<(String, String)> {
        if let Some(value) = process_environment(name) {
            return (!value.is_empty()).then(|| (name.to_owned(), value));
        }
        let path = self.path.as_ref()?;
        let value = self.text.lines().filter_map(|line| assignment(line, name)).next_back()?;
        (!value.is_empty()).then(|| (format!("{name} of {path}"), value))
    }
}

/// The value that a line of a `.env` assigns to a variable: `NAME=value`, `export NAME="value" # why`.
fn assignment(line: &str, name: &str) -> Option<String> {
    let line = line.trim_start_matches('\u{feff}').trim();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let value = line.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim();
    let quoted = |quote: char| value.strip_prefix(quote)?.split(quote).next();
    let bare = || value.split(" #").next().unwrap_or_default().trim_end();
    Some(quoted('"').or_else(|| quoted('\'')).unwrap_or_else(bare).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_an_env_file_are_parsed() {
        for (line, expected) in [
            ("A=b", Some("b")),
            ("export A = \"b c\" # d", Some("b c")),
            ("  A='b#c'", Some("b#c")),
            ("A=b#c # d\r", Some("b#c")),
            ("\u{feff}A=b", Some("b")),
            ("A=", Some("")),
            ("# A=b", None),
            ("AB=b", None),
        ] {
            assert_eq!(assignment(line, "A").as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn the_ledger_table_of_a_dump_is_parsed() {
        let dump = |name: &str| {
            format!(
                "CREATE TABLE a ();\n\n{DUMPED_ROWS}\n--\n\nINSERT INTO {name} (version) VALUES\n    ('1');\n"
            )
        };
        let of = |name: &str| dumped_ledger(&dump(name)).unwrap().join("|");
        assert_eq!(of("public.schema_migrations"), "public|schema_migrations");
        assert_eq!(of("\"My Shop\".\"m.s\""), "My Shop|m.s");
        assert_eq!(of("mine"), "mine");
        assert_eq!(dumped_ledger("INSERT INTO a (version) VALUES (1);"), None);
        assert_eq!(dumped_ledger(DUMPED_ROWS), None);
    }
}
