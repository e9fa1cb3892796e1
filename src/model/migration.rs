//! A migration, as read by a format from its directory.

use std::any::Any;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use camino::{Utf8Path, Utf8PathBuf};

use super::RevisionNode;

/// A part of a file (often all of it) that is sent to the server unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    path: Arc<Utf8Path>,
    file: Arc<str>,
    range: Range<usize>,
    language: ScriptLanguage,
    known: ScriptCache,
}

/// The language of a script's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScriptLanguage {
    /// The text is sent to the server.
    Sql,
    /// A program is run, and its text does not show what it sends.
    Python,
}

/// The result of analysing a script's text. Computed once for all copies of the script: thousands of tenants run the same
/// script.
#[derive(Debug, Clone, Default)]
struct ScriptCache(Arc<OnceLock<Box<dyn Any + Send + Sync>>>);

/// Scripts are compared by their texts.
impl PartialEq for ScriptCache {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ScriptCache {}

impl Script {
    /// A whole file.
    pub(crate) fn whole(path: impl Into<Utf8PathBuf>, text: impl Into<Arc<str>>) -> Self {
        let file: Arc<str> = text.into();
        let range = 0..file.len();
        let path: Utf8PathBuf = path.into();
        let language = ScriptLanguage::Sql;
        Self { path: path.into(), file, range, language, known: ScriptCache::default() }
    }

    /// A whole file of a program.
    pub(crate) fn python(path: impl Into<Utf8PathBuf>, text: impl Into<Arc<str>>) -> Self {
        Self { language: ScriptLanguage::Python, ..Self::whole(path, text) }
    }

    /// A section of the same file. `range` is in bytes of the file, on character boundaries.
    pub(crate) fn section(&self, range: Range<usize>) -> Self {
        assert!(
            self.file.get(range.clone()).is_some(),
            "internal error: section {range:?} of {}",
            self.path
        );
        let (path, file) = (Arc::clone(&self.path), Arc::clone(&self.file));
        Self { path, file, range, language: self.language, known: ScriptCache::default() }
    }

    /// The cached analysis of [`Script::text`]. `analyse` runs at the first call.
    pub(crate) fn analysed<T: Any + Send + Sync>(&self, analyse: impl FnOnce(&str) -> T) -> &T {
        let known = self.known.0.get_or_init(|| Box::new(analyse(self.text())));
        known.downcast_ref().expect("internal error: a script has one analysis")
    }

    pub(crate) fn language(&self) -> ScriptLanguage {
        self.language
    }

    /// The file's path, relative to the project's root.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The last component of its path.
    pub(crate) fn file_name(&self) -> &str {
        self.path().file_name().unwrap_or(self.path().as_str())
    }

    /// The text that is sent.
    pub(crate) fn text(&self) -> &str {
        &self.file[self.range.clone()]
    }

    /// The text of the whole file, for line numbers and excerpts.
    pub(crate) fn file_text(&self) -> &str {
        &self.file
    }

    /// The position of [`Script::text`] in the file, in bytes.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

/// One versioned change. Two can have the same version: the format, or the server, decides what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Migration {
    /// The version as the format's ledger stores it: `20250101120000`, `1`, `0001`.
    pub(crate) version: String,
    /// The description that the format derives from the file's name: `create users`.
    pub(crate) description: String,
    pub(crate) up: Script,
    pub(crate) down: Option<Script>,
    /// Whether the tool runs `up` in its own transaction (usually together with the ledger's row).
    pub(crate) in_transaction: bool,
    /// The same for `down`.
    pub(crate) down_in_transaction: bool,
    /// The checksum as the format's ledger stores it, if the format has one.
    pub(crate) checksum: Option<Vec<u8>>,
    /// Its place in the graph of revisions, in formats that have one instead of an order.
    pub(crate) node: Option<Arc<RevisionNode>>,
}

impl Migration {
    /// The migration's file name, as used in messages.
    pub(crate) fn file_name(&self) -> &str {
        self.up.file_name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_keeps_the_text_of_the_file() {
        let file = Script::whole("m/1.sql", "-- up\nselect 1;\n-- down\n");
        let up = file.section(6..16);
        assert_eq!(up.text(), "select 1;\n");
        assert_eq!(up.file_text(), file.text());
        assert_eq!(up.range(), 6..16);
    }
}
