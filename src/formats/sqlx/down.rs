//! `sqlx migrate revert`. Rules from sqlx-cli 0.9.0, `src/migrate.rs`, and sqlx-core 0.9.0, `src/migrate/migrator.rs` (`undo`)
//! and sqlx-postgres 0.9.0, `src/migrate.rs` (`revert`).
//!
//! - It refuses a target version without a file (0 is allowed), a ledger with an unfinished migration, then one with a
//!   version that has no file, then a target above the newest applied version.
//! - It processes the *down files* from the newest to the oldest. It silently skips a migration without one: that remains
//!   applied, and the ones before it are reverted. One step is the newest migration with a down file.
//! - With a target, everything after it is reverted, whether the target itself is applied or not.
//! - No checksum is checked.
//! - Too many steps do nothing, and are not a failure.
//! - Script and ledger row are in one transaction, unless the down file begins with `-- no-transaction`.

use std::collections::BTreeSet;

use super::refusal::refusal_of_ledger;
use crate::formats::ledger::by_version;
use crate::formats::step::{PLAIN, in_transaction};
use crate::formats::{DownDecision, DownRefusal, DownTo, Ledger, LedgerRow, QueryBatch};
use crate::model::Migration;

pub(super) fn decide(
    rows: &[LedgerRow],
    migrations: &[Migration],
    to: &DownTo,
) -> Result<DownDecision, DownRefusal> {
    let target = target(migrations, to)?;
    if let Some((reason, refused)) = refusal_of_ledger(rows, migrations) {
        return Err(DownRefusal { reason, refused });
    }
    if let DownTo::Version(_) = to {
        let latest = rows.iter().filter_map(|row| number(&row.version)).max().unwrap_or(0);
        if target > latest {
            let reason =
                format!("migration {target} is newer than the latest applied migration {latest}");
            return Err(DownRefusal::new(reason));
        }
    }
    let steps = if let DownTo::Steps(steps) = to { *steps } else { usize::MAX };
    let applied = by_version(rows);
    let mut decision = DownDecision::default();
    let mut seen = BTreeSet::new();
    for (index, migration) in migrations.iter().enumerate().rev() {
        if decision.undo.len() == steps || number(&migration.version) <= Some(target) {
            break;
        }
        let Some(row) = applied.get(migration.version.as_str()) else { continue };
        // Files with the same version share its row and its down file.
        if !seen.insert(&migration.version) {
            continue;
        }
        if migration.down.is_none() {
            decision.irreversible.push(index);
            continue;
        }
        decision.undo(index, migration);
        if row.checksum != migration.checksum {
            decision.edited.push(index);
        }
    }
    if let DownTo::Steps(steps) = to {
        decision.short = steps - decision.undo.len();
    }
    Ok(decision)
}

pub(super) fn revert(migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
    let Some(down) = &migration.down else { return Vec::new() };
    let row = format!("DELETE FROM {} WHERE version = {}", ledger.named, migration.version);
    if migration.down_in_transaction {
        in_transaction(&PLAIN, down, row)
    } else {
        vec![QueryBatch::script(down.clone()), QueryBatch::tool(row)]
    }
}

/// The version after which everything is reverted; below all versions if there is none.
fn target(migrations: &[Migration], to: &DownTo) -> Result<i64, DownRefusal> {
    let DownTo::Version(wanted) = to else { return Ok(i64::MIN) };
    let known = |version: &i64| {
        *version == 0 || migrations.iter().any(|file| number(&file.version) == Some(*version))
    };
    number(wanted).filter(known).ok_or_else(|| {
        DownRefusal::new(format!("migration {wanted} is not present in the migration source"))
    })
}

