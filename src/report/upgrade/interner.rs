//! Stores common values of thousands of units once; a copy for each unit would use considerable memory.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Versions in an order.
pub(crate) type Versions = Arc<[Arc<str>]>;

/// Texts, and lists of texts, each stored once.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    texts: BTreeSet<Arc<str>>,
    lists: BTreeSet<Versions>,
}

impl Interner {
    pub(crate) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }

    pub(crate) fn list<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> Versions {
        let list: Vec<_> = texts.map(|text| self.text(text)).collect();
        if let Some(known) = self.lists.get(&*list) {
            return Arc::clone(known);
        }
        let list: Versions = list.into();
        self.lists.insert(Arc::clone(&list));
        list
    }
}
