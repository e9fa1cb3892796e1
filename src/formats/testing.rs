//! Helpers for the tests of all formats.

use camino::Utf8Path;

use super::{Directory, LedgerRow, QueryBatch};
use crate::model::Files;

/// The directory `path` of `files`, without configuration.
pub(super) fn directory<'a>(files: &'a dyn Files, path: &'a str) -> Directory<'a> {
    Directory {
        files,
        path: Utf8Path::new(path),
        ledger: None,
        order: None,
        forward_only: &[],
        alembic: None,
    }
}

/// Complete ledger rows.
pub(super) fn rows<'a>(
    rows: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
) -> Vec<LedgerRow> {
    let row = |(version, checksum): (&str, Option<&[u8]>)| LedgerRow {
        version: version.to_owned(),
        checksum: checksum.map(<[u8]>::to_vec),
        complete: true,
    };
    rows.into_iter().map(row).collect()
}

/// The texts of the messages.
pub(super) fn texts(messages: &[QueryBatch]) -> Vec<String> {
    messages.iter().map(|message| message.text().into_owned()).collect()
}
