//! Names of golang-migrate's files.

use std::sync::LazyLock;

use regex::Regex;

static NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^([0-9]+)_(.*)\.(down|up)\.(.*)$").expect("internal error: golang-migrate's name")
});

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileDirection {
    Up,
    Down,
}

/// The parts of a file's name.
#[derive(Debug)]
pub(super) struct GolangFile<'n> {
    pub(super) name: &'n str,
    pub(super) version: u64,
    pub(super) description: &'n str,
    pub(super) direction: FileDirection,
    pub(super) extension: &'n str,
}

impl<'n> GolangFile<'n> {
    /// `None` for a file that golang-migrate ignores, such as one whose version has too many digits.
    pub(super) fn parse(name: &'n str) -> Option<Self> {
        let parts = NAME.captures(name)?;
        let part = |index| parts.get(index).map(|part| part.as_str());
        Some(Self {
            name,
            version: part(1)?.parse().ok()?,
            description: part(2)?,
            direction: if part(3)? == "up" { FileDirection::Up } else { FileDirection::Down },
            extension: part(4)?,
        })
    }
}
