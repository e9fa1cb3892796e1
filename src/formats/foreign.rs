//! Tools whose directories are recognised and not read yet: their files must never run as plain SQL, for they would run in
//! the wrong order, in the wrong pieces, or downwards as well as upwards.

use std::sync::LazyLock;

use camino::Utf8Path;
use regex::Regex;

use super::{Directory, FormatError};

/// The names under which people ask for them in `format = "…"`.
pub(super) const NAMES: &[&str] = &[
    "alembic",
    "atlas",
    "diesel",
    "django",
    "drizzle",
    "flyway",
    "goose",
    "graphile-migrate",
    "knex",
    "liquibase",
    "node-pg-migrate",
    "postgres-migrations",
    "prisma",
    "rails",
    "refinery",
    "supabase",
    "tern",
    "typeorm",
];

/// Version tables by the names that only such tables have, and whose they are: the supported tools' own, too.
pub(crate) const LEDGERS: &[(&str, &str)] = &[
    ("_sqlx_migrations", "sqlx"),
    ("schema_migrations", "dbmate, golang-migrate or Rails"),
    ("mig_ci_migrations", "plain SQL files"),
    ("alembic_version", "alembic"),
    ("atlas_schema_revisions", "atlas"),
    ("__diesel_schema_migrations", "diesel"),
    ("django_migrations", "django"),
    ("__drizzle_migrations", "drizzle"),
    ("flyway_schema_history", "flyway"),
    ("goose_db_version", "goose"),
    ("knex_migrations", "knex"),
    ("databasechangelog", "liquibase"),
    ("pgmigrations", "node-pg-migrate"),
    ("_prisma_migrations", "prisma"),
    ("refinery_schema_history", "refinery"),
];

/// More of them, of tools whose samples are not looked through for one.
const MORE_LEDGERS: &[(&str, &str)] = &[
    ("__efmigrationshistory", "Entity Framework"),
    ("_yoyo_migration", "yoyo"),
    ("aerich", "aerich"),
    ("atlas_schema_revisions", "atlas"),
    ("doctrine_migration_versions", "Doctrine"),
    ("gorp_migrations", "sql-migrate"),
    ("kysely_migration", "Kysely"),
    ("micrate_db_version", "micrate"),
    ("mikro_orm_migrations", "MikroORM"),
    ("phinxlog", "Phinx"),
    ("play_evolutions", "Play evolutions"),
    ("ragtime_migrations", "Ragtime"),
    ("river_migration", "River"),
    ("schema_version", "tern or an old Flyway"),
    ("schemaversion", "postgrator"),
    ("sequelizemeta", "Sequelize"),
    ("typeorm_migrations", "TypeORM"),
];

/// Columns that only the ledger of one tool has, all of them.
const SHAPES: &[(&str, &[&str])] = &[
    ("sqlx", &["version", "description", "installed_on", "success", "checksum", "execution_time"]),
    ("golang-migrate", &["version", "dirty"]),
    ("plain", &["version", "checksum", "applied_at"]),
    ("flyway", &["installed_rank", "version", "success", "checksum"]),
    ("goose", &["version_id", "is_applied", "tstamp"]),
    ("prisma", &["migration_name", "applied_steps_count"]),
    ("refinery", &["version", "name", "applied_on", "checksum"]),
    ("Ecto", &["version", "inserted_at"]),
    ("supabase", &["version", "statements"]),
];

/// A column of each of [`SHAPES`] that few other tables have: a table without any of them has none of the shapes.
pub(crate) const LEDGER_COLUMNS: &[&str] = &[
    "execution_time",
    "dirty",
    "applied_at",
    "installed_rank",
    "is_applied",
    "applied_steps_count",
    "applied_on",
    "inserted_at",
    "statements",
];

/// The names of all known ledgers.
pub(crate) fn ledger_names() -> impl Iterator<Item = &'static str> {
    LEDGERS.iter().chain(MORE_LEDGERS).map(|(name, _)| *name)
}

/// Whose ledger a table is, by its name or by its columns.
pub(crate) fn ledger_owner(table: &str, columns: &[String]) -> Option<&'static str> {
    let table = table.to_lowercase();
    let mut named = LEDGERS.iter().chain(MORE_LEDGERS);
    let named = named.find(|(name, _)| *name == table).map(|(_, tool)| *tool);
    ledger_shape(columns).or(named)
}

