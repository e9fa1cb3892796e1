//! Tests of the format. Expectations of rules come from alembic 1.20.1 and CPython 3.11 unless a test says otherwise.

mod env_reads;
mod environment;
mod ini;

use crate::model::{AlembicTrack, MemoryFiles};

/// The track of `alembic.ini` with the section `alembic`.
pub(super) fn track() -> AlembicTrack {
    AlembicTrack {
        ini: Some("alembic.ini".into()),
        section: "alembic".to_owned(),
        revisions: vec!["heads".to_owned()],
        ..AlembicTrack::default()
    }
}

pub(super) fn files(files: &[(&str, &str)]) -> MemoryFiles {
    MemoryFiles::new(files.iter().copied())
}
