//! The report: the run as versioned data, and one file a renderer. A renderer reads [`v1::Report`] and nothing else.

pub(crate) mod v1;
