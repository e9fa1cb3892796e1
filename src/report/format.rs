//! The formats of reports: which ones a command has, and the renderer of each.

use super::{RenderOptions, json, status, upgrade, verify};

/// Of `verify`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum VerifyFormat {
    Terminal,
    Json,
    Markdown,
    Junit,
}

impl VerifyFormat {
    /// The whole document, with a line end at its end.
    pub(crate) fn render(self, report: &verify::v1::Report, options: &RenderOptions) -> String {
        match self {
            Self::Terminal => verify::terminal::render(report, options),
            Self::Json => json(report),
            Self::Markdown => verify::markdown::render(report, options),
            Self::Junit => verify::junit::render(report, options),
        }
    }
}

/// Of `upgrade`, `downgrade` and `create`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum UpgradeFormat {
    Terminal,
    Json,
    Junit,
}

impl UpgradeFormat {
    /// The whole document, with a line end at its end.
    pub(crate) fn render(self, report: &upgrade::Report, options: &RenderOptions) -> String {
        match self {
            Self::Terminal => upgrade::terminal::render(report, options),
            Self::Json => json(report),
            Self::Junit => upgrade::junit::render(report, options),
        }
    }
}

/// Of `status`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum StatusFormat {
    Terminal,
    Json,
}

impl StatusFormat {
    /// The whole document, with a line end at its end.
    pub(crate) fn render(self, report: &status::Report, options: &RenderOptions) -> String {
        match self {
            Self::Terminal => status::terminal::render(report, options),
            Self::Json => json(report),
        }
    }
}
