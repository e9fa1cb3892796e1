//! Version tables of migration tools, supported or not: by name, by columns, and by the schemas that tools create for them. A
//! sample may contain the version table of any tool, and must not be treated as one without a ledger.

/// Names that only version tables have, and their tools, including the supported ones.
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

/// More such names, of tools whose samples are not searched for a ledger.
const MORE_LEDGERS: &[(&str, &str)] = &[
    ("__efmigrationshistory", "Entity Framework"),
    ("_yoyo_migration", "yoyo"),
    ("aerich", "aerich"),
    ("ar_internal_metadata", "Rails"),
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

/// Names that tables of an application also use. Such a table is a ledger if it has one of these columns, and few columns in
/// total.
const AMBIGUOUS: &[(&str, &str, &[&str])] = &[
    (
        "migrations",
        "a migration tool (TypeORM, Laravel or another)",
        &["name", "version", "migration", "filename", "hash"],
    ),
    ("changelog", "MyBatis Migrations", &["applied_at"]),
];

/// Schemas that a tool creates for its version table, and the table: outside of every search path.
const TOOL_LEDGERS: &[(&str, &str, &str)] = &[
    ("atlas_schema_revisions", "atlas_schema_revisions", "atlas"),
    ("drizzle", "__drizzle_migrations", "drizzle"),
    ("graphile_migrate", "migrations", "graphile-migrate"),
    ("hdb_catalog", "schema_migrations", "Hasura"),
    ("pgroll", "migrations", "pgroll"),
    ("sqitch", "changes", "sqitch"),
    ("supabase_migrations", "schema_migrations", "supabase"),
];

/// The schemas of [`TOOL_LEDGERS`].
pub(crate) const TOOL_SCHEMAS: &[&str] = &[
    "atlas_schema_revisions",
    "drizzle",
    "graphile_migrate",
    "hdb_catalog",
    "pgroll",
    "sqitch",
    "supabase_migrations",
];

/// Columns that together identify the ledger of one tool, and the maximum number of additional columns. Sources: the `CREATE
/// TABLE` of each tool, as quoted in the tests.
const SHAPES: &[(&str, &[&str], usize)] = &[
    // Before sqlx, whose columns it also has.
    ("flyway", &["installed_rank", "version", "success", "checksum"], 6),
    (
        "sqlx",
        &["version", "description", "installed_on", "success", "checksum", "execution_time"],
        6,
    ),
    ("golang-migrate", &["version", "dirty"], 0),
    ("plain", &["version", "checksum", "applied_at"], 6),
    ("goose", &["version_id", "is_applied", "tstamp"], 6),
    ("prisma", &["migration_name", "applied_steps_count"], 6),
    ("refinery", &["version", "name", "applied_on", "checksum"], 6),
    ("Ecto", &["version", "inserted_at"], 0),
    ("supabase", &["version", "statements"], 0),
    ("supabase", &["version", "statements", "name"], 3),
    ("alembic", &["version_num"], 0),
    ("atlas", &["partial_hashes", "operator_version"], 12),
    ("diesel", &["version", "run_on"], 0),
    ("django", &["id", "app", "name", "applied"], 0),
    ("Entity Framework", &["migrationid", "productversion"], 0),
    ("graphile-migrate", &["hash", "previous_hash", "filename", "date"], 0),
    ("knex", &["id", "name", "batch", "migration_time"], 0),
    ("Laravel", &["id", "migration", "batch"], 0),
    ("liquibase", &["dateexecuted", "orderexecuted", "md5sum"], 20),
    ("MikroORM", &["id", "name", "executed_at"], 0),
    ("node-pg-migrate", &["id", "name", "run_on"], 0),
    ("postgres-migrations", &["id", "name", "hash", "executed_at"], 0),
    ("postgrator", &["version", "name", "md5", "run_at"], 0),
    ("sqitch", &["change_id", "script_hash", "change", "project"], 12),
    ("yoyo", &["migration_hash", "migration_id", "applied_at_utc"], 0),
];

/// Tools whose columns a table of an application may also have (`jobs`: `id`, `name`, `executed_at`): there the table's name
/// has to refer to migrations, too.
const BROAD: &[&str] = &["django", "MikroORM", "node-pg-migrate"];
const NAME_PARTS: &[&str] =
    &["migr", "version", "schema", "change", "histor", "ledger", "revision", "evolution"];

/// One rare column of each of [`SHAPES`]: a table without any of them matches no shape.
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
    "version_num",
    "operator_version",
    "run_on",
    "applied",
    "ProductVersion",
    "productversion",
    "previous_hash",
    "migration_time",
    "batch",
    "orderexecuted",
    "executed_at",
    "md5",
    "script_hash",
    "applied_at_utc",
];

