//! Direction in the names of files and folders.
//!
//! A word may be a description: `0004_drop_down_menu.sql`, `0005_revert_prices.sql`. It is a direction where the name has no
//! other meaning (`1.undo.sql`, `U1__users.sql`, `down.sql`), or where its counterpart lies beside it.

use std::sync::LazyLock;

use camino::Utf8Path;
use regex::Regex;

use super::words::{are_a_pair, is_down, is_neutral, is_surely_down, is_up, words};

static FLYWAY_UNDO: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(U[0-9][0-9._]*__|(before|after)(Each)?(Undo|Clean)([A-Z]\w*)?(__.*)?\.sql$)")
        .expect("internal error: Flyway's undo files")
});

/// A file's name, and the same without what the format itself reads as an ending: `1_a.up.sql` and `1_a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileName<'n> {
    pub(super) whole: &'n str,
    pub(super) stem: &'n str,
}

/// Why a file is a down migration, by its name and those beside it: reads behind "because".
pub(super) fn goes_back(name: FileName<'_>, beside: &[FileName<'_>]) -> Option<String> {
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
    // Without anything else in the name there is nothing that it could describe.
    if let [only] = rest.as_slice()
        && is_surely_down(only)
    {
        return Some(format!("its name is just `{only}`"));
    }
    let others = || beside.iter().filter(|other| other.whole != name.whole);
    if let Some(other) = others().find(|other| is_way_back_of(&all, &words(other.stem))) {
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

/// Whether a name is another one but for a word that is the other's opposite: `0001_uninstall` and `0001_install`, `D001` and
/// `U001`. Without anything else in common the words are no directions.
fn is_way_back_of(all: &[String], other: &[String]) -> bool {
    let differ: Vec<_> = all.iter().zip(other).filter(|(word, other)| word != other).collect();
    let [(down, up)] = differ.as_slice() else { return false };
    all.len() == other.len() && all.len() > 1 && are_a_pair(up, down)
}

fn is_number(word: &str) -> bool {
    word.chars().all(char::is_numeric)
}

/// The word for the way back that a folder is named by.
pub(super) fn folder_goes_back(path: &Utf8Path) -> Option<String> {
    let all = words(path.file_name()?);
    let down = all.iter().find(|word| is_down(word))?;
    all.iter().all(|word| is_down(word) || is_neutral(word)).then(|| down.clone())
}
