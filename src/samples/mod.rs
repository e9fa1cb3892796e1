//! Samples: the starting states of tenants, and how a file of SQL is run as `psql` would run it.

pub(crate) mod kind;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod run;
pub(crate) mod sample;
pub(crate) mod statement;

pub(crate) use load::{Target, load_sample, run_file, run_file_in_transaction};
pub(crate) use sample::{SampleFile, file_failure};
