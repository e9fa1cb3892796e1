//! `dbmate rollback`, once or repeatedly. Rules from dbmate's source (`Rollback` in `pkg/dbmate/db.go`), and from the behaviour
//! of dbmate 2.36.0:
//!
//! - One rollback reverts one *file*: the last by name whose version is in the ledger. Rows without a file are ignored.
//! - A file with several sections is reverted from its first section to its last, each with its own deletion of the row.
//! - Of two files with one version, only the last is reverted: they share its row.
//! - An empty section is run, and the row is deleted.
//! - Without an applied file the error is "can't rollback: no migrations have been applied".
//! - Script and row are in one transaction, unless the *down* marker says `transaction:false`.
//!
//! dbmate has no target versions. Here a target has to be an applied version: files are rolled back until it is the last.

use std::collections::BTreeSet;

use super::ledger::in_ledger;
use crate::formats::step::{LIB_PQ, in_transaction};
use crate::formats::{DownDecision, DownRefusal, DownTo, Ledger, LedgerRow, QueryBatch};
use crate::model::Migration;

pub(super) fn decide(
    rows: &[LedgerRow],
    migrations: &[Migration],
    to: &DownTo,
) -> Result<DownDecision, DownRefusal> {
    let mut applied: BTreeSet<&str> = rows.iter().map(|row| row.version.as_str()).collect();
    let (steps, last) = match to {
        DownTo::Base => (usize::MAX, None),
        DownTo::Version(version) => (usize::MAX, Some(target(&applied, migrations, version)?)),
        DownTo::Steps(steps) => (*steps, None),
    };
    let mut decision = DownDecision::default();
    let mut done = 0;
    while done < steps {
        let is_applied = |file: &Migration| applied.contains(file.version.as_str());
        let Some(file) = migrations.iter().rfind(|file| is_applied(file)) else { break };
        if Some(file.version.as_str()) == last {
            break;
        }
        let sections = migrations.iter().enumerate();
        for (index, section) in sections.filter(|(_, other)| other.up.path() == file.up.path()) {
            decision.undo(index, section);
        }
        applied.remove(file.version.as_str());
        done += 1;
    }
    if let DownTo::Steps(steps) = to {
        if done == 0 && *steps > 0 {
            return Err(DownRefusal::new("can't rollback: no migrations have been applied"));
        }
        decision.short = steps - done;
    }
    Ok(decision)
}

fn target<'v>(
    applied: &BTreeSet<&str>,
    migrations: &[Migration],
    version: &'v str,
) -> Result<&'v str, DownRefusal> {
    if !migrations.iter().any(|file| file.version == version) {
        return Err(DownRefusal::new(format!("no file has the version `{version}`")));
    }
    if !applied.contains(version) {
        let reason = format!("`{version}` has not been applied, so it cannot be a target version");
        return Err(DownRefusal::new(reason));
    }
    Ok(version)
}

