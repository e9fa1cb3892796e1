//! Known secrets, and the function that masks them in everything that leaves the process.
//!
//! Each output calls [`mask`]: the streams, the progress, the log, the report's files, the runner's files, the bodies of
//! requests to GitHub. Code that shortens a text masks it first, because a part of a secret is harder to recognise.
//!
//! The list is global to the process, so that no output can be created without it.

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

/// Replaces a secret.
const MASK: &str = "***";

static KNOWN: RwLock<Option<Arc<Masker>>> = RwLock::new(None);

/// Registers a value that is secret as a whole: a token, a password.
pub(crate) fn learn(value: &str) {
    add(&[value.trim().to_owned()]);
}

/// Registers the password of a server's address, and no other part: messages name the host and the database. Of a template it
/// registers the part that is the same for all tenants.
pub(crate) fn learn_address(address: &str) {
    let mut found = variables::passwords_of(address);
    found.retain(|secret| !secret.contains('{'));
    add(&found);
}

/// Registers the passwords of a libpq password file: lines of host, port, database, user and password. Source: PostgreSQL's
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

/// Registers the secrets of an environment: values of variables with the name of a secret, and passwords in values. `allowed`
/// are variables that a pull request's files may read; their values are secrets if they look like one.
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

/// Whether a variable's value is a secret, or contains one.
pub(crate) fn holds_secret(name: &str, value: &str) -> bool {
    !variables::secrets_of(name, value).is_empty()
}

/// The registered secrets, for the runner's own masks. Values that are hidden in addresses only are not included: a mask of
/// `true` or `postgres` would hide that word in the whole job log.
pub(crate) fn known() -> Vec<String> {
    let known = current().map(|masker| masker.values().to_vec()).unwrap_or_default();
    known.into_iter().filter(|value| !is_word(value)).collect()
}

/// Whether a secret of this value is hidden in addresses only.
pub(crate) fn is_word(value: &str) -> bool {
    !masker::is_distinct(value)
}

/// The text with known secrets masked, in any encoding.
pub(crate) fn mask(text: &str) -> Cow<'_, str> {
    match current() {
        Some(masker) => masker.mask(text),
        None => Cow::Borrowed(text),
    }
}

/// Whether the bytes contain a known secret unencoded.
pub(crate) fn is_in(bytes: &[u8]) -> bool {
    current().is_some_and(|masker| masker.is_in(bytes))
}

/// Whether the bytes contain a known secret with the length of a token. Shorter secrets may have been registered from a copy of
/// the same bytes.
pub(crate) fn is_token_in(bytes: &[u8]) -> bool {
    current().is_some_and(|masker| masker.is_long_one_in(bytes))
}

/// Whether a file of this name contains a credential: a known secret, or one in the format of the program that the file belongs
/// to.
pub(crate) fn are_in_file(name: &str, bytes: &[u8]) -> bool {
    is_in(bytes) || files::has_credential(name, &String::from_utf8_lossy(bytes))
}

/// The body of a request with every text masked.
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

    /// A mask of the whole address would also hide its parts: the host and the database.
    #[test]
    fn only_the_password_of_an_address_is_registered() {
        learn_address("postgres://somebody:pl4nted-in-an-address@db.example.com:5432/customers");
        let text = "db.example.com:5432/customers of somebody: pl4nted-in-an-address";
        assert_eq!(mask(text), "db.example.com:5432/customers of somebody: ***");
    }

    #[test]
    fn passwords_of_a_password_file_are_registered() {
        learn_password_file("# a:b:c:d:commented-pass-1\n*:*:*:u:pl\\:anted\\\\pass:2\nh:1:d\n\n");
        assert!(known().contains(&"pl:anted\\pass:2".to_owned()), "{:?}", known());
        assert!(!known().contains(&"commented-pass-1".to_owned()));
    }
}
