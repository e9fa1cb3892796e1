//! What a schema (or a whole database) holds, said in a way in which two can be compared: PostgreSQL leaves the schema's own
//! name out of what it renders, and where texts hold it, it counts as the tenant's.

mod adapt;
mod difference;
mod fingerprint;
mod item;
mod own_name;

pub(crate) use difference::Difference;
pub(crate) use fingerprint::{Digests, Fingerprint};
pub(crate) use item::{Item, ItemKind, SEPARATOR};

/// Everything that one schema holds, or all schemas of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Catalog {
    /// In the order of schema, kind and name; no two have all three in common.
    items: Vec<Item>,
    /// The name of the schema or database; empty where the catalog is not one tenant's.
    own_name: String,
}

impl Catalog {
    pub(crate) fn new(mut items: Vec<Item>) -> Self {
        items.sort();
        Self { items, own_name: String::new() }
    }

    /// The same, as that of a tenant whose schema (or database) is called so.
    pub(crate) fn named(self, own_name: &str) -> Self {
        Self { own_name: own_name.to_owned(), ..self }
    }

    /// A fingerprint that is equal for two tenants that differ in their own names alone, wherever texts hold these: for
    /// most of them. Two that differ by it may still have no differences (a tenant that is called like a word of the data).
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

    /// What one has to know to tell `self` from `expected`, item by item. Empty if the fingerprints are equal, and if the
    /// two differ in nothing but their own names.
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
