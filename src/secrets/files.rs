//! How programs store credentials in a user's files.

use super::variables;

/// Texts that precede a credential, by file name; in lower case and without blanks.
const MARKS: [(&str, &[&str]); 8] = [
    (".netrc", &["password"]),
    ("_netrc", &["password"]),
    (
        "config.json",
        &["\"auth\":\"", "\"identitytoken\":\"", "\"registrytoken\":\"", "\"password\":\""],
    ),
    (".npmrc", &["_authtoken=", "_password=", "_auth="]),
    (".pypirc", &["password="]),
    ("hosts.yml", &["oauth_token:"]),
    ("credentials", &["aws_secret_access_key="]),
    ("config", &["client-key-data:", "token:"]),
];
/// A user name of at least this many bytes in an address is a token: `https://ghp_…@github.com`.
const TOKEN_LENGTH: usize = 20;

pub(super) fn has_credential(name: &str, text: &str) -> bool {
    let marks = MARKS.iter().filter(|(file, _)| *file == name).flat_map(|(_, marks)| *marks);
    let marks: Vec<&str> = marks.copied().collect();
    let is_pgpass = name.ends_with("pgpass") || name.ends_with("pgpass.conf");
    text.contains("PRIVATE KEY-----")
        || text.lines().any(|line| {
            let line = line.trim();
            let compact: String = line.to_lowercase().split_whitespace().collect();
            is_of_git(line)
                || marks.iter().any(|mark| compact.contains(mark))
                || (is_pgpass && !line.starts_with('#') && line.matches(':').count() >= 4)
        })
}

/// A header in git's configuration, or an address with a password or a token.
fn is_of_git(line: &str) -> bool {
    let lower = line.to_lowercase();
    let is_header = lower.starts_with("extraheader") && lower.contains("authorization");
    let has_token = line.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '"', ' ', ',', '?', '#']).next().unwrap_or_default();
        let user = authority.split_once('@').map_or("", |(user, _)| user);
        user.len() >= TOKEN_LENGTH && !user.contains(':')
    });
    is_header || has_token || variables::has_address_with_secret(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_in_each_programs_format() {
        for (name, text) in [
            (
                ".gitconfig",
                "[http \"https://github.com/\"]\n\textraHeader = Authorization: basic eDp5\n",
            ),
            (
                ".gitconfig",
                "[url \"https://x:abc@github.com/\"]\n\tinsteadOf = https://github.com/\n",
            ),
            (".gitconfig", "[url \"https://ghp_0123456789abcdefghij@github.com/\"]\n"),
            (".git-credentials", "https://me:abc@github.com\n"),
            (".netrc", "machine github.com\n  login me\n  password abc\n"),
            ("config.json", "{\"auths\": {\"ghcr.io\": {\n\"auth\" : \"eDp5\"}}}"),
            (".pgpass", "# comment\n*:*:*:me:abc\n"),
            (".npmrc", "//registry.example/:_authToken = abc\n"),
            ("hosts.yml", "github.com:\n    oauth_token: abc\n"),
            ("credentials", "[default]\naws_secret_access_key = abc\n"),
            ("id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\n"),
            ("set_env_1", "URLS=https://a.example https://me:abc@b.example\n"),
            ("set_env_1", "DATABASE_URL=postgres://u:abc@h/d\n"),
        ] {
            assert!(has_credential(name, text), "{name}: {text}");
        }
        for (name, text) in [
            (
                ".gitconfig",
                "[user]\n\temail = a@b\n[url \"git@github.com:\"]\n\tinsteadOf = https://github.com/\n",
            ),
            (".gitconfig", "[url \"ssh://git@github.com/\"]\n\tinsteadOf = https://github.com/\n"),
            ("config.json", "{\"auths\": {}, \"credsStore\": \"desktop\"}"),
            (".pgpass", "# a:b:c:d:e\n"),
            (".netrc", "machine github.com login me\n"),
            ("known_hosts", "github.com ssh-ed25519 AAAA\n"),
            // The address of a test database, and a value that names a variable.
            ("set_env_1", "DATABASE_URL=postgres://postgres:postgres@localhost:5432/test\n"),
            ("set_env_1", "DATABASE_URL=postgres://app:app@localhost/test\n"),
            ("1.sh", "git clone \"https://x:${TOKEN}@github.com/a/b\"\n"),
            ("report.json", "{\"a\":\"http://example.com\",\"b\":\"c:d@e\"}\n"),
        ] {
            assert!(!has_credential(name, text), "{name}: {text}");
        }
    }
}
