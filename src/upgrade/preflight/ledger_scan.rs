//! Reads the ledgers of all targets of a database together, since a round trip for each would take longer than most
//! upgrades.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sqlx::Row as _;

use super::existing_ledgers::ExistingLedgers;
use super::ledger_state::{LedgerState, read};
use crate::formats::{Format, LedgerRow};
use crate::model::{Failure, FailureKind};
use crate::postgres::{Session, ledger_rows};
use crate::upgrade::target::Target;

/// Ledgers in one query: each is a part of the plan that the server has to create.
const LEDGERS_PER_QUERY: usize = 200;

/// Reads the ledger states of targets, and passes them to `each` in their order.
pub(crate) async fn scan(
    session: &mut Session,
    format: &dyn Format,
    targets: &[Target],
    mut each: impl FnMut(usize, LedgerState),
) -> Result<(), Failure> {
    let mut interned = HashSet::new();
    for (chunk, first) in targets.chunks(LEDGERS_PER_QUERY).zip((0..).step_by(LEDGERS_PER_QUERY)) {
        let existing = ExistingLedgers::read(session, chunk).await?;
        let mut consistent = Vec::new();
        for (index, target) in chunk.iter().enumerate() {
            match existing.contradiction(format, target) {
                Some(failure) => each(first + index, LedgerState::Unreadable(Box::new(failure))),
                None => consistent.push((index, target)),
            }
        }
        let (with, without): (Vec<_>, Vec<_>) =
            consistent.into_iter().partition(|(_, target)| existing.has_ledger(target));
        for (index, target) in without {
            each(first + index, existing.without_ledger(target));
        }
        match read_together(session, format, &with).await {
            Ok(mut rows) => {
                for (index, target) in with {
                    let rows = rows.remove(&index).unwrap_or_default();
                    let elsewhere = rows.is_empty().then(|| existing.elsewhere(format, target));
                    each(
                        first + index,
                        match elsewhere.flatten() {
                            Some(failure) => LedgerState::Unreadable(Box::new(failure)),
                            None => LedgerState::Rows(intern(&mut interned, rows)),
                        },
                    );
                }
            }
            // One ledger may be unreadable or invalid. The others are read one by one.
            Err(failure)
                if matches!(failure.kind, FailureKind::Sql { .. } | FailureKind::Ledger) =>
            {
                for (index, target) in with {
                    each(first + index, scan_one(session, format, target).await?);
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Interns equal rows.
fn intern(interned: &mut HashSet<Arc<[LedgerRow]>>, rows: Vec<LedgerRow>) -> Arc<[LedgerRow]> {
    if let Some(same) = interned.get(rows.as_slice()) {
        return Arc::clone(same);
    }
    let rows: Arc<[LedgerRow]> = rows.into();
    interned.insert(Arc::clone(&rows));
    rows
}

/// The ledger state of one target.
pub(crate) async fn scan_one(
    session: &mut Session,
    format: &dyn Format,
    target: &Target,
) -> Result<LedgerState, Failure> {
    let existing = ExistingLedgers::read(session, std::slice::from_ref(target)).await?;
    if let Some(failure) = existing.contradiction(format, target) {
        return Ok(LedgerState::Unreadable(Box::new(failure)));
    }
    if !existing.has_ledger(target) {
        return Ok(existing.without_ledger(target));
    }
    match session.ledger(&target.ledger, &format.ledger_rows(&target.ledger)).await {
        Ok(Some(rows)) if rows.is_empty() => Ok(match existing.elsewhere(format, target) {
            Some(failure) => LedgerState::Unreadable(Box::new(failure)),
            None => LedgerState::Rows(rows.into()),
        }),
        Ok(rows) => Ok(rows.map_or(LedgerState::New, |rows| LedgerState::Rows(rows.into()))),
        Err(failure) if failure.kind == FailureKind::ConnectionLost => Err(failure),
        Err(failure) => Ok(LedgerState::Unreadable(Box::new(failure))),
    }
}

async fn read_together(
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
