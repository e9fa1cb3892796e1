//! GitHub: the data of a job, commands to the runner, and what a run publishes on a pull request.
//!
//! ```text
//! GITHUB_*, RUNNER_* ─▶ context ─┐                 ┌▶ commands        the log: annotations, masks, stopped commands
//! INPUT_*            ─▶ inputs  ─┼─▶ github_action ┼▶ file_commands   outputs, state, the job's summary
//! event.json         ─▶ event   ─┘                 │
//!                                                  └▶ publish ─▶ comment ────┐
//!                                                            └▶ check_run ──┼─▶ client ─▶ retry ─▶ transport ─▶ GitHub
//!                                                    pull_request ──────────┘         error: what went wrong
//! ```
//!
//! The job's data is passed as a lookup or a text, so that the rules can be tested without a runner. Nothing here affects the
//! verdict: failures of publishing are only reported.

pub(crate) mod check_run;
pub(crate) mod client;
pub(crate) mod commands;
pub(crate) mod comment;
pub(crate) mod comment_key;
pub(crate) mod context;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod file_commands;
pub(crate) mod inputs;
mod marker;
mod payload;
pub(crate) mod publish;
pub(crate) mod pull_request;
mod retry;
mod transport;

pub(crate) use self::marker::RunAttempt;
pub(crate) use self::transport::Proxies;

#[cfg(test)]
#[expect(dead_code, reason = "the tests from outside use the whole of it")]
#[path = "../../tests/it/common/github/mod.rs"]
mod fake;
#[cfg(test)]
mod fake_github_tests;
#[cfg(test)]
mod testing;
