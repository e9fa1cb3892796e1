//! A value of `mig-ci.toml` that may be one text or a list of them.

use schemars::JsonSchema;
use serde::Deserialize;

/// One value, or a list of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}