/// The names of all known ledgers.
pub(crate) fn ledger_names() -> impl Iterator<Item = &'static str> {
    let named = LEDGERS.iter().chain(MORE_LEDGERS).map(|(name, _)| *name);
    let ambiguous = AMBIGUOUS.iter().map(|(name, _, _)| *name);
    named.chain(ambiguous).chain(TOOL_LEDGERS.iter().map(|(_, name, _)| *name))
}

/// The tool that a ledger belongs to, by its schema, its columns or its name.
pub(crate) fn ledger_owner(schema: &str, table: &str, columns: &[String]) -> Option<&'static str> {
    let mut of_tools = TOOL_LEDGERS.iter();
    let of_tool = of_tools.find(|(of, name, _)| *of == schema && *name == table);
    if let Some((_, _, tool)) = of_tool {
        return Some(tool);
    }
    let table = table.to_lowercase();
    let mut named = LEDGERS.iter().chain(MORE_LEDGERS);
    let named = || named.find(|(name, _)| *name == table).map(|(_, tool)| *tool);
    let is_sufficient =
        |tool: &&str| !BROAD.contains(tool) || NAME_PARTS.iter().any(|part| table.contains(part));
    let shaped = ledger_shape(columns).filter(is_sufficient);
    shaped.or_else(named).or_else(|| ambiguous_owner(&table, columns))
}

fn ambiguous_owner(table: &str, columns: &[String]) -> Option<&'static str> {
    const MOST: usize = 8;
    let has = |name: &&str| columns.iter().any(|column| column == name);
    let mut named = AMBIGUOUS.iter();
    let (_, tool, some) = named.find(|(name, _, _)| *name == table)?;
    (columns.len() <= MOST && some.iter().any(has)).then_some(*tool)
}

