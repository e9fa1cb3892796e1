//! The words with which tools and people distinguish up from down migrations.

/// The direction of a part of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heading {
    Up,
    Down,
}

/// Words for up migrations.
const UP: &[&str] = &[
    "up", "ups", "upgrade", "do", "apply", "deploy", "forward", "forwards", "migrate", "upward",
    "upwards",
];

/// Words that only mean down migrations: a section or a script with such a heading is a down migration.
const DOWN: &[&str] =
    &["down", "downs", "downgrade", "undo", "downward", "downwards", "unmigrate", "unapply"];

/// Words for down migrations that an up migration may also use for reverting an earlier one.
const REVERT: &[&str] =
    &["rollback", "rollbacks", "revert", "reverts", "reverse", "backward", "backwards", "backout"];

/// Words that are directions only together with their counterpart.
const PAIRS: &[(&str, &str)] =
    &[("create", "drop"), ("add", "remove"), ("install", "uninstall"), ("setup", "teardown")];

/// Like [`PAIRS`], in file names only: in a sentence they are ambiguous.
const PAIRS_OF_NAMES: &[(&str, &str)] =
    &[("u", "d"), ("forth", "back"), ("enable", "disable"), ("attach", "detach")];

/// Words without a direction, which may accompany one.
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

/// Tools whose name may precede the direction: `-- rambler down`.
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

/// Two words that count as one.
const JOINED: &[(&str, &str, &str)] = &[
    ("roll", "back", "rollback"),
    ("back", "out", "backout"),
    ("tear", "down", "teardown"),
    ("set", "up", "setup"),
    ("un", "do", "undo"),
];

/// The words of a text in lower case. A capital letter inside a word starts another one: `usersDown`.
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

/// Whether a section with this heading is a down migration, also as the first of a file.
pub(super) fn is_surely_down(word: &str) -> bool {
    DOWN.contains(&word)
}

pub(super) fn is_down(word: &str) -> bool {
    DOWN.contains(&word) || REVERT.contains(&word)
}

/// The counterpart of a word that is a direction only together with it.
pub(super) fn counterpart(word: &str) -> Option<&'static str> {
    PAIRS.iter().find(|(up, _)| *up == word).map(|(_, down)| *down)
}

/// Whether two words of file names that are otherwise equal are the two directions of one migration.
pub(super) fn are_a_pair(up: &str, down: &str) -> bool {
    PAIRS.iter().chain(PAIRS_OF_NAMES).any(|pair| *pair == (up, down))
}

pub(super) fn is_neutral(word: &str) -> bool {
    NEUTRAL.contains(&word) || TOOLS.contains(&word) || word.chars().all(|c| c.is_numeric())
}

/// The direction of one word, also if a neutral word is joined to it: `migratedown`, `downscript`.
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
    if DOWN.iter().chain(REVERT).any(|direction| joined(&direction)) {
        return Some(Heading::Down);
    }
    ["up", "ups"].iter().any(|direction| joined(&direction)).then_some(Heading::Up)
}

/// The direction of a text without another meaning: one word for it, and neutral words.
pub(super) fn heading(words: &[String]) -> Option<Heading> {
    const MOST: usize = 7;
    if words.is_empty() || words.len() > MOST {
        return None;
    }
    let mut found = None;
    for word in words {
        // "migrate" and "do" are verbs next to another direction: `migrate down`.
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
