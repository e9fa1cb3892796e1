//! Detects the format of a migration directory: the configured one, else the only one that the files prove.

use super::{Detection, Directory, FORMATS, Format, FormatError, unsupported};

/// The format of a directory, and how it was detected.
#[derive(Debug, Clone)]
pub(crate) struct DetectedFormat {
    pub(crate) format: &'static dyn Format,
    /// Displayed after "because".
    pub(crate) reason: String,
}

/// The format of a directory.
///
/// `wanted` is the configured format. Without it: a format with certain evidence; else the only possible format; else plain
/// SQL. It is an error if the files are known to belong to another tool, or if two formats have equal evidence: mig-ci never
/// runs a directory by a guess.
pub(crate) fn detect_format(
    directory: &Directory<'_>,
    wanted: Option<&str>,
) -> Result<DetectedFormat, FormatError> {
    if let Some(name) = wanted {
        return named(directory, name);
    }
    let (mut certain, mut possible, mut fallback) = (Vec::new(), Vec::new(), Vec::new());
    for format in FORMATS.iter().copied() {
        match format.detect(directory)? {
            Detection::No => {}
            Detection::Certain(reason) => certain.push(DetectedFormat { format, reason }),
            Detection::Possible(reason) => possible.push(DetectedFormat { format, reason }),
            Detection::Fallback(reason) => fallback.push(DetectedFormat { format, reason }),
        }
    }
    if certain.is_empty()
        && let Some(foreign) = unsupported::recognise(directory)?
    {
        if foreign.tool == "alembic" {
            return Err(FormatError::Directory {
                path: directory.path.to_owned(),
                problem: format!(
                    "it looks like a part of an Alembic environment, because {}, and there is no `env.py` beside `versions` \
                     or `script.py.mako`",
                    foreign.reason
                ),
                help: Some(
                    "set `alembic = { ini = \"alembic.ini\" }` instead of `migrations`".to_owned(),
                ),
            });
        }
        return Err(FormatError::Directory {
            path: directory.path.to_owned(),
            problem: format!(
                "its migrations look like those of {}, because {}; that format is not supported yet",
                foreign.tool, foreign.reason
            ),
            help: Some(format!("if it is another one, set `format` to {}", names())),
        });
    }
    for mut detections in [certain, possible, fallback] {
        match detections.len() {
            0 => {}
            1 => return Ok(detections.remove(0)),
            _ => return Err(ambiguous(directory, &detections)),
        }
    }
    Err(directory.no_migrations("none is a migration of a known format"))
}

fn named(directory: &Directory<'_>, name: &str) -> Result<DetectedFormat, FormatError> {
    if let Some(format) = FORMATS.iter().copied().find(|format| format.name() == name) {
        return Ok(DetectedFormat { format, reason: "the configuration sets it".to_owned() });
    }
    let problem = if unsupported::NAMES.contains(&name) {
        format!("the format `{name}` is not supported yet")
    } else {
        match nearest(name) {
            Some(near) => format!("there is no format `{name}`; is it `{near}`?"),
            None => format!("there is no format `{name}`"),
        }
    };
    Err(FormatError::Directory {
        path: directory.path.to_owned(),
        problem,
        help: Some(format!("set `format` to {}", names())),
    })
}

fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    if let Some(format) = FORMATS
        .iter()
        .map(|format| format.name())
        .find(|format| !name.is_empty() && format.contains(&name))
    {
        return Some(format);
    }
    let distance = |format: &&'static str| strsim::damerau_levenshtein(&name, format);
    let all = FORMATS.iter().map(|format| format.name());
    all.min_by_key(|format| distance(format)).filter(|format| distance(format) <= format.len() / 2)
}

