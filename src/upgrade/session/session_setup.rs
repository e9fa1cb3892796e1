//! SQL that brings a session to a target, and that fails where the session is not there.

use crate::model::{Failure, FailureKind};
use crate::sql::{quote_identifier, quote_literal};
use crate::upgrade::target::Target;

/// Everything that a session has of its own. `DISCARD ALL` is the same, and may not be in a transaction. What a migration's
/// text tells of this gives each target a session to itself; functions can do it without a word.
const AS_NEW: &str = "RESET ALL; RESET SESSION AUTHORIZATION; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP; \
    DISCARD SEQUENCES; SELECT pg_catalog.pg_advisory_unlock_all(); ";

/// SQL that brings a session to a target. Whether the server sees the search path as it is meant, [`on_the_path`] tells.
pub(crate) fn arrival(target: &Target, is_new: bool) -> String {
    let settings = target.session_settings.iter().map(|sql| format!("{sql}; "));
    let settings: String = settings.collect();
    format!("{}{settings}{}", if is_new { "" } else { AS_NEW }, set_path(target))
}

/// SQL that sets the search path of a target.
pub(crate) fn set_path(target: &Target) -> String {
    let path = target.search_path.iter().map(|name| quote_identifier(name));
    format!("SET search_path TO {}", path.collect::<Vec<_>>().join(", "))
}

/// SQL that fails, by a division by zero, where the session does not see the schemas that it should.
pub(crate) fn on_the_path(target: &Target) -> String {
    let seen = target.search_path.iter().map(|name| quote_literal(name));
    format!(
        "SELECT 1 / (pg_catalog.current_schemas(false)::pg_catalog.text[] OPERATOR(pg_catalog.=) \
         ARRAY[{}]::pg_catalog.text[])::pg_catalog.int4",
        seen.collect::<Vec<_>>().join(", "),
    )
}

/// The division by zero is ours: see [`on_the_path`].
pub(crate) fn off_the_path(target: &Target, failure: Failure) -> Failure {
    let is_ours = failure.kind == FailureKind::Sql { sqlstate: "22012".to_owned() }
        && failure.statement.as_deref().is_some_and(|sql| sql.contains(&on_the_path(target)));
    if !is_ours {
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
