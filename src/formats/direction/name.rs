//! Directions in the names of files and folders.
//!
//! A word may be part of a description: `0004_drop_down_menu.sql`, `0005_revert_prices.sql`. It is a direction if the name has
//! no other meaning (`1.undo.sql`, `U1__users.sql`, `down.sql`), or if its counterpart exists in the same directory.

use std::sync::LazyLock;

use camino::Utf8Path;
use regex::Regex;

use super::words::{are_a_pair, is_down, is_neutral, is_surely_down, is_up, words};

static FLYWAY_UNDO: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(U[0-9][0-9._]*__|(before|after)(Each)?(Undo|Clean)([A-Z]\w*)?(__.*)?\.sql$)")
        .expect("internal error: Flyway's undo files")
});

/// A file's name, and the same without the ending that the format reads: `1_a.up.sql` and `1_a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileName<'n> {
    pub(super) whole: &'n str,
    pub(super) stem: &'n str,
}

/// Why a file is a down migration, by its name and the names next to it; displayed after "because".
pub(super) fn down_reason(name: FileName<'_>, beside: &[FileName<'_>]) -> Option<String> {
    if FLYWAY_UNDO.is_match(name.whole) {
        return Some(
            "Flyway uses such names for undo migrations and for callbacks of undo and clean"
                .to_owned(),
        );
    }
    let stem = name.stem;
    if let Some(part) =
        stem.split('.').skip(1).find(|part| *part == "back").or_else(|| {
            stem.split('.').find(|part| words(part).len() == 1 && is_down(&words(part)[0]))
        })
    {
        return Some(format!("of `{part}` between its dots"));
    }
    let all = words(stem);
    let rest: Vec<&String> = all.iter().filter(|word| !is_number(word)).collect();
    // Without another word in the name there is nothing to describe.
    if let [only] = rest.as_slice()
        && is_surely_down(only)
    {
        return Some(format!("its name is just `{only}`"));
    }
    let others = || beside.iter().filter(|other| other.whole != name.whole);
    if let Some(other) = others().find(|other| is_opposite_of(&all, &words(other.stem))) {
        return Some(format!("`{}` is its counterpart", other.whole));
    }
    let downs = all.iter().enumerate().filter(|(_, word)| is_down(word));
    let counterpart = downs
        .into_iter()
        .find_map(|(at, _)| others().find(|other| is_counterpart(&all, at, &words(other.stem))));
    if let Some(other) = counterpart {
        return Some(format!("`{}` is its counterpart", other.whole));
    }
    let (version, last) = (all.first()?, all.last()?);
    if !is_number(version) || !is_down(last) {
        return None;
    }
    let same = others().find(|other| words(other.stem).first() == Some(version))?;
    Some(format!("`{}` has the same number and is its counterpart", same.whole))
}

/// Whether another name is this one without the direction at `at`, or with the opposite one.
fn is_counterpart(all: &[String], at: usize, other: &[String]) -> bool {
    let mut without = all.to_vec();
    without.remove(at);
    if other == without && !without.iter().all(|word| is_number(word)) {
        return true;
    }
    let Some(word) = other.get(at) else { return false };
    let mut other = other.to_vec();
    let opposite = is_up(word) || word == "create" || word == "migration";
    other.remove(at);
    opposite && other == without
}

/// Whether a name differs from another only in a word that is the opposite of the other's: `0001_uninstall` and `0001_install`,
/// `D001` and `U001`. If they have nothing else in common, the words are not directions.
fn is_opposite_of(all: &[String], other: &[String]) -> bool {
    let differ: Vec<_> = all.iter().zip(other).filter(|(word, other)| word != other).collect();
    let [(down, up)] = differ.as_slice() else { return false };
    all.len() == other.len() && all.len() > 1 && are_a_pair(up, down)
}

fn is_number(word: &str) -> bool {
    word.chars().all(char::is_numeric)
}

/// The word for a down migration in a folder's name.
pub(super) fn down_word_of_folder(path: &Utf8Path) -> Option<String> {
    let all = words(path.file_name()?);
    let down = all.iter().find(|word| is_down(word))?;
    all.iter().all(|word| is_down(word) || is_neutral(word)).then(|| down.clone())
}
