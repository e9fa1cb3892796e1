//! Tenants: who they are in production, and the states that they start from where migrations are tried.

mod kind;
mod ledger;
mod load;
mod run;
mod sample;
mod source;
mod statement;
mod who;
mod who_error;
mod whom;

pub(crate) use load::{Target, load_sample, run_file, run_file_in_transaction};
pub(crate) use sample::{SampleFile, file_failure};
pub(crate) use who::Asking;
pub(crate) use who_error::WhoError;
pub(crate) use whom::{Ineligible, Recorded, Tenant, Whom};