pub(super) fn revert(migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
    let Some(down) = &migration.down else { return Vec::new() };
    let row =
        in_ledger("delete from {table} where version = {version}", &migration.version, ledger);
    if migration.down_in_transaction {
        in_transaction(&LIB_PQ, down, row)
    } else {
        vec![QueryBatch::script(down.clone()), QueryBatch::tool(row)]
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::dbmate::Dbmate;
    use crate::formats::testing::{directory, rows, texts};
    use crate::formats::{DirectoryRules as _, ExecutionRules as _};
    use crate::model::MemoryFiles;

    const DOWN: &str = "-- migrate:up\n-- migrate:down\nselect 1;\n";
    const EMPTY: &str = "-- migrate:up\n-- migrate:down\n\n";

    fn load(files: &[(&str, &str)]) -> Vec<Migration> {
        Dbmate.load(&directory(&MemoryFiles::new(files.iter().copied()), "m")).unwrap()
    }

    /// Sorted by name: 10, 1, 2 and 9.
    fn decided(applied: &[&str], to: &DownTo) -> Result<DownDecision, DownRefusal> {
        let migrations = load(&[
            ("m/10_a.sql", DOWN),
            ("m/1_b.sql", &[DOWN, DOWN].concat()),
            ("m/2_c.sql", EMPTY),
            ("m/9_d.sql", DOWN),
        ]);
        decide(&rows(applied.iter().map(|version| (*version, None))), &migrations, to)
    }

    fn version(text: &str) -> DownTo {
        DownTo::Version(text.to_owned())
    }

    const ALL: [&str; 5] = ["1", "10", "2", "9", "no file"];

    #[test]
    fn a_step_reverts_the_last_applied_file_by_name() {
        let steps = |applied: &[&str], steps| decided(applied, &DownTo::Steps(steps)).unwrap();
        assert_eq!(steps(&ALL, 1), DownDecision { undo: vec![4], ..DownDecision::default() });
        assert_eq!(
            steps(&ALL, 3),
            DownDecision { undo: vec![4, 3, 1, 2], empty: vec![3], ..DownDecision::default() },
            "sections from the first to the last"
        );
        assert_eq!(steps(&["10"], 1).undo, [0]);
        assert_eq!(steps(&["10"], 3).short, 2);
        assert_eq!(steps(&[], 0), DownDecision::default());
    }

    #[test]
    fn files_are_rolled_back_to_a_target() {
        let to = |to: &DownTo| decided(&ALL, to).unwrap().undo;
        assert_eq!(to(&version("2")), [4]);
        assert_eq!(to(&version("9")), Vec::<usize>::new());
        assert_eq!(to(&version("10")), [4, 3, 1, 2]);
        assert_eq!(to(&DownTo::Base), [4, 3, 1, 2, 0]);
        assert_eq!(decided(&[], &DownTo::Base).unwrap(), DownDecision::default());
    }

    #[test]
    fn refusals_have_a_reason() {
        let refused = |applied: &[&str], to: &DownTo| decided(applied, to).unwrap_err().to_string();
        assert_eq!(
            refused(&["no file"], &DownTo::Steps(1)),
            "can't rollback: no migrations have been applied"
        );
        assert_eq!(refused(&ALL, &version("01")), "no file has the version `01`");
        assert_eq!(
            refused(&["9"], &version("2")),
            "`2` has not been applied, so it cannot be a target version"
        );
    }

    #[test]
    fn two_files_of_one_version_share_a_row() {
        let migrations = load(&[("m/1_a.sql", DOWN), ("m/1_b.sql", DOWN), ("m/0.sql", DOWN)]);
        let decision = decide(&rows([("1", None), ("0", None)]), &migrations, &DownTo::Base);
        assert_eq!(decision.unwrap().undo, [2, 0]);
    }

    #[test]
    fn the_down_marker_has_its_own_option() {
        let migrations = load(&[(
            "m/1_a.sql",
            "-- migrate:up transaction:false\nx\n-- migrate:down\nselect 1;\n\
             -- migrate:up\nx\n-- migrate:down transaction:false\nselect 2;\n",
        )]);
        let sent = |index: usize, schema: &str| {
            let ledger = Ledger::new(schema, "schema_migrations");
            texts(&Dbmate.revert(&migrations[index], None, &ledger))
        };
        let row = "delete from \"t\".\"schema_migrations\" where version = '1'";
        assert_eq!(
            sent(0, "t"),
            [format!("BEGIN READ WRITE\n;\n-- migrate:down\nselect 1;\n\n;\n{row}\n;\nCOMMIT")]
        );
        assert_eq!(sent(1, "t"), ["-- migrate:down transaction:false\nselect 2;\n", row]);
        assert_eq!(
            sent(1, "public")[1],
            "DO 'BEGIN EXECUTE pg_catalog.format(''delete from %I.%I where version = %L'', \
             coalesce(pg_catalog.current_schema(), ''public''), ''schema_migrations'', ''1''); END'"
        );
    }
}
