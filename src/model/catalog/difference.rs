//! The differences between two catalogs, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::item::{Item, ItemKind};

/// Values are cut to about this many characters.
const SHOWN: usize = 160;

type ItemKey<'i> = (&'i str, ItemKind, &'i str);

/// One difference from the expected catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Empty if each catalog is that of a single schema.
    pub(crate) schema: String,
    pub(crate) kind: ItemKind,
    pub(crate) name: String,
    pub(crate) change: CatalogChange,
}

impl Difference {
    /// The difference as a change of the expected catalog: `function public.f() was created`.
    pub(crate) fn as_change(&self) -> String {
        let object = self.object();
        match &self.change {
            CatalogChange::Missing => format!("{object} was dropped"),
            CatalogChange::Unexpected => format!("{object} was created"),
            CatalogChange::Property { name, is, expected } => {
                let (is, before) = shown_values(is.as_deref(), expected.as_deref());
                format!("{object}: {name} was {before}, and is {is}")
            }
        }
    }

    /// Kind and name.
    fn object(&self) -> String {
        match (self.schema.as_str(), self.name.as_str()) {
            ("", "") => self.kind.to_string(),
            (schema, "") => format!("{} {schema}", self.kind),
            ("", name) => format!("{} {name}", self.kind),
            (schema, name) => format!("{} {schema}.{name}", self.kind),
        }
    }

    /// The names by which a script can refer to the object, without quotes: its own name, and the name of the relation before
    /// it.
    pub(crate) fn spoken_names(&self) -> Vec<String> {
        // The types of a function's arguments follow the parenthesis. They have several spellings, so they are ignored.
        let name = outside_of_quotes(&self.name, '(').next().unwrap_or_default();
        let parts = outside_of_quotes(name, '.').map(|part| {
            let inner = part.strip_prefix('"').and_then(|part| part.strip_suffix('"'));
            inner.map_or_else(|| part.to_owned(), |inner| inner.replace("\"\"", "\""))
        });
        parts.filter(|part| !part.is_empty()).collect()
    }
}

/// The parts of a name between separators outside of quotes.
fn outside_of_quotes(name: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    name.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

/// The kind of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CatalogChange {
    /// Expected, but absent.
    Missing,
    /// Present, but not expected.
    Unexpected,
    /// A property differs; `None` if the object has no such property.
    Property { name: String, is: Option<String>, expected: Option<String> },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object())?;
        match &self.change {
            CatalogChange::Missing => f.write_str(" is missing"),
            CatalogChange::Unexpected => f.write_str(" exists, and is not expected"),
            CatalogChange::Property { name, is, expected } => {
                let (is, expected) = shown_values(is.as_deref(), expected.as_deref());
                write!(f, ": {name} is {is}, expected {expected}")
            }
        }
    }
}

/// Cuts two values so that both show the first character that differs.
fn shown_values(one: Option<&str>, two: Option<&str>) -> (String, String) {
    let from = common_start(one, two);
    let shown = |value: Option<&str>| match value {
        None => "not set".to_owned(),
        Some(value) => format!("`{}`", window(value, from)),
    };
    (shown(one), shown(two))
}

/// The number of characters of the common prefix.
fn common_start(one: Option<&str>, two: Option<&str>) -> usize {
    let (Some(one), Some(two)) = (one, two) else { return 0 };
    one.chars().zip(two.chars()).take_while(|(one, two)| one == two).count()
}

/// The part of a long value around the character at `from`, on one line.
fn window(value: &str, from: usize) -> String {
    const BEFORE: usize = 40;
    let length = value.chars().count();
    let start = if length <= SHOWN { 0 } else { from.saturating_sub(BEFORE) };
    let part: String = value.chars().skip(start).take(SHOWN).collect();
    let words = part.split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, after) =
        (if start > 0 { "…" } else { "" }, if start + SHOWN < length { "…" } else { "" });
    format!("{before}{words}{after}")
}

/// Both lists have to be sorted.
pub(super) fn between(items: &[Item], expected: &[Item]) -> Vec<Difference> {
    let (ours, theirs) = (by_key(items), by_key(expected));
    let moved = moved_columns(&ours, &theirs);
    let keys: BTreeSet<&ItemKey<'_>> = ours.keys().chain(theirs.keys()).collect();
    let mut differences = Vec::new();
    for key in keys {
        let described = |change| Difference {
            schema: key.0.to_owned(),
            kind: key.1,
            name: key.2.to_owned(),
            change,
        };
        match (ours.get(key), theirs.get(key)) {
            (Some(item), Some(expected)) => {
                let changes = properties(item, expected);
                let is_noise = |change: &CatalogChange| {
                    matches!(change, CatalogChange::Property { name, .. } if name == "position")
                        && !moved.contains(&(key.0, relation_of(key.2)))
                };
                differences
                    .extend(changes.into_iter().filter(|change| !is_noise(change)).map(described));
            }
            (Some(_), None) if !goes_with_relation(key, &theirs) => {
                differences.push(described(CatalogChange::Unexpected));
            }
            (None, Some(_)) if !goes_with_relation(key, &ours) => {
                differences.push(described(CatalogChange::Missing));
            }
            _ => {}
        }
    }
    differences
}

fn by_key(items: &[Item]) -> BTreeMap<ItemKey<'_>, &Item> {
    items.iter().map(|item| ((item.schema.as_str(), item.kind, item.name.as_str()), item)).collect()
}

