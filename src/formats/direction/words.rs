//! The words by which tools and people tell the way forwards from the way back.

/// Which way a part of a migration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heading {
    Up,
    Down,
}

/// They name the way forwards.
const UP: &[&str] = &[
    "up", "ups", "upgrade", "do", "apply", "deploy", "forward", "forwards", "migrate", "upward",
    "upwards",
];

/// They name the way back and nothing else: a section or a script that is headed by one is a down migration.
const DOWN: &[&str] =
    &["down", "downs", "downgrade", "undo", "downward", "downwards", "unmigrate", "unapply"];

/// They name the way back, or what a migration forwards does to an earlier one.
const BACK: &[&str] =
    &["rollback", "rollbacks", "revert", "reverts", "reverse", "backward", "backwards", "backout"];

/// They are a direction beside their counterpart alone.
const PAIRS: &[(&str, &str)] =
    &[("create", "drop"), ("add", "remove"), ("install", "uninstall"), ("setup", "teardown")];

/// As [`PAIRS`], in names of files alone: in a sentence they mean too much.
const PAIRS_OF_NAMES: &[(&str, &str)] =
    &[("u", "d"), ("forth", "back"), ("enable", "disable"), ("attach", "detach")];

/// They say nothing about a direction, and stand beside the word that does.
const NEUTRAL: &[&str] = &[
    "migration",
    "migrations",
    "migrate",
    "script",
    "scripts",
    "section",
    "part",
    "block",
    "sql",
    "change",
    "changes",
    "statement",
    "statements",
    "step",
    "steps",
    "begin",
    "begins",
    "start",
    "starts",
    "here",
    "below",
    "of",
    "the",
    "this",
    "is",
    "for",
    "to",
    "schema",
    "code",
    "query",
    "queries",
    "direction",
    "name",
    "phase",
    "mode",
    "stage",
    "file",
    "version",
    "database",
    "db",
    "end",
    "pg",
    "postgres",
    "postgresql",
];

/// Tools whose name may stand before the direction: `-- rambler down`.
const TOOLS: &[&str] = &[
    "dbmate",
    "flyway",
    "goose",
    "knex",
    "micrate",
    "mig",
    "mybatis",
    "pgmigrate",
    "play",
    "postgrator",
    "ragtime",
    "rambler",
    "refinery",
    "shmig",
    "sqitch",
    "sqlx",
    "tern",
    "umzug",
    "yoyo",
];

/// Two words that are one.
const JOINED: &[(&str, &str, &str)] = &[
    ("roll", "back", "rollback"),
    ("back", "out", "backout"),
    ("tear", "down", "teardown"),
    ("set", "up", "setup"),
    ("un", "do", "undo"),
];

/// The words of a text in lower case. A capital inside of a word begins another one: `usersDown`.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    for c in text.chars() {
        let begins = !last.is_alphanumeric()
            || (c.is_uppercase() && last.is_lowercase())
            || (c.is_numeric() != last.is_numeric());
        if c.is_alphanumeric() {
            match words.last_mut() {
                Some(word) if !begins => word.extend(c.to_lowercase()),
                _ => words.push(c.to_lowercase().collect()),
            }
        }
        last = c;
    }
    let mut joined: Vec<String> = Vec::new();
    for word in words {
        let before = joined.last().map_or("", String::as_str);
        match JOINED.iter().find(|(first, second, _)| *first == before && *second == word) {
            Some((_, _, whole)) => {
                joined.pop();
                joined.push((*whole).to_owned());
            }
            None => joined.push(word),
        }
    }
    joined
}

pub(super) fn is_up(word: &str) -> bool {
    UP.contains(&word)
}

/// A section with this heading is a down migration, also as the first of a file.
pub(super) fn is_surely_down(word: &str) -> bool {
    DOWN.contains(&word)
}

pub(super) fn is_down(word: &str) -> bool {
    DOWN.contains(&word) || BACK.contains(&word)
}

/// The counterpart of a word that is a direction beside it alone.
pub(super) fn counterpart(word: &str) -> Option<&'static str> {
    PAIRS.iter().find(|(up, _)| *up == word).map(|(_, down)| *down)
}

/// Whether two words of file names that are the same otherwise are the two directions of one migration.
pub(super) fn are_a_pair(up: &str, down: &str) -> bool {
    PAIRS.iter().chain(PAIRS_OF_NAMES).any(|pair| *pair == (up, down))
}

pub(super) fn is_neutral(word: &str) -> bool {
    NEUTRAL.contains(&word) || TOOLS.contains(&word) || word.chars().all(|c| c.is_numeric())
}

/// The direction that one word stands for, also where a neutral word is joined to it: `migratedown`, `downscript`.
pub(super) fn heading_of(word: &str) -> Option<Heading> {
    if is_down(word) {
        return Some(Heading::Down);
    }
    if is_up(word) {
        return Some(Heading::Up);
    }
    let joined = |direction: &&&str| {
        let rest = word.strip_prefix(**direction).or_else(|| word.strip_suffix(**direction));
        rest.is_some_and(|rest| rest.len() > 2 && NEUTRAL.contains(&rest))
    };
    if DOWN.iter().chain(BACK).any(|direction| joined(&direction)) {
        return Some(Heading::Down);
    }
    ["up", "ups"].iter().any(|direction| joined(&direction)).then_some(Heading::Up)
}

/// The direction of a text that has no other meaning: a word for it, and neutral ones.
pub(super) fn heading(words: &[String]) -> Option<Heading> {
    const MOST: usize = 7;
    if words.is_empty() || words.len() > MOST {
        return None;
    }
    let mut found = None;
    for word in words {
        // "migrate" and "do" are verbs beside another direction: `migrate down`.
        let heading = heading_of(word)
            .filter(|heading| *heading == Heading::Down || !(is_neutral(word) && words.len() > 1));
        match (heading, found) {
            (Some(heading), None) => found = Some(heading),
            (Some(heading), Some(before)) if heading == before => {}
            (Some(_), Some(_)) => return None,
            (None, _) if is_neutral(word) => {}
            (None, _) => return None,
        }
    }
    found
}
