//! The severities of findings.

/// The severity of a finding, in ascending order.
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
    strum::VariantNames,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Severity {
    Info,
    Warning,
    Error,
}