/// The tool whose ledger has these columns, with few additional ones.
pub(crate) fn ledger_shape(columns: &[String]) -> Option<&'static str> {
    let has = |name: &&str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    let fits =
        |own: &[&str], others: usize| own.iter().all(has) && columns.len() <= own.len() + others;
    SHAPES.iter().find(|(_, own, others)| fits(own, *others)).map(|(tool, _, _)| *tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(schema: &str, table: &str, columns: &str) -> Option<&'static str> {
        let columns: Vec<_> = columns.split(' ').map(str::to_owned).collect();
        ledger_owner(schema, table, &columns)
    }

    #[test]
    fn ledgers_are_recognised_by_name_or_by_columns() {
        let owner = |table: &str, columns: &str| owner("public", table, columns);
        assert_eq!(owner("my_migrations", "version dirty"), Some("golang-migrate"));
        assert_eq!(owner("schema_migrations", "version dirty"), Some("golang-migrate"));
        assert_eq!(
            owner("x", "version description installed_on success checksum execution_time"),
            Some("sqlx")
        );
        assert_eq!(owner("x", "version checksum applied_at"), Some("plain"));
        assert_eq!(owner("river_migration", "line version created_at"), Some("River"));
        assert_eq!(owner("SequelizeMeta", "name"), Some("Sequelize"));
        for (_, columns, _) in SHAPES {
            let known: Vec<_> = LEDGER_COLUMNS.iter().map(|name| name.to_lowercase()).collect();
            assert!(
                columns.iter().any(|column| known.contains(&(*column).to_owned())),
                "{columns:?}"
            );
        }
        for (schema, _, _) in TOOL_LEDGERS {
            assert!(TOOL_SCHEMAS.contains(schema));
        }
    }

    /// Schema, table, its columns as the tool creates them, the tool, and whether the columns are sufficient under another
    /// name.
    type Case = (&'static str, &'static str, &'static str, &'static str, bool);

    const CASES: &[Case] = &[
        ("public", "ar_internal_metadata", "key value created_at updated_at", "Rails", false),
        ("public", "alembic_version", "version_num", "alembic", true),
        ("public", "__diesel_schema_migrations", "version run_on", "diesel", true),
        ("public", "django_migrations", "id app name applied", "django", true),
        ("public", "knex_migrations", "id name batch migration_time", "knex", true),
        ("public", "migrations", "id migration batch", "Laravel", true),
        ("public", "pgmigrations", "id name run_on", "node-pg-migrate", true),
        ("public", "schema_migrations", "version inserted_at", "Ecto", true),
        ("public", "SequelizeMeta", "name", "Sequelize", false),
        ("public", "__EFMigrationsHistory", "MigrationId ProductVersion", "Entity Framework", true),
        ("public", "goose_db_version", "id version_id is_applied tstamp", "goose", true),
        ("public", "gorp_migrations", "id applied_at", "sql-migrate", false),
        ("public", "mikro_orm_migrations", "id name executed_at", "MikroORM", true),
        ("public", "refinery_schema_history", "version name applied_on checksum", "refinery", true),
        ("public", "CHANGELOG", "id applied_at description", "MyBatis Migrations", false),
        ("drizzle", "__drizzle_migrations", "id hash created_at", "drizzle", false),
        (
            "graphile_migrate",
            "migrations",
            "hash previous_hash filename date",
            "graphile-migrate",
            true,
        ),
        ("hdb_catalog", "schema_migrations", "version dirty", "Hasura", false),
        ("pgroll", "migrations", "schema name migration created_at parent done", "pgroll", false),
        (
            "supabase_migrations",
            "schema_migrations",
            "version statements name created_by idempotency_key rollback",
            "supabase",
            true,
        ),
        (
            "sqitch",
            "changes",
            "change_id script_hash change project note committed_at committer_name committer_email planned_at \
                 planner_name planner_email",
            "sqitch",
            true,
        ),
        (
            "public",
            "databasechangelog",
            "id author filename dateexecuted orderexecuted exectype md5sum description comments tag liquibase contexts \
                 labels deployment_id",
            "liquibase",
            true,
        ),
        (
            "public",
            "flyway_schema_history",
            "installed_rank version description type script checksum installed_by installed_on execution_time success",
            "flyway",
            true,
        ),
        (
            "public",
            "_prisma_migrations",
            "id checksum finished_at migration_name logs rolled_back_at started_at applied_steps_count",
            "prisma",
            true,
        ),
        (
            "atlas_schema_revisions",
            "atlas_schema_revisions",
            "version description type applied total executed_at execution_time error error_stmt hash partial_hashes \
                 operator_version",
            "atlas",
            true,
        ),
    ];

    #[test]
    fn the_table_of_each_tool_is_recognised() {
        for (schema, table, columns, tool, is_known_by_columns) in CASES.iter().copied() {
            assert_eq!(owner(schema, table, columns), Some(tool), "{schema}.{table}");
            if is_known_by_columns {
                let name = if BROAD.contains(&tool) { "our_history" } else { "renamed" };
                assert_eq!(owner("public", name, columns), Some(tool), "{columns}");
            }
        }
        let typeorm = owner("public", "migrations", "id timestamp name");
        assert_eq!(typeorm, Some("a migration tool (TypeORM, Laravel or another)"));
    }

    #[test]
    fn tables_of_an_application_are_not_ledgers() {
        for (table, columns) in [
            ("jobs", "id version dirty applied_at"),
            ("posts", "id version inserted_at title"),
            ("migrations", "id species departed_on arrived_on"),
            ("events", "id timestamp name"),
            ("files", "id hash created_at"),
            ("coupons", "id applied_at description"),
            ("changelog", "id title body published_on"),
            ("changes", "id change project author"),
            ("contracts", "version statements signed_on"),
            ("candidates", "id name applied"),
            ("runs", "id name run_on outcome"),
            ("runs", "id name run_on"),
            ("jobs", "id name executed_at"),
            ("licences", "id app name applied"),
        ] {
            assert_eq!(owner("public", table, columns), None, "{table}");
        }
    }
}
