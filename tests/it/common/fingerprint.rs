//! The catalog of a schema as text: equal for two schemas with the same content and different names.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

const QUERY: &str = include_str!("fingerprint.sql");

/// All schemas except the server's own, and the rows of their tables. Values of the ledgers that differ between runs (times
/// and durations) are omitted.
pub(super) async fn read_all(connection: &mut PgConnection) -> String {
    let schemas: Vec<String> = sqlx::query_scalar(
        "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)' ORDER BY 1",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let mut text = String::new();
    for schema in schemas {
        text += &format!("schema {schema}\n{}\n", read(connection, &schema, &[]).await);
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT format('%I.%I', $1, relname) FROM pg_class \
             WHERE relnamespace = quote_ident($1)::regnamespace AND relkind = 'r' ORDER BY 1",
        )
        .bind(&schema)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
        for table in tables {
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
                "SELECT (to_jsonb(t) - 'installed_on' - 'execution_time' - 'applied_at')::text FROM {table} AS t ORDER BY 1"
            )))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
            text.extend(rows.iter().map(|row| format!("row {table}: {row}\n")));
        }
    }
    text
}

/// Reads one schema; its name becomes `{schema}`.
pub(super) async fn read(connection: &mut PgConnection, schema: &str, without: &[&str]) -> String {
    sqlx::query("SET search_path = ''").execute(&mut *connection).await.unwrap();
    let quoted: String = sqlx::query_scalar("SELECT quote_ident($1)")
        .bind(schema)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    let lines: Vec<String> = sqlx::query_scalar(QUERY)
        .bind(&quoted)
        .bind(without)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    let literal = format!("'{}'", schema.replace('\'', "''"));
    lines.join("\n").replace(&format!("{quoted}."), "{schema}.").replace(&literal, "'{schema}'")
}
