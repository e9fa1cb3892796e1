//! The two tracks of a database.

/// One of a database's two tracks.
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
pub(crate) enum TrackKind {
    Shared,
    Tenant,
}
