//! The two invisible lines at the beginning of a comment: its key and its run.
//!
//! ```text
//! <!-- mig-ci:comment key=default -->
//! <!-- mig-ci:run id=9876543210 attempt=1 sha=ec26c3e57ca3a959ca5aad62de7213c562f8c821 -->
//! ```

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const BEGIN: &str = "<!-- mig-ci:";
const END: &str = " -->";
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// A run of a workflow. GitHub's run numbers increase, and so do the attempts of a run: the greater one is the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunAttempt {
    pub(crate) id: u64,
    pub(crate) attempt: u64,
}

/// The text with the two marker lines at its beginning, replacing existing ones.
pub(super) fn mark(body: &str, key: &str, run: RunAttempt, sha: &str) -> String {
    let RunAttempt { id, attempt } = run;
    let first = first_line(key);
    let rest = unmarked(body);
    format!("{first}\n{BEGIN}run id={id} attempt={attempt} sha={}{END}\n{rest}", token(sha))
}

/// The text without the marker lines.
pub(super) fn unmarked(body: &str) -> &str {
    let mut rest = body;
    while rest.starts_with(BEGIN) {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest
}

/// Whether a comment's first line is the marker of this key. The same line further down is a quotation.
pub(super) fn has_key(text: &str, key: &str) -> bool {
    text.lines().next().is_some_and(|line| line.trim_end() == first_line(key))
}

/// The run that wrote a comment.
pub(super) fn run_of(text: &str) -> Option<RunAttempt> {
    let line = text.lines().nth(1)?.trim_end();
    let words = line.strip_prefix(BEGIN)?.strip_suffix(END)?.strip_prefix("run ")?;
    let value =
        |name: &str| words.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    Some(RunAttempt { id: value("id")?.parse().ok()?, attempt: value("attempt")?.parse().ok()? })
}

fn first_line(key: &str) -> String {
    format!("{BEGIN}comment key={}{END}", token(key))
}

/// Escapes free text, such as a key derived from a matrix: `--` would end the comment.
fn token(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string().replace("--", "-%2D")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunAttempt = RunAttempt { id: 9_876_543_210, attempt: 2 };

    #[test]
    fn marking_a_text_twice_adds_one_marker() {
        let marked = mark("### ✅ fine\n", "default", RUN, "ec26c3e");
        let expected = "<!-- mig-ci:comment key=default -->\n\
            <!-- mig-ci:run id=9876543210 attempt=2 sha=ec26c3e -->\n### ✅ fine\n";
        assert_eq!(marked, expected);
        assert_eq!(mark(&marked, "default", RUN, "ec26c3e"), marked);
        assert_eq!(unmarked(&marked), "### ✅ fine\n");
        assert_eq!(run_of(&marked), Some(RUN));
    }

    #[test]
    fn the_marker_is_invisible_and_the_heading_is_rendered() {
        let html = comrak::markdown_to_html(
            &mark("### fine\n", "default", RUN, "e"),
            &comrak::Options::default(),
        );
        assert!(html.ends_with("<h3>fine</h3>\n") && !html.contains("default"), "{html}");
    }

    #[test]
    fn a_key_is_the_whole_first_line() {
        let marked = mark("x", "postgres-17", RUN, "e");
        assert!(has_key(&marked, "postgres-17"));
        assert!(!has_key(&marked, "postgres-1") && !has_key(&marked, "postgres-170"));
        assert!(has_key(&marked.replace('\n', "\r\n"), "postgres-17"), "as a browser sends it");
        assert!(!has_key(&format!("look:\n{marked}"), "postgres-17"), "a quotation");
        assert!(!has_key("", "default"));
    }

    #[test]
    fn no_key_ends_the_html_comment() {
        for key in ["a --> b", "a--", "-->", "<!--", "a\nb", "é 17", ""] {
            let line = first_line(key);
            assert_eq!(line.matches("--").count(), 2, "{line}");
            assert!(has_key(&mark("x", key, RUN, "e"), key));
        }
        assert_ne!(first_line("a b"), first_line("a_b"));
    }

    #[test]
    fn later_runs_compare_greater() {
        let run = |id, attempt| RunAttempt { id, attempt };
        assert!(run(2, 1) > run(1, 9) && run(2, 2) > run(2, 1));
        assert_eq!(run_of("<!-- mig-ci:comment key=default -->\nhello"), None);
        assert_eq!(run_of("a\n<!-- mig-ci:run id=x attempt=1 sha=e -->"), None);
    }
}
