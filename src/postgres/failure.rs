//! Converts an error of the driver to a [`Failure`]: the server's message, and the location in the file.

use std::ops::Range;

use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use crate::formats::{Ledger, Located, QueryBatch};
use crate::model::{Failure, FailureKind, FailureOrigin, Place, Script};
use crate::secrets;
use crate::sql::{do_block_line, do_block_offset, excerpt_at, place_in};

/// Characters of a statement in a failure; its location shows where the rest is.
const MAX_STATEMENT: usize = 2_000;
/// Characters of a server text in a failure: a migration can raise megabytes.
const MAX_TEXT: usize = 8_000;

/// An error in the response to `message`, after `completed` of its statements.
pub(crate) fn of_message(error: &sqlx::Error, message: &QueryBatch, completed: usize) -> Failure {
    let mut failure = of_own(error);
    // The server reports completed statements with its responses: unknown if the connection broke.
    if failure.kind == FailureKind::ConnectionLost && server_error(error).is_none() {
        return failure;
    }
    let position = server_error(error).and_then(|error| match error.position() {
        Some(PgErrorPosition::Original(position)) => Some(position),
        // A position inside a function's own query is not a position in the file.
        Some(PgErrorPosition::Internal { .. }) | None => None,
    });
    match message.locate(position, completed) {
        Some(Located::Script { script, statement, offset }) => {
            let text = &script.file_text()[statement.clone()];
            let offset = offset.or_else(|| {
                let in_body = failure.context.as_deref().and_then(do_block_line)?;
                do_block_offset(text, in_body).map(|at| statement.start + at)
            });
            let spot = excerpt_at(script.file_text(), offset.unwrap_or(statement.start));
            failure.statement = Some(cut(text, MAX_STATEMENT));
            failure.place = Some(Place {
                path: script.path().to_owned(),
                line: spot.line,
                column: offset.map(|_| spot.column),
                excerpt: Some(spot.excerpt),
            });
        }
        Some(Located::Tool { sql }) => failure.statement = Some(cut(sql.trim(), MAX_STATEMENT)),
        None => {}
    }
    failure
}

/// The location of the script's statement after the first `completed` of a message; `None` for the tool's own SQL.
pub(crate) fn place_of(message: &QueryBatch, completed: usize) -> Option<Place> {
    match message.locate(None, completed)? {
        Located::Script { script, statement, .. } => Some(place_in(script, statement.start)),
        Located::Tool { .. } => None,
    }
}

/// Whether the driver has met a notification (`LISTEN`, `NOTIFY`) within the responses to a message, and stopped reading
/// them.
pub(crate) fn is_notification(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Protocol(reason) if reason.contains("NotificationResponse"))
}

/// Adds a hint to a failure of the tool's own SQL around a script, which the script causes but the error does not explain.
pub(crate) fn explain_tool_sql(failure: Failure) -> Failure {
    let is_sql = matches!(failure.kind, FailureKind::Sql { .. });
    if !is_sql || failure.place.is_some() || failure.hint.is_some() {
        return failure;
    }
    let is_twice = failure.kind == FailureKind::Sql { sqlstate: "23505".to_owned() };
    let hint = if is_twice && failure.statement.as_deref() != Some("COMMIT") {
        "the tool writes its ledger row here, and the ledger already has this version"
    } else if failure.statement.as_deref() == Some("COMMIT") {
        "the tool commits the migration's transaction here: deferred constraints (DEFERRABLE INITIALLY \
         DEFERRED) are checked now"
    } else {
        "the tool itself sends this statement around the migration: the migration left the session with \
         another search_path or role, or in an aborted transaction, or changed the ledger's table"
    };
    Failure { hint: Some(hint.to_owned()), ..failure }
}

/// An error in the response to SQL that is in no file of the project.
pub(crate) fn of_own(error: &sqlx::Error) -> Failure {
    if let Some(error) = server_error(error) {
        let origin = is_raised(error).then_some(FailureOrigin::Script);
        // Class 57P: the server terminates sessions because it is shutting down, has crashed, or is starting up.
        let kind = if error.code().starts_with("57P0") && origin.is_none() {
            FailureKind::ConnectionLost
        } else {
            FailureKind::Sql { sqlstate: error.code().to_owned() }
        };
        let text = |text: &str| cut(text, MAX_TEXT);
        return Failure {
            detail: error.detail().map(text),
            hint: error.hint().map(text),
            context: error.r#where().map(text),
            in_catalog: error.schema() == Some("pg_catalog"),
            origin,
            ..Failure::new(kind, text(error.message()))
        };
    }
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => Failure::new(
            FailureKind::ConnectionLost,
            format!("the connection to the server broke: {error}"),
        ),
        // The server requested COPY data, or sent some: none of the supported tools implements that.
        sqlx::Error::Protocol(reason) => Failure {
            hint: Some(
                "`COPY … FROM stdin` and `COPY … TO stdout` need a client such as psql; in a migration write INSERT"
                    .to_owned(),
            ),
            ..Failure::new(FailureKind::File, format!("the driver cannot decode the server's answer: \
                                                       {reason}"))
        },
        // The response has another form than expected: a NULL in a ledger, a column of another type.
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::TypeNotFound { .. } => {
            Failure::new(FailureKind::Ledger, cut(&error.to_string(), MAX_TEXT))
        }
        other => Failure::new(FailureKind::ConnectionLost, other.to_string()),
    }
}

