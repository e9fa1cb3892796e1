//! Schemas and search paths: migrations create their tables in the first schema.

use super::context::ValidationContext;
use crate::config::key::ConfigKey;
use crate::config::problem::ConfigProblem;
use crate::model::{TargetError, check_identifier, placeholder};

/// Placeholder for the tenant's schema.
pub(super) const TARGET: &str = "{target}";

/// The schema that every database has.
pub(super) const PUBLIC: &str = "public";

/// A schema's name that PostgreSQL accepts unchanged.
pub(super) fn schema(cx: &mut ValidationContext<'_>, key: &ConfigKey, raw: &str) -> Option<String> {
    let schema = cx.text(key, raw)?;
    let checked = check_identifier(&schema)
        .map_err(|source| ConfigProblem::BadName { key: key.to_string(), source });
    cx.accept(key, checked)?;
    if schema == "information_schema" {
        cx.refuse(key, ConfigProblem::ServersSchema { key: key.to_string(), name: schema });
        return None;
    }
    Some(schema)
}

/// The schemas of a search path: at least one, each a valid name. `None` if there is none, or a problem with it.
pub(super) fn search_path(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: Option<&[String]>,
) -> Option<Vec<String>> {
    let raw = raw?;
    if raw.is_empty() {
        cx.refuse(key, ConfigProblem::EmptySearchPath { key: key.to_string() });
        return None;
    }
    let mut path = Vec::new();
    for (index, entry) in raw.iter().enumerate() {
        let key = key.element(index);
        let Some(entry) = cx.text(&key, entry) else { continue };
        let unknown = placeholder(&entry.replace(TARGET, "").replace("{tenant}", ""));
        let problem = match check_identifier(&entry) {
            _ if unknown.is_some() => unknown.map(|placeholder| {
                ConfigProblem::UnknownPlaceholder { key: key.to_string(), placeholder }
            }),
            // `pg_catalog` and `pg_temp` are valid in a search path.
            Ok(()) | Err(TargetError::Reserved { .. }) if !entry.contains("{tenant}") => None,
            Err(source) => Some(ConfigProblem::BadName { key: key.to_string(), source }),
            Ok(()) => Some(ConfigProblem::TenantInSearchPath { key: key.to_string() }),
        };
        match problem {
            Some(problem) => cx.refuse(&key, problem),
            None => path.push(entry),
        }
    }
    (path.len() == raw.len()).then_some(path)
}

/// Refuses a path that does not begin with `expected`.
pub(super) fn starts_with(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    path: &[String],
    expected: &str,
) {
    if let Some(first) = path.first().filter(|first| *first != expected) {
        let problem = ConfigProblem::SearchPathStart {
            key: key.to_string(),
            first: first.clone(),
            expected: format!("`{expected}`"),
        };
        cx.refuse(&key.element(0), problem);
    }
}

/// Refuses `{target}` if there is no tenant schema.
pub(super) fn without_target(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    path: &[String],
    reason: &'static str,
) {
    for (index, entry) in path.iter().enumerate() {
        if entry.contains(TARGET) {
            let key = key.element(index);
            cx.refuse(&key, ConfigProblem::TargetInSearchPath { key: key.to_string(), reason });
        }
    }
}

/// The schemas in this order, without duplicates.
pub(super) fn joined(schemas: &[&str]) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    for schema in schemas {
        if !path.iter().any(|known| known == schema) {
            path.push((*schema).to_owned());
        }
    }
    path
}
