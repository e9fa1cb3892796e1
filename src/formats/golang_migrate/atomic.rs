//! A step and its row in one transaction, for real databases, and what to do if that is not possible.
//!
//! The tool sends a script as one message, whose statements share an implicit transaction, between two updates of the row in
//! their own transactions. If it is killed in between, it leaves a dirty row, which does not say whether the script was
//! committed. In an explicit transaction the same statements have the same effect, and the intermediate state is never visible.
//! Scripts with transaction commands or with settings local to a transaction are sent as by the tool, and so is a single
//! statement that may refuse a transaction or commit by itself, such as `CREATE INDEX CONCURRENTLY`.

use super::version::{NIL_VERSION, in_doubt, no_version, number, set_version, version_is};
use super::{down, up};
use crate::formats::step::{LIB_PQ, can_run_in_a_transaction, in_transaction, tool_transaction};
use crate::formats::{DirtyRow, Ledger, LedgerRow, QueryBatch};
use crate::model::Migration;
use crate::sql::effects;

pub(super) fn apply(migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
    if !can_run_in_a_transaction(&migration.up) {
        return up::apply(migration, ledger);
    }
    in_transaction(&LIB_PQ, &migration.up, version_is(&migration.version, false, ledger))
}

pub(super) fn revert(
    migration: &Migration,
    below: Option<&Migration>,
    ledger: &Ledger,
) -> Vec<QueryBatch> {
    let row = match below {
        Some(below) => version_is(&below.version, false, ledger),
        None => no_version(ledger),
    };
    match &migration.down {
        Some(down) if can_run_in_a_transaction(down) => in_transaction(&LIB_PQ, down, row),
        _ => down::revert(migration, below, ledger),
    }
}

/// Restores the row from before the step.
pub(super) fn clear_dirty_row(dirty: &DirtyRow<'_>, ledger: &Ledger) -> Option<QueryBatch> {
    let [row] = dirty.rows else { return None };
    let version = dirty.version.unwrap_or(NIL_VERSION);
    let is_it = !row.complete && number(&row.version) == number(version);
    is_it.then(|| match dirty.before {
        Some(version) => set_version(version, false, ledger),
        None => tool_transaction(&LIB_PQ, &no_version(ledger)),
    })
}

/// The row does not show the direction of the step.
pub(super) fn recovery_hint(
    rows: &[LedgerRow],
    migrations: &[Migration],
    ledger: &Ledger,
) -> Option<String> {
    let dirty = rows.iter().find(|row| !row.complete)?;
    let table = ledger.qualified();
    let set_clean =
        |version: &str| format!("UPDATE {table} SET version = {version}, dirty = false;");
    let below = migrations.iter().rfind(|file| number(&file.version) < number(&dirty.version));
    let indexes = in_doubt(rows, migrations);
    let mut versions: Vec<&str> =
        indexes.iter().map(|index| &*migrations[*index].version).collect();
    // Its file may be missing.
    if dirty.version != NIL_VERSION && !versions.contains(&&*dirty.version) {
        versions.insert(0, &dirty.version);
    }
    let nothing =
        below.map_or_else(|| format!("TRUNCATE {table};"), |below| set_clean(&below.version));
    let mut commands: Vec<String> =
        versions.iter().rev().map(|version| format!("{version}: {}", set_clean(version))).collect();
    commands.push(format!("none of these: {nothing}"));
    // The name of the index alone does not show whether the step is complete: the index may be invalid.
    let unusable = if indexes.iter().any(|index| has_concurrent_command(&migrations[*index])) {
        " (an index of an unfinished concurrent build exists and is unusable: `\\d` in psql shows it as INVALID; drop it \
         first)"
    } else {
        ""
    };
    Some(format!(
        "the row shows that a step to or from {} was started, and not how it ended: `migrate` itself may still be running \
         it, or it could not run in a transaction. Check the current state{unusable}, and set the last version that is \
         completely applied before you run again: {}",
        versions.join(" or "),
        commands.join(" ")
    ))
}