/// Whether a script itself raised the error, with a code of its choice. The routine's name comes from the server, and is
/// never translated. Sources: `pl_exec.c` (`RAISE`) and `plpy_plpymodule.c` (`plpy.error`). If a block re-raises an error
/// that it caught, the routine is that of the original error.
fn is_raised(error: &PgDatabaseError) -> bool {
    matches!(error.routine(), Some("exec_stmt_raise" | "PLy_output"))
}

/// An error while connecting: rejected by the server (too many connections, no such role), or unreachable.
pub(crate) fn of_connection(error: &sqlx::Error) -> Failure {
    let failure = match error {
        // A server that cannot start a process for the session reports this in the format of an older protocol version.
        sqlx::Error::Protocol(reason) => Failure::new(
            FailureKind::ConnectionLost,
            format!("unexpected response of the server: {reason}"),
        ),
        // There was no connection that could break: the reason of the system or of TLS is the message.
        sqlx::Error::Io(reason) => Failure::new(FailureKind::ConnectionLost, reason.to_string()),
        sqlx::Error::Tls(reason) => {
            Failure::new(FailureKind::ConnectionLost, format!("TLS: {reason}"))
        }
        error => of_own(error),
    };
    tracing::debug!(reason = failure.message, "cannot connect");
    Failure { message: format!("cannot open a session: {}", failure.message), ..failure }
}

fn server_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref())
}

/// Masks secrets before truncation, since a truncated secret would not be recognized.
fn cut(text: &str, characters: usize) -> String {
    let text = secrets::mask(text);
    match text.char_indices().nth(characters) {
        None => text.into_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

/// The session's search path is not the expected one.
pub(crate) fn wrong_search_path(wanted: &[String], seen: &[String]) -> Failure {
    let missing: Vec<String> = wanted
        .iter()
        .filter(|name| !seen.contains(name))
        .map(|name| format!("\"{name}\""))
        .collect();
    Failure {
        hint: Some(
            "the migrations (or `prepare`) have to create every schema of `search_path` before the first \
             session that uses it; PostgreSQL ignores a missing schema and would use the next one"
                .to_owned(),
        ),
        ..Failure::new(
            FailureKind::SearchPath,
            format!(
                "the session does not see {}: its search path should be {wanted:?} and is {seen:?}",
                if missing.is_empty() { "its schemas in order".to_owned() } else { missing.join(", ") },
            ),
        )
    }
}

/// A query for the ledger's rows failed.
pub(crate) fn ledger_unreadable(ledger: &Ledger, cause: &Failure) -> Failure {
    if cause.is_environmental() || cause.kind == FailureKind::ConnectionLost {
        return cause.clone();
    }
    Failure {
        detail: cause.detail.clone(),
        ..Failure::new(
            FailureKind::Ledger,
            format!("the ledger {} cannot be read: {}", ledger.qualified(), cause.message),
        )
    }
}

/// An error during COPY: the server names the line of the data in its context (`COPY users, line 3, …`).
pub(crate) fn copy_failure(
    error: &sqlx::Error,
    script: &Script,
    statement: Range<usize>,
    data: Range<usize>,
) -> Failure {
    let mut failure = of_own(error);
    let text = script.text();
    let line_of_data = failure.context.as_deref().and_then(copy_line);
    let offset = line_of_data
        .and_then(|line| {
            let lines = &text[data.clone()];
            let starts = [0].into_iter().chain(lines.match_indices('\n').map(|(at, _)| at + 1));
            starts.take_while(|start| *start < lines.len()).nth(line.checked_sub(1)?)
        })
        .map_or(statement.start, |start| data.start + start);
    let spot = excerpt_at(script.file_text(), script.range().start + offset);
    failure.statement = Some(cut(&text[statement], MAX_STATEMENT));
    failure.place = Some(Place {
        path: script.path().to_owned(),
        line: spot.line,
        column: None,
        excerpt: Some(spot.excerpt),
    });
    failure
}

fn copy_line(context: &str) -> Option<usize> {
    let (_, rest) = context.split_once("COPY ")?.1.split_once(", line ")?;
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_text_ends_with_an_ellipsis() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöü", 2), "äö…");
    }
}
