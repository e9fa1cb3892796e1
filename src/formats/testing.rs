//! What the tests of all formats share.

use camino::Utf8Path;

use super::{Directory, LedgerRow, QueryBatch};
use crate::model::Files;

/// The directory `path` of `files`, with nothing configured.
pub(super) fn directory<'a>(files: &'a dyn Files, path: &'a str) -> Directory<'a> {
    Directory { files, path: Utf8Path::new(path), ledger: None, order: None, forward_only: &[] }
}

/// A ledger's rows, all complete.
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

/// What goes over the wire, message by message.
pub(super) fn texts(messages: &[QueryBatch]) -> Vec<String> {
    messages.iter().map(|message| message.text().into_owned()).collect()
}
