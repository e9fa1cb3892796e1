//! The options of an Alembic environment: from mig-ci's configuration, `alembic.ini`, and `[tool.alembic]` of `pyproject.toml`, in
//! this order, key by key. Rules from alembic 1.20.1, `config.py` (`get_alembic_option`, `get_alembic_boolean_option`,
//! `get_version_locations_list`, `get_prepend_sys_paths_list`, `_get_file_separator_char`).

use camino::{Utf8Path, Utf8PathBuf};

use super::ini::IniFile;
use super::pyproject::PyProject;
use crate::formats::FormatError;
use crate::model::{AlembicTrack, Files, PLACEHOLDERS};

/// What `%(here)s` becomes, so that a path in the project can be told from other absolute paths.
pub(super) const HERE: &str = "/\u{1}project";

/// The value of an option, and where it is written.
#[derive(Debug, Clone)]
pub(super) struct OptionText {
    pub(super) text: String,
    /// `None` for an option of mig-ci's configuration.
    pub(super) place: Option<(Utf8PathBuf, usize)>,
}

/// The options of one track.
#[derive(Debug)]
pub(super) struct AlembicOptions<'t> {
    track: &'t AlembicTrack,
    ini: Option<IniFile>,
    pyproject: Option<PyProject>,
}

impl<'t> AlembicOptions<'t> {
    /// Reads the files that the track names. A file that does not exist has no options, as in Alembic.
    pub(super) fn read(track: &'t AlembicTrack, files: &dyn Files) -> Result<Self, FormatError> {
        let mut options = Self { track, ini: None, pyproject: None };
        if let Some(path) = &track.ini
            && let Some(bytes) = files.read(path)?
        {
            options.ini = Some(IniFile::parse(path, &bytes, &here_of(path))?);
        }
        if let Some(path) = &track.pyproject
            && let Some(bytes) = files.read(path)?
        {
            options.pyproject = Some(PyProject::parse(path, bytes, &here_of(path))?);
        }
        Ok(options)
    }

    /// The first file of the track that does not exist, if none of them exists.
    pub(super) fn missing_file(&self) -> Option<&Utf8Path> {
        if self.ini.is_some() || self.pyproject.is_some() {
            return None;
        }
        self.track.ini.as_deref().or(self.track.pyproject.as_deref())
    }

    /// The names of the sections of the ini file.
    pub(super) fn sections(&self) -> Vec<&str> {
        self.ini.iter().flat_map(IniFile::sections).map(|(name, _)| name).collect()
    }

    /// An option's text.
    pub(super) fn text(&self, name: &str) -> Result<Option<OptionText>, FormatError> {
        if let Some(found) = self.main_option(name)? {
            return Ok(Some(found));
        }
        let Some(toml) = &self.pyproject else { return Ok(None) };
        let place = Some((toml.path().to_owned(), toml.line(name)));
        Ok(toml.text(name)?.map(|text| OptionText { text, place }))
    }

    /// An option of the ini file's section, or of mig-ci's configuration, which sets it in the same place.
    pub(super) fn main_option(&self, name: &str) -> Result<Option<OptionText>, FormatError> {
        let mut set = self.track.options.iter();
        // Options with placeholders differ between targets: the files of revisions cannot depend on them.
        if let Some((_, text)) =
            set.find(|(key, text)| key.to_lowercase() == name && is_fixed(text))
        {
            return Ok(Some(OptionText { text: text.clone(), place: None }));
        }
        let Some(ini) = &self.ini else { return Ok(None) };
        Ok(ini.get(&self.track.section, name)?.map(|value| OptionText {
            text: value.text,
            place: Some((ini.path().to_owned(), value.line)),
        }))
    }

    pub(super) fn boolean(&self, name: &str) -> Result<bool, FormatError> {
        match (self.main_option(name)?, &self.pyproject) {
            (Some(value), _) => Ok(value.text == "true"),
            (None, Some(toml)) => toml.boolean(name),
            (None, None) => Ok(false),
        }
    }

    /// `version_locations`, each with its place.
    pub(super) fn version_locations(&self) -> Result<Vec<OptionText>, FormatError> {
        self.list("version_locations", &["path_separator", "version_path_separator"], &[])
    }