/// `"sqlx"`, `"dbmate"` or …: the formats of SQL files. A program needs more than a folder, so `format` cannot set it.
pub(super) fn names() -> String {
    let sql = FORMATS.iter().filter(|format| !format.runs_programs());
    let names: Vec<_> = sql.map(|format| format!("\"{}\"", format.name())).collect();
    match names.split_last() {
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn ambiguous(directory: &Directory<'_>, detections: &[DetectedFormat]) -> FormatError {
    let candidate = |detected: &DetectedFormat| {
        format!("{}, because {}", detected.format.name(), detected.reason)
    };
    let all: Vec<_> = detections.iter().map(candidate).collect();
    FormatError::Directory {
        path: directory.path.to_owned(),
        problem: format!("its format is ambiguous: {}", all.join("; or ")),
        help: Some(format!(
            "set `format = \"{}\"`, or to the other one",
            detections[0].format.name()
        )),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::testing::directory;
    use crate::model::MemoryFiles;

    fn choose_in(files: &[(&str, &str)], wanted: Option<&str>) -> Result<String, FormatError> {
        let files = MemoryFiles::new(files.iter().copied());
        let detected = detect_format(&directory(&files, "m"), wanted)?;
        Ok(format!("{}, because {}", detected.format.name(), detected.reason))
    }

    fn error(files: &[(&str, &str)], wanted: Option<&str>) -> String {
        let error = choose_in(files, wanted).unwrap_err();
        format!("{error} [{}]", error.help().unwrap_or_default())
    }

    const DBMATE: &str = "-- migrate:up\n-- migrate:down\n";

    #[test]
    fn certain_evidence_takes_precedence() {
        let go = ("go.mod", "require github.com/golang-migrate/migrate/v4 v4.18.1");
        assert_eq!(
            choose_in(&[("m/1_a.up.sql", ""), go], None).unwrap(),
            "golang-migrate, because `go.mod` names golang-migrate"
        );
        assert_eq!(
            choose_in(&[("m/1_a.up.sql", ""), ("sqlx.toml", "")], None).unwrap(),
            "sqlx, because there is `sqlx.toml`"
        );
        assert_eq!(
            choose_in(&[("m/1_a.sql", DBMATE), ("Cargo.toml", "sqlx = \"0.9\"")], None).unwrap(),
            "dbmate, because `1_a.sql` has a line `-- migrate:up`"
        );
    }

    #[test]
    fn names_without_evidence_are_plain_sql() {
        assert_eq!(
            choose_in(&[("m/001_a.sql", "")], None).unwrap(),
            "plain, because its .sql files contain no tool's markers"
        );
    }

    #[test]
    fn two_possible_formats_are_an_error() {
        assert_eq!(
            error(&[("m/1_x.up.sql", ""), ("m/1_x.down.sql", "")], None),
            "m: its format is ambiguous: sqlx, because `1_x.down.sql` has the name of a reversible sqlx migration; or \
             golang-migrate, because `1_x.down.sql` has a name of golang-migrate's form [set `format = \"sqlx\"`, or to the \
             other one]"
        );
        let both = [("m/1_x.up.sql", ""), ("go.mod", "golang-migrate/migrate"), ("sqlx.toml", "")];
        assert!(error(&both, None).contains("there is `sqlx.toml`; or golang-migrate"));
    }

    #[test]
    fn the_configured_format_takes_precedence() {
        assert_eq!(
            choose_in(&[("m/1_x.up.sql", "")], Some("golang-migrate")).unwrap(),
            "golang-migrate, because the configuration sets it"
        );
        let help = "[set `format` to \"sqlx\", \"dbmate\", \"golang-migrate\" or \"plain\"]";
        for (wanted, problem) in [
            ("sqlix", "there is no format `sqlix`; is it `sqlx`?"),
            ("golang", "there is no format `golang`; is it `golang-migrate`?"),
            ("zzz", "there is no format `zzz`"),
            ("flyway", "the format `flyway` is not supported yet"),
        ] {
            assert_eq!(error(&[], Some(wanted)), format!("m: {problem} {help}"));
        }
    }

    #[test]
    fn files_of_unsupported_tools_never_run_as_plain_sql() {
        assert!(error(&[("m/V1__x.sql", "")], None).starts_with(
            "m: its migrations look like those of flyway, because there is `m/V1__x.sql`; that format \
             is not supported yet [if it is another one, set `format` to"
        ));
        let goose = [("m/1_a.sql", "-- +goose Up\n"), ("Cargo.toml", "sqlx = \"0.9\"")];
        assert!(error(&goose, None).contains("those of goose, because `1_a.sql` has a line"));
    }

    #[test]
    fn a_directory_without_migrations_is_an_error() {
        assert_eq!(error(&[], None), "no migrations found in m: it has no files []");
        assert_eq!(
            error(&[("m/README.md", ""), ("m/x/a.sql", "")], None),
            "no migrations found in m: it has `README.md`, and none is a migration of a known format []"
        );
    }
}
