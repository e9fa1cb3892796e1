//! Reads `alembic.ini` as Python's ConfigParser does for Alembic: strict, with BasicInterpolation.
//!
//! The crate `configparser` cannot be configured to do the same: it has no `%(name)s` interpolation, keeps the last of duplicate
//! options and sections instead of refusing them, and takes `;` and `#` behind a value for a comment. Rules from CPython 3.11,
//! `Lib/configparser.py` (`RawConfigParser._read`, `BasicInterpolation`), and alembic 1.20.1, `config.py` (`file_config`).

mod reader;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use reader::IniReader;

use crate::formats::FormatError;

/// How deep one value may refer to another (`MAX_INTERPOLATION_DEPTH`).
const MAX_DEPTH: usize = 10;

/// The name of the section whose options all others inherit.
const DEFAULT: &str = "DEFAULT";

/// An option as written, and its line, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
struct IniOption {
    raw: String,
    line: usize,
}

type IniOptions = IndexMap<String, IniOption>;

/// A parsed file. Values are interpolated when they are read, as ConfigParser does it.
#[derive(Debug, Clone)]
pub(super) struct IniFile {
    path: Utf8PathBuf,
    defaults: IniOptions,
    /// In the order of the file, with the line of each header.
    sections: IndexMap<String, (usize, IniOptions)>,
}

/// A value and the line of its option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IniValue {
    pub(super) text: String,
    pub(super) line: usize,
}

impl IniFile {
    /// Parses a file. `here` is the value of `%(here)s`.
    pub(super) fn parse(path: &Utf8Path, bytes: &[u8], here: &str) -> Result<Self, FormatError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            file_error(path, line, "it is not UTF-8".to_owned(), "save the file as UTF-8")
        })?;
        if text.starts_with('\u{feff}') {
            let problem = "it begins with a byte order mark, which Alembic takes for a part of the first line";
            return Err(file_error(path, 1, problem.to_owned(), "save the file without one"));
        }
        IniReader::new(path, here).read(text)
    }

    pub(super) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The names of all sections and the lines of their headers, in the order of the file; without `[DEFAULT]`.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&str, usize)> {
        self.sections.iter().map(|(name, (line, _))| (name.as_str(), *line))
    }

    pub(super) fn has_section(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// Whether the section itself, not `[DEFAULT]`, has the option.
    pub(super) fn has_own(&self, section: &str, option: &str) -> bool {
        self.sections.get(section).is_some_and(|(_, options)| options.contains_key(option))
    }

    /// Whether `[DEFAULT]` has the option.
    pub(super) fn has_default(&self, option: &str) -> bool {
        self.defaults.contains_key(option)
    }

    /// The names of the section's options, its own before the inherited ones (`here` is one of those).
    pub(super) fn options(&self, section: &str) -> Vec<&str> {
        let Some((_, own)) = self.sections.get(section) else { return Vec::new() };
        let inherited = self.defaults.keys().filter(|name| !own.contains_key(*name));
        own.keys().chain(inherited).map(String::as_str).collect()
    }

    /// The interpolated value of an option, its own or inherited; `None` if the section or the option does not exist.
    pub(super) fn get(&self, section: &str, option: &str) -> Result<Option<IniValue>, FormatError> {
        let Some((_, own)) = self.sections.get(section) else { return Ok(None) };
        let Some(found) = own.get(option).or_else(|| self.defaults.get(option)) else {
            return Ok(None);
        };
        let mut text = String::new();
        let lookup = |name: &str| own.get(name).or_else(|| self.defaults.get(name));
        match interpolate(&found.raw, &lookup, 1, &mut text) {
            Ok(()) => Ok(Some(IniValue { text, line: found.line })),
            Err(problem) => Err(file_error(
                &self.path,
                found.line,
                format!("the value of `{option}` in [{section}] cannot be interpolated: {problem}"),
                "write `%%` for a percent sign, and `%(name)s` for the value of another option",
            )),
        }
    }
}

/// `BasicInterpolation._interpolate_some`.
fn interpolate<'f>(
    raw: &str,
    lookup: &dyn Fn(&str) -> Option<&'f IniOption>,
    depth: usize,
    text: &mut String,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("it refers to other options more than {MAX_DEPTH} levels deep"));
    }
    let mut rest = raw;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(next) = after.strip_prefix('%') {
            text.push('%');
            rest = next;
        } else if let Some(reference) = after.strip_prefix('(') {
            let (name, next) = reference
                .split_once(')')
                .filter(|(name, _)| !name.is_empty())
                .and_then(|(name, next)| Some((name, next.strip_prefix('s')?)))
                .ok_or_else(|| {
                    format!("`{}` is not of the form `%(name)s`", first_line(&rest[at..]))
                })?;
            let name = name.to_lowercase();
            let value = lookup(&name).ok_or_else(|| format!("there is no option `{name}`"))?;
            interpolate(&value.raw, lookup, depth + 1, text)?;
            rest = next;
        } else {
            return Err(format!(
                "`%` has to be followed by `%` or `(`, and here it is `{}`",
                first_line(&rest[at..])
            ));
        }
    }
    text.push_str(rest);
    Ok(())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn file_error(path: &Utf8Path, line: usize, problem: String, help: &str) -> FormatError {
    let line = Some(line).filter(|line| *line > 0);
    FormatError::File { path: path.to_owned(), line, problem, help: Some(help.to_owned()) }
}
