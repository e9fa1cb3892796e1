//! Puts untrusted text into Markdown without it being interpreted.
//!
//! GitHub resolves mentions, issue numbers and links outside of code; entities do not prevent it (`&#64;` is decoded to `@`
//! before its mention filter runs). Therefore database text is put into code: inline, in a fence, or in a `<code>` element.
//! mig-ci's own sentences, which may contain a name, keep their words with every Markdown character escaped.

use crate::report::text::{one_line, visible};

/// The maximum length in characters of one piece of untrusted text on one line.
const LINE: usize = 300;

/// Inline code, delimited by more backticks than any run of backticks in it.
pub(crate) fn code(text: &str) -> String {
    let text = one_line(text, LINE);
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let ticks = "`".repeat(longest_run(&text, '`') + 1);
    // A backtick at an end would join the delimiter.
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// Inline code in a table cell, which `|` ends even in code.
pub(crate) fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A fence, longer than any run of backticks in it, with line ends around it.
pub(crate) fn fence(language: &str, text: &str) -> String {
    let text = visible(text);
    let ticks = "`".repeat((longest_run(&text, '`') + 1).max(3));
    format!("{ticks}{language}\n{}\n{ticks}\n", text.trim_end_matches('\n'))
}

/// Code inside an HTML block (a `<summary>`), where backticks are not interpreted.
pub(crate) fn html_code(text: &str) -> String {
    let text = one_line(text, LINE);
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<code>{escaped}</code>")
}

/// A sentence. Text between single backticks stays code; everything else is plain text.
pub(crate) fn prose(text: &str) -> String {
    let text = one_line(text, LINE * 4);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    // Runs of backticks have their own rules: mig-ci's sentences contain none.
    while let Some((before, after)) = rest.split_once('`').filter(|_| !text.contains("``")) {
        let Some((inside, after)) = after.split_once('`') else { break };
        plain(&mut out, before);
        out.push_str(&code(inside));
        rest = after;
    }
    plain(&mut out, rest);
    out
}

/// Text without any Markdown character. Addresses are broken too: GitHub turns them into links.
fn plain(out: &mut String, text: &str) {
    for (at, char) in text.char_indices() {
        match char {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(char);
            }
            ':' if text[at..].starts_with("://") => out.push_str("\\:"),
            '.' if text[..at].to_ascii_lowercase().ends_with("www") => out.push_str("\\."),
            // With a zero-width character after it, it is neither a mention nor an issue nor a heading.
            '@' | '#' => {
                out.push(char);
                out.push('\u{200b}');
            }
            _ => out.push(char),
        }
    }
}

fn longest_run(text: &str, of: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for char in text.chars() {
        run = if char == of { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// The path of a URL: all except the plainest characters are percent-encoded, so that it can be used in a Markdown link.
pub(crate) fn url_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_code_contains_its_text() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code("a\nb"), "`a b`");
        assert_eq!(code(""), "(empty)");
        assert_eq!(cell("a|b"), "`a\\|b`");
    }

    #[test]
    fn a_fence_is_longer_than_its_contents() {
        assert_eq!(fence("sql", "a\n````\nb\n"), "`````sql\na\n````\nb\n`````\n");
        assert_eq!(fence("", "\u{1b}[0m"), "```\n␛[0m\n```\n");
    }

    #[test]
    fn html_is_escaped() {
        assert_eq!(html_code("</b>&\n\n@x"), "<code>&lt;/b&gt;&amp; @x</code>");
    }

    #[test]
    fn sentences_keep_only_their_code() {
        assert_eq!(prose("set `a_b` to *x*"), "set `a_b` to \\*x\\*");
        assert_eq!(prose("an open ` tick"), "an open \\` tick");
        assert_eq!(prose("@everyone #1"), "@\u{200b}everyone #\u{200b}1");
        assert_eq!(prose("<b>: https://x"), "\\<b\\>: https\\://x");
        assert_eq!(prose("WWW.x.y"), "WWW\\.x.y");
        assert_eq!(prose("``` x"), "\\`\\`\\` x");
    }

    #[test]
    fn paths_cannot_end_their_link() {
        assert_eq!(url_path("a b/ü).sql"), "a%20b/%C3%BC%29.sql");
    }
}
