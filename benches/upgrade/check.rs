//! Verifies the result of each run: an exit code is not sufficient. A run with an incomplete result has no figures.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::history::History;
use super::ledger::Ledger;

const SHAPE: &str = include_str!("shape.sql");
/// The number of ledgers in one query.
const TOGETHER: usize = 200;

/// The contents of a tenant's schema: the number of items, and a hash of them.
pub(crate) type Shape = (i64, String);

/// Checks that each of these tenants has its whole history in the tool's ledger, and that all of them have the same shape,
/// which is returned.
pub(crate) async fn is_at_head(
    url: &str,
    history: History,
    ledger: Ledger,
    schemas: &[String],
) -> Result<Shape> {
    let mut session = PgConnection::connect(url).await?;
    let expected = ledger.expected(&history.tenant());
    for some in schemas.chunks(TOGETHER) {
        let query = |schema: &String| format!("SELECT '{schema}', ({})", ledger.read(schema));
        let queries: Vec<String> = some.iter().map(query).collect();
        for row in fetch(&mut session, queries.join(" UNION ALL ")).await? {
            let (schema, found): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
            let found = found.unwrap_or_default();
            ensure!(found == expected, "{schema}: its {ledger:?} ledger says {found:?}");
        }
    }
    // With outdated statistics of the catalogs, nested loops would take minutes.
    fetch(&mut session, "SET enable_nestloop = off; SET work_mem = '256MB'".to_owned()).await?;
    let mut shapes = BTreeMap::new();
    for row in fetch(&mut session, SHAPE.to_owned()).await? {
        shapes.insert(row.try_get::<String, _>(0)?, (row.try_get(1)?, row.try_get(2)?));
    }
    session.close().await?;
    let mut one: Option<&Shape> = None;
    for schema in schemas {
        let shape = shapes.get(schema).with_context(|| format!("{schema} is empty"))?;
        let first = *one.get_or_insert(shape);
        ensure!(shape == first, "{schema} has another shape than {}: {shape:?}", schemas[0]);
    }
    one.cloned().context("no tenants")
}

async fn fetch(session: &mut PgConnection, sql: String) -> Result<Vec<PgRow>> {
    Ok(sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(session).await?)
}
