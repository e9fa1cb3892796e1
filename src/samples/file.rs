//! A sample file: plain SQL or gzip, written manually or by `pg_dump`.

use std::io::Read as _;

use camino::Utf8Path;
use flate2::read::MultiGzDecoder;

use super::run::at;
use super::statement::affects_only;
use crate::model::{Failure, FailureKind, Files, Place, Script};
use crate::sql::{self, Dialect, Effects, Piece, Split};

/// The first bytes of every gzip file (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Dumps that are not UTF-8 text: their first bytes, a description, and the solution.
const FOREIGN: [(&[u8], &str, &str); 3] = [
    // pg_dump's `pg_backup_archiver.c`, WriteHead.
    (
        b"PGDMP",
        "the file is a dump in custom format, not SQL",
        "convert it to SQL: `pg_restore --file=sample.sql DUMP`, or dump without `-Fc`",
    ),
    (b"\xff\xfe", "the file is UTF-16, not UTF-8", UTF16),
    (b"\xfe\xff", "the file is UTF-16, not UTF-8", UTF16),
];
const UTF16: &str =
    "save it as UTF-8; PowerShell's `>` writes UTF-16, `pg_dump --file=sample.sql` does not";

/// The first and last lines of a dump, by `pg_dump` and `pg_restore` (RestoreArchive in their `pg_backup_archiver.c`), and
/// by `pg_dumpall`.
const BOUNDS: [(&str, &str); 2] = [
    ("-- PostgreSQL database dump", "-- PostgreSQL database dump complete"),
    ("-- PostgreSQL database cluster dump", "-- PostgreSQL database cluster dump complete"),
];

/// A sample, read and split into statements.
#[derive(Debug)]
pub(crate) struct SampleFile {
    pub(crate) script: Script,
    pub(crate) split: Split,
}

impl SampleFile {
    pub(crate) fn read(files: &dyn Files, path: &Utf8Path) -> Result<Self, Failure> {
        let text = read_text(files, path)?;
        let split = sql::split(&text, Dialect::Psql);
        let script = Script::whole(path, text);
        check_end(&script, &split)?;
        if split.pieces.iter().all(|piece| matches!(piece, Piece::Meta { .. })) {
            return Err(nothing_in_it(path));
        }
        Ok(Self { script, split })
    }

    /// Whether the sample is a complete state, like a dump: it creates tables. Otherwise it only adds data to the tables of
    /// the migrations.
    pub(crate) fn is_whole(&self) -> bool {
        self.statements().any(crate::samples::statement::creates_table)
    }

    /// The effects of its statements, except those on this schema (that of its target), skipped ones, and ones that only
    /// insert rows.
    pub(crate) fn effects_beyond<'s>(&'s self, schema: &'s str) -> impl Iterator<Item = Effects> {
        let statements = self.statements();
        let statements = statements.filter(|statement| !affects_only(statement, schema));
        statements.map(Effects::of)
    }

    /// The number of rows that it writes literally (`COPY`, `VALUES`), and of its other statements that create something.
    pub(crate) fn amount(&self) -> (usize, usize) {
        let (mut rows, mut others) = (0, 0);
        for piece in &self.split.pieces {
            match piece {
                Piece::Copy { data, .. } => {
                    rows += self.script.text()[data.clone()].lines().count()
                }
                Piece::Sql { range } => match inserted_rows(&self.script.text()[range.clone()]) {
                    Some(inserted) => rows += inserted,
                    None => {
                        others += usize::from(!depends_on_dump_options(
                            &self.script.text()[range.clone()],
                        ))
                    }
                },
                Piece::Meta { .. } => {}
            }
        }
        (rows, others)
    }

    fn statements(&self) -> impl Iterator<Item = &str> {
        self.split.pieces.iter().filter_map(|piece| match piece {
            Piece::Sql { range } => Some(&self.script.text()[range.clone()]),
            Piece::Copy { .. } | Piece::Meta { .. } => None,
        })
    }
}

/// A statement that depends on the version and the options of `pg_dump`, not on the tenant: settings, transactions, owners,
/// grants, comments, and the drops of `--clean`.
fn depends_on_dump_options(statement: &str) -> bool {
    const DUMP_DEPENDENT: [&str; 9] =
        ["SET", "RESET", "BEGIN", "COMMIT", "START", "COMMENT", "GRANT", "REVOKE", "DROP"];
    let words: Vec<_> = sql::words(statement).collect();
    let has = |text: &str| words.iter().any(|word| word.is(text));
    let Some(first) = words.first() else { return true };
    DUMP_DEPENDENT.iter().any(|word| first.is(word))
        || (first.is("ALTER") && has("OWNER"))
        || (first.is("SELECT") && has("set_config"))
}

/// The number of rows in `INSERT INTO … VALUES (…), (…)`; `None` for any other statement.
fn inserted_rows(statement: &str) -> Option<usize> {
    let mut words = sql::words(statement);
    words.next().filter(|word| word.is("INSERT"))?;
    let (mut depth, mut rows, mut is_after_values) = (0_usize, 0, false);
    for word in words {
        match word.text() {
            "(" => {
                rows += usize::from(is_after_values && depth == 0);
                depth += 1;
            }
            ")" => depth = depth.saturating_sub(1),
            _ if depth == 0 && word.is("VALUES") => is_after_values = true,
            // `ON CONFLICT (…)`, `RETURNING (…)`
            _ if depth == 0 && (word.is("ON") || word.is("RETURNING")) => break,
            _ => {}
        }
    }
    is_after_values.then_some(rows)
}

