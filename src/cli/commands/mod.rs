//! The commands, in one file each, and their shared code.

pub(crate) mod action;
pub(crate) mod clean;
pub(crate) mod create;
pub(crate) mod downgrade;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod list;
mod list_alembic;
pub(crate) mod publish;
pub(crate) mod revision;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod tenants;
pub(crate) mod upgrade;
pub(crate) mod verify;

mod apply_common;
mod resume;
