//! What happens to each piece of a sample, and of a file of `prepare`.

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

/// Why a `\connect` is left out: `pg_dump --create` writes one, to the database that it has just made.
const CONNECT: &str = "connection to the database itself";

/// Why rows of the ledger are left out of data alone: those of the migrations are there already.
const LEDGER_ROWS: &str = "rows of the version table, which the migrations have written";

/// Runs a `prepare` file, all of it as the session's own user.
pub(crate) async fn run_file(
    session: &mut Session,
    files: &dyn Files,
    path: &Utf8Path,
) -> Result<(), Failure> {
    run_whole(session, files, path, false).await
}

/// The same, in a transaction that the caller has begun and will end, and that the file may not end itself.
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
            Piece::Sql { range } if in_transaction && is_unbound(&script.text()[range.clone()]) => {
                return Err(at(&script, range.start, unbound()));
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

/// It begins or ends transactions, or runs in none.
fn is_unbound(statement: &str) -> bool {
    let control = transaction_control(statement);
    matches!(control, Some(TransactionEffect::Begin | TransactionEffect::End))
        || refuses_transaction(statement)
}

fn unbound() -> Failure {
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

/// Where a sample goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SampleTarget<'a> {
    /// To whom everything in it comes to belong.
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
    let known = known(session).await?;
    let owner = format!("SET ROLE {}", quote_identifier(target.role));
    session.execute(&owner).await?;
    let load = SampleLoad { path: sample.script.path().to_owned(), ..SampleLoad::default() };
    let run = FileRun::of(session, &sample.script);
    let is_whole = sample.is_whole();
    let mut loading = Loading { run, sample, known, owner, load, skipped: IndexMap::new() };
    for piece in &sample.split.pieces {
        if !is_whole && sample.writes_ledger(piece, target.ledger, target.schema) {
            loading.skip(LEDGER_ROWS.to_owned()).await?;
        } else {
            loading.piece(piece, target.role).await?;
        }
    }
    loading.run.finish().await?;
    let (mut load, skipped) = (loading.load, loading.skipped);
    // In `public` a dump may well have nothing, and all in schemas of the product's own.
    if is_whole && target.schema != "public" {
        landed(session, sample, target.schema).await?;
    }
    load.skipped =
        skipped.into_iter().map(|(reason, count)| SkippedStatements { reason, count }).collect();
    Ok(load)
}

/// A sample that is being loaded.
struct Loading<'a> {
    run: FileRun<'a>,
    sample: &'a SampleFile,
    known: ExistingObjects,
    /// The statement by which the session comes back to the owner.
    owner: String,
    load: SampleLoad,
    skipped: IndexMap<String, usize>,
}

impl Loading<'_> {
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
        match treat(&self.sample.script.text()[range.clone()], &self.known) {
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

    /// A command to psql.
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

async fn known(session: &mut Session) -> Result<ExistingObjects, Failure> {
    let roles = session.column("SELECT rolname::text FROM pg_catalog.pg_roles").await?;
    let schemas = session.column("SELECT nspname::text FROM pg_catalog.pg_namespace").await?;
    Ok(ExistingObjects {
        roles: roles.into_iter().collect(),
        schemas: schemas.into_iter().collect(),
    })
}

/// What `pg_dump` itself writes as a command to psql: `None` is an error, an inner `None` needs no mention.
/// `\restrict` came with the releases of August 2025; it only guards psql against commands hidden in data.
fn tolerated(command: &str) -> Option<Option<&'static str>> {
    match command.split_whitespace().next().unwrap_or_default() {
        "\\restrict" | "\\unrestrict" => Some(None),
        "\\connect" | "\\c" => Some(Some(CONNECT)),
        _ => None,
    }
}

/// A dump of another schema would load without an error, and the tenant would be as empty as before.
async fn landed(session: &mut Session, sample: &SampleFile, schema: &str) -> Result<(), Failure> {
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
