//! Validates keys and types by the JSON Schema of the file, so that all mistakes are found at once, with mig-ci's own messages.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::Document;
use super::error::ConfigError;
use super::key::ConfigKey;
use super::nearest::nearest;
use super::problem::ConfigProblem;

/// The only key of `[checks]` that is not a check's code.
const FAIL_ON: &str = "fail-on";

/// All unknown keys, missing keys and wrong types, in the order of the file.
pub(crate) fn check(table: &DeTable<'_>, schema: &Value, document: &Document) -> Vec<ConfigError> {
    let mut checker = Checker { document, schema, errors: Vec::new() };
    checker.table(&ConfigKey::root(), table, schema);
    checker.errors
}

struct Checker<'a> {
    document: &'a Document,
    /// The schema of the whole file.
    schema: &'a Value,
    errors: Vec<ConfigError>,
}

impl Checker<'_> {
    fn table(&mut self, key: &ConfigKey, table: &DeTable<'_>, schema: &Value) {
        for (name, value) in table {
            let child = key.child(name.get_ref());
            match member(schema, name.get_ref()) {
                Some(schema) => self.value(&child, value, schema),
                None => {
                    let problem = self.unknown(key, name.get_ref(), schema);
                    self.errors.push(ConfigError { problem, span: Some(name.span()) });
                }
            }
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            let name = required.as_str().unwrap_or_default();
            if !table.contains_key(name) {
                let description = member(schema, name).and_then(description);
                let problem = ConfigProblem::MissingKey {
                    key: name.to_owned(),
                    table: key.table(),
                    description,
                };
                self.errors.push(ConfigError { problem, span: self.document.key(key) });
            }
        }
    }

    fn value(&mut self, key: &ConfigKey, value: &Spanned<DeValue<'_>>, schema: &Value) {
        let found = type_name(value.get_ref());
        let Some(shape) = shapes(schema).find(|shape| accepts(shape, found)) else {
            let mut expected: Vec<String> = shapes(schema).flat_map(types).map(words).collect();
            expected.dedup();
            let problem = ConfigProblem::WrongType {
                key: key.to_string(),
                expected: expected.join(" or "),
                found: words(found),
                description: description(schema),
            };
            self.errors.push(ConfigError { problem, span: self.document.value(key) });
            return;
        };
        match value.get_ref() {
            DeValue::Table(table) => self.table(key, table, shape),
            DeValue::Array(array) => {
                for (index, element) in array.iter().enumerate() {
                    self.value(&key.element(index), element, &shape["items"]);
                }
            }
            _ => {}
        }
    }

    fn unknown(&self, table: &ConfigKey, name: &str, schema: &Value) -> ConfigProblem {
        let known: Vec<String> = schema["properties"]
            .as_object()
            .into_iter()
            .flat_map(|properties| properties.keys().cloned())
            .collect();
        if *table == ConfigKey::root().child("checks") && nearest(name, &known) != Some(FAIL_ON) {
            let known = known.into_iter().filter(|key| key != FAIL_ON).collect();
            return ConfigProblem::UnknownCheck { code: name.to_owned(), known };
        }
        let elsewhere = tables_with(self.schema, name, &ConfigKey::root());
        ConfigProblem::UnknownKey { key: name.to_owned(), table: table.table(), known, elsewhere }
    }
}

/// The schema of a table's entry.
fn member<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema["properties"].get(name).or_else(|| match &schema["additionalProperties"] {
        any @ Value::Object(_) => Some(any),
        _ => None,
    })
}

/// The alternatives of a schema: itself, or the items of its `anyOf`.
fn shapes(schema: &Value) -> impl Iterator<Item = &Value> {
    let alternatives = match schema["anyOf"].as_array() {
        Some(alternatives) if schema["type"].is_null() => alternatives.as_slice(),
        _ => std::slice::from_ref(schema),
    };
    alternatives.iter()
}

fn types(shape: &Value) -> impl Iterator<Item = &str> {
    let types = match &shape["type"] {
        Value::Array(types) => types.as_slice(),
        one => std::slice::from_ref(one),
    };
    types.iter().filter_map(Value::as_str)
}

/// A shape without a type accepts everything.
fn accepts(shape: &Value, found: &str) -> bool {
    shape["type"].is_null() || types(shape).any(|accepted| accepted == found)
}

/// The type of a TOML value in JSON Schema's terms.
fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "date",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

/// A type in TOML's terms.
fn words(json_type: &str) -> String {
    match json_type {
        "integer" => "an integer".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a table".to_owned(),
        other => format!("a {other}"),
    }
}

fn description(schema: &Value) -> Option<String> {
    schema["description"].as_str().map(|text| text.replace('\n', " "))
}

/// The tables that have a key of this name, in TOML syntax: `[databases.NAME.tenants]`.
fn tables_with(schema: &Value, name: &str, table: &ConfigKey) -> Vec<String> {
    let mut found = Vec::new();
    for shape in shapes(schema) {
        if shape["properties"].get(name).is_some() {
            found.push(table.table());
        }
        for (key, child) in shape["properties"].as_object().into_iter().flatten() {
            found.extend(tables_with(child, name, &table.child(key)));
        }
        if let Some(child) = shape.get("additionalProperties").filter(|child| child.is_object()) {
            found.extend(tables_with(child, name, &table.child("NAME")));
        }
    }
    found
}