/// A dump that was truncated between two statements is valid SQL, but incomplete. Only comments are checked, since
/// statements and data may contain any text.
pub(crate) fn check_end(script: &Script, split: &Split) -> Result<(), Failure> {
    for (begin, end) in BOUNDS {
        let mut open = None;
        for (offset, line) in lines_between(script.text(), split) {
            if line == begin && open.is_none() {
                open = Some(offset);
            } else if line == begin {
                break;
            } else if line == end {
                open = None;
            }
        }
        if let Some(offset) = open {
            let message = format!(
                "the dump that starts here has no end, which is a line `{end}`: the file is truncated"
            );
            return Err(at(script, offset, Failure::new(FailureKind::File, message)));
        }
    }
    Ok(())
}

/// The lines outside of statements and data, with their offsets.
fn lines_between<'t>(text: &'t str, split: &Split) -> impl Iterator<Item = (usize, &'t str)> {
    let starts = split.pieces.iter().map(|piece| piece.range().start).chain([text.len()]);
    let ends = [0].into_iter().chain(split.pieces.iter().map(|piece| match piece {
        Piece::Sql { range } | Piece::Meta { range } => range.end,
        Piece::Copy { data, .. } => data.end,
    }));
    ends.zip(starts).flat_map(|(from, to)| {
        let mut offset = from;
        text[from..to].split_inclusive('\n').map(move |line| {
            let start = offset;
            offset += line.len();
            (start, line.trim_end())
        })
    })
}

fn nothing_in_it(path: &Utf8Path) -> Failure {
    Failure {
        hint: Some(
            "a failed `pg_dump` leaves an empty file; tenants that start empty, or from the base's migrations, exist \
             without a sample (`fresh_1`, `fresh_2`, `base`)"
                .to_owned(),
        ),
        ..file_failure(path, "there is no statement in this sample")
    }
}

/// The text of an SQL file, decompressed if necessary.
pub(crate) fn read_text(files: &dyn Files, path: &Utf8Path) -> Result<String, Failure> {
    let bytes = files
        .read(path)
        .map_err(|error| file_failure(path, error.to_string()))?
        .ok_or_else(|| file_failure(path, "there is no such file"))?;
    let bytes = if bytes.starts_with(&GZIP_MAGIC) { unpack(path, &bytes)? } else { bytes };
    if let Some((_, message, hint)) = FOREIGN.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return Err(Failure { hint: Some((*hint).to_owned()), ..file_failure(path, *message) });
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).map(<[u8]>::to_vec).unwrap_or(bytes);
    String::from_utf8(bytes).map_err(|error| {
        let upto = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..upto].iter().filter(|byte| **byte == b'\n').count() + 1;
        let mut failure = file_failure(path, format!("byte {upto} of the file is not UTF-8"));
        failure.hint = Some("save it as UTF-8 (`pg_dump --encoding=UTF8`)".to_owned());
        failure.place = failure.place.map(|place| Place { line, ..place });
        failure
    })
}

fn unpack(path: &Utf8Path, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes)
        .read_to_end(&mut unpacked)
        .map_err(|error| file_failure(path, format!("the gzip file is damaged: {error}")))?;
    Ok(unpacked)
}

/// A failure of a file as a whole.
pub(crate) fn file_failure(path: &Utf8Path, message: impl Into<String>) -> Failure {
    let place = Place { path: path.to_owned(), line: 1, column: None, excerpt: None };
    Failure { place: Some(place), ..Failure::new(FailureKind::File, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn ends(text: &str) -> Option<usize> {
        let script = Script::whole("acme.sql", text);
        let checked = check_end(&script, &sql::split(text, Dialect::Psql));
        checked.err().map(|failure| failure.place.unwrap().line)
    }

    #[test]
    fn a_dump_truncated_between_statements_has_no_end() {
        let begin =
            "--\n-- PostgreSQL database dump\n--\n\n\\restrict x\nCREATE TABLE a (b int);\n";
        let end = "--\n-- PostgreSQL database dump complete\n--\n";
        assert_eq!(ends(begin), Some(2));
        assert_eq!(ends(&format!("{begin}{end}")), None);
        assert_eq!(ends(&format!("{begin}{end}").replace('\n', "\r\n")), None);
        assert_eq!(ends(&format!("{begin}{end}{begin}")), Some(11));
        assert_eq!(ends(&format!("{begin}{begin}{end}")), Some(2), "the first of two");
        // Tools that clean up dumps remove the comments at its start.
        assert_eq!(ends(&format!("SELECT 1;\n{end}")), None);
        assert_eq!(ends(&begin.replace("database dump", "database cluster dump")), Some(2));
    }

    #[test]
    fn data_does_not_begin_or_end_a_dump() {
        let begin = "-- PostgreSQL database dump\n";
        assert_eq!(ends(&format!("COPY a FROM stdin;\n{begin}\\.\nSELECT '\n{begin}';\n")), None);
        let end = "-- PostgreSQL database dump complete\n";
        assert_eq!(
            ends(&format!("{begin}COPY a FROM stdin;\n{end}\\.\nSELECT '\n{end}';\n")),
            Some(1)
        );
    }
}
