//! What all parts of the validation share: the input, and the list of problems that grows.

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

/// What flags and `MIG_CI_*` variables say. It wins over the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    pub(crate) provider: Option<ProviderChoice>,
    /// Another major version. Without an `image` beside it, the file's image does not count either.
    pub(crate) version: Option<u32>,
    pub(crate) image: Option<String>,
    /// A server to use. Without a `provider` beside it, the provider is `url`.
    pub(crate) url: Option<SecretString>,
    pub(crate) fail_on: Option<Severity>,
    /// The real databases that a command connects to: their addresses and the sources of their tenants are read then, and
    /// with them the variables that these need.
    pub(crate) connect: Option<Connect>,
    /// A flag gives the address of the real database, in place of the configured one.
    pub(crate) has_database_url: bool,
    /// What the file may decide by itself; without it, everything.
    pub(crate) limits: Option<FileLimits>,
    /// Directories of migrations may be empty, or not be there, and patterns of samples may match nothing: for the command that
    /// makes the first migration, and for what a base has.
    pub(crate) empty_folders: bool,
}

/// Which real databases a command connects to.
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

/// The state of one validation. Functions that find a problem note it here and give `None`, so that the others go on.
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

    /// Notes a problem with the value of `key`.
    pub(super) fn refuse(&mut self, key: &ConfigKey, problem: ConfigProblem) {
        let span = self.input.document.value(key);
        self.errors.push(ConfigError { problem, span });
    }

    /// Notes a problem with `key` itself: with a table, or with its being there.
    pub(super) fn refuse_key(&mut self, key: &ConfigKey, problem: ConfigProblem) {
        let span = self.input.document.key(key);
        self.errors.push(ConfigError { problem, span });
    }

    /// Gives the value of a result, or notes the problem with the value of `key`.
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

    /// The same for a value that may be absent. Empty counts as absent: `"${IMAGE:-}"`.
    pub(super) fn optional_text(&mut self, key: &ConfigKey, raw: Option<&str>) -> Option<String> {
        self.text(key, raw?).filter(|text| !text.is_empty())
    }

    /// The value of a flag, if there is one. The file's is not looked at then: its variables need not be set.
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

    /// One of `choices`, as `parse` understands it.
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
