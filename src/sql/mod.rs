//! What has to be known about SQL text without a server: where statements begin and end, positions, quoting.

mod quote;

pub(crate) use quote::{quote_identifier, quote_literal};
