//! The key that distinguishes the comments and check runs of several runs on one pull request.

use crate::model::Partition;

/// The default key of a comment.
pub(crate) const DEFAULT_KEY: &str = "default";

/// Each part of a divided run has its own comment, also with a common key.
pub(crate) fn key_of(given: Option<String>, partition: Option<Partition>) -> String {
    match (given, partition.map(Partition::key)) {
        (Some(given), Some(part)) => format!("{given}-{part}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => DEFAULT_KEY.to_owned(),
    }
}

/// Validates a key. It is written into an HTML comment, which `--` would end, and has to be the same text in every run.
pub(crate) fn parse(value: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if value.len() <= 100 && value.bytes().all(is_plain) && !value.contains("--") {
        Ok(value.to_owned())
    } else {
        Err("it may have up to 100 letters, digits, and . _ - but no two dashes in a row"
            .to_owned())
    }
}
