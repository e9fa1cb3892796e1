//! The migrations that all arms apply: `history/shared.sql` and `history/tenant.sql`, a product of some years, and a light
//! history for scenarios that depend only on the number of tenants.

const SHARED: &str = include_str!("history/shared.sql");
const TENANT: &str = include_str!("history/tenant.sql");
/// Starts a migration; the rest of the line is its name.
const MARK: &str = "---- ";

/// The number of migrations in a tenant's history.
pub(crate) const LENGTH: usize = 30;

/// One migration.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// From 1.
    pub(crate) version: usize,
    pub(crate) name: String,
    /// With their semicolons.
    pub(crate) statements: Vec<String>,
}

/// The kind of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum History {
    /// Ends in 27 tables, with indexes, foreign keys also to shared tables, views, functions, triggers, and a partition.
    Full,
    /// Ends in one table, with a row from nearly each migration.
    Light,
}

impl Step {
    /// The text of its file.
    pub(crate) fn sql(&self) -> String {
        format!("{}\n", self.statements.join("\n\n"))
    }
}

impl History {
    pub(crate) fn shared(self) -> Vec<Step> {
        parse(SHARED)
    }

    pub(crate) fn tenant(self) -> Vec<Step> {
        match self {
            Self::Full => parse(TENANT),
            Self::Light => (1..=LENGTH).map(light).collect(),
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Full => "the whole history of 27 tables",
            Self::Light => "a light history of one table",
        }
    }
}

fn light(version: usize) -> Step {
    let (name, sql) = match version {
        1 => {
            ("settings".into(), "CREATE TABLE settings (key text PRIMARY KEY, value text);".into())
        }
        LENGTH => ("note".into(), "ALTER TABLE settings ADD COLUMN note text;".into()),
        _ => (
            format!("key_{version}"),
            format!("INSERT INTO settings VALUES ('key_{version}', '');"),
        ),
    };
    Step { version, name, statements: vec![sql] }
}

/// Statements are separated by an empty line.
fn parse(text: &str) -> Vec<Step> {
    let migrations = text.split(MARK).filter(|part| !part.trim().is_empty());
    migrations
        .zip(1..)
        .map(|(part, version)| {
            let (name, sql) = part.split_once('\n').unwrap_or((part, ""));
            let statements = sql.split("\n\n").map(|sql| sql.trim().to_owned());
            Step {
                version,
                name: name.trim().to_owned(),
                statements: statements.filter(|sql| !sql.is_empty()).collect(),
            }
        })
        .collect()
}
