//! Renders the problems of a configuration for users: where, what, and how to fix them.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use camino::{Utf8Path, Utf8PathBuf};

use super::mask::{mask, mask_message};
use super::problem::ConfigProblem;
use crate::report::visible;

/// The maximum number of problems shown: ten thousand samples with one mistake are still one mistake.
const MOST_SHOWN: usize = 20;

/// One problem, and its position in the file.
#[derive(Debug)]
pub(crate) struct ConfigError {
    pub(crate) problem: ConfigProblem,
    /// Bytes of the file's text; `None` if there is no file, or no position in it.
    pub(crate) span: Option<Range<usize>>,
}

/// All problems of a configuration; never empty. Contains the file's text, with its secrets masked.
pub(crate) struct ConfigErrors {
    file: Option<(Utf8PathBuf, String)>,
    errors: Vec<ConfigError>,
}

impl ConfigErrors {
    /// The problems of a file. `secrets` are byte ranges of its text that no excerpt may show, in addition to those that look
    /// like secrets.
    pub(crate) fn in_file(
        path: &Utf8Path,
        text: &str,
        secrets: &[Range<usize>],
        mut errors: Vec<ConfigError>,
    ) -> Self {
        errors.sort_by_key(|error| error.span.as_ref().map(|span| span.start));
        Self { file: Some((path.to_owned(), mask(text, secrets))), errors }
    }

    /// The problems of a project without a file, or of finding the file.
    pub(crate) fn without_file(errors: Vec<ConfigError>) -> Self {
        Self { file: None, errors }
    }

    /// The problems, in the order of the file.
    #[cfg(test)]
    pub(crate) fn errors(&self) -> &[ConfigError] {
        &self.errors
    }

    /// The line and column of a problem, both from 1, the column in characters.
    pub(crate) fn position(&self, error: &ConfigError) -> Option<(usize, usize)> {
        let (_, text) = self.file.as_ref()?;
        let before = text.get(..error.span.as_ref()?.start)?;
        let line = before.rsplit('\n').next().unwrap_or_default();
        Some((before.matches('\n').count() + 1, line.chars().count() + 1))
    }

    /// The text for a terminal: each problem with its lines of the file, and the help. Ends with a newline.
    pub(crate) fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let shown = self.errors.iter().take(MOST_SHOWN);
        let mut texts: Vec<String> = shown.map(|error| self.render_one(error, &renderer)).collect();
        if self.errors.len() > MOST_SHOWN {
            texts.push(format!("… and {} more problems", self.errors.len() - MOST_SHOWN));
        }
        texts.join("\n\n") + "\n"
    }

    fn render_one(&self, error: &ConfigError, renderer: &Renderer) -> String {
        // The name of a file or a tenant must not contain a command for a terminal or a job log.
        let harmless = |text: &str| visible(&mask_message(text)).into_owned();
        let title = Level::ERROR.primary_title(harmless(&error.problem.to_string()));
        let help = error.problem.help().map(|help| Level::HELP.message(harmless(&help)));
        let mut group = annotate_snippets::Group::with_title(title);
        if let Some((path, text)) = &self.file
            && let Some(span) = &error.span
        {
            let annotation = AnnotationKind::Primary.span(span.clone());
            group = group.element(Snippet::source(text).path(path.as_str()).annotation(annotation));
        } else if let Some((path, _)) = &self.file {
            group = group.element(annotate_snippets::Origin::path(path.as_str()));
        }
        if let Some(help) = help {
            group = group.element(help);
        }
        renderer.render(&[group])
    }
}

impl From<ConfigProblem> for ConfigErrors {
    fn from(problem: ConfigProblem) -> Self {
        Self::without_file(vec![ConfigError { problem, span: None }])
    }
}

/// One line for each problem: `mig-ci.toml:3:1: unknown key …`.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            if let Some((path, _)) = &self.file {
                write!(f, "{path}:")?;
                if let Some((line, column)) = self.position(error) {
                    write!(f, "{line}:{column}:")?;
                }
                f.write_str(" ")?;
            }
            f.write_str(&mask_message(&error.problem.to_string()))?;
        }
        Ok(())
    }
}

/// The same as [`fmt::Display`]: the problems themselves may contain text that must not be logged.
impl fmt::Debug for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigErrors {}
