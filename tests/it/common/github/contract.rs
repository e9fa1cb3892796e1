//! GitHub's description of its API, if available: `github-jsonschema-subset.json` next to the repository, in
//! `../shared/github`, or in the folder of `MIG_CI_GITHUB_DESCRIPTION`. Without it only the fake's own rules apply.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::Value;

use crate::skipped::have;

const FILE: &str = "github-jsonschema-subset.json";

/// A file next to the repository. Without it, tests that need it are skipped completely or partly.
pub(crate) fn beside(file: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/github");
    let named = std::env::var_os("MIG_CI_GITHUB_DESCRIPTION").map(PathBuf::from);
    let text = std::fs::read_to_string(named.unwrap_or(folder).join(file));
    have("MIG_CI_REQUIRE_GITHUB_DATA", &format!("GitHub's description of its API ({file})"), text)
}

/// The description.
#[derive(Debug)]
pub(crate) struct Contract {
    whole: &'static Value,
}

impl Contract {
    /// `None` if it is not available. The first test that needs it is then listed as skipped: from then on nothing is
    /// compared with GitHub's description.
    pub(super) fn load() -> Option<Self> {
        static WHOLE: LazyLock<Option<Value>> =
            LazyLock::new(|| Some(serde_json::from_str(&beside(FILE)?).unwrap()));
        Some(Self { whole: WHOLE.as_ref()? })
    }

    /// Violations of the description in a request.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &Value,
    ) -> Vec<String> {
        let Some((name, operation)) = self.operation(method, path) else {
            return vec![format!("{method} {path}: GitHub's description has no such operation")];
        };
        let known = |key: &str| {
            operation["parameters"]
                .as_array()
                .is_some_and(|all| all.iter().any(|p| p["in"] == "query" && p["name"] == key))
        };
        let keys = query.split('&').filter(|part| !part.is_empty());
        let keys = keys.map(|part| part.split('=').next().unwrap_or_default());
        let mut wrong: Vec<String> = keys
            .filter(|key| !known(key))
            .map(|key| format!("{name}: has no parameter `{key}`"))
            .collect();
        match &operation["request"] {
            Value::Null if body.is_null() => {}
            Value::Null => wrong.push(format!("{name}: takes no body")),
            schema => wrong.extend(self.check(&format!("{name}: request"), schema, body)),
        }
        wrong
    }

    /// Violations of the description in a response of the fake.
    pub(super) fn answer(
        &self,
        method: &str,
        path: &str,
        status: u16,
        body: &Value,
    ) -> Vec<String> {
        let Some((name, operation)) = self.operation(method, path) else { return Vec::new() };
        match operation["responses"].get(status.to_string()) {
            // Not all operations have all of their errors described.
            None if status >= 400 => Vec::new(),
            None => vec![format!("{name}: never answers {status}")],
            Some(Value::Null) => Vec::new(),
            Some(schema) => self.check(&format!("{name}: answer {status}"), schema, body),
        }
    }

    fn check(&self, what: &str, schema: &Value, instance: &Value) -> Vec<String> {
        let validator = self.validator(what, schema);
        // An error in GitHub's description: it has no `null` there, but payloads do after a fork was deleted.
        let is_gone = |place: &str| {
            place.ends_with("/head/repo") && instance.pointer(place).is_some_and(Value::is_null)
        };
        let errors = validator.iter_errors(instance);
        let errors = errors.filter(|error| !is_gone(error.instance_path().as_str()));
        errors.map(|error| format!("{what}{}: {error}", error.instance_path())).collect()
    }

    /// Created once for all tests, since that takes longer than a request may.
    fn validator(&self, what: &str, schema: &Value) -> Arc<Validator> {
        static KNOWN: LazyLock<Mutex<BTreeMap<String, Arc<Validator>>>> =
            LazyLock::new(Mutex::default);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let mut whole = schema.clone();
            whole["$schema"] = self.whole["$schema"].clone();
            whole["$defs"] = self.whole["$defs"].clone();
            Arc::new(jsonschema::validator_for(&whole).unwrap())
        };
        Arc::clone(known.entry(what.to_owned()).or_insert_with(make))
    }

    /// The operation of a path: the one with the most literal segments, since `git/trees/{tree_sha}` has more than
    /// `contents/{path}`.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let fits = |template: &str| {
            let (mut have, mut want) = (path.split('/'), template.split('/'));
            let all = want
                .by_ref()
                .zip(have.by_ref())
                .all(|(want, have)| want.starts_with('{') && !have.is_empty() || want == have);
            all && path.split('/').count() == template.split('/').count()
        };
        let operations = self.whole["operations"].as_object()?.iter();
        let fitting = operations.filter(|(_, operation)| {
            operation["method"] == method && operation["path"].as_str().is_some_and(fits)
        });
        let found = fitting.min_by_key(|(_, operation)| {
            operation["path"].as_str().unwrap_or_default().matches('{').count()
        })?;
        Some((found.0.as_str(), found.1))
    }
}
