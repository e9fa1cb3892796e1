//! Recognises directories of unsupported tools. Their files must never run as plain SQL, because they would run in the wrong
//! order, split at the wrong positions, or downwards as well as upwards.

use std::sync::LazyLock;

use camino::Utf8Path;
use regex::Regex;

use super::{Directory, FormatError};

/// The names by which users may request them in `format = "…"`.
pub(super) const NAMES: &[&str] = &[
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

/// A tool, and the evidence for it (displayed after "because").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) tool: &'static str,
    pub(super) reason: String,
}

static FLYWAY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^([VUB][0-9][0-9._]*__.*|R__.*)\.sql$").expect("internal error: Flyway's names")
});

/// Texts in a file that only one tool writes.
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

/// A tool whose marks occur in one of the directory's `.sql` files.
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

/// The unsupported tool that the directory seems to belong to.
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

/// By the position of one file in the directory.
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

/// By one file of code, if there is no SQL.
fn by_code(path: &Utf8Path) -> Option<&'static str> {
    let name = path.file_name()?;
    match path.extension()? {
        // Alembic itself needs `env.py` and one of the others.
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
    fn each_tool_is_recognised_by_its_files() {
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
            assert!(NAMES.contains(&tool) || tool == "alembic");
        }
    }

    #[test]
    fn refinery_is_distinguished_from_flyway_by_its_crate() {
        let files = MemoryFiles::new([("m/V1__a.sql", ""), ("Cargo.toml", "refinery = \"0.8\"")]);
        let foreign = recognise(&directory(&files, "m")).unwrap().unwrap();
        assert_eq!(foreign.tool, "refinery");
        assert_eq!(foreign.reason, "there is `m/V1__a.sql`, and Cargo.toml names refinery");
    }

    #[test]
    fn other_directories_belong_to_no_tool() {
        let files = MemoryFiles::new([
            ("m/1_a.sql", "-- not +goose"),
            ("m/run.js", ""),
            ("m/V1_a.sql", ""),
            ("m/sub/1_b.sql", ""),
        ]);
        assert_eq!(recognise(&directory(&files, "m")).unwrap(), None);
    }

    #[test]
    fn supabase_is_recognised_by_its_path() {
        let files = MemoryFiles::new([("supabase/migrations/1_a.sql", "")]);
        let found = recognise(&directory(&files, "supabase/migrations")).unwrap().unwrap();
        assert_eq!(found.tool, "supabase");
    }
}