fn has_concurrent_command(migration: &Migration) -> bool {
    let mut scripts = [Some(&migration.up), migration.down.as_ref()].into_iter().flatten();
    scripts.any(|script| effects(script).concurrent_commands().next().is_some())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::golang_migrate::GolangMigrate;
    use crate::formats::testing::{directory, texts};
    use crate::formats::{DirectoryRules as _, ExecutionRules as _, LedgerRules as _};
    use crate::model::MemoryFiles;

    const CONCURRENTLY: &str = "CREATE INDEX CONCURRENTLY i ON a (b)";

    fn load() -> Vec<Migration> {
        let files = MemoryFiles::new([
            ("m/1_a.up.sql", "create table a();"),
            ("m/1_a.down.sql", "drop table a;"),
            ("m/2_b.up.sql", "create table b(); create table c()"),
            ("m/2_b.down.sql", "begin; drop table b; commit;"),
            ("m/3_c.up.sql", CONCURRENTLY),
            ("m/3_c.down.sql", "drop index i;"),
            ("m/4_d.down.sql", ""),
        ]);
        GolangMigrate.load(&directory(&files, "m")).unwrap()
    }

    fn set(version: &str) -> String {
        let ledger = "\"t\".\"l\"";
        format!(
            "TRUNCATE {ledger}; INSERT INTO {ledger} (version, dirty) VALUES ({version}, false)"
        )
    }

    fn fused(script: &str, row: &str) -> Vec<String> {
        vec![format!("BEGIN READ WRITE\n;\n{script}\n;\n{row}\n;\nCOMMIT")]
    }

    #[test]
    fn a_step_and_its_row_share_a_transaction_if_the_script_allows_it() {
        let (migrations, ledger) = (load(), Ledger::new("t", "l"));
        let sent = |index: usize| texts(&apply(&migrations[index], &ledger));
        assert_eq!(sent(0), fused("create table a();", &set("1")));
        // No semicolon at its end: four messages, in one transaction.
        let four = ["BEGIN READ WRITE", "create table b(); create table c()", &set("2"), "COMMIT"];
        assert_eq!(sent(1), four);
        assert_eq!(sent(2), texts(&up::apply(&migrations[2], &ledger)), "as the tool");
        assert_eq!(sent(2).len(), 3);
        assert_eq!(sent(3), fused("", &set("4")), "there is no up file");
    }

    #[test]
    fn a_down_step_and_its_row_share_a_transaction() {
        let (migrations, ledger) = (load(), Ledger::new("t", "l"));
        let sent = |index: usize| {
            let below = index.checked_sub(1).map(|below| &migrations[below]);
            texts(&revert(&migrations[index], below, &ledger))
        };
        assert_eq!(sent(0), fused("drop table a;", "TRUNCATE \"t\".\"l\""));
        assert_eq!(sent(1).len(), 3, "as the tool");
        assert_eq!(sent(2), fused("drop index i;", &set("2")));
    }

    #[test]
    fn a_dirty_row_has_a_recovery_hint() {
        let (migrations, ledger) = (load(), Ledger::new("t", "l"));
        let recovery_hint = |version: &str, complete| {
            let row = LedgerRow { version: version.to_owned(), checksum: None, complete };
            recovery_hint(&[row], &migrations, &ledger)
        };
        assert_eq!(recovery_hint("3", true), None);
        let set = |version| format!("UPDATE \"t\".\"l\" SET version = {version}, dirty = false;");
        let third = recovery_hint("3", false).unwrap();
        assert!(third.contains("a step to or from 3 or 4 was started"), "{third}");
        let commands = format!("4: {} 3: {} none of these: {}", set(4), set(3), set(2));
        assert!(third.ends_with(&commands), "{third}");
        assert!(third.contains("INVALID"), "its index may be there without being of use: {third}");
        let missing = recovery_hint("9", false).unwrap();
        assert!(missing.contains("a step to or from 9 was started"), "{missing}");
        assert!(
            missing.ends_with(&format!("9: {} none of these: {}", set(9), set(4))),
            "{missing}"
        );
        let below = recovery_hint("-1", false).unwrap();
        let commands = format!("again: 1: {} none of these: TRUNCATE \"t\".\"l\";", set(1));
        assert!(below.ends_with(&commands), "{below}");
        assert!(!below.contains("INVALID"), "{below}");
    }

    #[test]
    fn one_row_implies_all_versions_below_it() {
        let row = |version: &str, complete| LedgerRow {
            version: version.to_owned(),
            checksum: None,
            complete,
        };
        let shown = |rows: &[LedgerRow]| GolangMigrate.history(rows, &load()).into_owned();
        assert_eq!(shown(&[]), []);
        assert_eq!(shown(&[row("2", false)]), [row("1", true), row("2", false)]);
        let beyond =
            [row("1", true), row("2", true), row("3", true), row("4", true), row("9", true)];
        assert_eq!(shown(&[row("9", true)]), beyond, "its file is missing");
        assert_eq!(
            shown(&[row("-1", false)]),
            [row("-1", false)],
            "while the first one is reverted"
        );
        assert_eq!(shown(&[row("-1", true)]), [], "the tool treats it as no version");
        assert_eq!(GolangMigrate.decide(&[row("-1", true)], &load()).apply, [0, 1, 2, 3]);
        let doubt = |version: &str| GolangMigrate.in_doubt(&[row(version, false)], &load());
        assert_eq!([doubt("2"), doubt("4"), doubt("-1")], [vec![1, 2], vec![3], vec![0]]);
        assert_eq!(GolangMigrate.in_doubt(&[row("2", true)], &load()), [0; 0]);
        assert_eq!(
            GolangMigrate.decide(&beyond[..2], &load()).apply,
            [2, 3],
            "as implied by the row"
        );
    }
}
