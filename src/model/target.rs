//! The names of targets: names that PostgreSQL would truncate or refuse are refused before anything runs.

use std::fmt;

/// `NAMEDATALEN - 1`: the server silently truncates longer identifiers, so two tenants could share one schema.
pub(crate) const MAX_IDENTIFIER_BYTES: usize = 63;

const PLACEHOLDER: &str = "{tenant}";

/// Why a schema or database cannot have a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("the name is empty")]
    Empty,
    #[error("`{name}` has {bytes} bytes, and PostgreSQL truncates names to {MAX_IDENTIFIER_BYTES}")]
    TooLong { name: String, bytes: usize },
    #[error("`{}` contains a control character, such as a line end", .name.escape_debug())]
    Control { name: String },
    #[error("`$user` means the session's user in a search path, even in quotes")]
    User,
    #[error("`{name}` begins with `pg_`, which PostgreSQL reserves for itself")]
    Reserved { name: String },
    #[error(
        "the template `{template}` has no `{{tenant}}`, so every tenant would get the same target"
    )]
    NoPlaceholder { template: String },
    #[error("the template `{template}` contains `{placeholder}`, which has no meaning there")]
    UnknownPlaceholder { template: String, placeholder: String },
}

/// The first `{…}` of a text.
pub(crate) fn placeholder(text: &str) -> Option<String> {
    let from = &text[text.find('{')?..];
    Some(from[..=from.find('}')?].to_owned())
}

/// Checks that `name` can be used literally as the name of a schema or database.
pub(crate) fn check_identifier(name: &str) -> Result<(), TargetError> {
    if name.is_empty() {
        return Err(TargetError::Empty);
    }
    // NUL terminates a name in the protocol; a line end or a tab terminates a word of a session's startup options.
    if name.contains(char::is_control) {
        return Err(TargetError::Control { name: name.to_owned() });
    }
    if name == "$user" {
        return Err(TargetError::User);
    }
    if name.len() > MAX_IDENTIFIER_BYTES {
        return Err(TargetError::TooLong { name: name.to_owned(), bytes: name.len() });
    }
    if name.starts_with("pg_") {
        return Err(TargetError::Reserved { name: name.to_owned() });
    }
    Ok(())
}

/// Derives the name of a tenant's schema or database from the tenant's name: `tenant_{tenant}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetTemplate(String);

impl TargetTemplate {
    pub(crate) fn parse(template: &str) -> Result<Self, TargetError> {
        if !template.contains(PLACEHOLDER) {
            return Err(TargetError::NoPlaceholder { template: template.to_owned() });
        }
        if let Some(placeholder) = placeholder(&template.replace(PLACEHOLDER, "")) {
            let template = template.to_owned();
            return Err(TargetError::UnknownPlaceholder { template, placeholder });
        }
        Ok(Self(template.to_owned()))
    }

    /// The tenant with this target, if the target matches the template, and the template's own prefix and suffix delimit the
    /// tenant's name.
    pub(crate) fn tenant_at<'t>(&self, target: &'t str) -> Option<&'t str> {
        let (before, after) = self.0.split_once(PLACEHOLDER)?;
        let tenant = target.strip_prefix(before)?.strip_suffix(after)?;
        (!after.contains(PLACEHOLDER) && !tenant.is_empty()).then_some(tenant)
    }

    /// The validated target of one tenant.
    pub(crate) fn expand(&self, tenant: &str) -> Result<String, TargetError> {
        let target = self.0.replace(PLACEHOLDER, tenant);
        check_identifier(&target)?;
        Ok(target)
    }
}

impl fmt::Display for TargetTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_requires_the_placeholder() {
        assert!(matches!(TargetTemplate::parse("tenant"), Err(TargetError::NoPlaceholder { .. })));
    }

    #[test]
    fn other_placeholders_are_refused() {
        for template in ["{tenant}_{foo}", "{{tenant}}", "{Tenant}_{tenant}"] {
            let error = TargetTemplate::parse(template).unwrap_err();
            assert!(matches!(error, TargetError::UnknownPlaceholder { .. }), "{error}");
        }
        assert!(TargetTemplate::parse("{tenant}}").is_ok());
    }

    #[test]
    fn the_limit_counts_bytes_not_characters() {
        let template = TargetTemplate::parse("t_{tenant}").unwrap();
        assert!(template.expand(&"é".repeat(30)).is_ok());
        assert!(matches!(
            template.expand(&"é".repeat(31)),
            Err(TargetError::TooLong { bytes: 64, .. })
        ));
    }

    #[test]
    fn names_that_the_server_refuses_are_refused() {
        assert_eq!(check_identifier(""), Err(TargetError::Empty));
        assert!(matches!(check_identifier("pg_acme"), Err(TargetError::Reserved { .. })));
        for control in ["a\0b", "a\nb", "a\tb", "a\u{1b}b"] {
            assert!(matches!(check_identifier(control), Err(TargetError::Control { .. })));
        }
        assert_eq!(check_identifier("$user"), Err(TargetError::User));
        assert_eq!(check_identifier("We'ird-\"Ténant\""), Ok(()));
    }
}
