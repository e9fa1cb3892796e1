//! Tenants: which ones production has, where each of them lives, and which of them a command selects.

mod source;
mod who;
mod who_error;
mod whom;

pub(crate) use who::Asking;
pub(crate) use who_error::WhoError;
pub(crate) use whom::{Ineligible, Recorded, Tenant, Whom};
