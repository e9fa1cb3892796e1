//! How foreign text gets into Markdown without being Markdown.
//!
//! GitHub resolves mentions, issue numbers and links outside of code; entities do not stop it (`&#64;` is `@` again before
//! its mention filter looks). So database text goes into code: inline, in a fence, or in a `<code>` element. Sentences of
//! ours, which may hold a name, keep their words with every sign of Markdown's made plain.

use crate::report::text::{one_line, visible};

/// Characters of one piece of foreign text on one line.
const LINE: usize = 300;

/// Inline code. The ticks around it are more than any run of ticks in it.
pub(crate) fn code(text: &str) -> String {
    let text = one_line(text, LINE);
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let ticks = "`".repeat(longest_run(&text, '`') + 1);
    // A tick at an end would join the ticks around it.
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// Inline code in a cell of a table, where `|` ends the cell even in code.
pub(crate) fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A fence, longer than any run of ticks in it, with line ends around it.
pub(crate) fn fence(language: &str, text: &str) -> String {
    let text = visible(text);
    let ticks = "`".repeat((longest_run(&text, '`') + 1).max(3));
    format!("{ticks}{language}\n{}\n{ticks}\n", text.trim_end_matches('\n'))
}

/// Code inside an HTML block (a `<summary>`), where Markdown's ticks do not work.
pub(crate) fn html_code(text: &str) -> String {
    let text = one_line(text, LINE);
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<code>{escaped}</code>")
}

/// A sentence. What stands between single ticks stays code; everything else is plain words.
pub(crate) fn prose(text: &str) -> String {
    let text = one_line(text, LINE * 4);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    // Runs of ticks have rules of their own: no sentence of ours has them.
    while let Some((before, after)) = rest.split_once('`').filter(|_| !text.contains("``")) {
        let Some((inside, after)) = after.split_once('`') else { break };
        plain(&mut out, before);
        out.push_str(&code(inside));
        rest = after;
    }
    plain(&mut out, rest);
    out
}

/// Words without any sign of Markdown's. Addresses are broken too: GitHub makes links of them.
fn plain(out: &mut String, text: &str) {
    for (at, char) in text.char_indices() {
        match char {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(char);
            }
            ':' if text[at..].starts_with("://") => out.push_str("\\:"),
            '.' if text[..at].to_ascii_lowercase().ends_with("www") => out.push_str("\\."),
            // A character of no width after it, and it is neither a mention nor an issue nor a heading.
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

/// The path of a URL: all but the plainest characters are percent-encoded, so that it can stand in a Markdown link.
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
    fn inline_code_holds_its_text() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code("a\nb"), "`a b`");
        assert_eq!(code(""), "(empty)");
        assert_eq!(cell("a|b"), "`a\\|b`");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fence("sql", "a\n````\nb\n"), "`````sql\na\n````\nb\n`````\n");
        assert_eq!(fence("", "\u{1b}[0m"), "```\n␛[0m\n```\n");
    }

    #[test]
    fn html_is_text() {
        assert_eq!(html_code("</b>&\n\n@x"), "<code>&lt;/b&gt;&amp; @x</code>");
    }

    #[test]
    fn sentences_keep_their_code_and_nothing_else() {
        assert_eq!(prose("set `a_b` to *x*"), "set `a_b` to \\*x\\*");
        assert_eq!(prose("an open ` tick"), "an open \\` tick");
        assert_eq!(prose("@everyone #1"), "@\u{200b}everyone #\u{200b}1");
        assert_eq!(prose("<b>: https://x"), "\\<b\\>: https\\://x");
        assert_eq!(prose("WWW.x.y"), "WWW\\.x.y");
        assert_eq!(prose("``` x"), "\\`\\`\\` x");
    }

    #[test]
    fn paths_cannot_leave_their_link() {
        assert_eq!(url_path("a b/ü).sql"), "a%20b/%C3%BC%29.sql");
    }
}
