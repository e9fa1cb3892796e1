//! The modules. Each may use those above it, and none below (`tests/it/architecture` enforces this):
//!
//! ```text
//! model                                    data types
//! sql  secrets                             statements, positions, quoting; masking of secrets
//! formats  checks  report  replay::plan    pure functions over plain data, without a server
//! ───────  IO: modules below use files, processes and sockets
//! retry                                    retries and polling; uses no other module
//! config  source  postgres  server  catalog  tenants  samples  driver  execution  replay  ui
//! github                                   pull requests over HTTP; uses model, report, secrets and retry only
//! project                                  loads a project and its base
//! verify                                   the main job, from the project to the report
//! upgrade                                  the same for real databases
//! status                                   the state of real databases; read-only
//! github_action                            from a job's event to a verify request, and the target of its result
//! cli                                      options, one file for each command, exit codes
//! main
//! ```

mod catalog;
mod checks;
mod cli;
mod config;
mod driver;
mod execution;
mod formats;
mod github;
mod github_action;
mod model;
mod postgres;
mod project;
mod replay;
mod report;
mod retry;
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
