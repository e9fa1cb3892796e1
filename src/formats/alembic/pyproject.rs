//! `[tool.alembic]` of `pyproject.toml`, since Alembic 1.16. Rules from alembic 1.20.1, `config.py` (`toml_alembic_config`,
//! `_get_toml_config_value`): texts may contain `%(here)s`, and lists are lists.

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;

use crate::formats::FormatError;

/// The table, and what `%(here)s` stands for in it.
#[derive(Debug, Clone)]
pub(super) struct PyProject {
    path: Utf8PathBuf,
    text: String,
    /// `None` if the file has none.
    table: Option<toml::Table>,
    here: String,
}

impl PyProject {
    /// Parses the file. One without the table has no options.
    pub(super) fn parse(path: &Utf8Path, bytes: Vec<u8>, here: &str) -> Result<Self, FormatError> {
        let invalid = |line: Option<usize>, problem: String| FormatError::File {
            path: path.to_owned(),
            line,
            problem,
            help: None,
        };
        let text = String::from_utf8(bytes)
            .map_err(|_| invalid(None, "it is not UTF-8, as TOML has to be".to_owned()))?;
        let document: toml::Table = toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| before.matches('\n').count() + 1);
            invalid(line, format!("it is not valid TOML: {}", error.message()))
        })?;
        let tool = document.get("tool").and_then(toml::Value::as_table);
        let table = match tool.and_then(|tool| tool.get("alembic")) {
            None => None,
            Some(toml::Value::Table(table)) => Some(table.clone()),
            Some(_) => return Err(invalid(None, "`tool.alembic` is not a table".to_owned())),
        };
        Ok(Self { path: path.to_owned(), text, table, here: here.to_owned() })
    }

    pub(super) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The options of the table that are texts which Alembic can read; `None` if the file has no such table.
    pub(super) fn texts(&self) -> Option<IndexMap<String, String>> {
        let names = self.table.as_ref()?.keys();
        Some(names.filter_map(|name| Some((name.clone(), self.text(name).ok()??))).collect())
    }

    fn value(&self, name: &str) -> Option<&toml::Value> {
        self.table.as_ref()?.get(name)
    }

    /// The line of an option in the table; 0 if it is written in another way.
    pub(super) fn line(&self, name: &str) -> usize {
        let lines = self.text.lines().map(str::trim).enumerate();
        let in_table = lines.skip_while(|(_, line)| *line != "[tool.alembic]").skip(1);
        let mut own = in_table.take_while(|(_, line)| !line.starts_with('['));
        let is_option = |line: &str| {
            line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        own.find(|(_, line)| is_option(line)).map_or(0, |(index, _)| index + 1)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, FormatError> {
        match self.value(name) {
            None => Ok(None),
            Some(toml::Value::String(text)) => self.interpolated(name, text).map(Some),
            Some(other) => Err(self.wrong_type(name, "a text", other)),
        }
    }

    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, FormatError> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        let wrong_type = || self.wrong_type(name, "a list of texts", value);
        let values = value.as_array().ok_or_else(wrong_type)?.iter();
        let text =
            |value: &toml::Value| self.interpolated(name, value.as_str().ok_or_else(wrong_type)?);
        values.map(text).collect()
    }

    pub(super) fn boolean(&self, name: &str) -> Result<bool, FormatError> {
        match self.value(name) {
            None => Ok(false),
            Some(toml::Value::Boolean(value)) => Ok(*value),
            Some(other) => Err(self.wrong_type(name, "true or false", other)),
        }
    }

    /// The text with `%(here)s` and `%%` replaced: Python's `%` operator, as far as Alembic's documentation uses it.
    fn interpolated(&self, name: &str, text: &str) -> Result<String, FormatError> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            result.push_str(before);
            if let Some(next) = after.strip_prefix('%') {
                result.push('%');
                rest = next;
            } else if let Some(next) = after.strip_prefix("(here)s") {
                result.push_str(&self.here);
                rest = next;
            } else {
                let problem =
                    format!("the value of `{name}` contains a `%` that Alembic cannot replace");
                return Err(self.error(
                    name,
                    problem,
                    "write `%%` for a percent sign, or `%(here)s`",
                ));
            }
        }
        result.push_str(rest);
        Ok(result)
    }

    fn wrong_type(&self, name: &str, expected: &str, value: &toml::Value) -> FormatError {
        let problem =
            format!("`{name}` has to be {expected}, and is of the type {}", value.type_str());
        self.error(name, problem, "change it as Alembic's documentation of pyproject.toml says")
    }

    fn error(&self, name: &str, problem: String, help: &str) -> FormatError {
        FormatError::File {
            path: self.path.clone(),
            line: Some(self.line(name)).filter(|line| *line > 0),
            problem,
            help: Some(help.to_owned()),
        }
    }
}
