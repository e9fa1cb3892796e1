//! How a directory of plain SQL files is read.

use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::order::ordered;
use super::{Plain, next};
use crate::formats::{Detection, Directory, DirectoryRules, FormatError, MigrationName, NewFile};
use crate::model::{Migration, Script};
use crate::sql::{Dialect, LineIndex, Piece, first_variable, split};

const NO_TRANSACTION: &str = "-- mig-ci: no-transaction";

impl DirectoryRules for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn detect(&self, directory: &Directory<'_>) -> Result<Detection, FormatError> {
        Ok(if directory.sql_names()?.is_empty() {
            Detection::No
        } else {
            Detection::Fallback("its .sql files contain no tool's markers".to_owned())
        })
    }

    fn load(&self, directory: &Directory<'_>) -> Result<Vec<Migration>, FormatError> {
        let names = directory.sql_names()?;
        if names.is_empty() {
            return Err(directory.no_migrations("none ends in `.sql`"));
        }
        let names = ordered(directory, names)?;
        names.iter().map(|name| migration(directory, name)).collect()
    }

    fn next_files(
        &self,
        directory: &Directory<'_>,
        migration_name: &MigrationName,
        now: SystemTime,
    ) -> Result<Vec<NewFile>, FormatError> {
        next::files(directory, migration_name, now)
    }
}

fn migration(directory: &Directory<'_>, name: &str) -> Result<Migration, FormatError> {
    let file = Script::whole(directory.join(name), directory.text(name)?);
    check_plain_sql(&file)?;
    let mark = if file.text().starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let up = file.section(mark..file.text().len());
    let version = name.trim_end_matches(".sql").to_owned();
    let description =
        version.trim_start_matches(|c: char| c.is_ascii_digit() || "_-. ".contains(c));
    Ok(Migration {
        description: description.replace('_', " "),
        in_transaction: up
            .text()
            .lines()
            .next()
            .is_none_or(|line| line.trim_end() != NO_TRANSACTION),
        down_in_transaction: true,
        node: None,
        checksum: Some(Sha256::digest(file.text()).to_vec()),
        version,
        up,
        down: None,
    })
}

/// Refuses syntax that only psql supports.
fn check_plain_sql(file: &Script) -> Result<(), FormatError> {
    let text = file.text();
    let fault = |at: usize, problem: String, help: &str| FormatError::File {
        path: file.path().to_owned(),
        line: Some(LineIndex::new(text).line_column(at).0),
        problem,
        help: Some(help.to_owned()),
    };
    for piece in split(text, Dialect::Psql).pieces {
        let at = piece.range().start;
        match piece {
            Piece::Sql { .. } => {}
            Piece::Meta { range } => {
                let command = text[range].split_whitespace().next().unwrap_or("\\");
                return Err(fault(
                    at,
                    format!("`{command}` is a psql command, not SQL"),
                    "replace it with SQL",
                ));
            }
            Piece::Copy { .. } => {
                return Err(fault(
                    at,
                    "`COPY … FROM stdin` takes its data from psql, not from SQL".to_owned(),
                    "write the rows as INSERT statements",
                ));
            }
        }
    }
    match first_variable(text) {
        Some(at) => Err(fault(
            at,
            "a psql variable: its value is not in the file".to_owned(),
            "write the value itself, or read a setting with current_setting()",
        )),
        None => Ok(()),
    }
}