/// Whose ledger has these columns: no more than a few others beside the tool's own.
pub(crate) fn ledger_shape(columns: &[String]) -> Option<&'static str> {
    const OTHERS: usize = 6;
    let has = |name: &&str| columns.iter().any(|column| column == name);
    let fits = |own: &[&str]| {
        let others = if own.len() < 3 { usize::from(own[0] != "version") * OTHERS } else { OTHERS };
        own.iter().all(has) && columns.len() <= own.len() + others
    };
    SHAPES.iter().find(|(_, own)| fits(own)).map(|(tool, _)| *tool)
}

/// A tool, and what gave it away (reads after "because").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) tool: &'static str,
    pub(super) reason: String,
}

static FLYWAY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^([VUB][0-9][0-9._]*__.*|R__.*)\.sql$").expect("internal error: Flyway's names")
});

/// Words in a file that only one tool writes there.
static MARKS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    [
        ("goose", r"(?mi)^--[ \t]*\+goose[ \t]+\w"),
        ("tern", r"(?m)^---- create above / drop below ----"),
        ("liquibase", r"(?mi)^--[ \t]*liquibase formatted sql"),
        ("graphile-migrate", r"(?m)^--! (Previous|Hash):"),
        ("drizzle", r"(?m)^--> statement-breakpoint"),
        ("atlas", r"(?m)^-- atlas:(txmode|checkpoint|delimiter)"),
    ]
    .map(|(tool, pattern)| (tool, Regex::new(pattern).expect("internal error: a tool's mark")))
    .into()
});

/// A tool whose marks stand in one of the directory's `.sql` files.
pub(super) fn marked(directory: &Directory<'_>) -> Result<Option<Foreign>, FormatError> {
    for name in directory.sql_names()? {
        let text = directory.text(&name)?;
        if let Some((tool, mark)) =
            MARKS.iter().find_map(|(tool, mark)| Some((*tool, mark.find(&text)?.as_str())))
        {
            return Ok(Some(Foreign { tool, reason: format!("`{name}` has a line `{mark}`") }));
        }
    }
    Ok(None)
}

/// The tool, of those that are not supported, that the directory seems to belong to.
pub(super) fn recognise(directory: &Directory<'_>) -> Result<Option<Foreign>, FormatError> {
    let paths = directory.paths()?;
    let has_sql = !directory.sql_names()?.is_empty();
    for path in &paths {
        if let Some(tool) = by_layout(path).or_else(|| (!has_sql).then(|| by_code(path)).flatten())
        {
            let mut reason = format!("there is `{}`", directory.join(path));
            let tool = if tool == "flyway" && uses_refinery(directory)? {
                reason.push_str(", and Cargo.toml names refinery");
                "refinery"
            } else {
                tool
            };
            return Ok(Some(Foreign { tool, reason }));
        }
    }
    if has_sql && directory.path.ends_with("supabase/migrations") {
        return Ok(Some(Foreign { tool: "supabase", reason: "of its path".to_owned() }));
    }
    marked(directory)
}

/// By the place of one file in the directory.
fn by_layout(path: &Utf8Path) -> Option<&'static str> {
    let name = path.file_name()?;
    let depth = path.components().count();
    match name {
        "_journal.json" if path == "meta/_journal.json" => Some("drizzle"),
        "snapshot.json" if depth == 2 => Some("drizzle"),
        "migration_lock.toml" if depth == 1 => Some("prisma"),
        "migration.sql" if depth == 2 => Some("prisma"),
        "up.sql" if depth == 2 => Some("diesel"),
        "atlas.sum" if depth == 1 => Some("atlas"),
        "script.py.mako" => Some("alembic"),
        _ if FLYWAY.is_match(name) => Some("flyway"),
        _ if path.starts_with("committed") && name.ends_with(".sql") => Some("graphile-migrate"),
        _ => None,
    }
}