    /// `prepend_sys_path`.
    pub(super) fn prepend_sys_path(&self) -> Result<Vec<OptionText>, FormatError> {
        self.list("prepend_sys_path", &["path_separator"], &[':'])
    }

    /// A list in one text of the ini file, else a list of `pyproject.toml`. `legacy` separates in addition to blanks and commas
    /// if no separator is configured.
    fn list(
        &self,
        name: &str,
        separators: &[&str],
        legacy: &[char],
    ) -> Result<Vec<OptionText>, FormatError> {
        if let Some(value) = self.main_option(name)?.filter(|value| !value.text.is_empty()) {
            let parts = match self.separator(separators)? {
                None => split_legacy(&value.text, legacy),
                Some(separator) => {
                    let parts = value.text.split(separator).filter(|part| !part.is_empty());
                    parts.map(|part| part.trim().to_owned()).collect()
                }
            };
            let place = &value.place;
            return Ok(parts
                .into_iter()
                .map(|text| OptionText { text, place: place.clone() })
                .collect());
        }
        let Some(toml) = &self.pyproject else { return Ok(Vec::new()) };
        let place = Some((toml.path().to_owned(), toml.line(name)));
        let texts = toml.list(name)?.into_iter();
        Ok(texts.map(|text| OptionText { text, place: place.clone() }).collect())
    }

    /// The separator of the first of these options that is set.
    fn separator(&self, names: &[&str]) -> Result<Option<char>, FormatError> {
        for name in names {
            let Some(value) = self.main_option(name)? else { continue };
            return match value.text.as_str() {
                "space" => Ok(Some(' ')),
                "newline" => Ok(Some('\n')),
                // `os.pathsep` of the platforms on which Alembic projects are verified.
                "os" | ":" => Ok(Some(':')),
                ";" => Ok(Some(';')),
                other => Err(value.error(
                    self.track,
                    format!("`{}` is not a valid value for `{name}`", other.escape_debug()),
                    "write `space`, `newline`, `os`, `:` or `;`; a comment has to be on a line of its own",
                )),
            };
        }
        Ok(None)
    }
}

impl OptionText {
    /// An error at the place of the option.
    pub(super) fn error(&self, track: &AlembicTrack, problem: String, help: &str) -> FormatError {
        let help = Some(help.to_owned());
        match &self.place {
            Some((path, line)) => {
                let line = Some(*line).filter(|line| *line > 0);
                FormatError::File { path: path.clone(), line, problem, help }
            }
            None => FormatError::Directory { path: track.folder.clone(), problem, help },
        }
    }
}

/// `%(here)s` of a file.
fn here_of(path: &Utf8Path) -> String {
    match path.parent().map(Utf8Path::as_str) {
        None | Some("") => HERE.to_owned(),
        Some(folder) => format!("{HERE}/{folder}"),
    }
}

fn is_fixed(text: &str) -> bool {
    !PLACEHOLDERS.iter().any(|name| text.contains(&format!("{{{name}}}")))
}

/// `re.split(r", *|(?: +)", …)`: a comma takes the blanks behind it, and other blanks count as one separator. `more` are further
/// separators of one character.
fn split_legacy(text: &str, more: &[char]) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character == ',' || character == ' ' {
            rest = rest.trim_start_matches(' ');
        } else if !more.contains(&character) {
            if let Some(last) = parts.last_mut() {
                last.push(character);
            }
            continue;
        }
        parts.push(String::new());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::split_legacy;

    /// Expectations: Python's `re.split` with the patterns of alembic 1.20.1.
    #[test]
    fn lists_without_a_separator_are_cut_as_alembic_does() {
        for (text, parts) in [
            ("a", vec!["a"]),
            ("a b,c,  d", vec!["a", "b", "c", "d"]),
            ("a   b", vec!["a", "b"]),
            ("a ,b", vec!["a", "", "b"]),
            ("a\nb", vec!["a\nb"]),
            ("a:b", vec!["a:b"]),
        ] {
            assert_eq!(split_legacy(text, &[]), parts, "{text}");
        }
        assert_eq!(split_legacy(".:src, lib", &[':']), [".", "src", "lib"]);
    }
}
