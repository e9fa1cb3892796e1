//! The order of plain SQL files.

use std::cmp::Ordering;

use crate::formats::{Directory, FormatError};
use crate::model::FileOrder;

/// The names of the files in the order in which they run.
pub(super) fn ordered(
    directory: &Directory<'_>,
    names: Vec<String>,
) -> Result<Vec<String>, FormatError> {
    let mut natural = names.clone();
    natural.sort_by(|a, b| compare_natural(a, b));
    match directory.order {
        Some(FileOrder::Natural) => return Ok(natural),
        Some(FileOrder::Lexical) => return Ok(names),
        None => {}
    }
    // Both are sorted, so at the first difference each has a file that the other sorts later.
    match names.iter().zip(&natural).find(|(lexical, natural)| lexical != natural) {
        None => Ok(names),
        Some((lexical, natural)) => Err(FormatError::Directory {
            path: directory.path.to_owned(),
            problem: format!(
                "the order of its files is ambiguous: `{lexical}` comes before `{natural}` by bytes, and after it by number"
            ),
            help: Some("set `order = \"natural\"` or `order = \"lexical\"`".to_owned()),
        }),
    }
}

/// Digits by their numeric value, the rest by bytes.
pub(super) fn compare_natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        let order = match (leading_number(left), leading_number(right)) {
            (Some((one, left_rest)), Some((other, right_rest))) => {
                (left, right) = (left_rest, right_rest);
                one.len().cmp(&other.len()).then_with(|| one.cmp(other))
            }
            _ => match (left.split_first(), right.split_first()) {
                (Some((one, left_rest)), Some((other, right_rest))) => {
                    (left, right) = (left_rest, right_rest);
                    one.cmp(other)
                }
                // One ends here; names of equal length differ at most in leading zeros.
                _ => return left.len().cmp(&right.len()).then_with(|| a.cmp(b)),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Its leading digits without leading zeros, and the text after them.
fn leading_number(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (digits, rest) =
        text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    (!digits.is_empty()).then(|| (&digits[zeros..], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value() {
        let mut names = ["a10", "a9", "a09", "a", "b1", "10", "2", "02", "a9b", "a9a"];
        names.sort_by(|a, b| compare_natural(a, b));
        assert_eq!(names, ["02", "2", "10", "a", "a09", "a9", "a9a", "a9b", "a10", "b1"]);
    }
}
