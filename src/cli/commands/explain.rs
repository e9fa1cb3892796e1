//! `mig-ci explain CODE`: prints the page of a check.

use std::fmt::Write as _;

use crate::checks;
use crate::cli::args::ExplainArgs;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;

pub(crate) fn run(args: &ExplainArgs, streams: &Streams) -> Result<Exit, CommandError> {
    let Some(code) = &args.code else {
        let mut text = String::new();
        for meta in checks::all_meta() {
            let _ =
                writeln!(text, "{:<26} {:<8} {}", meta.code, meta.severity.to_string(), meta.title);
        }
        streams.print(&text)?;
        return Ok(Exit::Passed);
    };
    match checks::find(code) {
        Some(meta) => {
            streams.print(meta.docs)?;
            Ok(Exit::Passed)
        }
        None => {
            streams.complain(&format!("there is no check `{code}`; `mig-ci explain` lists them"));
            Ok(Exit::Usage)
        }
    }
}
