//! SQL that sets a session up for a target, and that fails if the setup has no effect.

use crate::model::{Failure, FailureKind};
use crate::sql::{quote_identifier, quote_literal};
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
