//! Runs an SQL file in a session as `psql` does: statement by statement, with the data of its COPY blocks.

use std::ops::Range;

use super::statement::storage_setting;
use crate::formats::QueryBatch;
use crate::model::{Failure, FailureKind, Place, Script};
use crate::postgres::{Session, copy_failure};
use crate::sql::{CopyProblem, excerpt_at, is_transaction_control, refuses_transaction};

/// In bytes. Statements are sent in messages of about this size, because single round trips would take most of the time of a
/// large sample.
const MESSAGE_BYTES: usize = 64 * 1024;

/// The run of a file in a session.
pub(crate) struct FileRun<'a> {
    session: &'a mut Session,
    script: &'a Script,
    /// The offset of its last transaction command.
    control: Option<usize>,
    /// Statements of the next message: one range of the file.
    batch: Option<Range<usize>>,
}

impl<'a> FileRun<'a> {
    pub(crate) fn of(session: &'a mut Session, script: &'a Script) -> Self {
        Self { session, script, control: None, batch: None }
    }

    pub(crate) async fn add(&mut self, range: Range<usize>) -> Result<(), Failure> {
        let statement = &self.script.text()[range.clone()];
        let controls = is_transaction_control(statement);
        if controls || refuses_transaction(statement) {
            self.control = if controls { Some(range.start) } else { self.control };
            self.flush().await?;
            return self.send(range).await;
        }
        let batch = self.batch.get_or_insert(range.clone());
        batch.end = range.end;
        if batch.len() >= MESSAGE_BYTES { self.flush().await } else { Ok(()) }
    }

    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        match self.batch.take() {
            Some(range) => self.send(range).await,
            None => Ok(()),
        }
    }

    /// Ends the file: no transaction may be open, which the end of the session would roll back.
    pub(crate) async fn finish(&mut self) -> Result<(), Failure> {
        self.flush().await?;
        let Some(offset) = self.control else { return Ok(()) };
        if !self.session.is_in_transaction().await? {
            return Ok(());
        }
        let failure = Failure {
            hint: Some(
                "end it with COMMIT: otherwise all later statements are rolled back".to_owned(),
            ),
            ..Failure::new(FailureKind::File, "the file ends inside a transaction that starts here")
        };
        Err(at(self.script, offset, failure))
    }

    async fn send(&mut self, range: Range<usize>) -> Result<(), Failure> {
        let message = QueryBatch::script(self.script.section(range));
        self.session.send(&message).await.map(drop)
    }

    pub(crate) async fn alone(
        &mut self,
        before: &str,
        range: Range<usize>,
        after: &str,
    ) -> Result<(), Failure> {
        self.flush().await?;
        self.session.execute(before).await?;
        self.send(range).await?;
        self.session.execute(after).await
    }

    /// Runs a `SET` of a dump. Returns the reason for skipping it if this server lacks the setting or the tablespace.
    pub(crate) async fn setting(&mut self, range: Range<usize>) -> Result<Option<String>, Failure> {
        self.flush().await?;
        let storage = storage_setting(&self.script.text()[range.clone()]);
        let Err(failure) = self.send(range).await else { return Ok(None) };
        match (&failure.kind, storage) {
            (FailureKind::Sql { sqlstate }, _) if sqlstate == "42704" => {
                Ok(Some("setting that this server does not know".to_owned()))
            }
            (FailureKind::Sql { sqlstate }, Some(setting)) if sqlstate == "22023" => {
                Ok(Some(format!("`{setting}` that this server does not have")))
            }
            _ => Err(failure),
        }
    }

    pub(crate) async fn copy(
        &mut self,
        statement: &Range<usize>,
        data: &Range<usize>,
        problem: Option<&CopyProblem>,
    ) -> Result<u64, Failure> {
        self.flush().await?;
        let text = self.script.text();
        let (offset, message) = match problem {
            None => (0, ""),
            Some(CopyProblem::Unterminated) => (
                statement.start,
                "the data of this COPY has no end, which is a line with only `\\.`: the file is truncated",
            ),
            Some(CopyProblem::TextBehind(offset)) => (
                *offset,
                "the data of a COPY starts on the line after its semicolon, and there is other text here",
            ),
        };
        if problem.is_some() {
            return Err(at(self.script, offset, Failure::new(FailureKind::File, message)));
        }
        let sql = &text[statement.clone()];
        self.session
            .copy_in(sql, &text.as_bytes()[data.clone()])
            .await
            .map_err(|error| copy_failure(&error, self.script, statement.clone(), data.clone()))
    }
}

/// The failure, at `offset` bytes into the script.
pub(crate) fn at(script: &Script, offset: usize, failure: Failure) -> Failure {
    let spot = excerpt_at(script.file_text(), script.range().start + offset);
    Failure {
        place: Some(Place {
            path: script.path().to_owned(),
            line: spot.line,
            column: Some(spot.column),
            excerpt: Some(spot.excerpt),
        }),
        ..failure
    }
}
