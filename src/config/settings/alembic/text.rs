//! Texts with placeholders of a target: `tenant={tenant}`.
//!
//! Only `{name}` with lower-case letters and `_` is a placeholder: a JSON text in a variable is not one.

use super::super::context::ValidationContext;
use crate::config::alembic_problem::AlembicProblem;
use crate::config::key::ConfigKey;
use crate::model::{PLACEHOLDERS, TrackKind};

/// The placeholders of a tenant.
const OF_TENANT: [&str; 2] = ["target", "tenant"];

/// The text with its environment variables expanded, and its placeholders checked: they are replaced in the expanded text.
pub(super) fn text(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &str,
    kind: TrackKind,
) -> Option<String> {
    let text = cx.text(key, raw)?;
    for placeholder in placeholders(&text) {
        let (key_name, placeholder_name) = (key.to_string(), placeholder.to_owned());
        let problem = if !PLACEHOLDERS.contains(&placeholder) {
            AlembicProblem::UnknownPlaceholder { key: key_name, placeholder: placeholder_name }
        } else if kind == TrackKind::Shared && OF_TENANT.contains(&placeholder) {
            AlembicProblem::TenantInShared { key: key_name, placeholder: placeholder_name }
        } else {
            continue;
        };
        cx.refuse(key, problem.into());
        return None;
    }
    Some(text)
}

/// The names in braces.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split('{').skip(1);
    let names = parts.filter_map(|part| part.split_once('}').map(|(name, _)| name));
    names
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::placeholders;

    #[test]
    fn only_words_in_braces_are_placeholders() {
        let found = |text| placeholders(text).collect::<Vec<_>>();
        assert_eq!(found("a={tenant},b={x_y}{host}"), ["tenant", "x_y", "host"]);
        assert_eq!(found("{\"a\": {}} {} {A} {1} { tenant } {tenant"), [""; 0]);
        assert_eq!(found("{{tenant}}"), ["tenant"]);
    }
}
