//! Runs the statements of a sample, and of a `prepare` file.

use std::ops::Range;

use camino::Utf8Path;
use indexmap::IndexMap;

use super::file::{SampleFile, check_end, file_failure, read_text};
use super::run::{FileRun, at};
use super::statement::{ExistingObjects, treat};
use super::treatment::Treatment;
use crate::formats::Ledger;
use crate::model::{Failure, FailureKind, Files, SampleLoad, Script, SkippedStatements};
use crate::postgres::Session;
use crate::sql::{
    self, Dialect, Piece, TransactionEffect, quote_identifier, quote_literal, refuses_transaction,
    transaction_control,
};

/// Why a `\connect` is skipped: `pg_dump --create` writes one, to the database that it has just created.
const CONNECT: &str = "connection to the database itself";

/// Why rows of the ledger are skipped in a data-only sample: the migrations have already written them.
const LEDGER_ROWS: &str = "rows of the version table, which the migrations have written";

/// Runs a `prepare` file completely as the session's user.
pub(crate) async fn run_file(
    session: &mut Session,
    files: &dyn Files,
    path: &Utf8Path,
) -> Result<(), Failure> {
    run_whole(session, files, path, false).await
}

/// The same, in a transaction of the caller, which the file must not end.
pub(crate) async fn run_file_in_transaction(
    session: &mut Session,
    files: &dyn Files,
    path: &Utf8Path,
) -> Result<(), Failure> {
    run_whole(session, files, path, true).await
}

async fn run_whole(
    session: &mut Session,
    files: &dyn Files,
    path: &Utf8Path,
    in_transaction: bool,
) -> Result<(), Failure> {
    let text = read_text(files, path)?;
    let split = sql::split(&text, Dialect::Psql);
    let script = Script::whole(path, text);
    check_end(&script, &split)?;
    let mut run = FileRun::of(session, &script);
    for piece in &split.pieces {
        match piece {
            Piece::Sql { range }
                if in_transaction && breaks_transaction(&script.text()[range.clone()]) =>
            {
                return Err(at(&script, range.start, breaks_transaction_failure()));
            }
            Piece::Sql { range } => run.add(range.clone()).await?,
            Piece::Copy { statement, data, problem } => {
                run.copy(statement, data, problem.as_ref()).await?;
            }
            Piece::Meta { range } => return Err(meta_command(&script, range)),
        }
    }
    run.finish().await
}

/// Whether a statement begins or ends a transaction, or cannot run in one.
fn breaks_transaction(statement: &str) -> bool {
    let control = transaction_control(statement);
    matches!(control, Some(TransactionEffect::Begin | TransactionEffect::End))
        || refuses_transaction(statement)
}

fn breaks_transaction_failure() -> Failure {
    Failure {
        hint: Some(
            "the server's `prepare` files run in one transaction there, so that mig-ci can remove the roles that they \
             create; they must not leave anything else on that server"
                .to_owned(),
        ),
        ..Failure::new(
            FailureKind::File,
            "this statement cannot run on the server of postgres.url: it cannot run inside a transaction",
        )
    }
}

/// The target of a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SampleTarget<'a> {
    /// The owner of all objects of the sample.
    pub(crate) role: &'a str,
    /// The first schema of the search path.
    pub(crate) schema: &'a str,
    pub(crate) ledger: &'a Ledger,
}

/// Loads a sample through the administrator's `session`, whose search path is the target's.
pub(crate) async fn load_sample(
    session: &mut Session,
    sample: &SampleFile,
    target: SampleTarget<'_>,
) -> Result<SampleLoad, Failure> {
    let existing = existing(session).await?;
    let owner = format!("SET ROLE {}", quote_identifier(target.role));
    session.execute(&owner).await?;
    let load = SampleLoad { path: sample.script.path().to_owned(), ..SampleLoad::default() };
    let run = FileRun::of(session, &sample.script);
    let is_whole = sample.is_whole();
    let mut loader = SampleLoader { run, sample, existing, owner, load, skipped: IndexMap::new() };
    for piece in &sample.split.pieces {
        if !is_whole && sample.writes_ledger(piece, target.ledger, target.schema) {
            loader.skip(LEDGER_ROWS.to_owned()).await?;
        } else {
            loader.piece(piece, target.role).await?;
        }
    }
    loader.run.finish().await?;
    let (mut load, skipped) = (loader.load, loader.skipped);
    // A dump for `public` may contain nothing there, and everything in schemas of the product.
    if is_whole && target.schema != "public" {
        check_tables_created(session, sample, target.schema).await?;
    }
    load.skipped =
        skipped.into_iter().map(|(reason, count)| SkippedStatements { reason, count }).collect();
    Ok(load)
}

