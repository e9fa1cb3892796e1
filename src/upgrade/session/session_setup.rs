//! When a target needs a session of its own; SQL that sets a session up for a target; and the preamble, which is sent in the
//! same message as the target's first batch: session setup, the execution lock, and a check that the ledger has not changed
//! since all ledgers were read together. If any of it fails, nothing in the message has an effect.

use crate::formats::{Fragment, LedgerRow, LedgerRules, QueryBatch};
use crate::model::{Failure, FailureKind, Script};
use crate::sql::{Certainty, Dialect, effects, quote_identifier, quote_literal, split};
use crate::upgrade::target::Target;

/// Resets all session state. It replaces `DISCARD ALL`, which must not run in a transaction. A migration whose text shows
/// that it changes session state has a session of its own; functions can change it unnoticed.
const RESET_SESSION: &str = "RESET ALL; RESET SESSION AUTHORIZATION; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP; \
    DISCARD SEQUENCES; SELECT pg_catalog.pg_advisory_unlock_all(); ";

/// SQL that sets a session up for a target. [`check_search_path`] checks the effective search path.
pub(crate) fn setup_sql(target: &Target, is_new: bool) -> String {
    let settings = target.session_settings.iter().map(|sql| format!("{sql}; "));
    let settings: String = settings.collect();
    format!("{}{settings}{}", if is_new { "" } else { RESET_SESSION }, set_search_path(target))
}

/// SQL that sets the search path of a target.
pub(crate) fn set_search_path(target: &Target) -> String {
    let schemas = target.search_path.iter().map(|name| quote_identifier(name));
    format!("SET search_path TO {}", schemas.collect::<Vec<_>>().join(", "))
}

/// SQL that fails with a division by zero if the session's schemas are not those of the search path.
pub(crate) fn check_search_path(target: &Target) -> String {
    let seen = target.search_path.iter().map(|name| quote_literal(name));
    format!(
        "SELECT 1 / (pg_catalog.current_schemas(false)::pg_catalog.text[] OPERATOR(pg_catalog.=) \
         ARRAY[{}]::pg_catalog.text[])::pg_catalog.int4",
        seen.collect::<Vec<_>>().join(", "),
    )
}

/// Translates the division by zero of [`check_search_path`].
pub(crate) fn search_path_failure(target: &Target, failure: Failure) -> Failure {
    let is_check = failure.kind == FailureKind::Sql { sqlstate: "22012".to_owned() }
        && failure.statement.as_deref().is_some_and(|sql| sql.contains(&check_search_path(target)));
    if !is_check {
        return failure;
    }
    Failure {
        hint: Some(
            "a schema of the configured `search_path` is missing or not accessible, or a migration changed the session's \
             search path"
                .to_owned(),
        ),
        ..Failure::new(
            FailureKind::SearchPath,
            format!("the server does not see the search path {:?}", target.search_path),
        )
    }
}

/// Session state that outlives, or may outlive, the transaction would affect the next target.
pub(crate) fn need_own_session<'s>(mut scripts: impl Iterator<Item = &'s Script>) -> bool {
    scripts.any(|script| effects(script).leaves_in_session() > Certainty::No)
}

#[derive(Debug)]
pub(crate) struct Preamble {
    /// The statements after the session setup.
    statements: Vec<String>,
    watched: bool,
}

impl Preamble {
    /// For a target whose scanned ledger has the rows of this [`ledger_literal`], or has no ledger. `None` if the ledger is
    /// not created by SQL of the tool alone. `watched`: code of the project may observe the statements; otherwise the
    /// preamble checks that.
    pub(crate) fn new(
        target: &Target,
        format: &dyn LedgerRules,
        seen: Option<&str>,
        watched: bool,
    ) -> Option<Self> {
        let mut statements =
            vec![check_search_path(target), fail_unless(&target.keys.try_execution_lock())];
        if !watched {
            statements.push(fail_unless(&format!("SELECT NOT ({})", target.ledger.is_watched())));
        }
        match seen {
            Some(words) => statements.push(fail_unless(&ledger_unchanged(format, target, words))),
            None => {
                let name = quote_literal(&target.ledger.qualified());
                statements
                    .push(fail_unless(&format!("SELECT pg_catalog.to_regclass({name}) IS NULL")));
                for message in format.ensure_ledger(&target.ledger) {
                    for fragment in message.fragments() {
                        let Fragment::Tool(sql) = fragment else { return None };
                        statements.push(sql.clone());
                    }
                }
            }
        }
        Some(Self { statements, watched })
    }

