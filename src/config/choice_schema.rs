//! The JSON Schemas of values that are one of a closed set of words.

use schemars::{Schema, SchemaGenerator, json_schema};
use strum::VariantNames;

/// One of the words of `T`.
pub(super) fn choice<T: VariantNames>(_: &mut SchemaGenerator) -> Schema {
    choice_of(T::VARIANTS.to_vec())
}

/// One of these words, or a reference to a variable.
pub(super) fn choice_of(words: Vec<&'static str>) -> Schema {
    json_schema!({ "type": "string", "anyOf": [{ "enum": words }, { "pattern": "\\$\\{" }] })
}
