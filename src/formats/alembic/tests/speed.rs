//! The time that large histories take.

use std::time::{Duration, Instant};

use super::track;
use crate::formats::alembic::Alembic;
use crate::formats::testing::directory;
use crate::formats::{Directory, DirectoryRules as _};
use crate::model::MemoryFiles;

const REVISIONS: usize = 2_000;

/// The limit of a release build, and one for a build without optimisation on a busy machine.
const LIMIT: Duration =
    if cfg!(debug_assertions) { Duration::from_secs(10) } else { Duration::from_millis(200) };

/// A history as long-lived products have it: mostly one line, and a branch with its merge every 20 revisions.
fn history(last: usize) -> MemoryFiles {
    let name = |index: usize| format!("{:012x}", index * 7_919 + 1);
    let revision = |index: usize| {
        let down = match index {
            0 => "None".to_owned(),
            _ if index % 20 == 18 => format!("{:?}", name(index - 2)),
            _ if index % 20 == 19 => format!("({:?}, {:?})", name(index - 1), name(index - 2)),
            _ => format!("{:?}", name(index - 1)),
        };
        let operations: String = (0..12)
            .map(|n| format!("    op.add_column(\"t{index}\", sa.Column(\"c{n}\", sa.Integer(), nullable=True))\n"))
            .collect();
        let text = format!(
            "\"\"\"Revision {index}\n\nRevises: x\n\"\"\"\nfrom alembic import op\nimport sqlalchemy as sa\n\n\
             revision: str = {:?}\ndown_revision = {down}\nbranch_labels = None\ndepends_on = None\n\n\n\
             def upgrade() -> None:\n{operations}\n\ndef downgrade() -> None:\n{operations}",
            name(index)
        );
        (format!("m/versions/{}_add.py", name(index)), text)
    };
    let ini = "[alembic]\nscript_location = m\n".to_owned();
    let environment = [("m/env.py".to_owned(), String::new()), ("alembic.ini".to_owned(), ini)];
    MemoryFiles::new((0..last).map(revision).chain(environment))
}

#[test]
fn two_thousand_revisions_at_base_and_head_are_loaded_in_time() {
    let (head, base) = (history(REVISIONS), history(REVISIONS - 10));
    let track = track();
    let started = Instant::now();
    for (files, expected) in [(&head, REVISIONS), (&base, REVISIONS - 10)] {
        let directory = Directory { alembic: Some(&track), ..directory(files, "m") };
        assert_eq!(Alembic.load(&directory).unwrap().len(), expected);
    }
    let elapsed = started.elapsed();
    #[expect(clippy::print_stdout, reason = "the figure of docs/performance.md")]
    {
        println!("{REVISIONS} revisions at base and head: {elapsed:?}");
    }
    assert!(elapsed < LIMIT, "{elapsed:?}");
}
