//! The error message of each mistake, and the results of valid files.

mod accepted;
mod alembic;
mod refused;
mod secrets;
