//! `mig-ci explain CODE`: the page of a check, in the terminal.

use std::fmt::Write as _;

use crate::checks;
use crate::cli::args::ExplainArgs;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;

pub(crate) fn run(args: &ExplainArgs, streams: &Streams) -> Result<Exit, CommandError> {
    let Some(code) = &args.code else {
        let mut text = String::new();
        for about in checks::abouts() {
            let _ = writeln!(
                text,
                "{:<26} {:<8} {}",
                about.code,
                about.severity.to_string(),
                about.title
            );
        }
        streams.print(&text)?;
        return Ok(Exit::Passed);
    };
    match checks::find(code) {
        Some(about) => {
            streams.print(about.docs)?;
            Ok(Exit::Passed)
        }
        None => {
            streams.complain(&format!("there is no check `{code}`; `mig-ci explain` lists them"));
            Ok(Exit::Usage)
        }
    }
}
