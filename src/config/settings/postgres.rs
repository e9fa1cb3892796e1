//! `[postgres]`, and the flags that override it.

use indexmap::IndexMap;
use secrecy::SecretString;

use super::context::ValidationContext;
use super::limits;
use crate::config::key::ConfigKey;
use crate::config::problem::ConfigProblem;
use crate::config::raw::{RawPostgres, RawVersion};
use crate::model::{PostgresSettings, ProviderChoice, check_identifier};

/// The supported major versions. The lower bound is what PostgreSQL itself supported in 2026.
const MAJORS: std::ops::RangeInclusive<u32> = 14..=99;

/// Settings that mig-ci sets for the session itself, and the key to use instead.
const RESERVED: [(&str, &str); 3] = [
    ("search_path", "the `search_path` of the track"),
    ("role", "`role` in [postgres]"),
    ("session_authorization", "`role` in [postgres]"),
];

/// A major version: `17`.
///
/// # Errors
/// If it is invalid, or older than the supported versions.
pub(crate) fn parse_major(text: &str) -> Result<u32, ConfigProblem> {
    let major = text.trim().parse().ok().filter(|major| MAJORS.contains(major));
    major.ok_or_else(|| ConfigProblem::BadVersion { value: text.to_owned() })
}

pub(super) fn settings(cx: &mut ValidationContext<'_>, raw: &RawPostgres) -> PostgresSettings {
    let table = ConfigKey::root().child("postgres");
    let overrides = cx.input.overrides;
    let limits = overrides.limits.as_ref();
    let version = cx.overridden(overrides.version, |cx| {
        version(cx, &table.child("version"), raw.version.as_ref())
    });
    // An image has one version: another version from a flag disables the file's image.
    let has_image = overrides.version.is_none();
    let image = cx.overridden(overrides.image.clone(), |cx| {
        let (key, raw) = (table.child("image"), raw.image.as_deref().filter(|_| has_image)?);
        cx.accept(&key, limits::image(limits, raw))?;
        cx.optional_text(&key, Some(raw))
    });
    let by_url = overrides.url.as_ref().map(|_| ProviderChoice::Url);
    let provider_key = table.child("provider");
    let explicit = overrides.provider.or(by_url);
    let provider = cx.overridden(explicit, |cx| cx.choice(&provider_key, raw.provider.as_deref()));
    let provider = limits::provider(limits, explicit, provider.unwrap_or_default());
    let provider = cx.accept(&provider_key, provider).unwrap_or(ProviderChoice::Docker);
    let role_key = table.child("role");
    let role = cx.choice(&role_key, raw.role.as_deref()).unwrap_or_default();
    let role = cx.accept(&role_key, limits::role(limits, role)).unwrap_or_default();
    PostgresSettings {
        version,
        image,
        provider,
        role,
        locale: cx.optional_text(&table.child("locale"), raw.locale.as_deref()),
        locale_provider: cx
            .choice(&table.child("locale-provider"), raw.locale_provider.as_deref())
            .unwrap_or_default(),
        extensions: extensions(cx, &table.child("extensions"), &raw.extensions),
        settings: session(cx, &table.child("settings"), &raw.settings),
        url: server_url(cx, &table, raw.url.as_deref(), provider),
    }
}

fn version(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: Option<&RawVersion>,
) -> Option<u32> {
    let text = match raw? {
        RawVersion::Number(number) => number.to_string(),
        RawVersion::Text(text) => cx.optional_text(key, Some(text))?,
    };
    cx.accept(key, parse_major(&text))
}

fn extensions(cx: &mut ValidationContext<'_>, key: &ConfigKey, raw: &[String]) -> Vec<String> {
    let mut extensions = Vec::new();
    for (index, name) in raw.iter().enumerate() {
        let key = key.element(index);
        let Some(name) = cx.text(&key, name) else { continue };
        let checked = check_identifier(&name)
            .map_err(|source| ConfigProblem::BadName { key: key.to_string(), source });
        // Names like `pg_trgm` are reserved for extensions.
        if name.starts_with("pg_") || cx.accept(&key, checked).is_some() {
            extensions.push(name);
        }
    }
    extensions
}

fn session(
    cx: &mut ValidationContext<'_>,
    table: &ConfigKey,
    raw: &IndexMap<String, String>,
) -> IndexMap<String, String> {
    let mut settings = IndexMap::new();
    for (name, value) in raw {
        let key = table.child(name);
        let value = cx.text(&key, value);
        if !is_setting(name) {
            cx.refuse_key(&key, ConfigProblem::BadSetting { name: name.clone() });
        } else if let Some((_, instead)) =
            RESERVED.iter().find(|(reserved, _)| name.eq_ignore_ascii_case(reserved))
        {
            cx.refuse_key(&key, ConfigProblem::ReservedSetting { name: name.clone(), instead });
        } else if value.as_deref().is_some_and(|value| value.contains(char::is_control)) {
            // The driver sends settings as arguments of a command line, which a tab or a line end separates: the rest would be
            // another option of the server.
            cx.refuse_key(&key, ConfigProblem::BadSettingValue { name: name.clone() });
        } else if let Some(value) = value {
            settings.insert(name.clone(), value);
        }
    }
    settings
}

/// A setting's name in PostgreSQL: identifiers, joined by dots.
fn is_setting(name: &str) -> bool {
    name.split('.').all(|part| {
        !part.starts_with(|c: char| c.is_ascii_digit() || c == '$')
            && !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
    })
}

/// Expanded only if it is used, so that no variable has to be set for an unused server.
fn server_url(
    cx: &mut ValidationContext<'_>,
    table: &ConfigKey,
    raw: Option<&str>,
    provider: ProviderChoice,
) -> Option<SecretString> {
    if provider != ProviderChoice::Url {
        return None;
    }
    if let Some(url) = &cx.input.overrides.url {
        return Some(url.clone());
    }
    let Some(raw) = raw else {
        cx.refuse(&table.child("provider"), ConfigProblem::NoServerUrl);
        return None;
    };
    let key = table.child("url");
    cx.accept(&key, limits::server(cx.input.overrides.limits.as_ref()))?;
    let url = cx.text(&key, raw)?;
    if url.is_empty() {
        cx.refuse(&key, ConfigProblem::NoServerUrl);
        return None;
    }
    Some(SecretString::from(url))
}
