//! Known secrets, and the one way in which they are taken out of what leaves the process.
//!
//! Each edge calls [`mask`]: the streams, the progress, the log, the report's files, the runner's files, the bodies of
//! requests to GitHub. What shortens a text masks it before, since a part of a secret is not recognised as surely.
//!
//! The list is the process's own: an edge that had to be handed a list could be built without one.

mod files;
mod forms;
mod masker;
mod variables;
mod vocabulary;

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

/// Learns the password of a server's address, and nothing else of it: messages say which host and which database they are about.
/// Of a template it learns what is the same for all tenants.
pub(crate) fn learn_address(address: &str) {
    let mut found = variables::passwords_of(address);
    found.retain(|secret| !secret.contains('{'));
    add(&found);
}

/// Learns the passwords of a libpq password file: host, port, database, user and password, a line each. Source: PostgreSQL's
/// documentation, "The Password File".
pub(crate) fn learn_password_file(text: &str) {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let password = |line: &str| {
        let (mut fields, mut is_escaped) = (vec![String::new()], false);
        for c in line.chars() {
            match c {
                '\\' if !is_escaped => is_escaped = true,
                ':' if !is_escaped && fields.len() < 5 => fields.push(String::new()),
                _ => {
                    is_escaped = false;
                    fields.last_mut()?.push(c);
                }
            }
        }
        fields.into_iter().nth(4)
    };
    add(&lines.filter_map(password).collect::<Vec<_>>());
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

/// What was learned, for the runner's own masks. They have no effect in addresses alone: a mask of `true` or `postgres` would
/// take that word out of the whole job's log.
pub(crate) fn known() -> Vec<String> {
    let known = current().map(|masker| masker.values().to_vec()).unwrap_or_default();
    known.into_iter().filter(|value| !is_word(value)).collect()
}

/// Whether a secret of this value is hidden in addresses alone.
pub(crate) fn is_word(value: &str) -> bool {
    !masker::is_distinct(value)
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

/// Whether a known secret as long as a token is in these bytes. Shorter ones can have been learned from a copy of them.
pub(crate) fn is_token_in(bytes: &[u8]) -> bool {
    current().is_some_and(|masker| masker.is_long_one_in(bytes))
}

/// Whether a file of that name holds a credential: a known one, or one in the way in which its program keeps them.
pub(crate) fn are_in_file(name: &str, bytes: &[u8]) -> bool {
    is_in(bytes) || files::has_credential(name, &String::from_utf8_lossy(bytes))
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
        learn("changeme");
        assert!(
            !is_in(b"A=postgres://u:changeme@h/d") && !known().contains(&"changeme".to_owned())
        );
    }

    /// A whole address would hide its pieces, too: the host, and the database.
    #[test]
    fn of_an_address_the_password_alone_is_learned() {
        learn_address("postgres://somebody:pl4nted-in-an-address@db.example.com:5432/customers");
        let text = "db.example.com:5432/customers of somebody: pl4nted-in-an-address";
        assert_eq!(mask(text), "db.example.com:5432/customers of somebody: ***");
    }

    #[test]
    fn passwords_of_a_password_file_are_learned() {
        learn_password_file("# a:b:c:d:commented-pass-1\n*:*:*:u:pl\\:anted\\\\pass:2\nh:1:d\n\n");
        assert!(known().contains(&"pl:anted\\pass:2".to_owned()), "{:?}", known());
        assert!(!known().contains(&"commented-pass-1".to_owned()));
    }
}
