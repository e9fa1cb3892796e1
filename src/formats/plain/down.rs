//! Plain SQL files are up migrations only: none can be reverted. Refusals name the migrations that a downgrade would concern.

use super::refusal::refusal_of_ledger;
use crate::formats::ledger::by_version;
use crate::formats::{DownDecision, DownRefusal, DownTo, LedgerRow};
use crate::model::Migration;

pub(super) fn decide(
    rows: &[LedgerRow],
    migrations: &[Migration],
    to: &DownTo,
) -> Result<DownDecision, DownRefusal> {
    if let Some((reason, refused)) = refusal_of_ledger(rows, migrations) {
        return Err(DownRefusal { reason, refused });
    }
    let rows = by_version(rows);
    let all = migrations.iter().enumerate().rev();
    let applied = all.filter(|(_, file)| rows.contains_key(file.version.as_str()));
    let applied = applied.map(|(index, _)| index);
    let irreversible: Vec<usize> = match to {
        DownTo::Base => applied.collect(),
        DownTo::Steps(steps) => applied.take(*steps).collect(),
        DownTo::Version(version) => {
            let Some(target) = migrations.iter().position(|file| file.version == *version) else {
                return Err(DownRefusal::new(format!("there is no file `{version}.sql`")));
            };
            if !rows.contains_key(version.as_str()) {
                let reason = format!(
                    "`{version}.sql` has not been applied, so it cannot be a target version"
                );
                return Err(DownRefusal { reason, refused: Some(target) });
            }
            applied.take_while(|index| *index != target).collect()
        }
    };
    let short = if let DownTo::Steps(steps) = to { steps - irreversible.len() } else { 0 };
    Ok(DownDecision { irreversible, short, ..DownDecision::default() })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::DirectoryRules as _;
    use crate::formats::plain::Plain;
    use crate::formats::testing::{directory, rows};
    use crate::model::MemoryFiles;

    fn decided(applied: &[&str], to: &DownTo) -> Result<DownDecision, DownRefusal> {
        let files = MemoryFiles::new([("m/1_a.sql", "a"), ("m/2_b.sql", "b"), ("m/3_c.sql", "c")]);
        let migrations = Plain.load(&directory(&files, "m")).unwrap();
        let sum = |version: &str| {
            migrations.iter().find(|m| m.version == version).and_then(|m| m.checksum.as_deref())
        };
        decide(&rows(applied.iter().map(|version| (*version, sum(version)))), &migrations, to)
    }

    #[test]
    fn nothing_can_be_reverted() {
        let irreversible = |applied: &[&str], to: &DownTo| {
            let decision = decided(applied, to).unwrap();
            assert_eq!(decision.undo, Vec::<usize>::new());
            (decision.irreversible, decision.short)
        };
        // In the order of application, the second one late.
        let all = ["1_a", "3_c", "2_b"];
        assert_eq!(irreversible(&all, &DownTo::Steps(1)), (vec![2], 0));
        assert_eq!(irreversible(&all, &DownTo::Base), (vec![2, 1, 0], 0));
        assert_eq!(irreversible(&all, &DownTo::Version("2_b".into())), (vec![2], 0));
        assert_eq!(irreversible(&["1_a"], &DownTo::Steps(3)), (vec![0], 2));
    }

    #[test]
    fn refusals_have_a_reason() {
        let refused = |applied: &[&str], to: &str| {
            decided(applied, &DownTo::Version(to.into())).unwrap_err().to_string()
        };
        assert_eq!(refused(&["1_a"], "1"), "there is no file `1.sql`");
        assert_eq!(
            refused(&["1_a"], "2_b"),
            "`2_b.sql` has not been applied, so it cannot be a target version"
        );
        assert_eq!(
            refused(&["4_d"], "1_a"),
            "`4_d.sql` was applied before, and it no longer exists"
        );
    }
}