fn number(version: &str) -> Option<i64> {
    version.parse().ok()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::sqlx::Sqlx;
    use crate::formats::testing::{directory, rows, texts};
    use crate::formats::{DirectoryRules as _, ExecutionRules as _};
    use crate::model::MemoryFiles;

    const FILES: [(&str, &str); 7] = [
        ("m/1_a.up.sql", "a"),
        ("m/1_a.down.sql", "drop table a;"),
        ("m/2_b.sql", "b"),
        ("m/3_c.up.sql", "c"),
        ("m/3_c.down.sql", "-- nothing"),
        ("m/10_d.up.sql", "d"),
        ("m/10_d.down.sql", "drop d;"),
    ];

    fn load(files: &[(&str, &str)]) -> Vec<Migration> {
        Sqlx.load(&directory(&MemoryFiles::new(files.iter().copied()), "m")).unwrap()
    }

    /// With rows as written by sqlx.
    fn decided(applied: &[&str], to: &DownTo) -> Result<DownDecision, DownRefusal> {
        let migrations = load(&FILES);
        let sum = |version: &str| {
            migrations.iter().find(|m| m.version == version).and_then(|m| m.checksum.as_deref())
        };
        decide(&rows(applied.iter().map(|version| (*version, sum(version)))), &migrations, to)
    }

    fn refused(applied: &[&str], to: &DownTo) -> String {
        decided(applied, to).unwrap_err().to_string()
    }

    fn version(text: &str) -> DownTo {
        DownTo::Version(text.to_owned())
    }

    const ALL: [&str; 4] = ["1", "2", "3", "10"];

    #[test]
    fn steps_count_migrations_with_a_down_file() {
        let steps = |applied: &[&str], steps| decided(applied, &DownTo::Steps(steps)).unwrap();
        assert_eq!(steps(&ALL, 1), DownDecision { undo: vec![3], ..DownDecision::default() });
        assert_eq!(
            steps(&ALL, 2),
            DownDecision { undo: vec![3, 2], empty: vec![2], ..DownDecision::default() }
        );
        assert_eq!(
            steps(&ALL[..2], 1),
            DownDecision { undo: vec![0], irreversible: vec![1], ..DownDecision::default() },
            "the one on top stays, and the one below it is undone"
        );
        assert_eq!(
            steps(&["2"], 2),
            DownDecision { irreversible: vec![1], short: 2, ..DownDecision::default() }
        );
        assert_eq!(steps(&[], 1), DownDecision { short: 1, ..DownDecision::default() });
        assert_eq!(steps(&ALL, 0), DownDecision::default());
    }

    #[test]
    fn the_target_remains_whether_it_is_applied_or_not() {
        let to = |applied: &[&str], to: &str| decided(applied, &version(to)).unwrap().undo;
        assert_eq!(to(&ALL, "0003"), [3]);
        assert_eq!(to(&ALL, "10"), Vec::<usize>::new());
        assert_eq!(to(&["1", "10"], "3"), [3]);
        assert_eq!(to(&ALL, "0"), [3, 2, 0]);
        let base = decided(&ALL, &DownTo::Base).unwrap();
        assert_eq!((base.undo, base.irreversible, base.short), (vec![3, 2, 0], vec![1], 0));
    }

    #[test]
    fn refusals_have_sqlxs_message() {
        assert_eq!(
            refused(&ALL, &version("4")),
            "migration 4 is not present in the migration source"
        );
        assert_eq!(
            refused(&ALL, &version("x")),
            "migration x is not present in the migration source"
        );
        assert_eq!(
            refused(&["1"], &version("10")),
            "migration 10 is newer than the latest applied migration 1"
        );
        assert_eq!(
            refused(&["1", "4"], &DownTo::Base),
            "migration 4 was previously applied but is missing in the resolved migrations"
        );
        let dirty = LedgerRow { version: "3".into(), checksum: None, complete: false };
        let error = decide(&[dirty], &load(&FILES), &DownTo::Base).unwrap_err();
        assert!(error.reason.starts_with("migration 3 is partially applied"), "{error}");
        assert_eq!(error.refused, Some(2));
    }

    #[test]
    fn an_edited_file_is_reverted_and_listed() {
        let other: Option<&[u8]> = Some(b"other");
        let decision =
            decide(&rows([("1", other), ("10", other)]), &load(&FILES), &DownTo::Steps(1));
        let decision = decision.unwrap();
        assert_eq!((decision.undo, decision.edited), (vec![3], vec![3]));
    }

    #[test]
    fn a_duplicate_version_is_reverted_once() {
        let files = [("m/1_a.sql", ""), ("m/1_b.up.sql", ""), ("m/1_b.down.sql", "drop b;")];
        let decision = decide(&rows([("1", None)]), &load(&files), &DownTo::Base).unwrap();
        assert_eq!(decision.undo.len(), 1);
    }

    #[test]
    fn the_row_is_deleted_in_the_scripts_transaction() {
        let migrations = load(&[
            ("m/1_a.up.sql", ""),
            ("m/1_a.down.sql", "drop table a;"),
            ("m/2_b.up.sql", ""),
            ("m/2_b.down.sql", "-- no-transaction\ndrop b"),
            ("m/3_c.sql", ""),
        ]);
        let ledger =
            Ledger { named: "_sqlx_migrations".into(), ..Ledger::new("t", "_sqlx_migrations") };
        let sent = |index: usize| texts(&Sqlx.revert(&migrations[index], None, &ledger));
        let row = "DELETE FROM _sqlx_migrations WHERE version = ";
        assert_eq!(sent(0), [format!("BEGIN\n;\ndrop table a;\n;\n{row}1\n;\nCOMMIT")]);
        assert_eq!(sent(1), ["-- no-transaction\ndrop b".to_owned(), format!("{row}2")]);
        assert_eq!(sent(2), Vec::<String>::new());
    }
}
