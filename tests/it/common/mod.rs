//! The test framework.
//!
//! ```ignore
//! let shop = project()
//!     .file("migrations/1_a.sql", "CREATE TABLE a ();")
//!     .git_commit("base")
//!     .file("migrations/2_b.sql", "CREATE TABEL b ();");
//! let run = shop.mig_ci(["verify", "--provider", "local"]).run().exit(1);
//! shop.redactions().bind(|| insta::assert_snapshot!(run.stdout, @""));
//! ```
//!
//! The binary runs with a cleaned environment. Tests that need a server call `postgres()` and share one; those that need
//! Docker or another tool call `docker_image()` or `peer("dbmate")` first, and return if it is missing: they are listed as
//! skipped at the end of the run.

mod fingerprint;
#[expect(dead_code, reason = "the client's own tests use the whole of it")]
pub(crate) mod github;
mod interceptor;
mod job;
pub(crate) mod many_tenants;
mod postgres;
mod project;
mod redact;
mod report;
mod requirements;
mod rounds;
mod run;
mod server;
pub(crate) mod upgrade_report;
mod wire;

pub(crate) use interceptor::{Interceptor, StopPoint};
pub(crate) use job::{HEAD, Job, Line, Step, at as at_github, values};
pub(crate) use many_tenants::ManyTenants;
pub(crate) use postgres::{Database, PASSWORD, Postgres, postgres, second_postgres};
pub(crate) use project::{Project, demo, project};
pub(crate) use report::{Report, at};
pub(crate) use requirements::{
    action_image, alembic, docker_answers, docker_image, is_root, peer, python_image, runner_image,
};
pub(crate) use rounds::random_rounds;
pub(crate) use run::{Command, Outcome, Running, scrub};
pub(crate) use server::{
    Cluster, Container, Guest, containers_beside, containers_of, docker, until, wait_for,
    wait_for_computing, wait_for_sleepers,
};
pub(crate) use wire::{Sent, Wire};
