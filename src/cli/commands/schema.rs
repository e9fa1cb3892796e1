//! `mig-ci schema`: prints the JSON Schema of the configuration or of a report.

use crate::cli::args::{SchemaArgs, SchemaOf};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;
use crate::report::{Described, schema};
use crate::{checks, config};

pub(crate) fn run(args: &SchemaArgs, streams: &Streams) -> Result<Exit, CommandError> {
    let text = match args.of {
        SchemaOf::Config => of_config(),
        SchemaOf::Report => schema(Described::Verify),
        SchemaOf::Upgrade => schema(Described::Upgrade),
        SchemaOf::Status => schema(Described::Status),
        SchemaOf::Tenants => schema(Described::Tenants),
    };
    streams.print(&text)?;
    Ok(Exit::Passed)
}

/// As committed in `docs/mig-ci.schema.json`.
fn of_config() -> String {
    let codes: Vec<&str> = checks::all_meta().map(|meta| meta.code).collect();
    config::json_schema_text(&codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `MIG_CI_BLESS=1` rewrites the file.
    #[test]
    fn the_committed_schema_of_the_configuration_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mig-ci.schema.json");
        if std::env::var_os("MIG_CI_BLESS").is_some() {
            std::fs::write(path, of_config()).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap() == of_config(),
            "docs/mig-ci.schema.json is stale: `MIG_CI_BLESS=1 cargo test cli::schema` writes it anew"
        );
    }
}
