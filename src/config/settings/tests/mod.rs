//! The error message of each mistake, and the results of valid files.

mod accepted;
mod refused;
mod secrets;
