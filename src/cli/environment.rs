//! `MIG_CI_*` variables that are read differently from the flags that they correspond to.
//!
//! - An empty one counts as absent: `MIG_CI_BASE: ${{ inputs.base }}` sets it in any case.
//! - Only in a variable are names separated by commas; a flag is repeated for each name, and a name may contain a comma.
//! - `--no-base` overrides `MIG_CI_BASE`, as flags override variables.

use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Error, FromArgMatches as _};

use super::args::{App, command};

/// Parses the command line and the environment of this process.
///
/// # Errors
/// clap's message: help, the version, or a usage error.
pub(crate) fn parse<T: Into<std::ffi::OsString> + Clone>(
    words: impl IntoIterator<Item = T>,
) -> Result<App, Error> {
    let mut command = without_empty(command());
    let matches = command.try_get_matches_from_mut(words)?;
    let mut app = App::from_arg_matches(&matches)?;
    if source(&matches, "databases") == Some(ValueSource::EnvVariable) {
        split(&mut app.global.databases);
    }
    if let (Some(scope), Some((name, matches))) = (app.command.scope_mut(), matches.subcommand()) {
        if source(matches, "tenants") == Some(ValueSource::EnvVariable) {
            split(&mut scope.tenants);
        }
        if scope.no_base && source(matches, "base") == Some(ValueSource::CommandLine) {
            let text = "`--base` and `--no-base` cannot be used together";
            // The subcommand's error shows its own usage.
            let mut of = command.find_subcommand(name).cloned().unwrap_or(command);
            return Err(of.error(ErrorKind::ArgumentConflict, text));
        }
    }
    Ok(app)
}

/// The definition without variables that are empty.
fn without_empty(command: Command) -> Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| match arg.get_env() {
            Some(name) if is_empty(name) => arg.env(Resettable::Reset),
            _ => arg,
        })
        .mut_subcommands(without_empty)
}

fn source(matches: &ArgMatches, id: &str) -> Option<ValueSource> {
    matches.value_source(id)
}

fn split(names: &mut Vec<String>) {
    let parts = names.iter().flat_map(|names| names.split(',')).map(str::trim);
    *names = parts.filter(|name| !name.is_empty()).map(str::to_owned).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Command;

    fn tenants(words: &[&str]) -> Vec<String> {
        let mut app = parse(words).unwrap();
        std::mem::take(&mut app.command.scope_mut().unwrap().tenants)
    }

    #[test]
    fn a_name_with_a_comma_is_one_name() {
        assert_eq!(
            tenants(&["mig-ci", "list", "--tenant", "Globex, Inc.", "--tenant=b"]),
            ["Globex, Inc.", "b"]
        );
        let app = parse(["mig-ci", "-n", "a,b", "list"]).unwrap();
        assert_eq!(app.global.databases, ["a,b"]);
        assert!(matches!(app.command, Command::List(_)));
    }

    #[test]
    fn a_base_and_no_base_is_a_usage_error() {
        let error = parse(["mig-ci", "list", "--base", "main", "--no-base"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
    }
}
