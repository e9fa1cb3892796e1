//! Path patterns, matched against the paths that a [`Files`] lists: the same for the worktree and for a git revision.

use camino::{Utf8Path, Utf8PathBuf};
use globset::GlobBuilder;

use crate::model::{Files, FilesError};

/// The matches of a pattern.
pub(crate) struct Matches {
    /// Sorted by bytes.
    pub(crate) paths: Vec<Utf8PathBuf>,
    /// The folder that was searched: the part of the pattern before its first special character.
    pub(crate) folder: Utf8PathBuf,
    /// The number of files below it.
    pub(crate) searched: usize,
}

/// Why a pattern could not be matched.
pub(crate) enum GlobError {
    Pattern(String),
    Files(FilesError),
}

/// All files that match `pattern`, a path relative to the project's root. `*` does not match `/`, `**` does.
pub(crate) fn find(files: &dyn Files, pattern: &str) -> Result<Matches, GlobError> {
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .empty_alternates(true)
        .build()
        .map_err(|error| GlobError::Pattern(error.kind().to_string()))?
        .compile_matcher();
    let folder = fixed_folder(pattern);
    let listed = files.list(folder).map_err(GlobError::Files)?;
    let searched = listed.len();
    let paths = listed.into_iter().filter(|path| glob.is_match(path.as_std_path())).collect();
    Ok(Matches { paths, folder: folder.to_owned(), searched })
}

/// A pattern that matches only this path.
pub(crate) fn escape(path: &str) -> String {
    globset::escape(path)
}

/// The folder that contains all matches, according to the pattern.
fn fixed_folder(pattern: &str) -> &Utf8Path {
    let special = pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(pattern.len());
    let folder = pattern[..special].rfind('/').map_or("", |slash| &pattern[..slash]);
    Utf8Path::new(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::ConfigFiles;

    fn found(pattern: &str) -> Vec<String> {
        let files =
            ConfigFiles::of(&["s/a.sql", "s/b.sql.gz", "s/x/c.sql", "s/[d].sql", "top.sql"]);
        let matches = find(&files, pattern).unwrap_or_else(|_| panic!("{pattern} works"));
        matches.paths.into_iter().map(String::from).collect()
    }

    #[test]
    fn patterns_match_paths() {
        assert_eq!(found("s/*.sql"), ["s/[d].sql", "s/a.sql"]);
        assert_eq!(found("s/**/*.sql"), ["s/[d].sql", "s/a.sql", "s/x/c.sql"]);
        assert_eq!(found("s/*.sql{,.gz}"), ["s/[d].sql", "s/a.sql", "s/b.sql.gz"]);
        assert_eq!(found("s/a.sql"), ["s/a.sql"]);
        assert_eq!(found(&escape("s/[d].sql")), ["s/[d].sql"]);
        assert_eq!(found("*.sql"), ["top.sql"]);
        assert_eq!(found("nowhere/*.sql"), [""; 0]);
    }

    #[test]
    fn only_the_fixed_folder_is_searched() {
        assert_eq!(fixed_folder("a/b*/c.sql"), "a");
        assert_eq!(fixed_folder("a/b/c.sql"), "a/b");
        assert_eq!(fixed_folder("a/{b,c}/d.sql"), "a");
        assert_eq!(fixed_folder("*.sql"), "");
    }
}
