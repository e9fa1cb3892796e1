//! `--help` of all commands: clap's own options have the same headings as the others.

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use super::{App, heading};

/// The definition of the command line.
pub(crate) fn command() -> Command {
    App::command().mut_subcommands(with_help)
}

/// clap would list its own `--help` under a separate heading.
fn with_help(command: Command) -> Command {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help);
    let help = help.help("Print help").help_heading(heading::GLOBAL).display_order(1000);
    command.disable_help_flag(true).arg(help)
}
