//! The report of `verify`: its versioned data ([`v1`]), its construction ([`build`]), and its renderers.

pub(crate) mod annotations;
pub(crate) mod build;
pub(crate) mod comment;
pub(crate) mod convert;
pub(crate) mod environment;
pub(crate) mod foreign;
pub(crate) mod headline;
pub(crate) mod junit;
pub(crate) mod markdown;
pub(crate) mod read;
pub(crate) mod reproduce;
pub(crate) mod terminal;
#[cfg(test)]
pub(crate) mod test_fixtures;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod v1;