    /// Code of the project may observe the statements.
    pub(crate) fn watched(&self) -> bool {
        self.watched
    }

    /// The message with the preamble in front. The preamble is a transaction of its own, so that a migration's transaction
    /// begins where the tool's does.
    pub(crate) fn before(&self, target: &Target, is_new: bool, message: &QueryBatch) -> QueryBatch {
        let fragments = self.fragments(target, is_new).chain(message.fragments().iter().cloned());
        QueryBatch::new(fragments.collect()).with_precondition(message.precondition())
    }

    /// The number of the preamble's statements in the message.
    pub(crate) fn length(&self, target: &Target, is_new: bool) -> usize {
        let pieces = |fragment: Fragment| split(fragment.text(), Dialect::Server).pieces.len();
        self.fragments(target, is_new).map(pieces).sum()
    }

    fn fragments(&self, target: &Target, is_new: bool) -> impl Iterator<Item = Fragment> {
        let begin = ["BEGIN".to_owned(), setup_sql(target, is_new)];
        let rest = self.statements.iter().cloned().chain(["COMMIT".to_owned()]);
        begin.into_iter().chain(rest).map(Fragment::Tool)
    }
}

/// SQL that fails with a division by zero unless the query returns true.
fn fail_unless(query: &str) -> String {
    format!("SELECT 1 / ({query})::pg_catalog.int4")
}

/// Ledger rows as the literal that [`ledger_unchanged`] compares.
pub(crate) fn ledger_literal(rows: &[LedgerRow]) -> String {
    if rows.is_empty() {
        return "NULL".to_owned();
    }
    let word = |row: &LedgerRow| {
        let checksum = row.checksum.as_ref().map_or_else(|| "-".to_owned(), hex::encode);
        format!("{} {checksum} {}", row.version, row.complete)
    };
    quote_literal(&rows.iter().map(word).collect::<Vec<_>>().join(","))
}

/// A query for one value: true if the ledger has the rows of this literal.
fn ledger_unchanged(format: &dyn LedgerRules, target: &Target, words: &str) -> String {
    format!(
        "SELECT pg_catalog.string_agg(pg_catalog.concat(l.version, ' ', \
         COALESCE(pg_catalog.encode(l.checksum, 'hex'), '-'), ' ', \
         CASE WHEN l.complete THEN 'true' ELSE 'false' END), ',') IS NOT DISTINCT FROM {words} FROM ({}) AS l",
        format.ledger_rows(&target.ledger),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> bool {
        need_own_session([Script::whole("1.sql", text)].iter())
    }

    #[test]
    fn state_that_may_outlive_a_transaction_needs_an_own_session() {
        for text in [
            "select 1; set statement_timeout = 1;",
            "RESET ALL",
            "create temp table a ();",
            "select set_config('a.b', 'c', false)",
            "select pg_try_advisory_lock(1)",
            "prepare p as select 1",
            "select setup();",
            "do $$ begin perform setup(); end $$;",
            "insert into t values (1);",
        ] {
            assert!(needs(text), "{text}");
        }
        for text in [
            "create table sessions (reset_at date, template text, upload text);",
            "set local statement_timeout = 1;",
            "create function f() returns void language plpgsql as $$begin create temp table x(); end$$;",
            "alter table a alter b set not null;",
        ] {
            assert!(!needs(text), "{text}");
        }
    }
}
