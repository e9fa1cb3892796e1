//! How ConfigParser reads the lines of a file. Rules from CPython 3.11, `Lib/configparser.py` (`RawConfigParser._read`).

use std::collections::HashSet;

use camino::Utf8Path;
use indexmap::IndexMap;

use super::{DEFAULT, IniFile, IniOption, IniOptions, file_error, first_line};
use crate::formats::FormatError;

/// `RawConfigParser._read`.
pub(super) struct IniReader<'p> {
    path: &'p Utf8Path,
    file: IniFile,
    /// The open section, from its header on.
    section: Option<String>,
    /// The open option, whose value indented lines continue.
    option: Option<String>,
    indent: usize,
    /// Options that were in this file; an option of [`DEFAULT`] may replace one that Alembic passed.
    seen: HashSet<(String, String)>,
    /// The first line that is neither a header nor an option. It is reported last, as ConfigParser does it.
    bogus: Option<(usize, String)>,
}

impl<'p> IniReader<'p> {
    pub(super) fn new(path: &'p Utf8Path, here: &str) -> Self {
        let mut defaults = IndexMap::new();
        defaults.insert("here".to_owned(), IniOption { raw: here.to_owned(), line: 0 });
        let file = IniFile { path: path.to_owned(), defaults, sections: IndexMap::new() };
        Self {
            path,
            file,
            section: None,
            option: None,
            indent: 0,
            seen: HashSet::new(),
            bogus: None,
        }
    }

    pub(super) fn read(mut self, text: &str) -> Result<IniFile, FormatError> {
        for (index, line) in lines(text).enumerate() {
            self.line(index + 1, line)?;
        }
        if let Some((line, text)) = self.bogus {
            let problem = format!("`{text}` is neither a section nor an option");
            return Err(file_error(self.path, line, problem, "write `name = value`"));
        }
        let sections = self.file.sections.values_mut().map(|(_, options)| options);
        for options in sections.chain([&mut self.file.defaults]) {
            for option in options.values_mut() {
                option.raw.truncate(option.raw.trim_end_matches(is_space).len());
            }
        }
        Ok(self.file)
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), FormatError> {
        let value = line.trim_matches(is_space);
        if value.starts_with(['#', ';']) {
            return Ok(());
        }
        if value.is_empty() {
            self.continue_value("");
            return Ok(());
        }
        // In characters, as in Python.
        let indent = line.chars().take_while(|c| is_space(*c)).count();
        if self.option.is_some() && indent > self.indent {
            self.continue_value(value);
            return Ok(());
        }
        self.indent = indent;
        if let Some(name) = section_header(value) {
            return self.header(number, name);
        }
        if self.section.is_none() {
            let problem = format!("`{}` is before the first section", first_line(value));
            return Err(file_error(self.path, number, problem, "begin the file with `[alembic]`"));
        }
        self.assignment(number, value)
    }

    fn header(&mut self, number: usize, name: &str) -> Result<(), FormatError> {
        self.option = None;
        self.section = Some(name.to_owned());
        if name == DEFAULT {
            return Ok(());
        }
        if self.file.sections.contains_key(name) {
            let problem = format!("the section [{name}] is there twice");
            return Err(file_error(
                self.path,
                number,
                problem,
                "write its options into one section",
            ));
        }
        self.file.sections.insert(name.to_owned(), (number, IndexMap::new()));
        Ok(())
    }

    fn assignment(&mut self, number: usize, line: &str) -> Result<(), FormatError> {
        let Some((name, value)) = line.split_once(['=', ':']) else {
            self.bogus.get_or_insert_with(|| (number, first_line(line).to_owned()));
            return Ok(());
        };
        let name = name.trim_end_matches(is_space).to_lowercase();
        if name.is_empty() {
            self.bogus.get_or_insert_with(|| (number, first_line(line).to_owned()));
        }
        let section = self.section.clone().unwrap_or_default();
        let key = (section, name);
        if self.seen.contains(&key) {
            let (section, name) = key;
            let problem = format!("the option `{name}` is twice in [{section}]");
            return Err(file_error(self.path, number, problem, "remove one of them"));
        }
        let raw = value.trim_matches(is_space).to_owned();
        self.options().insert(key.1.clone(), IniOption { raw, line: number });
        // An empty name continues no value.
        self.option = Some(key.1.clone()).filter(|name| !name.is_empty());
        self.seen.insert(key);
        Ok(())
    }

    fn continue_value(&mut self, line: &str) {
        let Some(option) = self.option.clone() else { return };
        if let Some(option) = self.options().get_mut(&option) {
            option.raw.push('\n');
            option.raw.push_str(line);
        }
    }

    /// The options of the open section.
    fn options(&mut self) -> &mut IniOptions {
        let open = self.section.as_deref();
        match open.and_then(|name| self.file.sections.get_mut(name)) {
            Some((_, options)) => options,
            None => &mut self.file.defaults,
        }
    }
}

/// `[name]`: up to the last bracket of the line, as ConfigParser's greedy pattern reads it.
fn section_header(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?;
    Some(&name[..name.rfind(']')?]).filter(|name| !name.is_empty())
}

/// Lines of a text file as Python reads them: `\n`, `\r\n` and `\r` end one.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// `str.isspace`: Unicode's white space, and four separators of ASCII.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}
