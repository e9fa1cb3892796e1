//! `migrate down` and `migrate goto`. Rules from `golang-migrate/migrate` v4: `migrate.go` (`Steps`, `Down`, `Migrate`,
//! `readDown`, `read`), `database/postgres/postgres.go` (`SetVersion`).
//!
//! - It refuses a dirty ledger, and a current or target version without a file.
//! - All versions up to the current one count as applied: the ledger contains no more information.
//! - The row is set to the version that precedes it in the *directory*: first dirty, then the script runs, then not dirty.
//!   Below the first version it is -1 while dirty, and no row afterwards.
//! - A migration without a down file, or with an empty one, is reverted by updating the row only.
//! - Too many steps are reported ("limit 1 short") after the others have been reverted; if there are none, the error is
//!   "file does not exist".
//! - `goto` a version above the current one upgrades. Here that is refused.

use super::version::{NIL_VERSION, current, current_index, no_migration, no_version, set_version};
use crate::formats::step::{LIB_PQ, tool_transaction};
use crate::formats::{DownDecision, DownRefusal, DownTo, Ledger, LedgerRow, QueryBatch};
use crate::model::Migration;

pub(super) fn decide(
    rows: &[LedgerRow],
    migrations: &[Migration],
    to: &DownTo,
) -> Result<DownDecision, DownRefusal> {
    let at = current(rows).map(|row| current_index(row, migrations)).transpose();
    let at = at.map_err(|(reason, refused)| DownRefusal { reason, refused })?;
    let applied = at.map_or(0, |at| at + 1);
    let (stays, short) = match to {
        DownTo::Base => (0, 0),
        DownTo::Steps(steps) if applied == 0 && *steps > 0 => {
            return Err(DownRefusal::new("file does not exist"));
        }
        DownTo::Steps(steps) => (applied.saturating_sub(*steps), steps.saturating_sub(applied)),
        DownTo::Version(version) => (target(version, migrations)? + 1, 0),
    };
    if stays > applied {
        let current = at.map_or("none", |at| migrations[at].version.as_str());
        let reason = format!(
            "version {} is above the current one ({current}): this would be an upgrade",
            migrations[stays - 1].version
        );
        return Err(DownRefusal { reason, refused: Some(stays - 1) });
    }
    let mut decision = DownDecision { short, ..DownDecision::default() };
    for index in (stays..applied).rev() {
        decision.undo(index, &migrations[index]);
    }
    Ok(decision)
}

/// Its index.
fn target(version: &str, migrations: &[Migration]) -> Result<usize, DownRefusal> {
    let number = |version: &str| version.parse::<u64>().ok();
    let wanted = number(version);
    let is_it = |file: &Migration| wanted.is_some() && number(&file.version) == wanted;
    let found = migrations.iter().position(is_it);
    found.ok_or_else(|| DownRefusal::new(no_migration(version)))
}

pub(super) fn revert(
    migration: &Migration,
    below: Option<&Migration>,
    ledger: &Ledger,
) -> Vec<QueryBatch> {
    let version = below.map_or(NIL_VERSION, |below| below.version.as_str());
    let mut messages = vec![set_version(version, true, ledger)];
    if let Some(down) = &migration.down
        && !down.text().trim().is_empty()
    {
        messages.push(QueryBatch::script(down.clone()));
    }
    messages.push(match below {
        Some(_) => set_version(version, false, ledger),
        None => tool_transaction(&LIB_PQ, &no_version(ledger)),
    });
    messages
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::golang_migrate::GolangMigrate;
    use crate::formats::testing::{directory, rows, texts};
    use crate::formats::{DirectoryRules as _, ExecutionRules as _};
    use crate::model::MemoryFiles;

    fn load() -> Vec<Migration> {
        let files = MemoryFiles::new([
            ("m/1_a.up.sql", "a"),
            ("m/1_a.down.sql", "drop a"),
            ("m/2_b.up.sql", "b"),
            ("m/3_c.up.sql", "c"),
            ("m/3_c.down.sql", " \n"),
            ("m/4_d.up.sql", "d"),
            ("m/4_d.down.sql", "drop d"),
        ]);
        GolangMigrate.load(&directory(&files, "m")).unwrap()
    }

    fn decided(at: Option<&str>, to: &DownTo) -> Result<DownDecision, DownRefusal> {
        decide(&rows(at.map(|version| (version, None))), &load(), to)
    }

    fn version(text: &str) -> DownTo {
        DownTo::Version(text.to_owned())
    }

    #[test]
    fn all_versions_up_to_the_row_count_as_applied() {
        let undo = |at, to: &DownTo| decided(Some(at), to).unwrap();
        assert_eq!(undo("4", &DownTo::Steps(1)).undo, [3]);
        assert_eq!(
            undo("3", &DownTo::Steps(5)),
            DownDecision {
                undo: vec![2, 1, 0],
                irreversible: vec![1],
                empty: vec![2],
                short: 2,
                ..DownDecision::default()
            }
        );
        assert_eq!(undo("4", &version("002")).undo, [3, 2]);
        assert_eq!(undo("2", &version("2")), DownDecision::default());
        assert_eq!(undo("2", &DownTo::Base).undo, [1, 0]);
        assert_eq!(decided(None, &DownTo::Base).unwrap(), DownDecision::default());
    }

    #[test]
    fn refusals_have_the_tools_message() {
        let refused = |at, to: &DownTo| decided(at, to).unwrap_err().to_string();
        assert_eq!(refused(None, &DownTo::Steps(1)), "file does not exist");
        let missing =
            "no migration found for version 7: read down for version 7 .: file does not exist";
        assert_eq!(refused(Some("7"), &DownTo::Steps(1)), missing);
        assert_eq!(refused(Some("4"), &version("7")), missing);
        assert_eq!(
            refused(Some("2"), &version("3")),
            "version 3 is above the current one (2): this would be an upgrade"
        );
        assert!(refused(None, &version("1")).contains("(none)"));
        let dirty = LedgerRow { version: "2".into(), checksum: None, complete: false };
        assert_eq!(
            decide(&[dirty], &load(), &DownTo::Base).unwrap_err(),
            DownRefusal {
                reason: "Dirty database version 2. Fix and force version.".into(),
                refused: Some(1)
            }
        );
    }

    #[test]
    fn the_row_is_set_to_the_preceding_version() {
        let migrations = load();
        let ledger = Ledger::new("t", "l");
        let sent = |index: usize| {
            let below = index.checked_sub(1).map(|below| &migrations[below]);
            texts(&GolangMigrate.revert(&migrations[index], below, &ledger))
        };
        let replace = "BEGIN READ WRITE; TRUNCATE \"t\".\"l\"; INSERT INTO \"t\".\"l\" (version, dirty) VALUES ";
        let set = |version, dirty| format!("{replace}({version}, {dirty}); COMMIT");
        assert_eq!(sent(3), [set(3, true), "drop d".into(), set(3, false)]);
        assert_eq!(sent(2), [set(2, true), set(2, false)], "an empty file is not sent");
        assert_eq!(sent(1), [set(1, true), set(1, false)]);
        let nothing = "BEGIN READ WRITE; TRUNCATE \"t\".\"l\"; COMMIT";
        assert_eq!(sent(0), [set(-1, true), "drop a".into(), nothing.into()]);
    }
}
