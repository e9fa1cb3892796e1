//! The scope of a statement: the target's own objects, objects of the database, or objects of the server.

use super::syntax::{after, any_of, is, mentions, to_semicolon, top_level, top_level_keyword};
use super::{Certainty, Evaluation};
use crate::sql::words::SqlWord;

/// Kinds of objects that all databases of a server share.
pub(super) const OF_CLUSTER: &[&str] =
    &["ROLE", "GROUP", "DATABASE", "SYSTEM", "TABLESPACE", "SUBSCRIPTION"];
/// Kinds of objects that all schemas of a database share.
pub(super) const OF_DATABASE: &[&str] = &[
    "ACCESS",
    "CAST",
    "EVENT",
    "EXTENSION",
    "FOREIGN",
    "LANGUAGE",
    "LARGE",
    "PROCEDURAL",
    "PUBLICATION",
    "SCHEMA",
    "SERVER",
    "TRANSFORM",
    "TRUSTED",
];

/// What a statement changes outside of the target's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EffectScope {
    pub(super) cluster: Certainty,
    pub(super) database: Certainty,
}

/// The scope of a statement; `evaluates` says whether it may run code outside of its text.
pub(super) fn scope(words: &[SqlWord<'_>], evaluates: Evaluation) -> EffectScope {
    let unseen = if evaluates >= Evaluation::Rows { Certainty::Unknown } else { Certainty::No };
    let answer = |is_such: bool| if is_such { Certainty::Yes } else { unseen };
    // The code of a block is analysed, the code of a function is only stored.
    let is_code = !any_of(words, 0, &["CREATE", "ALTER", "COMMENT"]);
    let says = |is_such: &dyn Fn(&[SqlWord<'_>]) -> bool| {
        is_such(words) || is_code && mentions(words, is_such)
    };
    let is_definition =
        any_of(words, 0, &["CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "SECURITY"]);
    // An object of another schema may be shared by all targets.
    let elsewhere = is_definition && top_level(words).any(|(_, word)| word.text() == ".");
    let cluster = answer(says(&is_of_cluster));
    // A definition of a known kind does not affect the cluster.
    let cluster = match cluster {
        Certainty::Unknown if is_definition && is_database_wide(words) => Certainty::Unknown,
        other => other,
    };
    let database = answer(says(&is_database_wide));
    EffectScope {
        cluster,
        database: if elsewhere { database.max(Certainty::Unknown) } else { database },
    }
}

/// Whether it begins like a statement on objects of the server.
fn is_of_cluster(words: &[SqlWord<'_>]) -> bool {
    let kind = |at: usize| {
        any_of(words, at, OF_CLUSTER) || is(words, at, "USER") && !is(words, at + 1, "MAPPING")
    };
    if any_of(words, 0, &["CREATE", "ALTER", "DROP"]) {
        return kind(1) || is(words, 0, "DROP") && is(words, 1, "OWNED");
    }
    if after(words, &["REASSIGN", "OWNED"]).is_some() {
        return true;
    }
    if after(words, &["COMMENT", "ON"]).is_some() {
        return kind(2);
    }
    if after(words, &["SECURITY", "LABEL"]).is_some() {
        return top_level_keyword(words, "ON").is_some_and(|on| kind(on + 1));
    }
    if any_of(words, 0, &["GRANT", "REVOKE"]) {
        let statement = to_semicolon(words);
        return match top_level_keyword(statement, "ON") {
            // Membership in a role.
            None => any_keyword(statement, &["TO", "FROM"]),
            Some(on) => any_of(statement, on + 1, &["DATABASE", "TABLESPACE", "PARAMETER"]),
        };
    }
    false
}

/// Whether it begins like a statement on objects of the database.
fn is_database_wide(words: &[SqlWord<'_>]) -> bool {
    let kind = |at: usize| {
        any_of(words, at, OF_DATABASE) && !(is(words, at, "FOREIGN") && is(words, at + 1, "TABLE"))
            || is(words, at, "USER") && is(words, at + 1, "MAPPING")
    };
    if any_of(words, 0, &["CREATE", "ALTER", "DROP"]) {
        let at = if is(words, 1, "OR") && is(words, 2, "REPLACE") { 3 } else { 1 };
        let everywhere = is(words, 1, "DEFAULT")
            && is(words, 2, "PRIVILEGES")
            && !to_semicolon(words).windows(2).any(|pair| pair[0].is("IN") && pair[1].is("SCHEMA"));
        return kind(at) || everywhere || is(words, 0, "DROP") && is(words, 1, "OWNED");
    }
    if after(words, &["COMMENT", "ON"]).is_some() {
        return kind(2);
    }
    if any_of(words, 0, &["GRANT", "REVOKE"]) {
        let statement = to_semicolon(words);
        return top_level_keyword(statement, "ON").is_some_and(|on| kind(on + 1));
    }
    // All objects of a role in the database.
    after(words, &["REASSIGN", "OWNED"]).is_some()
        || after(words, &["IMPORT", "FOREIGN", "SCHEMA"]).is_some()
}

fn any_keyword(words: &[SqlWord<'_>], keywords: &[&str]) -> bool {
    keywords.iter().any(|keyword| words.iter().any(|word| word.is(keyword)))
}
