//! The next plain SQL file: numbered like the existing ones, or by the time in UTC if there are none.

use std::time::SystemTime;

use super::order::ordered;
use crate::formats::next::{next_number, no_number};
use crate::formats::{Directory, FormatError, MigrationName, NewFile};

pub(super) fn files(
    directory: &Directory<'_>,
    migration_name: &MigrationName,
    now: SystemTime,
) -> Result<Vec<NewFile>, FormatError> {
    let names = ordered(directory, directory.sql_names()?)?;
    let digits = |name: &str| name.bytes().take_while(u8::is_ascii_digit).count();
    let numbers = names.iter().map(|name| &name[..digits(name)]);
    let numbers: Vec<&str> = numbers.filter(|digits| !digits.is_empty()).collect();
    let number = next_number(&numbers, now);
    let number = number.ok_or_else(|| no_number(directory, numbers.last().unwrap_or(&"")))?;
    let path = directory.join(format!("{number}_{}.sql", migration_name.as_str()));
    Ok(vec![NewFile { path, text: String::new() }])
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::testing::directory;
    use crate::model::{FileOrder, MemoryFiles};

    fn next(names: &[&str], order: Option<FileOrder>) -> String {
        let files = MemoryFiles::new(names.iter().map(|name| (format!("m/{name}"), "")));
        let directory = Directory { order, ..directory(&files, "m") };
        let migration_name = MigrationName::new("a b").unwrap();
        let made = super::files(&directory, &migration_name, SystemTime::UNIX_EPOCH).unwrap();
        made[0].path.file_name().unwrap().to_owned()
    }

    #[test]
    fn the_number_follows_the_last_one_in_their_order() {
        assert_eq!(next(&[], None), "19700101000000_a_b.sql");
        assert_eq!(next(&["001-x.sql", "002.sql", "schema.sql"], None), "003_a_b.sql");
        let natural = Some(FileOrder::Natural);
        assert_eq!(next(&["9_x.sql", "10_y.sql"], natural), "11_a_b.sql");
    }
}
