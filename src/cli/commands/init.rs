//! `mig-ci init`: writes a commented configuration of the discovered project.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::cli::args::{Global, InitArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;
use crate::config;
use crate::project::discover;

pub(crate) fn run(
    global: &Global,
    args: &InitArgs,
    streams: &Streams,
) -> Result<Exit, CommandError> {
    let project = discover()?;
    let text = config::render(&project);
    if args.stdout {
        streams.print(&text)?;
        return Ok(Exit::Passed);
    }
    let path = global.config.clone().unwrap_or_else(|| project.root.join(config::FILE_NAME));
    let failed = |error: std::io::Error| CommandError::Output {
        path: path.clone(),
        reason: error.to_string(),
    };
    let mut options = OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = match options.open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            streams.complain(&format!(
                "{path} already exists; `--force` replaces it, `--stdout` prints the new one"
            ));
            return Ok(Exit::Usage);
        }
        opened => opened.map_err(failed)?,
    };
    file.write_all(text.as_bytes()).map_err(failed)?;
    streams.remark(&format!("wrote {path}; `mig-ci list` shows the result"));
    Ok(Exit::Passed)
}
