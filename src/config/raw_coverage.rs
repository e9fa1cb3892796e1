//! `[[coverage.removed]]` of `mig-ci.toml` exactly as it is written: see `raw`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::choice_schema::choice;
use crate::model::TrackKind;

/// Intended reductions of coverage, with reasons.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCoverage {
    /// What the base verifies and this revision intentionally does not. Each entry names one part and a reason.
    #[serde(default)]
    pub(crate) removed: Vec<RawRemoved>,
}

/// One part that is no longer verified.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRemoved {
    /// A named database; without other keys, all of it.
    pub(crate) database: Option<String>,
    /// A track of that database: `shared` or `tenant`.
    #[serde(default)]
    #[schemars(schema_with = "choice::<TrackKind>")]
    pub(crate) track: Option<String>,
    /// A tenant whose sample was removed, or contains less.
    pub(crate) tenant: Option<String>,
    /// The code of a check that has a lower severity, or is disabled.
    pub(crate) check: Option<String>,
    /// A key of this file, or the path of a `prepare` file, as shown in the finding.
    pub(crate) setting: Option<String>,
    /// The reason, which the report shows.
    pub(crate) reason: String,
}
