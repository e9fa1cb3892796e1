//! The schemas of the objects that a statement defines, changes or drops, according to its text.
//!
//! A statement in a `DO` block counts like one outside, and so does one in dynamic SQL. The effects of called functions are not
//! seen. Rows do not count: concurrent changes of rows do not conflict in a system catalog.

use std::collections::BTreeSet;

use super::scope::{OF_CLUSTER, OF_DATABASE};
use super::session::sets_search_path;
use super::syntax::{
    ObjectName, after, any_of, is, kind_of, list, object_name, parenthesized, statements_in_code,
    to_semicolon, top_level, top_level_keyword, without,
};
use crate::sql::words::SqlWord;

/// The objects of statements, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ObjectPlaces {
    /// Schemas in names, or affected as a whole (`IN SCHEMA`).
    schemas: BTreeSet<String>,
    /// Unqualified names of created objects: they are in the first schema of the search path.
    made: BTreeSet<String>,
    /// Unqualified names of existing objects: they can be in any schema of the search path.
    found: BTreeSet<String>,
    /// A name is computed when the statement runs, or cannot be read.
    has_unknown: bool,
    /// The search path is set, so that unqualified names may be in any schema.
    moves_path: bool,
}

impl ObjectPlaces {
    /// The objects of one statement.
    pub(super) fn of(statement: &[SqlWord<'_>]) -> Self {
        let mut places = Self { moves_path: sets_search_path(statement), ..Self::default() };
        statements_in_code(statement, &mut |words| places.add(words));
        places
    }

    /// Adds those of another statement of the same session.
    pub(crate) fn join(&mut self, other: &Self) {
        self.schemas.extend(other.schemas.iter().cloned());
        self.made.extend(other.made.iter().cloned());
        self.found.extend(other.found.iter().cloned());
        self.has_unknown |= other.has_unknown;
        self.moves_path |= other.moves_path;
    }

    /// Whether any of the objects may be outside of the schema `own`, which is first in the search path. `made` are names of
    /// objects that are known to be in it.
    pub(crate) fn may_be_outside(&self, own: &str, made: &BTreeSet<String>) -> bool {
        let has_bare = !self.made.is_empty() || !self.found.is_empty();
        self.has_unknown
            || self.schemas.iter().any(|schema| schema != own && schema != "pg_temp")
            || self.moves_path && has_bare
            || self.found.iter().any(|name| !made.contains(name) && !self.made.contains(name))
    }

    /// Unqualified names of created objects.
    pub(crate) fn made(&self) -> &BTreeSet<String> {
        &self.made
    }

    fn add(&mut self, words: &[SqlWord<'_>]) {
        let words = to_semicolon(words);
        let rest = words.get(1..).unwrap_or_default();
        match words.first().map(SqlWord::keyword).unwrap_or_default().as_str() {
            "CREATE" => self.create(rest),
            "ALTER" => self.alter(rest),
            "DROP" => self.drop(rest),
            "COMMENT" if is(rest, 0, "ON") => self.described(&rest[1..]),
            "SECURITY" if is(rest, 0, "LABEL") => {
                if let Some(on) = top_level_keyword(rest, "ON") {
                    self.described(&rest[on + 1..]);
                }
            }
            "GRANT" | "REVOKE" => self.granted(rest),
            "REFRESH" => {
                self.found_at(without(without(rest, &["MATERIALIZED", "VIEW"]), &["CONCURRENTLY"]))
            }
            "REINDEX" => self.reindexed(parenthesized(rest).1),
            "CLUSTER" | "TRUNCATE" => {
                let rest = without(without(parenthesized(rest).1, &["VERBOSE"]), &["TABLE"]);
                list(rest).into_iter().for_each(|part| self.found_at(without(part, &["ONLY"])));
            }
            "SELECT" | "WITH" => {
                if let Some(into) = top_level_keyword(rest, "INTO") {
                    self.made_at(without(&rest[into + 1..], &["TABLE"]));
                }
            }
            _ => {}
        }
    }

    fn create(&mut self, words: &[SqlWord<'_>]) {
        const TEMPORARY: [&str; 2] = ["TEMP", "TEMPORARY"];
        const MODIFIERS: [&str; 9] = [
            "OR",
            "REPLACE",
            "LOCAL",
            "GLOBAL",
            "UNLOGGED",
            "UNIQUE",
            "RECURSIVE",
            "CONSTRAINT",
            "DEFAULT",
        ];
        let is_modifier = |word: &SqlWord<'_>| MODIFIERS.iter().any(|keyword| word.is(keyword));
        let start = words.iter().position(|word| !is_modifier(word)).unwrap_or(words.len());
        let words = &words[start..];
        if any_of(words, 0, &TEMPORARY) {
            return;
        }
        let Some((kind, rest)) = kind_of(words) else { return };
        match kind.as_str() {
            "INDEX" => {
                let own = without(without(rest, &["CONCURRENTLY"]), &["IF", "NOT", "EXISTS"]);
                if !is(own, 0, "ON") {
                    self.made.extend(object_name(own).map(|(name, _)| name.name));
                }
                self.behind("ON", rest);
            }
            "TRIGGER" | "POLICY" => self.behind("ON", rest),
            "RULE" => self.behind("TO", rest),
            // Without a name it is named after its table.
            "STATISTICS" if is(rest, 0, "ON") => self.behind("FROM", rest),
            _ if is_of_schema(&kind) => {
                let rest = without(rest, &["IF", "NOT", "EXISTS"]);
                self.made_at(rest);
                if let Some(at) = top_level_keyword(rest, "PARTITION")
                    && is(rest, at + 1, "OF")
                {
                    self.found_at(&rest[at + 2..]);
                }
            }
            _ => self.other_kind(&kind),
        }
    }

    fn alter(&mut self, words: &[SqlWord<'_>]) {
        if let Some(rest) = after(words, &["DEFAULT", "PRIVILEGES"]) {
            return self.in_schemas(rest);
        }
        let Some((kind, rest)) = kind_of(words) else { return };
        match kind.as_str() {
            "TRIGGER" | "POLICY" | "RULE" => return self.behind("ON", rest),
            _ if is_of_schema(&kind) || kind == "INDEX" => {}
            _ => return self.other_kind(&kind),
        }
        let rest = without(without(rest, &["IF", "EXISTS"]), &["ONLY"]);
        self.found_at(rest);
        if is(rest, 0, "ALL") && is(rest, 1, "IN") {
            self.has_unknown = true;
        }
        for (at, word) in top_level(rest) {
            let next = rest.get(at + 1..).unwrap_or_default();
            if word.is("SET") && is(next, 0, "SCHEMA") {
                self.schemas.extend(next.get(1).and_then(SqlWord::identifier).map(Into::into));
            } else if word.is("PARTITION") || word.is("INHERIT") {
                self.found_at(next);
            } else if word.is("RENAME") && is(next, 0, "TO") {
                self.made.extend(next.get(1).and_then(SqlWord::identifier).map(Into::into));
            }
        }
    }

    fn drop(&mut self, words: &[SqlWord<'_>]) {
        let Some((kind, rest)) = kind_of(words) else { return };
        match kind.as_str() {
            "TRIGGER" | "POLICY" | "RULE" => self.behind("ON", rest),
            _ if is_of_schema(&kind) || kind == "INDEX" => {
                let rest = without(without(rest, &["CONCURRENTLY"]), &["IF", "EXISTS"]);
                list(rest).into_iter().for_each(|part| self.found_at(part));
            }
            _ => self.other_kind(&kind),
        }
    }

    /// The words after `COMMENT ON` or `SECURITY LABEL … ON`.
    fn described(&mut self, words: &[SqlWord<'_>]) {
        let Some((kind, rest)) = kind_of(words) else { return };
        match kind.as_str() {
            "TRIGGER" | "POLICY" | "RULE" | "CONSTRAINT" => match top_level_keyword(rest, "ON") {
                Some(on) => self.found_at(without(&rest[on + 1..], &["DOMAIN"])),
                None => self.has_unknown = true,
            },
            // `table.column`, and `schema.table.column`.
            "COLUMN" => match rest {
                [schema, dot, _, second, ..] if dot.text() == "." && second.text() == "." => {
                    self.schemas.extend(schema.identifier().map(Into::into));
                }
                [table, ..] => self.found.extend(table.identifier().map(Into::into)),
                [] => self.has_unknown = true,
            },
            _ if is_of_schema(&kind) || kind == "INDEX" => self.found_at(rest),
            _ => self.other_kind(&kind),
        }
    }

    /// The words after `GRANT` or `REVOKE`.
    fn granted(&mut self, words: &[SqlWord<'_>]) {
        let Some(on) = top_level_keyword(words, "ON") else { return };
        let rest = &words[on + 1..];
        let end = ["TO", "FROM"].iter().filter_map(|keyword| top_level_keyword(rest, keyword));
        let rest = &rest[..end.min().unwrap_or(rest.len())];
        if is(rest, 0, "ALL") {
            return self.in_schemas(rest);
        }
        let elsewhere = ["PARAMETER"].iter().chain(OF_CLUSTER).chain(OF_DATABASE);
        if elsewhere.into_iter().any(|kind| is(rest, 0, kind)) && rest.len() > 1 {
            return;
        }
        let kinds = ["TABLE", "SEQUENCE", "FUNCTION", "PROCEDURE", "ROUTINE", "TYPE", "DOMAIN"];
        let has_kind = any_of(rest, 0, &kinds) && rest.get(1).is_some_and(SqlWord::is_name);
        let names = if has_kind { &rest[1..] } else { rest };
        list(names).into_iter().for_each(|part| self.found_at(part));
    }

    /// `… IN SCHEMA a, b …`.
    fn in_schemas(&mut self, words: &[SqlWord<'_>]) {
        let Some(at) = words.windows(2).position(|two| two[0].is("IN") && two[1].is("SCHEMA"))
        else {
            return;
        };
        let rest = &words[at + 2..];
        let end = rest.iter().position(|word| word.is("GRANT") || word.is("REVOKE"));
        for part in list(&rest[..end.unwrap_or(rest.len())]) {
            match part.first().and_then(SqlWord::identifier) {
                Some(schema) => {
                    self.schemas.insert(schema.into());
                }
                None => self.has_unknown = true,
            }
        }
    }

    fn reindexed(&mut self, words: &[SqlWord<'_>]) {
        let rest = without(words.get(1..).unwrap_or_default(), &["CONCURRENTLY"]);
        match words.first().map(SqlWord::keyword).unwrap_or_default().as_str() {
            "INDEX" | "TABLE" => self.found_at(rest),
            "SCHEMA" => {
                self.schemas.extend(rest.first().and_then(SqlWord::identifier).map(Into::into))
            }
            _ => self.has_unknown = true,
        }
    }

    /// The object's table follows a keyword.
    fn behind(&mut self, keyword: &str, words: &[SqlWord<'_>]) {
        match top_level_keyword(words, keyword) {
            Some(at) => self.found_at(without(&words[at + 1..], &["ONLY"])),
            None => self.has_unknown = true,
        }
    }

    fn made_at(&mut self, words: &[SqlWord<'_>]) {
        match object_name(words).map(|(object, _)| object) {
            Some(ObjectName { schema: Some(schema), .. }) => self.schemas.insert(schema),
            Some(ObjectName { schema: None, name }) => self.made.insert(name),
            None => std::mem::replace(&mut self.has_unknown, true),
        };
    }

    fn found_at(&mut self, words: &[SqlWord<'_>]) {
        match object_name(words).map(|(object, _)| object) {
            Some(ObjectName { schema: Some(schema), .. }) => self.schemas.insert(schema),
            Some(ObjectName { schema: None, name }) => self.found.insert(name),
            None => std::mem::replace(&mut self.has_unknown, true),
        };
    }

    /// `scope.rs` handles kinds that belong to no schema. An unknown kind makes the result unknown.
    fn other_kind(&mut self, kind: &str) {
        let known = OF_CLUSTER.iter().chain(OF_DATABASE).chain(&["USER", "OWNED"]);
        self.has_unknown |= !known.into_iter().any(|known| *known == kind);
    }
}

/// Whether objects of this kind belong to a schema, which their names can contain.
fn is_of_schema(kind: &str) -> bool {
    const KINDS: [&str; 14] = [
        "AGGREGATE",
        "COLLATION",
        "CONVERSION",
        "DOMAIN",
        "FUNCTION",
        "OPERATOR",
        "PROCEDURE",
        "ROUTINE",
        "SEQUENCE",
        "STATISTICS",
        "TABLE",
        "TEXT",
        "TYPE",
        "VIEW",
    ];
    KINDS.contains(&kind)
}
