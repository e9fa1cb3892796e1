//! Guesses the schema of the shared tables from the text of the migrations.
//!
//! Used only for projects without configuration; it looks only at words outside of comments. The replay shows what the
//! migrations really do.

use camino::{Utf8Path, Utf8PathBuf};

use super::SHARED;
use crate::model::{Files, FilesError};

/// The schemas in the text of the migrations.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Schemas {
    /// The schema that shared migrations expect to exist; `None` is `public`.
    pub(super) own: Option<String>,
    /// The schemas that shared migrations create themselves, in order of appearance.
    pub(super) created: Option<Vec<String>>,
}

impl Schemas {
    /// The tenants' search path, if it is not the default: the schemas that shared migrations create follow the tenant's.
    pub(super) fn search_path(&self) -> Option<Vec<String>> {
        let created = self.created.as_ref()?.iter().map(String::as_str);
        Some(
            std::iter::once("{target}")
                .chain(created)
                .chain(["public"])
                .map(str::to_owned)
                .collect(),
        )
    }
}

/// Searches the SQL files of both tracks.
pub(super) fn look(
    files: &dyn Files,
    shared: &Utf8Path,
    tenant: &Utf8Path,
) -> Result<Schemas, FilesError> {
    let in_shared = words_of(files, shared)?;
    let created = created_schemas(&in_shared);
    if !created.is_empty() {
        return Ok(Schemas { own: None, created: Some(created) });
    }
    let mentioned = mentions(&in_shared, SHARED) || mentions(&words_of(files, tenant)?, SHARED);
    Ok(Schemas { own: mentioned.then(|| SHARED.to_owned()), created: None })
}

/// The same for revisions in Python.
pub(super) fn look_in_python(
    files: &dyn Files,
    shared: &[Utf8PathBuf],
    tenant: &[Utf8PathBuf],
) -> Result<Schemas, FilesError> {
    let in_shared = words_of_python(files, shared)?;
    let created = created_schemas(&in_shared);
    if !created.is_empty() {
        return Ok(Schemas { own: None, created: Some(created) });
    }
    let has = |words: &[SchemaWord]| mentions(words, SHARED) || is_argument(words, SHARED);
    let mentioned = has(&in_shared) || has(&words_of_python(files, tenant)?);
    Ok(Schemas { own: mentioned.then(|| SHARED.to_owned()), created: None })
}

/// The words of all statements and calls: quotes and comments are removed, and `CreateSchema(` counts as the statement.
fn words_of_python(
    files: &dyn Files,
    folders: &[Utf8PathBuf],
) -> Result<Vec<SchemaWord>, FilesError> {
    let mut all = Vec::new();
    for folder in folders {
        for path in files.list(folder)?.iter().filter(|path| path.extension() == Some("py")) {
            let Some(bytes) = files.read(path)? else { continue };
            let text = String::from_utf8_lossy(&bytes).replace(['"', '\''], " ");
            let text = text.replace("CreateSchema(", "create schema ");
            for line in text.lines() {
                all.extend(words(line.split('#').next().unwrap_or_default()));
            }
        }
    }
    Ok(all)
}

/// `schema="shared"` of a call.
fn is_argument(words: &[SchemaWord], schema: &str) -> bool {
    words.windows(3).any(|three| {
        three[0].is("schema") && three[1] == SchemaWord::Other && three[2].name() == Some(schema)
    })
}

fn words_of(files: &dyn Files, folder: &Utf8Path) -> Result<Vec<SchemaWord>, FilesError> {
    let mut all = Vec::new();
    for path in files.list(folder)? {
        // Down migrations create nothing that remains.
        let down = path.as_str().ends_with("down.sql");
        if path.extension() == Some("sql")
            && !down
            && let Some(bytes) = files.read(&path)?
        {
            all.extend(words(&String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(all)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SchemaWord {
    /// In lower case.
    Bare(String),
    /// Between double quotes.
    Quoted(String),
    Dot,
    Other,
}

impl SchemaWord {
    fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Bare(word) if word == keyword)
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Bare(name) | Self::Quoted(name) => Some(name),
            Self::Dot | Self::Other => None,
        }
    }
}

fn created_schemas(words: &[SchemaWord]) -> Vec<String> {
    let mut created: Vec<String> = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        if !(pair[0].is("create") && pair[1].is("schema")) {
            continue;
        }
        let mut rest = &words[at + 2..];
        if let [not, exists, name, ..] = rest.get(1..).unwrap_or_default()
            && rest[0].is("if")
            && not.is("not")
            && exists.is("exists")
        {
            rest = std::slice::from_ref(name);
        }
        let name = rest.first().filter(|word| !word.is("authorization")).and_then(SchemaWord::name);
        if let Some(name) = name.filter(|name| *name != "public")
            && !created.iter().any(|known| known == name)
        {
            created.push(name.to_owned());
        }
    }
    created
}

fn mentions(words: &[SchemaWord], schema: &str) -> bool {
    words.windows(2).any(|pair| pair[0].name() == Some(schema) && pair[1] == SchemaWord::Dot)
}

/// The words of an SQL text, without comments.
fn words(sql: &str) -> Vec<SchemaWord> {
    let mut words = Vec::new();
    let mut rest = sql.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, length) = match first {
            _ if rest.starts_with("--") => (None, until(rest, "\n")),
            _ if rest.starts_with("/*") => (None, until(rest, "*/")),
            '"' => {
                let length = 1 + until(&rest[1..], "\"");
                (Some(SchemaWord::Quoted(rest[..length].trim_matches('"').to_owned())), length)
            }
            '.' => (Some(SchemaWord::Dot), 1),
            c if is_word(c) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (Some(SchemaWord::Bare(rest[..length].to_lowercase())), length)
            }
            c => (Some(SchemaWord::Other), c.len_utf8()),
        };
        words.extend(word);
        rest = rest[length..].trim_start();
    }
    words
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The length of the text up to and including `end`.
fn until(text: &str, end: &str) -> usize {
    text.find(end).map_or(text.len(), |at| at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(sql: &str) -> Vec<String> {
        created_schemas(&words(sql))
    }

    #[test]
    fn created_schemas_are_found() {
        assert_eq!(created("CREATE SCHEMA billing;"), ["billing"]);
        assert_eq!(
            created("create  schema\nIF NOT EXISTS \"Bill ing\" AUTHORIZATION x;"),
            ["Bill ing"]
        );
        assert_eq!(created("create schema a; create schema b; create schema a"), ["a", "b"]);
        assert_eq!(created("create schema if not exists public"), [""; 0]);
        assert_eq!(created("create schema authorization joe"), [""; 0]);
        assert_eq!(created("-- create schema a\n/* create schema b */"), [""; 0]);
        assert_eq!(created("create schema"), [""; 0]);
    }

    #[test]
    fn a_mention_requires_a_dot() {
        let mentioned = |sql| mentions(&words(sql), "shared");
        assert!(mentioned("create table Shared.plans ()"));
        assert!(mentioned("references \"shared\" . plans"));
        assert!(!mentioned("create table shared (id int)"));
        assert!(!mentioned("select 1 -- shared.plans"));
        assert!(!mentioned("select 1 from unshared.plans"));
    }
}
