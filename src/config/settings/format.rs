//! `format`, the name of a migration tool, which tracks of both kinds have.

use super::context::ValidationContext;
use crate::config::key::ConfigKey;
use crate::config::problem::ConfigProblem;
use crate::formats::FORMATS;

/// The name of a migration tool whose migrations are SQL. Alembic has keys of its own instead.
pub(super) fn format(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: Option<&str>,
) -> Option<String> {
    let value = cx.optional_text(key, raw)?;
    let sql = FORMATS.iter().filter(|format| !format.runs_programs());
    let choices: Vec<&'static str> = sql.map(|format| format.name()).collect();
    if choices.contains(&value.as_str()) {
        return Some(value);
    }
    cx.refuse(key, ConfigProblem::NotOneOf { key: key.to_string(), value, choices });
    None
}
