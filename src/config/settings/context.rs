//! Shared state of the validation: the input, and the list of problems.

use std::str::FromStr;

use secrecy::SecretString;
use strum::VariantNames;

use super::Input;
use super::limits::{self, FileLimits};
use crate::config::error::ConfigError;
use crate::config::interpolate::expand;
use crate::config::key::ConfigKey;
use crate::config::problem::ConfigProblem;
use crate::model::{ProviderChoice, Severity};

/// The values of flags and `MIG_CI_*` variables. They override the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    pub(crate) provider: Option<ProviderChoice>,
    /// Another major version. Without an `image`, it also disables the file's image.
    pub(crate) version: Option<u32>,
    pub(crate) image: Option<String>,
    /// The images in which Alembic runs: for each track the one that its file names, if it is one of them, else the first.
    pub(crate) runner_images: Vec<String>,
    /// A server to use. Without a `provider`, the provider is `url`.
    pub(crate) url: Option<SecretString>,
    pub(crate) fail_on: Option<Severity>,
    /// The real databases that a command connects to: only their addresses and tenant sources are read, together with the
    /// variables in them.
    pub(crate) connect: Option<Connect>,
    /// A flag replaces the configured address of the real database.
    pub(crate) has_database_url: bool,
    /// The limits for the file; `None` allows everything.
    pub(crate) limits: Option<FileLimits>,
    /// Directories of migrations may be empty or absent, and patterns of samples may match nothing: for the command that
    /// creates the first migration, and for the contents of a base.
    pub(crate) empty_folders: bool,
}

/// The real databases that a command connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Connect {
    All,
    These(Vec<String>),
}

impl Overrides {
    pub(super) fn connects_to(&self, database: &str) -> bool {
        match &self.connect {
            None => false,
            Some(Connect::All) => true,
            Some(Connect::These(names)) => names.iter().any(|name| name == database),
        }
    }
}

/// The state of one validation. Functions that find a problem record it here and return `None`, so that validation continues.
pub(super) struct ValidationContext<'a> {
    pub(super) input: &'a Input<'a>,
    errors: Vec<ConfigError>,
}

impl<'a> ValidationContext<'a> {
    pub(super) fn new(input: &'a Input<'a>) -> Self {
        Self { input, errors: Vec::new() }
    }

    pub(super) fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }

    /// Records a problem with the value of `key`.
    pub(super) fn refuse(&mut self, key: &ConfigKey, problem: ConfigProblem) {
        let span = self.input.document.value(key);
        self.errors.push(ConfigError { problem, span });
    }

    /// Records a problem with `key` itself: with a table, or with its presence.
    pub(super) fn refuse_key(&mut self, key: &ConfigKey, problem: ConfigProblem) {
        let span = self.input.document.key(key);
        self.errors.push(ConfigError { problem, span });
    }

    /// Returns the value of a result, or records the problem with the value of `key`.
    pub(super) fn accept<T>(
        &mut self,
        key: &ConfigKey,
        result: Result<T, ConfigProblem>,
    ) -> Option<T> {
        result.map_err(|problem| self.refuse(key, problem)).ok()
    }

    /// The text with its variables expanded.
    pub(super) fn text(&mut self, key: &ConfigKey, raw: &str) -> Option<String> {
        let denied = limits::denied_variables(self.input.overrides.limits.as_ref(), key, raw);
        if !denied.is_empty() {
            denied.into_iter().for_each(|problem| self.refuse(key, problem));
            return None;
        }
        let expanded = expand(raw, self.input.environment);
        self.accept(
            key,
            expanded
                .map_err(|source| ConfigProblem::Interpolation { key: key.to_string(), source }),
        )
    }

    /// The same for an optional value. Empty counts as absent: `"${IMAGE:-}"`.
    pub(super) fn optional_text(&mut self, key: &ConfigKey, raw: Option<&str>) -> Option<String> {
        self.text(key, raw?).filter(|text| !text.is_empty())
    }

    /// The value of a flag, if there is one. Then the file's value is ignored: its variables need not be set.
    pub(super) fn overridden<T>(
        &mut self,
        flag: Option<T>,
        file: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        flag.or_else(|| file(self))
    }

    /// A list of texts, each with its variables expanded.
    pub(super) fn texts(&mut self, key: &ConfigKey, raw: &[String]) -> Vec<String> {
        let texts = raw.iter().enumerate();
        texts.filter_map(|(index, text)| self.text(&key.element(index), text)).collect()
    }

    /// One of the words of `T`.
    pub(super) fn choice<T>(&mut self, key: &ConfigKey, raw: Option<&str>) -> Option<T>
    where
        T: FromStr + VariantNames,
    {
        self.word(key, raw, T::VARIANTS, |word| word.parse().ok())
    }

    /// One of `choices`, as parsed by `parse`.
    pub(super) fn word<T>(
        &mut self,
        key: &ConfigKey,
        raw: Option<&str>,
        choices: &[&'static str],
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.text(key, raw?)?;
        let parsed = parse(&value);
        self.accept(
            key,
            parsed.ok_or_else(|| ConfigProblem::NotOneOf {
                key: key.to_string(),
                value,
                choices: choices.to_vec(),
            }),
        )
    }
}
