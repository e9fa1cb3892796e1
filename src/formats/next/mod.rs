//! The next migration of a directory: its files, named and numbered as by the tool. This file contains the parts common to all
//! formats; the tool's own rules are in the `next.rs` of its format.
//!
//! Nothing is written here. The directory is read by the format as if the files existed, and the new migration has to be its
//! last one.

mod new_file;

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Directory, DirectoryRules, FormatError, detect, detect_format, direction};
use crate::model::{Files, FilesError};

pub(crate) use new_file::{MigrationName, NewFile, NextError};

use new_file::shown;

/// The maximum length of a file name, in bytes.
const LONGEST_NAME: usize = 255;

/// The files of a directory's next migration; the first of them is the one that is applied. `wanted` is the configured format.
pub(crate) fn next_files(
    directory: &Directory<'_>,
    wanted: Option<&str>,
    message: &str,
    now: SystemTime,
) -> Result<Vec<NewFile>, NextError> {
    let migration_name = MigrationName::new(message)?;
    let format = match detect_format(directory, wanted) {
        Ok(detected) => detected.format,
        Err(FormatError::NoMigrations { path, found }) => {
            return Err(NextError::Format(FormatError::Directory {
                path,
                problem: format!("{found}, so the format cannot be detected"),
                help: Some(format!("set `format` of this directory to {}", detect::names())),
            }));
        }
        Err(error) => return Err(error.into()),
    };
    let files = format.next_files(directory, &migration_name, now)?;
    let names = files.iter().map(|file| file.path.file_name().unwrap_or_default());
    let longest = names.map(str::len).max().unwrap_or_default();
    if longest > LONGEST_NAME {
        return Err(NextError::Message {
            message: shown(message),
            problem: format!(
                "the name would have {longest} bytes, and the maximum is {LONGEST_NAME}"
            ),
            help: "shorten it; put details into a comment in the file",
        });
    }
    would_be_last(format, directory, &files)?;
    Ok(files)
}

/// Whether the format reads the new files as the last migration of the directory.
fn would_be_last(
    format: &dyn DirectoryRules,
    directory: &Directory<'_>,
    new: &[NewFile],
) -> Result<(), FormatError> {
    let with_new = WithNew { files: directory.files, new };
    let migrations =
        direction::load(format, &Directory { files: &with_new, ..*directory })?.migrations;
    let path = new.first().map(|file| file.path.as_path());
    let last = migrations.last().map(|migration| migration.up.path());
    if last == path {
        return Ok(());
    }
    let name =
        |path: Option<&Utf8Path>| path.and_then(Utf8Path::file_name).unwrap_or_default().to_owned();
    let (new, last) = (name(path), name(last));
    Err(FormatError::Directory {
        path: directory.path.to_owned(),
        problem: format!(
            "its next migration would be `{new}`, which is not the last one: in the order of {}, `{last}` comes after it",
            format.name()
        ),
        help: Some(format!(
            "name the new file manually, so that it comes after `{last}`, or use numbers of equal width"
        )),
    })
}

/// A directory with additional files.
#[derive(Debug)]
struct WithNew<'a> {
    files: &'a dyn Files,
    new: &'a [NewFile],
}

impl Files for WithNew<'_> {
    fn folders_above(&self) -> usize {
        self.files.folders_above()
    }

    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, FilesError> {
        let mut paths = self.files.list(directory)?;
        let new = self.new.iter().map(|file| &file.path);
        paths.extend(new.filter(|path| path.starts_with(directory) || directory == ".").cloned());
        paths.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        paths.dedup();
        Ok(paths)
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, FilesError> {
        match self.new.iter().find(|file| file.path == path) {
            Some(file) => Ok(Some(file.text.clone().into_bytes())),
            None => self.files.read(path),
        }
    }
}

/// The number after the existing ones, which are in the tool's order and unchanged: the next one of a sequence in the width of
/// the newest, or else the time.
///
/// It is a sequence if the two newest numbers differ by one, or if the only number is 0 or 1 (as for sqlx); but never if the
/// newest can be read as a time.
pub(super) fn next_number(found: &[&str], now: SystemTime) -> Option<String> {
    let Some(newest) = found.last() else { return timestamp(now) };
    let value = |text: &str| text.parse::<u128>().ok();
    let previous = found.iter().rev().find(|other| value(other) != value(newest));
    let is_sequence = match previous {
        Some(previous) => value(previous).and_then(|v| v.checked_add(1)) == value(newest),
        None => value(newest).is_some_and(|value| value <= 1),
    };
    if is_sequence && !is_time(newest) { after(newest) } else { time_after(newest, now) }
}

/// Now, or a second after the newest if that is not in the past: clocks of authors differ, and one author may create two in a
/// second.
pub(super) fn time_after(newest: &str, now: SystemTime) -> Option<String> {
    let stamp = timestamp(now)?;
    if stamp.parse::<u128>().ok() > newest.parse().ok() {
        return Some(stamp);
    }
    match read_time(newest) {
        Some(time) => timestamp(time + Duration::from_secs(1)),
        None => after(newest),
    }
}

pub(super) fn is_time(number: &str) -> bool {
    read_time(number).is_some()
}

/// `YYYYMMDDHHMMSS` in UTC, as in all tools.
pub(super) fn timestamp(at: SystemTime) -> Option<String> {
    let mut text = String::new();
    // It does not support the year 10000.
    write!(text, "{}", humantime::format_rfc3339_seconds(at)).ok()?;
    text.retain(|c| c.is_ascii_digit());
    Some(text)
}

fn read_time(number: &str) -> Option<SystemTime> {
    if number.len() != 14 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| &number[range];
    let (year, month, day) = (part(0..4), part(4..6), part(6..8));
    let (hour, minute, second) = (part(8..10), part(10..12), part(12..14));
    humantime::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
}

/// The next number, in the same width.
fn after(number: &str) -> Option<String> {
    let next = number.parse::<u128>().ok()?.checked_add(1)?;
    Some(format!("{next:0width$}", width = number.len()))
}

/// The error if there is no next number, or the tool cannot read it.
pub(super) fn no_number(directory: &Directory<'_>, newest: &str) -> FormatError {
    FormatError::Directory {
        path: directory.path.to_owned(),
        problem: format!("there is no number after `{newest}`, the newest one"),
        help: Some(
            "give that file a smaller number, if it has not been applied anywhere".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests;
