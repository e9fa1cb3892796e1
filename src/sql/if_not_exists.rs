//! The objects that a script creates with `IF NOT EXISTS`, so that a catalog shows whether they were skipped.

use std::ops::Range;

use super::quote::quote_identifier;
use super::split::{Dialect, split};
use super::words::{SqlWord, words};

/// All `IF NOT EXISTS` guards of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Guards {
    /// Guarded objects whose existence can be read from a catalog.
    pub(crate) objects: Vec<GuardedObject>,
    /// Whether there are other guards: of other kinds, in the body of a block or function, or in a string.
    pub(crate) has_others: bool,
}

/// An object that is created only if its name is unused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GuardedObject {
    /// The statement's bytes in the script.
    pub(crate) statement: Range<usize>,
    /// The relation: quoted, with its schema if the script names one.
    pub(crate) relation: String,
    /// The column of the relation, if the guard is for a column.
    pub(crate) column: Option<String>,
    /// The server's notice when it skips the statement.
    pub(crate) notice: String,
}

/// Kinds of objects without a shape to compare.
const WITHOUT_SHAPE: [&str; 2] = ["EXTENSION", "SCHEMA"];
const RELATIONS: [&str; 5] = ["TABLE", "SEQUENCE", "VIEW", "INDEX", "CONCURRENTLY"];

pub(crate) fn guards(script: &str) -> Guards {
    let mut guards = Guards::default();
    for piece in split(script, Dialect::Server).pieces {
        let all: Vec<SqlWord<'_>> = words(&script[piece.range()]).collect();
        for at in 0..all.len() {
            if is(&all, at, &["IF", "NOT", "EXISTS"]) {
                guards.take(&all, at, piece.range());
            }
            // The body of a block, or dynamic SQL.
            guards.has_others |= has_guard(all[at].text());
        }
    }
    guards
}

/// Whether a string or a dollar-quoted body contains a guard.
fn has_guard(literal: &str) -> bool {
    let is_literal = literal.contains(['\'', '$']) && literal.len() > 1;
    let mut rest = if is_literal { literal } else { "" };
    while let Some(at) = rest.to_ascii_lowercase().find("if") {
        let mut parts = rest[at..].split_whitespace();
        let same = |part: Option<&str>, word: &str| {
            part.is_some_and(|part| part.eq_ignore_ascii_case(word))
        };
        let starts = same(parts.next(), "if") && same(parts.next(), "not");
        // Before a parenthesis, it is a condition of PL/pgSQL.
        let is_guard =
            same(parts.next(), "exists") && parts.next().is_some_and(|part| !part.starts_with('('));
        if starts && is_guard {
            return true;
        }
        rest = &rest[at + 2..];
    }
    false
}

