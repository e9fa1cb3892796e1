//! The key that keeps the comments and check runs of several runs on one pull request apart.

use crate::model::Partition;

/// The key of a comment where nobody gives one.
pub(crate) const DEFAULT_KEY: &str = "default";

/// Parts of one run have a comment each, whatever key they share.
pub(crate) fn key_of(given: Option<String>, partition: Option<Partition>) -> String {
    match (given, partition.map(Partition::key)) {
        (Some(given), Some(part)) => format!("{given}-{part}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => DEFAULT_KEY.to_owned(),
    }
}

/// A key as it is given. It stands in an HTML comment, which `--` would end, and has to be the same text in every run.
pub(crate) fn parse(value: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if value.len() <= 100 && value.bytes().all(is_plain) && !value.contains("--") {
        Ok(value.to_owned())
    } else {
        Err("it may have up to 100 letters, digits, and . _ - but no two dashes in a row"
            .to_owned())
    }
}
