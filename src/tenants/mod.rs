//! Tenants and the states they start from: reading samples, and loading them as they come.

mod kind;
mod ledger;
mod load;
mod run;
mod sample;
mod statement;

pub(crate) use load::{Target, load_sample, run_file, run_file_in_transaction};
pub(crate) use sample::{SampleFile, file_failure};
