//! Where all targets of a database stand, in one pass: their ledgers are read together, since a round trip for each would
//! take longer than most upgrades.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::target::Target;
use crate::formats::{Format, LedgerRow};
use crate::model::{Failure, FailureKind};
use crate::postgres::{Session, ledger_rows};
use crate::sql::quote_literal;

/// Ledgers in one query: each is a part of a plan that the server has to make.
const TOGETHER: usize = 200;

/// Where a target stands.
#[derive(Debug, Clone)]
pub(super) enum Stand {
    /// Its schema is not there.
    Absent,
    /// There is no ledger: nothing has ever been applied by this tool.
    New,
    /// The ledger's rows, the oldest first. Most targets have the same.
    Rows(Arc<[LedgerRow]>),
    Unreadable(Box<Failure>),
}

/// Reads where targets stand, and hands that on in their order.
pub(super) async fn survey(
    session: &mut Session,
    format: &dyn Format,
    targets: &[Target],
    mut each: impl FnMut(usize, Stand),
) -> Result<(), Failure> {
    let mut known = HashSet::new();
    for (chunk, first) in targets.chunks(TOGETHER).zip((0..).step_by(TOGETHER)) {
        let there = Existing::read(session, chunk).await?;
        let (with, without): (Vec<_>, Vec<_>) =
            chunk.iter().enumerate().partition(|(_, target)| there.has_ledger(target));
        for (index, target) in without {
            each(first + index, there.without_ledger(target));
        }
        match together(session, format, &with).await {
            Ok(mut rows) => {
                for (index, _) in with {
                    let rows = rows.remove(&index).unwrap_or_default();
                    each(first + index, Stand::Rows(shared(&mut known, rows)));
                }
            }
            // One of them may not be read, or is not what it should be: the others are all the same.
            Err(failure)
                if matches!(failure.kind, FailureKind::Sql { .. } | FailureKind::Ledger) =>
            {
                for (index, target) in with {
                    each(first + index, one(session, format, target).await?);
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// The same rows once.
fn shared(known: &mut HashSet<Arc<[LedgerRow]>>, rows: Vec<LedgerRow>) -> Arc<[LedgerRow]> {
    if let Some(same) = known.get(rows.as_slice()) {
        return Arc::clone(same);
    }
    let rows: Arc<[LedgerRow]> = rows.into();
    known.insert(Arc::clone(&rows));
    rows
}

/// Where one stands.
pub(super) async fn one(
    session: &mut Session,
    format: &dyn Format,
    target: &Target,
) -> Result<Stand, Failure> {
    let there = Existing::read(session, std::slice::from_ref(target)).await?;
    if !there.has_ledger(target) {
        return Ok(there.without_ledger(target));
    }
    match session.ledger(&target.ledger, &format.ledger_rows(&target.ledger)).await {
        Ok(rows) => Ok(rows.map_or(Stand::New, |rows| Stand::Rows(rows.into()))),
        Err(failure) if failure.kind == FailureKind::ConnectionLost => Err(failure),
        Err(failure) => Ok(Stand::Unreadable(Box::new(failure))),
    }
}

/// What there is of the schemas and ledgers of some targets.
struct Existing {
    schemas: BTreeSet<String>,
    /// Schema and table, and what `pg_class` says of its kind.
    ledgers: BTreeMap<(String, String), String>,
}

impl Existing {
    async fn read(session: &mut Session, targets: &[Target]) -> Result<Self, Failure> {
        let schemas: BTreeSet<&str> = targets
            .iter()
            .flat_map(|target| [target.ledger.schema.as_str(), &target.search_path[0]])
            .collect();
        let tables: BTreeSet<&str> = targets.iter().map(|target| &*target.ledger.table).collect();
        let list = |names: BTreeSet<&str>| {
            names.into_iter().map(quote_literal).collect::<Vec<_>>().join(", ")
        };
        let query = format!(
            "SELECT n.nspname::text AS schema, c.relname::text AS ledger, c.relkind::text AS kind FROM pg_catalog.pg_namespace AS n \
             LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
             AND c.relname IN ({}) WHERE n.nspname IN ({})",
            list(tables),
            list(schemas)
        );
        let mut there = Self { schemas: BTreeSet::new(), ledgers: BTreeMap::new() };
        for row in session.query(&query).await? {
            let (schema, ledger, kind): (String, Option<String>, Option<String>) =
                read(&row, |row| {
                    Ok((row.try_get("schema")?, row.try_get("ledger")?, row.try_get("kind")?))
                })?;
            let found = ledger.zip(kind).map(|(ledger, kind)| ((schema.clone(), ledger), kind));
            there.ledgers.extend(found);
            there.schemas.insert(schema);
        }
        Ok(there)
    }

    fn has_schema(&self, target: &Target) -> bool {
        self.schemas.contains(&target.search_path[0])
    }

    fn kind_of_ledger(&self, target: &Target) -> Option<&str> {
        let name = (target.ledger.schema.clone(), target.ledger.table.clone());
        self.ledgers.get(&name).map(String::as_str)
    }

    fn has_ledger(&self, target: &Target) -> bool {
        matches!(self.kind_of_ledger(target), Some("r" | "p"))
    }

    /// Where one stands that has no ledger.
    fn without_ledger(&self, target: &Target) -> Stand {
        let what = match self.kind_of_ledger(target) {
            Some("v") => "a view",
            Some("m") => "a materialized view",
            Some("f") => "a foreign table",
            _ if self.has_schema(target) => return Stand::New,
            _ => return Stand::Absent,
        };
        let name = target.ledger.qualified();
        let failure =
            Failure::new(FailureKind::Ledger, format!("the ledger {name} is {what}, and no table"));
        Stand::Unreadable(Box::new(Failure {
            hint: Some(
                "a view can show another tenant's rows, and what is written to it may go elsewhere: rename it, or give the \
                 ledger another name with `ledger`"
                    .to_owned(),
            ),
            ..failure
        }))
    }
}

async fn together(
    session: &mut Session,
    format: &dyn Format,
    targets: &[(usize, &Target)],
) -> Result<BTreeMap<usize, Vec<LedgerRow>>, Failure> {
    let parts = targets.iter().map(|(index, target)| {
        let rows = format.ledger_rows(&target.ledger);
        format!("(SELECT {index}::int8 AS unit, {} FROM ({rows}) AS l)", ledger_rows::COLUMNS)
    });
    let query = parts.collect::<Vec<_>>().join(" UNION ALL ");
    let mut found: BTreeMap<usize, Vec<LedgerRow>> = BTreeMap::new();
    if query.is_empty() {
        return Ok(found);
    }
    for row in session.query(&query).await? {
        let (unit, row): (i64, LedgerRow) =
            read(&row, |row| Ok((row.try_get("unit")?, ledger_rows::row(row)?)))?;
        found.entry(usize::try_from(unit).unwrap_or_default()).or_default().push(row);
    }
    Ok(found)
}

fn read<T>(row: &PgRow, get: impl Fn(&PgRow) -> Result<T, sqlx::Error>) -> Result<T, Failure> {
    get(row).map_err(|error| {
        Failure::new(FailureKind::Ledger, format!("the ledger's rows cannot be read: {error}"))
    })
}
