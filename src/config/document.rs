//! The text of a configuration file, and the positions of its keys and values.

use std::collections::BTreeMap;
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, ConfigErrors};
use super::key::ConfigKey;
use super::problem::ConfigProblem;

/// A file that has been read; empty for a discovered project.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// Relative to the project's root, as shown in messages.
    path: Utf8PathBuf,
    text: String,
    /// Byte ranges in `text`.
    keys: BTreeMap<ConfigKey, Range<usize>>,
    values: BTreeMap<ConfigKey, Range<usize>>,
}

impl Document {
    /// Parses a file's text with the positions of its keys and values, and returns the table as well.
    ///
    /// # Errors
    /// If it is not TOML: the position.
    pub(crate) fn parse<'t>(
        path: &Utf8Path,
        text: &'t str,
    ) -> Result<(Self, Spanned<DeTable<'t>>), ConfigErrors> {
        let table = DeTable::parse(text).map_err(|error| {
            let problem = ConfigProblem::Syntax { message: error.message().to_owned() };
            let errors = vec![ConfigError { problem, span: error.span() }];
            ConfigErrors::in_file(path, text, &[], errors)
        })?;
        let mut document = Self { path: path.to_owned(), text: text.to_owned(), ..Self::default() };
        document.index_table(&ConfigKey::root(), table.get_ref());
        Ok((document, table))
    }

    /// Combines errors with the text that they refer to.
    pub(crate) fn errors(&self, errors: Vec<ConfigError>) -> ConfigErrors {
        if self.path.as_str().is_empty() {
            return ConfigErrors::without_file(errors);
        }
        let settings = ConfigKey::root().child("postgres").child("settings");
        let is_secret = |key: &ConfigKey| {
            let Some(table) = key.parent() else { return false };
            table == settings || ["env", "options"].iter().any(|name| table.is_named(name))
        };
        let secrets: Vec<Range<usize>> = self
            .values
            .iter()
            .filter(|(key, _)| is_secret(key))
            .map(|(_, span)| span.clone())
            .collect();
        ConfigErrors::in_file(&self.path, &self.text, &secrets, errors)
    }

    /// The position of the value of `key`, or else of the nearest enclosing entry that has one.
    pub(crate) fn value(&self, key: &ConfigKey) -> Option<Range<usize>> {
        self.values.get(key).cloned().or_else(|| self.key(key))
    }

    /// The position of the key itself, or else of the nearest enclosing entry.
    pub(crate) fn key(&self, key: &ConfigKey) -> Option<Range<usize>> {
        match self.keys.get(key) {
            Some(span) => Some(span.clone()),
            None => self.key(&key.parent()?),
        }
    }

    fn index_table(&mut self, key: &ConfigKey, table: &DeTable<'_>) {
        for (name, value) in table {
            let child = key.child(name.get_ref());
            self.keys.insert(child.clone(), name.span());
            self.index_value(&child, value);
        }
    }

    fn index_value(&mut self, key: &ConfigKey, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            // A table's own span is its header or its braces: its key is more specific.
            DeValue::Table(table) => self.index_table(key, table),
            DeValue::Array(array) => {
                self.values.insert(key.clone(), value.span());
                for (index, element) in array.iter().enumerate() {
                    self.index_value(&key.element(index), element);
                }
            }
            _ => {
                self.values.insert(key.clone(), value.span());
            }
        }
    }
}