/// A sample that is being loaded.
struct SampleLoader<'a> {
    run: FileRun<'a>,
    sample: &'a SampleFile,
    existing: ExistingObjects,
    /// The statement that switches the session back to the owner.
    owner: String,
    load: SampleLoad,
    skipped: IndexMap<String, usize>,
}

impl SampleLoader<'_> {
    async fn piece(&mut self, piece: &Piece, role: &str) -> Result<(), Failure> {
        match piece {
            Piece::Sql { range } => self.statement(range, role).await,
            Piece::Copy { statement, data, problem } => {
                self.load.copied_rows += self.run.copy(statement, data, problem.as_ref()).await?;
                self.load.statements += 1;
                Ok(())
            }
            Piece::Meta { range } => self.command(range).await,
        }
    }

    async fn statement(&mut self, range: &Range<usize>, role: &str) -> Result<(), Failure> {
        let range = range.clone();
        match treat(&self.sample.script.text()[range.clone()], &self.existing) {
            Treatment::AsOwner => self.run.add(range).await?,
            Treatment::AsAdmin => self.run.alone("RESET ROLE", range, &self.owner).await?,
            Treatment::AsAdminForOwner(object) => {
                let given =
                    format!("ALTER {object} OWNER TO {}; {}", quote_identifier(role), self.owner);
                self.run.alone("RESET ROLE", range, &given).await?;
            }
            Treatment::Setting => {
                if let Some(reason) = self.run.setting(range).await? {
                    return self.skip(reason).await;
                }
            }
            Treatment::Ignore => return self.run.flush().await,
            Treatment::Skip(reason) => return self.skip(reason).await,
        }
        self.load.statements += 1;
        Ok(())
    }

    /// Handles a psql command.
    async fn command(&mut self, range: &Range<usize>) -> Result<(), Failure> {
        let script = &self.sample.script;
        match tolerated(&script.text()[range.clone()]) {
            Some(None) => Ok(()),
            Some(Some(_)) if self.skipped.contains_key(CONNECT) => {
                Err(second_database(script, range))
            }
            Some(Some(reason)) => self.skip(reason.to_owned()).await,
            None => Err(meta_command(script, range)),
        }
    }

    async fn skip(&mut self, reason: String) -> Result<(), Failure> {
        self.run.flush().await?;
        *self.skipped.entry(reason).or_default() += 1;
        Ok(())
    }
}

async fn existing(session: &mut Session) -> Result<ExistingObjects, Failure> {
    let roles = session.column("SELECT rolname::text FROM pg_catalog.pg_roles").await?;
    let schemas = session.column("SELECT nspname::text FROM pg_catalog.pg_namespace").await?;
    Ok(ExistingObjects {
        roles: roles.into_iter().collect(),
        schemas: schemas.into_iter().collect(),
    })
}

/// psql commands that `pg_dump` writes. `None`: an error; an inner `None`: ignored without a report. `\restrict` was added
/// in the releases of August 2025; it only protects psql from commands hidden in data.
fn tolerated(command: &str) -> Option<Option<&'static str>> {
    match command.split_whitespace().next().unwrap_or_default() {
        "\\restrict" | "\\unrestrict" => Some(None),
        "\\connect" | "\\c" => Some(Some(CONNECT)),
        _ => None,
    }
}

/// Checks that the sample created tables in its schema: a dump of another schema would load without an error, and leave the
/// tenant empty.
async fn check_tables_created(
    session: &mut Session,
    sample: &SampleFile,
    schema: &str,
) -> Result<(), Failure> {
    let tables = format!(
        "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND n.nspname = {}",
        quote_literal(schema)
    );
    if session.fetch_one::<i64>(&tables).await? > 0 {
        return Ok(());
    }
    Err(Failure {
        hint: Some(
            "name the file after its tenant, so that `target` produces the schema that the file creates, or set \
             `sample.TENANT = { file = … }`"
                .to_owned(),
        ),
        ..file_failure(
            sample.script.path(),
            format!("the sample created no table in \"{schema}\", the schema of its tenant"),
        )
    })
}

fn meta_command(script: &Script, range: &Range<usize>) -> Failure {
    let command = script.text()[range.clone()].trim();
    let failure = Failure {
        hint: Some("psql runs it, mig-ci does not: write the SQL itself into the file".to_owned()),
        ..Failure::new(FailureKind::File, format!("`{command}` is a psql command"))
    };
    at(script, range.start, failure)
}

fn second_database(script: &Script, range: &Range<usize>) -> Failure {
    let failure = Failure {
        hint: Some(
            "dump each database separately: `pg_dump DATABASE`, not `pg_dumpall`".to_owned(),
        ),
        ..Failure::new(
            FailureKind::File,
            "the file continues with another database, but a sample covers one",
        )
    };
    at(script, range.start, failure)
}