/// By one file of code, where there is no SQL.
fn by_code(path: &Utf8Path) -> Option<&'static str> {
    let name = path.file_name()?;
    match path.extension()? {
        "py" if path.starts_with("versions") || name == "env.py" => Some("alembic"),
        "py" if name.starts_with(|first: char| first.is_ascii_digit()) => Some("django"),
        "rb" => Some("rails"),
        "js" | "cjs" | "mjs" | "ts" => Some("a JavaScript tool (knex, TypeORM or another)"),
        "go" => Some("goose"),
        "xml" | "yaml" | "yml" if name.contains("changelog") => Some("liquibase"),
        _ => None,
    }
}

fn uses_refinery(directory: &Directory<'_>) -> Result<bool, FormatError> {
    Ok(directory.beside("Cargo.toml")?.is_some_and(|(_, text)| text.contains("refinery")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::directory;
    use crate::model::MemoryFiles;

    #[test]
    fn each_tool_is_known_by_its_files() {
        for (path, text, tool) in [
            ("m/V1__a.sql", "", "flyway"),
            ("m/sub/R__view.sql", "", "flyway"),
            ("m/1_a.sql", "-- +goose Up\nselect 1;", "goose"),
            ("m/1_a.sql", "--  +GOOSE no transaction\n", "goose"),
            ("m/migration_lock.toml", "", "prisma"),
            ("m/2025_x/migration.sql", "", "prisma"),
            ("m/meta/_journal.json", "", "drizzle"),
            ("m/0000_x.sql", "select 1;\n--> statement-breakpoint\n", "drizzle"),
            ("m/versions/ab12_x.py", "", "alembic"),
            ("m/0001_initial.py", "", "django"),
            ("m/20250101_x.rb", "", "rails"),
            ("m/2025_x/up.sql", "", "diesel"),
            ("m/atlas.sum", "", "atlas"),
            ("m/001_a.sql", "select 1;\n---- create above / drop below ----\n", "tern"),
            ("m/changes.sql", "--liquibase formatted sql\n", "liquibase"),
            ("m/committed/000001.sql", "--! Previous: -\n", "graphile-migrate"),
        ] {
            let files = MemoryFiles::new([(path, text)]);
            let found = recognise(&directory(&files, "m")).unwrap().map(|foreign| foreign.tool);
            assert_eq!(found, Some(tool), "{path}");
            assert!(NAMES.contains(&tool));
        }
    }

    #[test]
    fn ledgers_are_known_by_name_or_by_their_columns() {
        let owner = |table: &str, columns: &str| {
            ledger_owner(table, &columns.split(' ').map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(owner("my_migrations", "version dirty"), Some("golang-migrate"));
        assert_eq!(owner("schema_migrations", "version dirty"), Some("golang-migrate"));
        assert_eq!(
            owner("x", "version description installed_on success checksum execution_time"),
            Some("sqlx")
        );
        assert_eq!(owner("x", "version checksum applied_at"), Some("plain"));
        assert_eq!(owner("river_migration", "line version created_at"), Some("River"));
        assert_eq!(owner("SequelizeMeta", "name"), Some("Sequelize"));
        assert_eq!(owner("jobs", "id version dirty applied_at"), None);
        assert_eq!(owner("posts", "id version inserted_at title"), None);
        for (_, columns) in SHAPES {
            assert!(columns.iter().any(|column| LEDGER_COLUMNS.contains(column)), "{columns:?}");
        }
    }

    #[test]
    fn refinery_is_told_from_flyway_by_its_crate() {
        let files = MemoryFiles::new([("m/V1__a.sql", ""), ("Cargo.toml", "refinery = \"0.8\"")]);
        let foreign = recognise(&directory(&files, "m")).unwrap().unwrap();
        assert_eq!(foreign.tool, "refinery");
        assert_eq!(foreign.reason, "there is `m/V1__a.sql`, and Cargo.toml names refinery");
    }

    #[test]
    fn other_directories_are_nobodys() {
        let files = MemoryFiles::new([
            ("m/1_a.sql", "-- not +goose"),
            ("m/run.js", ""),
            ("m/V1_a.sql", ""),
            ("m/sub/1_b.sql", ""),
        ]);
        assert_eq!(recognise(&directory(&files, "m")).unwrap(), None);
    }

    #[test]
    fn supabase_is_known_by_its_path() {
        let files = MemoryFiles::new([("supabase/migrations/1_a.sql", "")]);
        let found = recognise(&directory(&files, "supabase/migrations")).unwrap().unwrap();
        assert_eq!(found.tool, "supabase");
    }
}
