//! `[[coverage.removed]]` of `mig-ci.toml` exactly as it is written: see `raw`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw::choice;
use crate::model::TrackKind;

/// What is checked no more, and why.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCoverage {
    /// What the base checks and this revision does not, on purpose. Each entry names one part, and a reason.
    #[serde(default)]
    pub(crate) removed: Vec<RawRemoved>,
}

/// One part that is checked no more.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRemoved {
    /// A named database; alone, all of it.
    pub(crate) database: Option<String>,
    /// A track of that database: `shared` or `tenant`.
    #[serde(default)]
    #[schemars(schema_with = "choice::<TrackKind>")]
    pub(crate) track: Option<String>,
    /// A tenant whose sample is gone, or says less.
    pub(crate) tenant: Option<String>,
    /// The code of a check that weighs less, or is switched off.
    pub(crate) check: Option<String>,
    /// A key of this file, or the path of a `prepare` file, as the finding names it.
    pub(crate) setting: Option<String>,
    /// Why. The report shows it.
    pub(crate) reason: String,
}
