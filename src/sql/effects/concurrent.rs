//! `CONCURRENTLY` commands, and other statements that create or repair an index, with the names in them.

use super::ObjectName;
use super::syntax::{
    after, is, object_name, object_names, parenthesized, top_level_keyword, without,
};
use crate::sql::words::SqlWord;

/// A statement with `CONCURRENTLY`: it waits for other transactions, and if it fails it can leave an invalid index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConcurrentCommand {
    /// `CREATE INDEX CONCURRENTLY`; without a name the server generates one.
    CreateIndex { index: Option<ObjectName>, table: Option<ObjectName> },
    /// `DROP INDEX CONCURRENTLY`.
    DropIndex { index: Option<ObjectName> },
    /// `REINDEX … CONCURRENTLY` and `REINDEX (CONCURRENTLY) …`: of an index, or of all indexes of a table, a schema, a
    /// database.
    Reindex { kind: ReindexKind, name: Option<ObjectName> },
    /// `ALTER TABLE … DETACH PARTITION … CONCURRENTLY`. Unlike the others it takes strong locks in its second phase.
    DetachPartition { table: Option<ObjectName> },
}

/// What `REINDEX` rebuilds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReindexKind {
    Index,
    Table,
    Schema,
    Database,
}

impl ConcurrentCommand {
    /// Whether it creates or rebuilds indexes: its waits block no other session, and if it fails it leaves an invalid index.
    pub(crate) fn is_of_indexes(&self) -> bool {
        !matches!(self, Self::DetachPartition { .. })
    }
}

/// The change that a statement makes to indexes by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IndexChange {
    /// `CREATE INDEX`: the index is in the table's schema.
    Create { index: Option<ObjectName>, table: ObjectName, if_not_exists: bool },
    /// `DROP INDEX`.
    Drop(Vec<ObjectName>),
    /// `DROP TABLE`, with the table's indexes.
    DropTables(Vec<ObjectName>),
    /// `REINDEX INDEX`, concurrently or not; the index is valid afterwards.
    RebuildIndex(ObjectName),
    /// `REINDEX TABLE` without `CONCURRENTLY`; with it, PostgreSQL skips invalid indexes.
    RebuildTable(ObjectName),
}

/// The `CONCURRENTLY` command of a statement, if it is one.
pub(super) fn concurrent(words: &[SqlWord<'_>]) -> Option<ConcurrentCommand> {
    use ConcurrentCommand as Command;
    if let Some(rest) = create_index(words) {
        let rest = after(rest, &["CONCURRENTLY"])?;
        let created = created(rest);
        let (index, table) = created.map_or((None, None), |(index, table, _)| (index, Some(table)));
        return Some(Command::CreateIndex { index, table });
    }
    if let Some(rest) = after(words, &["DROP", "INDEX", "CONCURRENTLY"]) {
        let names = object_names(without(rest, &["IF", "EXISTS"]));
        // The server accepts only one index here.
        return Some(Command::DropIndex {
            index: names.and_then(|names| names.into_iter().next()),
        });
    }
    if let Some((kind, name, true)) = reindex(words) {
        return Some(Command::Reindex { kind, name });
    }
    let rest = after(words, &["ALTER", "TABLE"])?;
    let detach = top_level_keyword(rest, "DETACH")?;
    top_level_keyword(&rest[detach..], "CONCURRENTLY")?;
    let table = object_name(without(without(rest, &["IF", "EXISTS"]), &["ONLY"]));
    Some(Command::DetachPartition { table: table.map(|(table, _)| table) })
}

/// The change that a statement makes to indexes, if its names can be read.
pub(super) fn index_change(words: &[SqlWord<'_>]) -> Option<IndexChange> {
    if let Some(rest) = create_index(words) {
        let (index, table, if_not_exists) = created(without(rest, &["CONCURRENTLY"]))?;
        return Some(IndexChange::Create { index, table, if_not_exists });
    }
    if let Some(rest) = after(words, &["DROP", "INDEX"]) {
        let rest = without(without(rest, &["CONCURRENTLY"]), &["IF", "EXISTS"]);
        return object_names(rest).map(IndexChange::Drop);
    }
    if let Some(rest) = after(words, &["DROP", "TABLE"]) {
        return object_names(without(rest, &["IF", "EXISTS"])).map(IndexChange::DropTables);
    }
    match reindex(words)? {
        (ReindexKind::Index, Some(name), _) => Some(IndexChange::RebuildIndex(name)),
        (ReindexKind::Table, Some(name), false) => Some(IndexChange::RebuildTable(name)),
        _ => None,
    }
}

/// The words after `CREATE [UNIQUE] INDEX`.
fn create_index<'w, 't>(words: &'w [SqlWord<'t>]) -> Option<&'w [SqlWord<'t>]> {
    let rest = after(words, &["CREATE"])?;
    after(without(rest, &["UNIQUE"]), &["INDEX"])
}

/// The index (in the schema of its table), the table, and whether it has `IF NOT EXISTS`.
fn created(words: &[SqlWord<'_>]) -> Option<(Option<ObjectName>, ObjectName, bool)> {
    let named = after(words, &["IF", "NOT", "EXISTS"]);
    let rest = named.unwrap_or(words);
    let (index, rest) = if is(rest, 0, "ON") {
        (None, rest)
    } else {
        let (index, rest) = object_name(rest)?;
        (Some(index), rest)
    };
    let (table, _) = object_name(without(after(rest, &["ON"])?, &["ONLY"]))?;
    let schema = table.schema.clone();
    let index = index.map(|index| ObjectName { schema: index.schema.or(schema), ..index });
    Some((index, table, named.is_some()))
}

/// The kind of target, its name, and whether it is rebuilt concurrently.
fn reindex(words: &[SqlWord<'_>]) -> Option<(ReindexKind, Option<ObjectName>, bool)> {
    let (options, rest) = parenthesized(after(words, &["REINDEX"])?);
    let kind = match rest.first()?.keyword().as_str() {
        "INDEX" => ReindexKind::Index,
        "TABLE" => ReindexKind::Table,
        "SCHEMA" => ReindexKind::Schema,
        "DATABASE" | "SYSTEM" => ReindexKind::Database,
        _ => return None,
    };
    let behind = after(&rest[1..], &["CONCURRENTLY"]);
    let concurrently = behind.is_some() || option_is_on(options, "CONCURRENTLY");
    let name = object_name(behind.unwrap_or(&rest[1..])).map(|(name, _)| name);
    Some((kind, name, concurrently))
}

/// Whether an option in parentheses is on; without a value it is `true`.
pub(super) fn option_is_on(options: &[SqlWord<'_>], option: &str) -> bool {
    const OFF: [&str; 3] = ["false", "off", "0"];
    // The last one counts.
    let Some(at) = options.iter().rposition(|word| word.is(option)) else { return false };
    !options.get(at + 1).is_some_and(|value| {
        OFF.iter().any(|off| value.text().trim_matches('\'').eq_ignore_ascii_case(off))
    })
}
