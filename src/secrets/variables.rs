//! Finds variables of an environment that contain secrets: by their names, and by passwords in their values.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::vocabulary;

/// A variable whose name contains one of these is a secret.
const SECRET_WORDS: [&str; 9] = [
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "SECRET",
    "CREDENTIAL",
    "API_KEY",
    "APIKEY",
    "PRIVATE_KEY",
    "ACCESS_KEY",
];

/// `://user:password@host/database`, also for several consecutive addresses. A password that is not percent-encoded may contain
/// `@`, which clients accept: the second group ends before the first `@`, the third at the last one.
static IN_ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"://([^ \t\n/@:?#"',]*):([^ \t\n/@]+)@((?:[^ \t\n/@?#"',]*@)*)([^ \t\n/:?#,@]*)(?::\d+)?(?:/([^ \t\n?#/,"']*))?"#,
    )
    .expect("internal error: a regex")
});
/// `password=…` of a libpq string or of a URL's query.
static AS_PARAMETER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:[Pp]assword|PASSWORD|[Pp]asswd|[Pp]wd|[Tt]oken|[Ss]ecret)=(?:'([^']+)'|([^ \t\n&;,'\x22]+))")
        .expect("internal error: a regex")
});

/// The passwords in a value: in addresses and in parameters.
pub(super) fn passwords_of(value: &str) -> Vec<String> {
    let mut secrets = Vec::new();
    for found in IN_ADDRESS.captures_iter(value) {
        let password = &found[2];
        secrets.push(if is_shown(&found) { format!(":{password}@") } else { password.to_owned() });
        if let Some(rest) = found[3].strip_suffix('@') {
            secrets.push(format!("{password}@{rest}"));
        }
    }
    for found in AS_PARAMETER.captures_iter(value) {
        secrets.extend(found.get(1).or(found.get(2)).map(|secret| secret.as_str().to_owned()));
    }
    secrets
}

/// The name of a user, host or database is not secret, and is part of every report.
fn is_shown(found: &Captures<'_>) -> bool {
    [1, 4, 5].iter().any(|part| {
        found.get(*part).is_some_and(|name| name.as_str().eq_ignore_ascii_case(&found[2]))
    })
}

/// Whether a text contains an address with a real password: not an example word, a part of the address itself, a shell variable
/// or a mask.
pub(super) fn has_address_with_secret(text: &str) -> bool {
    IN_ADDRESS.captures_iter(text).any(|found| {
        let password = &found[2];
        let is_reference = password.starts_with('$') || password.starts_with("***");
        !is_shown(&found) && !is_reference && !vocabulary::is_word(password)
    })
}

/// The secrets in a variable's value.
pub(super) fn secrets_of(name: &str, value: &str) -> Vec<String> {
    let value = value.trim();
    let mut secrets = passwords_of(value);
    let is_path = value.starts_with('/') || value.starts_with("./");
    if names_a_secret(name) && !is_path && !value.is_empty() {
        secrets.push(value.to_owned());
    } else {
        secrets.extend(
            value.lines().map(str::trim).filter(|line| is_address(line)).map(str::to_owned),
        );
    }
    secrets
}

/// Whether a line is a server's address with a password. A line of JSON or prose (an event, a pull request's body) may contain
/// an address, but the rest of the line is not secret: masking it would remove commits and names from reports.
fn is_address(line: &str) -> bool {
    let is_parameters = || line.split_whitespace().all(|word| word.contains('='));
    !line.contains('"')
        && (!line.contains(char::is_whitespace) || is_parameters())
        && (has_address_with_secret(line) || AS_PARAMETER.is_match(line))
}

fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Whether a value could be a token: long, a single word of letters and digits.
pub(super) fn looks_random(value: &str) -> bool {
    let has = |test: fn(&char) -> bool| value.chars().any(|c| test(&c));
    value.len() >= 16
        && has(char::is_ascii_digit)
        && has(char::is_ascii_alphabetic)
        && !has(|c| c.is_whitespace() || *c == '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_by_name_and_by_value() {
        let of = secrets_of;
        assert_eq!(of("INPUT_GITHUB-TOKEN", "ghs_1"), ["ghs_1"]);
        assert_eq!(of("PGPASSWORD", " x y "), ["x y"]);
        assert_eq!(of("NPM_TOKEN_FILE", "/run/token"), [""; 0]);
        assert_eq!(of("INPUT_COMMENT-KEY", "shop"), [""; 0]);
        assert_eq!(of("HOME", "/root"), [""; 0]);
        let url = "postgres://u:p%40ss@h:5432/d";
        assert_eq!(of("DATABASE_URL", url), ["p%40ss", url]);
        assert_eq!(of("A", "postgres://u@h/d"), [""; 0]);
        assert_eq!(of("A", "postgres://h/d?user=u&password=pw1&x=y")[0], "pw1");
        assert_eq!(of("DSN", "host=h password='a b' user=u")[0], "a b");
        let two = of("A", "http://a:one1@h,http://b:two2@h");
        assert_eq!(&two[..2], ["one1", "two2"]);
        for url in ["postgres://shop-1:shop-1@h/d", "postgres://u:shop-1@h:5432/shop-1?a=b"] {
            assert_eq!(of("A", url), [":shop-1@"]);
        }
        assert_eq!(of("A", "postgres://postgres:postgres@localhost/test"), [":postgres@"]);
        let at = "postgres://u:one-1@two@h:5432/d";
        assert_eq!(of("A", at), ["one-1", "one-1@two", at]);
        let json = "{\"a\": \"https://example.com\",\"email\":\"me@example.com\"}";
        assert_eq!(of("A", json), [""; 0]);
        // A dump of an event, and a pull request's body: the text around an address is not secret.
        let dump =
            "{\n  \"sha\": \"0123456789abcdef0123\",\n  \"body\": \"postgres://u:pw-1@h/d\"\n}";
        assert_eq!(of("GITHUB_CONTEXT", dump), ["pw-1"]);
        assert_eq!(of("BODY", "Try postgres://u:pw-1@h/d\nor not"), ["pw-1"]);
        let lines = "postgres://u:pw-1@h/a\npostgres://u:pw-2@h/b";
        assert_eq!(of("ALL", lines).len(), 4);
        assert_eq!(of("A", "postgres://u:one-1@a:1,b:2/d?x=y")[0], "one-1");
        assert_eq!(of("https_proxy", "http://me:s3cret@proxy:3128")[0], "s3cret");
        assert!(
            looks_random("a1b2c3d4e5f6a7b8")
                && !looks_random("eu-central-west")
                && !looks_random("a/1 b1111111111111")
        );
    }
}
