//! The files that `migrate create` creates. Rules from `golang-migrate/migrate` v4, `internal/cli/commands.go` (`createCmd`):
//! two empty files, up and down, numbered by the time in UTC, or by the next number of a sequence (`-seq`).
//!
//! The tool has options for this (`-seq`, `-digits`, `-ext`); here they are derived from the newest files.

use std::time::SystemTime;

use super::file::GolangFile;
use crate::formats::next::{next_number, no_number};
use crate::formats::{Directory, FormatError, MigrationName, NewFile};

const EXTENSION: &str = "sql";

pub(super) fn files(
    directory: &Directory<'_>,
    migration_name: &MigrationName,
    now: SystemTime,
) -> Result<Vec<NewFile>, FormatError> {
    let names = directory.names()?;
    let mut found: Vec<GolangFile<'_>> =
        names.iter().filter_map(|name| GolangFile::parse(name)).collect();
    found.sort_by_key(|file| file.version);
    let digits = |file: &GolangFile<'_>| file.name.split('_').next().unwrap_or_default().len();
    let numbers: Vec<&str> = found.iter().map(|file| &file.name[..digits(file)]).collect();
    let number = next_number(&numbers, now).filter(|number| number.parse::<u64>().is_ok());
    let number = number.ok_or_else(|| no_number(directory, numbers.last().unwrap_or(&"")))?;
    let extension = found.last().map(|file| file.extension).filter(|found| !found.is_empty());
    let extension = extension.unwrap_or(EXTENSION);
    let file = |direction| NewFile {
        path: directory
            .join(format!("{number}_{}.{direction}.{extension}", migration_name.as_str())),
        text: String::new(),
    };
    Ok(vec![file("up"), file("down")])
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::testing::directory;
    use crate::model::MemoryFiles;

    fn next(names: &[&str]) -> Result<[String; 2], FormatError> {
        let files = MemoryFiles::new(names.iter().map(|name| (format!("m/{name}"), "")));
        let at = SystemTime::UNIX_EPOCH;
        let made = super::files(&directory(&files, "m"), &MigrationName::new("a b").unwrap(), at)?;
        assert!(made.iter().all(|file| file.text.is_empty()));
        let names = made.iter().map(|file| file.path.file_name().unwrap().to_owned());
        Ok(names.collect::<Vec<_>>().try_into().unwrap())
    }

    #[test]
    fn a_new_pair_is_named_like_the_existing_ones() {
        assert_eq!(
            next(&[]).unwrap(),
            ["19700101000000_a_b.up.sql", "19700101000000_a_b.down.sql"]
        );
        assert_eq!(
            next(&["000009_x.up.pgsql", "000009_x.down.pgsql", "000010_y.up.pgsql"]).unwrap(),
            ["000011_a_b.up.pgsql", "000011_a_b.down.pgsql"]
        );
        assert_eq!(next(&["9_x.up.sql", "10_y.down.sql"]).unwrap()[0], "11_a_b.up.sql");
        assert_eq!(next(&["1_.up."]).unwrap()[1], "2_a_b.down.sql");
    }

    #[test]
    fn the_largest_version_has_no_successor() {
        let error = next(&["18446744073709551615_x.up.sql"]).unwrap_err().to_string();
        assert!(error.contains("there is no number after `18446744073709551615`"), "{error}");
    }
}