impl Guards {
    fn take(&mut self, all: &[SqlWord<'_>], at: usize, statement: Range<usize>) {
        let Some(kind) = at.checked_sub(1).map(|before| &all[before]) else { return };
        if WITHOUT_SHAPE.iter().any(|word| kind.is(word)) {
            return;
        }
        let found = if all[0].is("CREATE") && RELATIONS.iter().any(|word| kind.is(word)) {
            relation(all, at + 3)
        } else if all[0].is("ALTER") && (kind.is("ADD") || kind.is("COLUMN")) {
            column(all, at + 3)
        } else {
            None
        };
        match found {
            Some((relation, column, notice)) => {
                self.objects.push(GuardedObject { statement, relation, column, notice });
            }
            None => self.has_others = true,
        }
    }
}

type GuardMatch = (String, Option<String>, String);

fn relation(all: &[SqlWord<'_>], at: usize) -> Option<GuardMatch> {
    let (mut name, next) = qualified(all, at)?;
    let bare = name.last()?.clone();
    let is_index = all[..at].iter().any(|word| word.is("INDEX"));
    if is_index && name.len() == 1 && all.get(next).is_some_and(|word| word.is("ON")) {
        // An index is created in the schema of its table.
        let table = next + 1 + usize::from(all.get(next + 1).is_some_and(|word| word.is("ONLY")));
        let (table, _) = qualified(all, table)?;
        name.splice(0..0, table[..table.len() - 1].iter().cloned());
    }
    Some((quoted(&name), None, format!("relation \"{bare}\" already exists, skipping")))
}

fn column(all: &[SqlWord<'_>], at: usize) -> Option<GuardMatch> {
    let name = all.get(at)?.identifier()?.into_owned();
    let mut table = 1 + usize::from(all.get(1)?.is("FOREIGN"));
    if !all.get(table)?.is("TABLE") {
        return None;
    }
    table += 1;
    table += if is(all, table, &["IF", "EXISTS"]) { 2 } else { 0 };
    table += usize::from(all.get(table)?.is("ONLY"));
    let (table, _) = qualified(all, table)?;
    let notice =
        format!("column \"{name}\" of relation \"{}\" already exists, skipping", table.last()?);
    Some((quoted(&table), Some(name), notice))
}

/// The parts of a name, and the index of the word after it.
fn qualified(all: &[SqlWord<'_>], at: usize) -> Option<(Vec<String>, usize)> {
    let mut parts = vec![all.get(at)?.identifier()?.into_owned()];
    let mut next = at + 1;
    while all.get(next).is_some_and(|word| word.text() == ".") {
        parts.push(all.get(next + 1)?.identifier()?.into_owned());
        next += 2;
    }
    Some((parts, next))
}

fn quoted(name: &[String]) -> String {
    name.iter().map(|part| quote_identifier(part)).collect::<Vec<_>>().join(".")
}

fn is(all: &[SqlWord<'_>], at: usize, keywords: &[&str]) -> bool {
    keywords
        .iter()
        .enumerate()
        .all(|(index, keyword)| all.get(at + index).is_some_and(|word| word.is(keyword)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(script: &str) -> Vec<String> {
        let told = |object: GuardedObject| match object.column {
            Some(column) => format!("{}:{column}", object.relation),
            None => object.relation,
        };
        guards(script).objects.into_iter().map(told).collect()
    }

    #[test]
    fn guarded_relations_and_columns_are_found() {
        for (script, expected) in [
            ("CREATE TABLE IF NOT EXISTS t (a int);", vec!["\"t\""]),
            ("create unlogged table if not exists S.\"T\" ()", vec!["\"s\".\"T\""]),
            (
                "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t (a)",
                vec!["\"s\".\"i\""],
            ),
            ("CREATE INDEX IF NOT EXISTS i ON t (a)", vec!["\"i\""]),
            ("CREATE MATERIALIZED VIEW IF NOT EXISTS m AS SELECT 1", vec!["\"m\""]),
            (
                "ALTER TABLE IF EXISTS ONLY t ADD COLUMN IF NOT EXISTS a int, ADD IF NOT EXISTS b int",
                vec!["\"t\":a", "\"t\":b"],
            ),
            ("-- CREATE TABLE IF NOT EXISTS t ()\nSELECT 'x'", vec![]),
            ("DROP TABLE IF EXISTS t", vec![]),
        ] {
            assert_eq!(names(script), expected, "{script}");
            assert!(!guards(script).has_others, "{script}");
        }
    }

    #[test]
    fn guards_that_a_catalog_cannot_decide_are_reported_as_others() {
        for script in [
            "DO $$ BEGIN CREATE TABLE IF NOT EXISTS t (); END $$",
            "SELECT f('create table IF  not\nexists t ()')",
            "ALTER TYPE e ADD VALUE IF NOT EXISTS 'x'",
            "CREATE STATISTICS IF NOT EXISTS s ON a, b FROM t",
        ] {
            let guards = guards(script);
            assert!(guards.has_others && guards.objects.is_empty(), "{script}");
        }
        for script in [
            "CREATE EXTENSION IF NOT EXISTS x",
            "DO $$ BEGIN IF x THEN END IF; END $$",
            "DO $$ BEGIN IF NOT EXISTS (SELECT 1) THEN NULL; END IF; END $$",
            "DO $$ BEGIN IF NOT EXISTS(SELECT 1) THEN NULL; END IF; END $$",
        ] {
            assert_eq!(guards(script), Guards::default(), "{script}");
        }
    }

    #[test]
    fn the_notice_equals_the_servers() {
        let of = |script| guards(script).objects[0].notice.clone();
        assert_eq!(
            of("CREATE TABLE IF NOT EXISTS s.t ()"),
            "relation \"t\" already exists, skipping"
        );
        assert_eq!(
            of("ALTER TABLE s.t ADD COLUMN IF NOT EXISTS c int"),
            "column \"c\" of relation \"t\" already exists, skipping"
        );
    }
}
