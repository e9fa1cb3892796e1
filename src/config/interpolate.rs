//! `${VAR}` and `${VAR:-default}` in values.
//!
//! As in a shell, the default also replaces an empty variable; it ends at the next `}` and is used literally. Only `${` is
//! special: a single `$`, as in SQL or in a password, is unchanged, and `$${` stands for `${`. No command is run, and values of
//! variables are not expanded again.

/// Looks up a variable: `None` means "not set".
pub(crate) type VariableLookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Why a value cannot be expanded. Never contains a value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InterpolationError {
    #[error("the environment variable `{name}` is not set")]
    Unset { name: String },
    #[error("a `${{` without a `}}`")]
    Unclosed,
    #[error("`${{{name}}}` does not name an environment variable")]
    BadName { name: String },
}

/// Replaces all variables of `text`.
pub(crate) fn expand(
    text: &str,
    lookup: &VariableLookup<'_>,
) -> Result<String, InterpolationError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &from[2..];
            continue;
        }
        expanded.push_str(before);
        let (inner, after) = from[2..].split_once('}').ok_or(InterpolationError::Unclosed)?;
        expanded.push_str(&variable(inner, lookup)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn variable(inner: &str, lookup: &VariableLookup<'_>) -> Result<String, InterpolationError> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if !is_name(name) {
        return Err(InterpolationError::BadName { name: name.to_owned() });
    }
    match (lookup(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(InterpolationError::Unset { name: name.to_owned() }),
    }
}

/// The variables in `text`, in order. Invalid references are skipped: [`expand`] reports them.
pub(crate) fn used_variables(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let is_escaped = rest[..at].ends_with('$');
        rest = &rest[at + 2..];
        if is_escaped {
            continue;
        }
        let Some((inner, after)) = rest.split_once('}') else { break };
        names.push(inner.split_once(":-").map_or(inner, |(name, _)| name));
        rest = after;
    }
    names
}

pub(crate) fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "HOME_TOWN" => Some("Bruges".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${HOME_TOWN}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_and_defaults() {
        let expand = |text| expand(text, &lookup);
        assert_eq!(expand("a ${HOME_TOWN} b").unwrap(), "a Bruges b");
        assert_eq!(expand("${HOME_TOWN}${HOME_TOWN}").unwrap(), "BrugesBruges");
        assert_eq!(expand("${HOME_TOWN:-Ghent}").unwrap(), "Bruges");
        assert_eq!(expand("${NONE:-Ghent}").unwrap(), "Ghent");
        assert_eq!(expand("${NONE:-}").unwrap(), "");
        assert_eq!(expand("${NONE:-a:-b}").unwrap(), "a:-b");
        assert_eq!(expand("<${EMPTY}>").unwrap(), "<>");
        assert_eq!(expand("${EMPTY:-Ghent}").unwrap(), "Ghent");
        assert_eq!(expand("${NESTED}").unwrap(), "${HOME_TOWN}", "values are not expanded again");
    }

    #[test]
    fn a_single_dollar_is_not_special() {
        let expand = |text| expand(text, &lookup);
        assert_eq!(expand("do $$ begin end $$").unwrap(), "do $$ begin end $$");
        assert_eq!(expand("pa$word$").unwrap(), "pa$word$");
        assert_eq!(expand("$${HOME_TOWN}").unwrap(), "${HOME_TOWN}");
        assert_eq!(expand("é$${é}").unwrap(), "é${é}");
    }

    /// Exactly the variables that are looked up are listed.
    #[test]
    fn used_variables_are_those_that_are_looked_up() {
        let texts = [
            "${A}$${B}${C:-${D}}",
            "$$${A}",
            "$${${A}}",
            "${A:-$}{B}${C",
            "$$$${A}${B}",
            "x${A}${A:-:-}$",
        ];
        for text in texts {
            let seen = std::cell::RefCell::new(Vec::new());
            let _ = expand(text, &|name| {
                seen.borrow_mut().push(name.to_owned());
                Some(String::new())
            });
            assert_eq!(used_variables(text), seen.into_inner(), "{text}");
        }
    }

    #[test]
    fn invalid_references_are_errors() {
        let error = |text| expand(text, &lookup).unwrap_err();
        assert_eq!(error("${NONE}"), InterpolationError::Unset { name: "NONE".to_owned() });
        assert_eq!(error("a ${HOME_TOWN"), InterpolationError::Unclosed);
        assert_eq!(error("${1ST}"), InterpolationError::BadName { name: "1ST".to_owned() });
        assert_eq!(error("${}"), InterpolationError::BadName { name: String::new() });
    }
}
