//! Samples, the starting states of tenants, and running SQL files as `psql` does.

pub(crate) mod file;
pub(crate) mod kind;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod run;
pub(crate) mod statement;
pub(crate) mod treatment;

pub(crate) use file::{SampleFile, file_failure};
pub(crate) use load::{SampleTarget, load_sample, run_file, run_file_in_transaction};