fn properties(item: &Item, expected: &Item) -> Vec<CatalogChange> {
    let values = |item: &Item| -> BTreeMap<String, String> {
        item.properties().into_iter().map(|one| (one.name, one.value)).collect()
    };
    let (is, expected) = (values(item), values(expected));
    let names: BTreeSet<&String> = is.keys().chain(expected.keys()).collect();
    let changed = names.into_iter().filter(|name| is.get(*name) != expected.get(*name));
    let change = |name: &String| CatalogChange::Property {
        name: name.clone(),
        is: is.get(name).cloned(),
        expected: expected.get(name).cloned(),
    };
    changed.map(change).collect()
}

/// A column of a missing table is not listed separately.
fn goes_with_relation(key: &ItemKey<'_>, other: &BTreeMap<ItemKey<'_>, &Item>) -> bool {
    const RELATIONS: [ItemKind; 7] = [
        ItemKind::Table,
        ItemKind::ForeignTable,
        ItemKind::View,
        ItemKind::MaterializedView,
        ItemKind::Type,
        ItemKind::Domain,
        ItemKind::Sequence,
    ];
    key.1.is_part()
        && !RELATIONS.iter().any(|kind| other.contains_key(&(key.0, *kind, relation_of(key.2))))
}

/// `users` of `users.email`; respects quotes.
fn relation_of(name: &str) -> &str {
    let mut quoted = false;
    for (at, c) in name.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => return &name[..at],
            _ => {}
        }
    }
    name
}

/// The relations whose common columns have another order. In other relations, a changed position only means that columns were
/// added or removed before it.
fn moved_columns<'i>(
    ours: &BTreeMap<ItemKey<'i>, &'i Item>,
    theirs: &BTreeMap<ItemKey<'i>, &'i Item>,
) -> BTreeSet<(&'i str, &'i str)> {
    let mut positions: BTreeMap<(&str, &str), Vec<(usize, usize)>> = BTreeMap::new();
    for (key, item) in ours.iter().filter(|(key, _)| key.1 == ItemKind::Column) {
        let Some(other) = theirs.get(key) else { continue };
        let position = |item: &Item| item.property("position").and_then(|text| text.parse().ok());
        if let (Some(here), Some(there)) = (position(item), position(other)) {
            positions.entry((key.0, relation_of(key.2))).or_default().push((here, there));
        }
    }
    for pairs in positions.values_mut() {
        pairs.sort_unstable();
    }
    let moved = |pairs: &[(usize, usize)]| !pairs.is_sorted_by_key(|(_, there)| *there);
    positions.into_iter().filter(|(_, pairs)| moved(pairs)).map(|(relation, _)| relation).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Catalog;
    use super::*;

    fn item(kind: ItemKind, name: &str, code: &str) -> Item {
        Item {
            schema: String::new(),
            kind,
            name: name.to_owned(),
            code: Some(code.replace('|', "\u{1f}")),
            text: None,
        }
    }

    fn described(is: Vec<Item>, expected: Vec<Item>) -> Vec<String> {
        let (is, expected) = (Catalog::new(is), Catalog::new(expected));
        let differences = is.differences(&expected);
        assert_eq!(differences.is_empty(), is.fingerprint() == expected.fingerprint());
        differences.iter().map(Difference::to_string).collect()
    }

    fn table(columns: &[&str]) -> Vec<Item> {
        let column = |(at, name): (usize, &&str)| {
            item(
                ItemKind::Column,
                &format!("\"a.b\".{name}"),
                &format!("position={}|type=text", at + 1),
            )
        };
        let mut items: Vec<Item> = columns.iter().enumerate().map(column).collect();
        items.push(item(ItemKind::Table, "\"a.b\"", "owner=me"));
        items
    }

    #[test]
    fn a_missing_table_is_one_difference() {
        assert_eq!(described(vec![], table(&["x", "y"])), ["table \"a.b\" is missing"]);
        assert_eq!(
            described(table(&["x", "y"]), vec![]),
            ["table \"a.b\" exists, and is not expected"]
        );
        assert_eq!(described(table(&["x"]), table(&["x"])), [""; 0]);
    }

    #[test]
    fn scripts_refer_to_an_object_by_its_name_or_its_relation() {
        let names = |name: &str| {
            let difference = Difference {
                schema: String::new(),
                kind: ItemKind::Function,
                name: name.to_owned(),
                change: CatalogChange::Missing,
            };
            difference.spoken_names()
        };
        assert_eq!(names("users.email"), ["users", "email"]);
        assert_eq!(names("\"a.b\".\"c\"\"d(\""), ["a.b", "c\"d("]);
        assert_eq!(names("f(integer, text)"), ["f"]);
        assert_eq!(names(""), [""; 0]);
    }

    #[test]
    fn an_added_column_does_not_move_the_others() {
        assert_eq!(
            described(table(&["x", "z"]), table(&["x", "y", "z"])),
            ["column \"a.b\".y is missing"]
        );
        assert_eq!(
            described(table(&["y", "x"]), table(&["x", "y"])),
            [
                "column \"a.b\".x: position is `2`, expected `1`",
                "column \"a.b\".y: position is `1`, expected `2`",
            ]
        );
    }

    #[test]
    fn a_long_value_is_cut_around_its_difference() {
        let value = |end: &str| {
            vec![item(ItemKind::View, "v", &format!("definition={}{end}", "SELECT 1, ".repeat(50)))]
        };
        let lines = described(value("2"), value("3"));
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with("1, 3`") && lines[0].len() < 200, "{lines:?}");
        let unset = vec![item(ItemKind::View, "v", "owner=me")];
        assert!(
            described(unset, value("3"))[0].contains("definition is not set, expected `SELECT")
        );
    }
}
