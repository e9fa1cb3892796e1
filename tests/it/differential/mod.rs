//! The real migration tools and mig-ci on the same directories: they have to agree on success or failure, on the catalog
//! and the data, and on the ledger's rows. `docs/formats.md` tells the rules that are tried here.
//!
//! mig-ci is the binary, with the `url` provider. It removes its databases at the end; that they are templates keeps it
//! from it (`DROP DATABASE` refuses one), so that they can be looked at afterwards. They are on a server of their own,
//! since other runs would find them and report that they cannot remove them.

mod case;
mod compare;
mod dbmate;
mod sqlx;
