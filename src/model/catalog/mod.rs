//! The contents of a schema (or a whole database) in a comparable form: PostgreSQL omits the schema's own name from what it
//! renders, and texts that contain the name are compared as the tenant's own.

mod adapt;
mod difference;
mod fingerprint;
mod item;
mod own_name;

pub(crate) use difference::Difference;
pub(crate) use fingerprint::{Digests, Fingerprint};
pub(crate) use item::{Item, ItemKind, SEPARATOR};

/// All objects of one schema, or of all schemas of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Catalog {
    /// Sorted by schema, kind and name, which identify an item.
    items: Vec<Item>,
    /// The name of the tenant's schema or database; empty if the catalog is not that of one tenant.
    own_name: String,
}

impl Catalog {
    pub(crate) fn new(mut items: Vec<Item>) -> Self {
        items.sort();
        Self { items, own_name: String::new() }
    }

    /// The same catalog with the name of the tenant's schema (or database).
    pub(crate) fn named(self, own_name: &str) -> Self {
        Self { own_name: own_name.to_owned(), ..self }
    }

    /// A fingerprint that ignores the tenants' own names in texts, for most tenants. Two catalogs with different values may
    /// still have no differences, for example if a tenant's name equals a word of the data.
    pub(crate) fn nameless_fingerprint(&self) -> Fingerprint {
        let text = |text: &Option<String>| {
            text.as_ref().map(|text| own_name::without_own_name(text, &self.own_name).into_owned())
        };
        let nameless = |item: &Item| Item {
            schema: item.schema.clone(),
            kind: item.kind,
            name: own_name::without_own_name(&item.name, &self.own_name).into_owned(),
            code: text(&item.code),
            text: text(&item.text),
        };
        Self::new(self.items.iter().map(nameless).collect()).digests().fingerprint()
    }

    #[cfg_attr(not(test), expect(dead_code, reason = "checks are to be built on it"))]
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The same value that the server computes without sending the items.
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

    /// The differences of `self` from `expected`, item by item. Empty if the fingerprints are equal, or if the catalogs differ
    /// only in their own names.
    pub(crate) fn differences(&self, expected: &Self) -> Vec<Difference> {
        let named = |catalog: &'_ Self| -> bool { !catalog.own_name.is_empty() };
        if self.own_name == expected.own_name || !named(self) || !named(expected) {
            return difference::between(&self.items, &expected.items);
        }
        let ours = adapt::NamedItems { items: &self.items, own: &self.own_name };
        let theirs = adapt::NamedItems { items: &expected.items, own: &expected.own_name };
        difference::between(&adapt::in_the_words_of(ours, theirs), &expected.items)
    }
}

/// Tables to omit, with their columns, indexes, triggers and owned sequences: ledgers, which depend on the tool and not on the
/// migrations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LeaveOut {
    tables: Vec<(String, String)>,
}

impl LeaveOut {
    #[cfg_attr(not(test), expect(dead_code, reason = "checks are to be built on it"))]
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// Tables by schema and name. Absent tables are ignored.
    pub(crate) fn tables<S: Into<String>>(tables: impl IntoIterator<Item = (S, S)>) -> Self {
        let both = |(schema, table): (S, S)| (schema.into(), table.into());
        Self { tables: tables.into_iter().map(both).collect() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tables.iter().map(|(schema, table)| (schema.as_str(), table.as_str()))
    }
}
