//! The ledger in a sample: its rows in data-only samples, and other tables that may be a ledger.

use camino::Utf8Path;

use super::file::{SampleFile, file_failure};
use super::run::{FileRun, at};
use crate::formats::{LEDGERS, Ledger, LedgerRules};
use crate::model::{Failure, FailureKind};
use crate::postgres::Session;
use crate::sql::{Piece, SqlWord, quote_identifier, words};

/// A table's name in a statement: the schema, if given, and the table.
type Name = (Option<String>, String);

impl SampleFile {
    /// The version of the ledger's rows in the sample, if it has any. They are written to the tool's ledger and read back,
    /// in a transaction of `session` (the owner's, with the tenant's search path) that is rolled back.
    pub(crate) async fn ledger_version(
        &self,
        session: &mut Session,
        format: &dyn LedgerRules,
        ledger: &Ledger,
        schema: &str,
    ) -> Result<Option<String>, Failure> {
        session.execute("BEGIN").await?;
        for message in format.ensure_ledger(ledger) {
            session.send(&message).await?;
        }
        let mut run = FileRun::of(session, &self.script);
        for piece in &self.split.pieces {
            match piece {
                _ if !self.writes_ledger(piece, ledger, schema) => run.flush().await?,
                Piece::Copy { statement, data, problem } => {
                    run.copy(statement, data, problem.as_ref()).await?;
                }
                Piece::Sql { range } | Piece::Meta { range } => run.add(range.clone()).await?,
            }
        }
        run.flush().await?;
        let rows = session.ledger(ledger, &format.ledger_rows(ledger)).await?.unwrap_or_default();
        session.execute("ROLLBACK").await?;
        match rows.iter().find(|row| !row.complete) {
            Some(row) => Err(unfinished(self.script.path(), &row.version)),
            None => Ok(rows.last().map(|row| row.version.clone())),
        }
    }

    pub(crate) fn has_ledger_rows(&self, ledger: &Ledger, schema: &str) -> bool {
        self.split.pieces.iter().any(|piece| self.writes_ledger(piece, ledger, schema))
    }

    /// Whether this piece writes rows of the ledger. A name without a schema refers to `schema`.
    pub(crate) fn writes_ledger(&self, piece: &Piece, ledger: &Ledger, schema: &str) -> bool {
        let written = match piece {
            Piece::Sql { range } => {
                name_after(&self.script.text()[range.clone()], &["INSERT", "INTO"])
            }
            Piece::Copy { statement, .. } => {
                name_after(&self.script.text()[statement.clone()], &["COPY"])
            }
            Piece::Meta { .. } => None,
        };
        written.is_some_and(|(explicit, table)| {
            table == ledger.table && explicit.as_deref().unwrap_or(schema) == ledger.schema
        })
    }

    /// A failure if the sample creates a table that may contain its version: a table with the ledger's name in another
    /// schema, or the ledger of another tool. Without rows in the ledger itself, the version would otherwise be assumed.
    pub(crate) fn other_ledger(&self, ledger: &Ledger) -> Option<Failure> {
        self.split.pieces.iter().find_map(|piece| {
            let Piece::Sql { range } = piece else { return None };
            let (schema, table) = created_table(&self.script.text()[range.clone()])?;
            let message = if table == ledger.table {
                let elsewhere = schema.filter(|schema| *schema != ledger.schema)?;
                format!(
                    "the sample contains {}.{}, but no rows in {}, which would contain its version",
                    quote_identifier(&elsewhere),
                    quote_identifier(&table),
                    ledger.qualified(),
                )
            } else {
                let (_, tool) = LEDGERS.iter().find(|(name, _)| *name == table)?;
                format!(
                    "the sample contains {}, the version table of {tool}, but no rows in {}, which would contain its version",
                    quote_identifier(&table),
                    ledger.qualified(),
                )
            };
            Some(at(&self.script, range.start, elsewhere(message)))
        })
    }
}

