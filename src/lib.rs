//! The map of the rooms. Each may use those above it, none below (a test reads the `use` lines and holds this):
//!
//! ```text
//! model                                    the nouns
//! sql  secrets                             statements, positions, quoting; what must not be shown
//! formats  checks  report  replay::plan    what is known without a server: pure functions over plain data
//! ───────  the line of IO: below it live files, processes, sockets
//! config  source  postgres  server  catalog  tenants  samples  execution  replay  ui
//! github                                   the jobs of GitHub; of ours, it uses model and report alone
//! project                                  a project and its base: loaded, checked, planned
//! verify                                   the table of contents of the main job
//! upgrade                                  its twin, for real servers
//! status                                   where real databases stand; read-only
//! github_action                            what a job asks of verify, and where its result belongs
//! cli                                      options, one file for each command, exit codes
//! main
//! ```

mod catalog;
mod checks;
mod cli;
mod config;
mod execution;
mod formats;
mod github;
mod github_action;
mod model;
mod postgres;
mod project;
mod replay;
mod report;
mod samples;
mod secrets;
mod server;
mod source;
mod sql;
mod status;
mod tenants;
mod ui;
mod upgrade;
mod verify;

#[cfg(test)]
#[path = "../tests/it/skipped.rs"]
mod skipped;

/// Runs the command that this process was started with, and returns its exit code.
pub fn main() -> std::process::ExitCode {
    cli::main()
}
