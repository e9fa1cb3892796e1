//! The command line interface: arguments ([`args`]), commands, signals, streams, exit codes.

mod args;
mod commands;
mod edge;
mod environment;
mod error;
mod exit;
mod help;
mod isolation;
mod log;
mod output;
mod stream;

use std::process::ExitCode;
use std::time::Duration;

use tracing::Instrument as _;

use args::{App, Command};
use commands::{
    action, clean, create, downgrade, explain, init, list, publish, revision, schema, status,
    tenants, upgrade, verify,
};
use error::CommandError;
use exit::Exit;
use stream::Streams;

use crate::config;
use crate::secrets;

/// Runs the command of the process.
pub(crate) fn main() -> ExitCode {
    let given = match isolation::arguments(action::arguments(std::env::args_os())) {
        Ok(given) => given,
        Err(reason) => {
            Streams::new(args::ColorWhen::Never, args::LogFormat::Text).complain(&reason);
            return Exit::Environment.into();
        }
    };
    // Error messages quote the wrong argument.
    for word in given.iter().filter_map(|word| word.to_str()).filter(|word| word.contains("://")) {
        secrets::learn_address(word);
    }
    stream::watch_panics();
    let app = match environment::parse(given) {
        Ok(app) => app,
        Err(error) => {
            stream::print_usage(&error);
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Passed.into() };
        }
    };
    learn_secrets(&app.command);
    let streams = Streams::new(app.global.color, app.global.log_format);
    match log::filter() {
        Ok(filter) => log::to_stderr(filter, app.global.log_format, streams.err_colour()),
        Err(problem) => {
            streams.complain(&problem);
            return Exit::Usage.into();
        }
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            streams.complain(&format!("cannot start the runtime: {error}"));
            return Exit::Environment.into();
        }
    };
    let span = tracing::debug_span!("run", command = %app.command);
    let outcome = runtime.block_on(run(&app, &streams).instrument(span));
    // Does not wait for a pending name lookup, or an engine that does not answer.
    runtime.shutdown_timeout(Duration::from_millis(500));
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            streams.explain(&error);
            Exit::of_error(&error).into()
        }
    }
}

async fn run(app: &App, streams: &Streams) -> Result<Exit, CommandError> {
    let global = &app.global;
    match &app.command {
        Command::Verify(args) => verify::run(global, args, streams).await,
        Command::Upgrade(args) => upgrade::run(global, args, streams).await,
        Command::Create(args) => create::run(global, args, streams).await,
        Command::Tenants(args) => tenants::run(global, args, streams).await,
        Command::Downgrade(args) => downgrade::run(global, args, streams).await,
        Command::Status(args) => status::run(global, args, streams).await,
        Command::Revision(args) => revision::run(global, args, streams),
        Command::List(args) => list::run(global, args, streams).await,
        Command::Init(args) => init::run(global, args, streams),
        Command::Explain(args) => explain::run(args, streams),
        Command::Schema(args) => schema::run(args, streams),
        Command::Action(args) => Ok(action::run(global, args, streams).await),
        Command::Publish(args) => Ok(publish::run(args, streams).await),
        Command::Clean(args) => clean::run(global, args, streams).await,
    }
}

/// The commands on mig-ci's own servers print output of other authors' SQL, so all secrets of the environment are masked. Those
/// on real databases run the SQL of the user who starts them, and mask only passwords of servers: the name of a tenant must not
/// change. The addresses are registered where they are read (`postgres::Url`).
fn learn_secrets(command: &Command) {
    let allowed = match command {
        Command::Action(_) => config::process_environment("INPUT_ALLOW-VARIABLES"),
        Command::Verify(_) | Command::Publish(_) | Command::Clean(_) => None,
        _ => {
            learn_passwords();
            return;
        }
    };
    let allowed = allowed.unwrap_or_default();
    let allowed: Vec<String> =
        allowed.split([',', '\n']).map(|name| name.trim().to_owned()).collect();
    secrets::learn_environment(config::whole_environment(), &allowed);
}

/// The passwords that libpq uses if an address has none.
fn learn_passwords() {
    let variable = |name| config::process_environment(name).filter(|value| !value.is_empty());
    if let Some(password) = variable("PGPASSWORD") {
        secrets::learn(&password);
    }
    let usual = || variable("HOME").map(|home| format!("{home}/.pgpass"));
    let file = variable("PGPASSFILE").or_else(usual).map(std::fs::read_to_string);
    if let Some(Ok(text)) = file {
        secrets::learn_password_file(&text);
    }
}
