//! Runs the real migration tools and mig-ci on the same directories: both must agree on success or failure, the catalog, the
//! data, and the ledger's rows. `docs/formats.md` contains the rules.
//!
//! mig-ci is the binary, with the `url` provider. It would remove its databases at the end; they are made templates, which
//! `DROP DATABASE` refuses, so that they can be compared afterwards. They are on a separate server, since other runs would
//! report that they cannot remove them.

mod case;
mod compare;
mod dbmate;
mod sqlx;
