//! One digest of the rows of each table, to compare two targets that the same migrations have changed.

use std::collections::BTreeMap;

use sqlx::Row as _;

use crate::model::Failure;
use crate::postgres::Session;
use crate::sql::{quote_identifier, quote_literal};

/// Types whose values differ between two runs of the same migration: times and random identifiers. Only that they are set is
/// compared.
const VARYING: &str = "'timestamp', 'timestamptz', 'date', 'time', 'timetz', 'uuid'";

/// The number of rows and a digest of each table of a schema, or of all schemas of the database, by qualified name.
pub(crate) async fn row_digests(
    session: &mut Session,
    schema: Option<&str>,
) -> Result<BTreeMap<String, String>, Failure> {
    let of_schema = match schema {
        Some(schema) => format!("n.nspname = {}", quote_literal(schema)),
        None => "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'".to_owned(),
    };
    let sql = format!(
        "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
         pg_catalog.array_to_json(pg_catalog.array_agg(a.attname ORDER BY a.attnum) FILTER (WHERE a.attnum > 0))::pg_catalog.text, \
         pg_catalog.array_to_json(pg_catalog.array_agg(t.typname IN ({VARYING}) ORDER BY a.attnum) FILTER (WHERE a.attnum > 0))::pg_catalog.text \
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {of_schema} GROUP BY 1, 2"
    );
    let mut tables = Vec::new();
    for row in session.query(&sql).await? {
        let text = |index: usize| row.try_get::<Option<String>, _>(index).ok().flatten();
        let (Some(schema), Some(table)) = (text(0), text(1)) else { continue };
        let names: Vec<String> = parsed(text(2));
        let varying: Vec<bool> = parsed(text(3));
        tables.push((schema, table, names, varying));
    }
    let mut digests = BTreeMap::new();
    for (schema, table, names, varying) in tables {
        let name = format!("{}.{}", quote_identifier(&schema), quote_identifier(&table));
        let columns = names.iter().zip(varying).map(|(column, varies)| {
            let column = quote_identifier(column);
            if varies { format!("r.{column} IS NULL") } else { format!("r.{column}") }
        });
        let columns: Vec<String> = columns.collect();
        let sql = format!(
            "SELECT pg_catalog.concat(pg_catalog.count(*), ' ', pg_catalog.sum(\
             pg_catalog.hashtextextended(ROW({})::pg_catalog.text, 0)::pg_catalog.numeric)) FROM {name} AS r",
            columns.join(", ")
        );
        digests.insert(name, session.fetch_one::<String>(&sql).await?);
    }
    Ok(digests)
}

fn parsed<T: serde::de::DeserializeOwned>(json: Option<String>) -> Vec<T> {
    json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}
