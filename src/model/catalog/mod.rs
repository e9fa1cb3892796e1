//! What a schema (or a whole database) holds, said in a way in which two can be compared: the schema's own name is not in it.

mod difference;
mod fingerprint;
mod item;

pub(crate) use difference::Difference;
pub(crate) use fingerprint::{Digests, Fingerprint};
pub(crate) use item::{Item, ItemKind, SEPARATOR};

/// Everything that one schema holds, or all schemas of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Catalog {
    /// In the order of schema, kind and name; no two have all three in common.
    items: Vec<Item>,
}

impl Catalog {
    pub(crate) fn new(mut items: Vec<Item>) -> Self {
        items.sort();
        Self { items }
    }

    #[cfg_attr(not(test), expect(dead_code, reason = "checks are to be built on it"))]
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The same as the server computes without sending the items.
    #[cfg_attr(not(test), expect(dead_code, reason = "checks are to be built on it"))]
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.digests().fingerprint()
    }

    pub(crate) fn digests(&self) -> Digests {
        let mut digests = Digests::default();
        let groups =
            self.items.chunk_by(|one, two| (&one.schema, one.kind) == (&two.schema, two.kind));
        for group in groups {
            digests.add_items(group);
        }
        digests
    }

    /// What one has to know to tell `self` from `expected`, item by item. Empty if, and only if, the fingerprints are equal.
    pub(crate) fn differences(&self, expected: &Self) -> Vec<Difference> {
        difference::between(&self.items, &expected.items)
    }
}

/// Tables to leave out, with all that comes with them (columns, indexes, triggers, sequences of their own): ledgers, which
/// differ by tool and not by what was migrated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LeaveOut {
    tables: Vec<(String, String)>,
}

impl LeaveOut {
    #[cfg_attr(not(test), expect(dead_code, reason = "checks are to be built on it"))]
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// Tables by schema and name. One that is not there does no harm.
    pub(crate) fn tables<S: Into<String>>(tables: impl IntoIterator<Item = (S, S)>) -> Self {
        let both = |(schema, table): (S, S)| (schema.into(), table.into());
        Self { tables: tables.into_iter().map(both).collect() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tables.iter().map(|(schema, table)| (schema.as_str(), table.as_str()))
    }
}