fn elsewhere(message: String) -> Failure {
    Failure {
        hint: Some(
            "if that table is the ledger, set `ledger`, `schema` or `format` next to `migrations`; otherwise set the \
             `version` of the sample. By default mig-ci would assume the version of the base"
                .to_owned(),
        ),
        ..Failure::new(FailureKind::File, message)
    }
}

fn unfinished(path: &Utf8Path, version: &str) -> Failure {
    file_failure(
        path,
        format!("the sample's version table shows that {version} was started and not finished"),
    )
}

fn created_table(statement: &str) -> Option<Name> {
    if !crate::samples::statement::creates_table(statement) {
        return None;
    }
    let mut words = words(statement).skip_while(|word| !word.is("TABLE")).skip(1).peekable();
    if words.next_if(|word| word.is("IF")).is_some() {
        // NOT EXISTS
        words.nth(1)?;
    }
    name(words)
}

fn name_after(statement: &str, keywords: &[&str]) -> Option<Name> {
    let mut words = words(statement);
    keywords
        .iter()
        .all(|keyword| words.next().is_some_and(|word| word.is(keyword)))
        .then(|| name(words))?
}

fn name<'t>(mut words: impl Iterator<Item = SqlWord<'t>>) -> Option<Name> {
    let first = words.next()?.identifier()?.into_owned();
    match words.next() {
        Some(dot) if dot.text() == "." => {
            Some((Some(first), words.next()?.identifier()?.into_owned()))
        }
        _ => Some((None, first)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MemoryFiles;

    fn sample(text: &str) -> SampleFile {
        let files = MemoryFiles::new([("acme.sql", text)]);
        SampleFile::read(&files, "acme.sql".into()).unwrap()
    }

    fn ledger() -> Ledger {
        Ledger::new("tenant_acme", "schema_migrations")
    }

    #[test]
    fn rows_of_the_ledger_are_recognized_by_its_name() {
        for text in [
            "INSERT INTO tenant_acme.schema_migrations VALUES ('1');",
            "insert into \"tenant_acme\".Schema_Migrations (version) values ('1');",
            "INSERT INTO schema_migrations VALUES ('1');",
            "COPY tenant_acme.schema_migrations (version) FROM stdin;\n1\n\\.\n",
        ] {
            assert!(sample(text).has_ledger_rows(&ledger(), "tenant_acme"), "{text}");
        }
        for text in [
            "INSERT INTO shared.schema_migrations VALUES ('1');",
            "INSERT INTO tenant_acme.members VALUES ('schema_migrations');",
            "SELECT 1 FROM tenant_acme.schema_migrations;",
            "COPY tenant_acme.members FROM stdin;\nschema_migrations\n\\.\n",
        ] {
            assert!(!sample(text).has_ledger_rows(&ledger(), "tenant_acme"), "{text}");
        }
        assert!(
            !sample("INSERT INTO schema_migrations VALUES ('1');")
                .has_ledger_rows(&ledger(), "shared")
        );
    }

    #[test]
    fn a_ledger_in_another_schema_or_of_another_tool_is_detected() {
        let found = |text: &str| {
            let failure = sample(text).other_ledger(&ledger())?;
            Some((failure.place.unwrap().line, failure.message))
        };
        let (line, message) =
            found("SELECT 1;\nCREATE TABLE IF NOT EXISTS legacy.schema_migrations (version text);")
                .unwrap();
        assert_eq!(line, 2);
        assert!(message.contains("\"legacy\".\"schema_migrations\""), "{message}");
        let (_, message) = found("CREATE TABLE public._sqlx_migrations (version bigint);").unwrap();
        assert!(message.contains("the version table of sqlx"), "{message}");
        for text in [
            "CREATE TABLE tenant_acme.schema_migrations (version text);",
            "CREATE TABLE schema_migrations (version text);",
            "CREATE TABLE legacy.members (schema_migrations int);",
            "CREATE VIEW legacy.schema_migrations AS SELECT 1;",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
