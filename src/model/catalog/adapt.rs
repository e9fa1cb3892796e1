//! Rewrites one tenant's items with the names of another tenant, so that items that differ only in the tenants' own names
//! become equal.

use std::collections::{BTreeMap, BTreeSet};

use super::item::{Item, ItemKind, SEPARATOR};
use super::own_name::{same_but_for_names, without_own_name};

/// A tenant's items, and the tenant's own name.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamedItems<'c> {
    pub(super) items: &'c [Item],
    pub(super) own: &'c str,
}

/// Returns `ours`, sorted. Names and properties that differ from `theirs` only in the tenant's own name are replaced by those
/// of `theirs`.
pub(super) fn in_the_words_of(ours: NamedItems<'_>, theirs: NamedItems<'_>) -> Vec<Item> {
    let own_keys: BTreeSet<_> = ours.items.iter().map(key).collect();
    let by_key: BTreeMap<_, &Item> = theirs.items.iter().map(|item| (key(item), item)).collect();
    let mut renamed: BTreeMap<(&str, ItemKind, String), &Item> = BTreeMap::new();
    for item in theirs.items.iter().filter(|item| !own_keys.contains(&key(item))) {
        let name = without_own_name(&item.name, theirs.own).into_owned();
        renamed.entry((&item.schema, item.kind, name)).or_insert(item);
    }
    let adapted = |item: &Item| {
        let other = by_key.get(&key(item)).copied().or_else(|| {
            let name = without_own_name(&item.name, ours.own).into_owned();
            let found = renamed.get(&(item.schema.as_str(), item.kind, name)).copied();
            found.or_else(|| by_search(item, ours.own, &renamed, theirs.own))
        });
        let Some(other) = other else { return item.clone() };
        let text = |own: &Option<String>, other: &Option<String>| match (own, other) {
            (Some(own), Some(other)) => Some(adapted_text((own, ours.own), (other, theirs.own))),
            _ => own.clone(),
        };
        Item {
            name: other.name.clone(),
            code: text(&item.code, &other.code),
            text: text(&item.text, &other.text),
            ..item.clone()
        }
    };
    let mut items: Vec<Item> = ours.items.iter().map(adapted).collect();
    items.sort();
    items
}

/// For items whose name contains the tenant's own name, and the same word as data. There are few, so a linear search is
/// sufficient.
fn by_search<'i>(
    item: &Item,
    own: &str,
    left: &BTreeMap<(&str, ItemKind, String), &'i Item>,
    other: &str,
) -> Option<&'i Item> {
    const MOST: usize = 1_000;
    let is_it = |one: &&&Item| {
        one.schema == item.schema
            && one.kind == item.kind
            && same_but_for_names((&item.name, own), (&one.name, other))
    };
    left.values().take(MOST).find(is_it).copied()
}

fn key(item: &Item) -> (&str, ItemKind, &str) {
    (&item.schema, item.kind, &item.name)
}

fn adapted_text(ours: (&str, &str), theirs: (&str, &str)) -> String {
    if same_but_for_names(ours, theirs) {
        return theirs.0.to_owned();
    }
    let parts = ours.0.split(SEPARATOR).map(|part| {
        let mut others = theirs.0.split(SEPARATOR);
        let same = others.find(|other| same_but_for_names((part, ours.1), (other, theirs.1)));
        same.unwrap_or(part)
    });
    parts.collect::<Vec<_>>().join(&SEPARATOR.to_string())
}
