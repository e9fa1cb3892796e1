//! What a statement leaves in the session: settings, temporary objects, locks, the search path, the role.

use super::syntax::{after, any_of, is, mentions, statements_in_code, top_level_keyword};
use super::{Certainty, Evaluation};
use crate::sql::words::SqlWord;

/// Kinds of temporary objects.
const TEMPORARY: &[&str] = &["TEMP", "TEMPORARY"];
/// Functions that change the session with any arguments.
const FUNCTIONS: &[&str] =
    &["setval", "nextval", "lastval", "currval", "setseed", "pg_notify", "pg_export_snapshot"];
/// Session-level advisory locks. Functions for transaction-level locks contain `_xact_`.
const LOCKS: &[&str] = &[
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "pg_advisory_unlock",
    "pg_advisory_unlock_all",
    "pg_advisory_unlock_shared",
];

/// What a statement changes in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionChange {
    /// Anything that outlives the transaction.
    pub(super) anything: Certainty,
    pub(super) search_path: Certainty,
    pub(super) role: Certainty,
    pub(super) lock_timeout: Certainty,
    /// Whether it names a session-level advisory lock, in its own text or in the code that it defines.
    pub(super) session_lock: bool,
}

/// What a statement leaves; `evaluates` says whether it may run code outside of its text.
pub(super) fn left(words: &[SqlWord<'_>], evaluates: Evaluation) -> SessionChange {
    let unseen = if evaluates >= Evaluation::Rows { Certainty::Unknown } else { Certainty::No };
    let session_lock = mentions(words, &|words| is_any(&words[0], LOCKS));
    let mut left = SessionChange {
        anything: unseen,
        search_path: unseen,
        role: unseen,
        lock_timeout: unseen,
        session_lock,
    };
    if let Some(setting) = setting(words) {
        let moves = |name: &str| if setting.names(name) { Certainty::Yes } else { Certainty::No };
        left.anything = if setting.is_local { Certainty::No } else { Certainty::Yes };
        left.search_path = moves("search_path");
        left.role = moves("role").max(moves("session_authorization"));
        left.lock_timeout = moves("lock_timeout");
    } else if sets_config(words) {
        left = with_set_config(words, left);
    }
    if leaves_object(words)
        || (runs_now(words) && calls(words, FUNCTIONS))
        || (runs_now(words) && session_lock)
    {
        left.anything = Certainty::Yes;
    }
    left
}

/// `SET`, `RESET` and similar statements.
struct Setting {
    /// In lower case; `None` for all settings.
    name: Option<String>,
    is_local: bool,
}

impl Setting {
    fn names(&self, name: &str) -> bool {
        // Local settings end with the transaction, so of these only the lock timeout counts.
        let counts = !self.is_local || name == "lock_timeout";
        counts && self.name.as_deref().is_none_or(|own| own == name)
    }
}

fn setting(words: &[SqlWord<'_>]) -> Option<Setting> {
    let named = |name: &str, is_local| Some(Setting { name: Some(name.to_owned()), is_local });
    if let Some(rest) = after(words, &["SET"]) {
        if any_of(rest, 0, &["CONSTRAINTS", "TRANSACTION"]) {
            return named("transaction", true);
        }
        let is_local = is(rest, 0, "LOCAL");
        let scoped = any_of(rest, 0, &["LOCAL", "SESSION"]) && !is_assigned(&rest[1..]);
        let rest = if scoped { &rest[1..] } else { rest };
        return match rest.first().map(SqlWord::keyword).unwrap_or_default().as_str() {
            "SCHEMA" => named("search_path", is_local),
            "AUTHORIZATION" => named("session_authorization", is_local),
            "TIME" if is(rest, 1, "ZONE") => named("timezone", is_local),
            "CHARACTERISTICS" => named("transaction", false),
            _ => Some(Setting { name: rest.first()?.identifier().map(Into::into), is_local }),
        };
    }
    if let Some(rest) = after(words, &["RESET"]) {
        let all = is(rest, 0, "ALL");
        let authorization = is(rest, 0, "SESSION") && is(rest, 1, "AUTHORIZATION");
        let name = rest.first()?.identifier();
        return match (all, authorization) {
            (true, _) => Some(Setting { name: None, is_local: false }),
            (_, true) => named("session_authorization", false),
            _ => Some(Setting { name: name.map(Into::into), is_local: false }),
        };
    }
    let rest = after(words, &["DISCARD"])?;
    if is(rest, 0, "ALL") {
        return Some(Setting { name: None, is_local: false });
    }
    named("discard", false)
}

/// `local = 1`: a setting may have the name of a keyword.
fn is_assigned(rest: &[SqlWord<'_>]) -> bool {
    rest.first().is_some_and(|word| word.text() == "=") || is(rest, 0, "TO")
}

/// Whether it calls `set_config`, itself or in a block.
fn sets_config(words: &[SqlWord<'_>]) -> bool {
    runs_now(words) && (mentions(words, &is_set_config) || is_block_with_set(words))
}

fn is_set_config(words: &[SqlWord<'_>]) -> bool {
    is_any(&words[0], &["set_config"]) && words.get(1).is_some_and(|open| open.text() == "(")
}

/// A block that contains `SET name`.
fn is_block_with_set(words: &[SqlWord<'_>]) -> bool {
    is(words, 0, "DO") && mentions(words, &|words| setting_in_block(words).is_some())
}

/// `SET [SESSION] name TO …`, `RESET name` in the words of a block; `UPDATE t SET a = 1` is not a setting.
fn setting_in_block(words: &[SqlWord<'_>]) -> Option<Setting> {
    let found = setting(words)?;
    let known = ["search_path", "role", "session_authorization", "lock_timeout"];
    let counts = found.name.as_deref().is_none_or(|name| known.contains(&name));
    (counts && !found.is_local).then_some(found)
}

/// The effect of `set_config(name, value, is_local)` is known if its arguments are constants.
fn with_set_config(words: &[SqlWord<'_>], left: SessionChange) -> SessionChange {
    let moves = |name: &str| {
        let by_call = mentions(words, &|words| {
            is_set_config(words)
                && config_name(words).is_none_or(|own| own == name)
                && !is_local_call(words)
        });
        let by_statement = is(words, 0, "DO")
            && mentions(words, &|words| {
                setting_in_block(words).is_some_and(|found| found.names(name))
            });
        if by_call || by_statement { Certainty::Yes } else { Certainty::No }
    };
    let only_local = !is(words, 0, "DO")
        && !mentions(words, &|words| is_set_config(words) && !is_local_call(words));
    // Other functions that the statement calls stay unknown.
    let others = if is_lone_set_config(words) { Certainty::No } else { left.search_path };
    SessionChange {
        anything: if only_local { others } else { Certainty::Yes },
        search_path: moves("search_path").max(others),
        role: moves("role").max(moves("session_authorization")).max(others),
        lock_timeout: moves("lock_timeout").max(others),
        ..left
    }
}

/// Whether it sets the search path while it runs, for a transaction or for the session. A function's own setting does not
/// count.
pub(super) fn sets_search_path(words: &[SqlWord<'_>]) -> bool {
    let mut sets = false;
    statements_in_code(words, &mut |words| {
        let is_path = |found: Setting| found.name.is_some_and(|name| name == "search_path");
        sets |= is(words, 0, "SET") && setting(words).is_some_and(is_path);
    });
    let by_call = |words: &[SqlWord<'_>]| {
        is_set_config(words) && config_name(words).is_none_or(|name| name == "search_path")
    };
    sets || runs_now(words) && mentions(words, &by_call)
}

/// The setting's name, if it is a constant.
fn config_name(call: &[SqlWord<'_>]) -> Option<String> {
    call.get(2)?.string().map(|name| name.to_ascii_lowercase())
}

/// Whether its third argument is true.
fn is_local_call(call: &[SqlWord<'_>]) -> bool {
    let (arguments, _) = super::syntax::parenthesized(&call[1..]);
    match super::syntax::list(arguments).as_slice() {
        [_, _, [local]] => {
            local.is("true")
                || local
                    .string()
                    .is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "t")
        }
        _ => false,
    }
}

/// `SELECT [pg_catalog.]set_config('…', '…', …);`
fn is_lone_set_config(words: &[SqlWord<'_>]) -> bool {
    let Some(rest) = after(words, &["SELECT"]) else { return false };
    let rest = match rest {
        [schema, dot, rest @ ..] if schema.is("pg_catalog") && dot.text() == "." => rest,
        _ => rest,
    };
    if rest.is_empty() || !is_set_config(rest) {
        return false;
    }
    let (arguments, behind) = super::syntax::parenthesized(&rest[1..]);
    let constants =
        arguments.iter().all(|word| word.is_string() || word.text() == "," || any_word(word));
    constants && behind.iter().all(|word| word.text() == ";")
}

fn any_word(word: &SqlWord<'_>) -> bool {
    ["true", "false"].iter().any(|constant| word.is(constant))
}

/// Statements whose objects exist until the session ends.
fn leaves_object(words: &[SqlWord<'_>]) -> bool {
    let second = |keywords| any_of(words, 1, keywords);
    match words.first().map(SqlWord::keyword).unwrap_or_default().as_str() {
        "PREPARE" => !second(&["TRANSACTION"]),
        "LISTEN" | "UNLISTEN" | "LOAD" | "DEALLOCATE" | "CLOSE" => true,
        "DECLARE" => {
            top_level_keyword(words, "HOLD").is_some_and(|at| !is(words, at - 1, "WITHOUT"))
        }
        "CREATE" => makes_temporary(words),
        "SELECT" | "WITH" => {
            words.windows(2).any(|pair| pair[0].is("INTO") && any_of(pair, 1, TEMPORARY))
        }
        _ => false,
    }
}

/// `CREATE [OR REPLACE] [LOCAL | GLOBAL] TEMP …`, and objects created in `pg_temp` by name.
fn makes_temporary(words: &[SqlWord<'_>]) -> bool {
    let prefixes = ["CREATE", "OR", "REPLACE", "LOCAL", "GLOBAL"];
    let kind = words.iter().find(|word| !prefixes.iter().any(|prefix| word.is(prefix)));
    kind.is_some_and(|kind| TEMPORARY.iter().any(|keyword| kind.is(keyword)))
        || words.windows(2).any(|pair| pair[0].is("pg_temp") && pair[1].text() == ".")
}

/// Whether it runs the functions that it names; those in the definition of a function or a view run later.
pub(super) fn runs_now(words: &[SqlWord<'_>]) -> bool {
    !any_of(words, 0, &["CREATE", "ALTER", "COMMENT"])
        || (is(words, 0, "CREATE")
            && top_level_keyword(words, "AS").is_some()
            && is(words, 1, "TABLE"))
}

fn calls(words: &[SqlWord<'_>], functions: &[&str]) -> bool {
    mentions(words, &|words| {
        is_any(&words[0], functions) && words.get(1).is_some_and(|open| open.text() == "(")
    })
}

fn is_any(word: &SqlWord<'_>, names: &[&str]) -> bool {
    word.identifier().is_some_and(|own| names.contains(&&*own))
}
