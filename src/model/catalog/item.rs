//! One catalog object and its properties.

/// Separates the parts of an item's text: the ASCII unit separator, which names and code are unlikely to contain. If they do,
/// the fingerprint is still correct, and only the description of a difference is less readable.
pub(crate) const SEPARATOR: char = '\u{1f}';

/// The kinds of objects that are read. The names are those in the queries of `catalog/kinds`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum ItemKind {
    Schema,
    Extension,
    Collation,
    Enum,
    Domain,
    /// Composite, range, base and shell types.
    Type,
    Function,
    Procedure,
    Aggregate,
    Operator,
    #[strum(serialize = "operator family")]
    OperatorFamily,
    #[strum(serialize = "operator class")]
    OperatorClass,
    Sequence,
    Table,
    #[strum(serialize = "foreign table")]
    ForeignTable,
    View,
    #[strum(serialize = "materialized view")]
    MaterializedView,
    /// Of every relation with columns, composite types included.
    Column,
    Constraint,
    Index,
    Statistics,
    Trigger,
    Rule,
    Policy,
    #[strum(serialize = "default privileges")]
    DefaultPrivileges,
    #[strum(serialize = "text search")]
    TextSearch,
    #[strum(serialize = "foreign server")]
    ForeignServer,
    Publication,
    #[strum(serialize = "event trigger")]
    EventTrigger,
}

impl ItemKind {
    /// Whether its name begins with that of its relation: `users.email`.
    pub(super) fn is_part(self) -> bool {
        matches!(self, Self::Column | Self::Constraint | Self::Trigger | Self::Rule | Self::Policy)
    }
}

/// One object: a table, a column, the object of a grant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    /// Empty if the catalog is that of a single schema.
    pub(crate) schema: String,
    pub(crate) kind: ItemKind,
    /// Quoted where SQL requires it, without the schema: `users`, `users.email`, `f(integer)`.
    pub(crate) name: String,
    /// Properties rendered by PostgreSQL, in which references to objects follow a rename.
    pub(crate) code: Option<String>,
    /// Properties that PostgreSQL stores as text: function bodies, comments.
    pub(crate) text: Option<String>,
}

/// A name and a value, such as `type` and `integer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Item {
    /// The input of the item's hash, in the order in which the queries concatenate it.
    pub(super) fn hashed(&self) -> String {
        let mut line = format!("{}{SEPARATOR}{}", self.kind, self.name);
        for part in [&self.code, &self.text].into_iter().flatten() {
            line.push(SEPARATOR);
            line.push_str(part);
        }
        line
    }

    /// The parsed properties, for comparisons and messages.
    pub(crate) fn properties(&self) -> Vec<Property> {
        let mut properties: Vec<Property> = Vec::new();
        let parts = [&self.code, &self.text].into_iter().flatten();
        for part in parts.flat_map(|text| text.split(SEPARATOR)).filter(|part| !part.is_empty()) {
            match (part.split_once('='), properties.last_mut()) {
                (Some((name, value)), _) if is_property_name(name) => {
                    properties.push(Property { name: name.to_owned(), value: value.to_owned() });
                }
                // The previous value contained a separator.
                (_, Some(last)) => {
                    last.value.push(SEPARATOR);
                    last.value.push_str(part);
                }
                (_, None) => {
                    properties.push(Property { name: String::new(), value: part.to_owned() });
                }
            }
        }
        properties
    }

    pub(super) fn property(&self, name: &str) -> Option<String> {
        self.properties().into_iter().find(|one| one.name == name).map(|one| one.value)
    }
}

fn is_property_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == ' ' || c == ',')
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator as _;

    use super::*;

    #[test]
    fn kinds_round_trip_as_text() {
        for kind in ItemKind::iter() {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }

    #[test]
    fn a_separator_in_a_value_is_kept() {
        let item = Item {
            schema: String::new(),
            kind: ItemKind::Function,
            name: "f()".to_owned(),
            code: Some("language=sql\u{1f}cost=1".to_owned()),
            text: Some("text=a=b\u{1f}c".to_owned()),
        };
        let all: Vec<_> = item.properties().into_iter().map(|one| (one.name, one.value)).collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(all, [pair("language", "sql"), pair("cost", "1"), pair("text", "a=b\u{1f}c")]);
    }
}
