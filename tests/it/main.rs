//! Tests from outside: the real binary on real projects, and the structure of the source.
//!
//! One test binary, so that it links once and shares one PostgreSQL. `common` is the test framework; the other files mirror
//! `src/`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, helpers included")]

mod action;
mod alembic;
mod alembic_projects;
mod architecture;
mod binary;
mod broken_demo;
mod catalog_races;
mod checkouts;
mod command_line;
mod common;
mod concurrent_replay;
mod coverage;
mod deploy;
mod differential;
mod directions;
mod documents;
mod environment;
mod image;
mod language;
mod layouts;
mod no_result;
mod notices;
mod program_image;
mod project;
mod providers;
mod publish;
mod releases;
mod replayed_again;
mod revision;
mod samples;
mod scale;
mod server_lost;
mod setup_action;
mod shapes;
mod signals;
mod skipped;
mod tenants;
mod untrusted;
mod upgrade;
mod url;
mod verify;
mod without_git;
mod wording;
