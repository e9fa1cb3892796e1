//! Known secrets, and the one way in which they are taken out of what leaves the process.
//!
//! Each edge calls [`mask`]: the streams, the progress, the log, the report's files, the runner's files, the bodies of
//! requests to GitHub. What shortens a text masks it before, since a part of a secret is not recognised as surely.
//!
//! The list is the process's own: an edge that had to be handed a list could be built without one.

mod forms;
mod masker;
mod variables;

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde_json::Value;

use masker::Masker;

/// Stands for a secret.
const MASK: &str = "***";

static KNOWN: RwLock<Option<Arc<Masker>>> = RwLock::new(None);

/// Learns a value that is a secret as a whole: a token, a password.
pub(crate) fn learn(value: &str) {
    add(&[value.trim().to_owned()]);
}

/// Learns the secrets of an environment: values of variables whose names say so, and passwords in values. `allowed` are
/// variables that a pull request's files may read; their values are secrets if they look like some.
pub(crate) fn learn_environment(
    environment: impl IntoIterator<Item = (String, String)>,
    allowed: &[String],
) {
    let found: Vec<String> = environment
        .into_iter()
        .flat_map(|(name, value)| {
            let mut secrets = variables::secrets_of(&name, &value);
            if allowed.contains(&name) && variables::looks_random(&value) {
                secrets.push(value);
            }
            secrets
        })
        .collect();
    add(&found);
}

/// Whether a variable's value is, or holds, a secret.
pub(crate) fn holds_secret(name: &str, value: &str) -> bool {
    !variables::secrets_of(name, value).is_empty()
}

/// Everything that was learned, for the runner's own masks.
pub(crate) fn known() -> Vec<String> {
    current().map(|masker| masker.values().to_vec()).unwrap_or_default()
}

/// The text without known secrets, in whatever encoding they are.
pub(crate) fn mask(text: &str) -> Cow<'_, str> {
    match current() {
        Some(masker) => masker.mask(text),
        None => Cow::Borrowed(text),
    }
}

/// Whether a known secret is in these bytes as it is.
pub(crate) fn is_in(bytes: &[u8]) -> bool {
    current().is_some_and(|masker| masker.is_in(bytes))
}

/// A body of a request, with every text in it masked.
pub(crate) fn masked_json(body: &impl Serialize) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(body)?;
    mask_value(&mut value);
    Ok(value)
}

fn mask_value(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(masked) = mask(text) {
                *text = masked;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_value),
        Value::Object(fields) => fields.values_mut().for_each(mask_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn current() -> Option<Arc<Masker>> {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn add(values: &[String]) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let mut all: Vec<String> =
        known.as_ref().map(|known| known.values().to_vec()).unwrap_or_default();
    let before = all.len();
    for value in values.iter().filter(|value| value.chars().count() > 1) {
        if !all.contains(value) {
            all.push(value.clone());
        }
    }
    if all.len() > before {
        *known = Some(Arc::new(Masker::new(all)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_masked_in_every_text() {
        learn("planted-in-the-unit-test-1");
        let body = serde_json::json!({
            "a": ["x planted-in-the-unit-test-1 y", 1, null],
            "b": {"c": "planted-in-the-unit-test-1"},
        });
        let masked = masked_json(&body).unwrap();
        assert_eq!(masked, serde_json::json!({"a": ["x *** y", 1, null], "b": {"c": "***"}}));
        assert!(known().contains(&"planted-in-the-unit-test-1".to_owned()));
        assert!(is_in(b"A=planted-in-the-unit-test-1\0") && !is_in(b"A=1\0"));
    }
}
