//! Finds the statement of a script that names an object.

use std::ops::Range;

use super::split::{Dialect, split};
use super::tokens::{SqlToken, tokens};

/// The bytes of the first statement that contains each of `names` as a word: as an identifier, or in a string or dollar-quoted
/// body. Comments are ignored.
pub(crate) fn first_mention(script: &str, names: &[String]) -> Option<Range<usize>> {
    // A cheap test before statements are split.
    if names.is_empty() || !names.iter().all(|name| has_word(script, name)) {
        return None;
    }
    let mut statements =
        split(script, Dialect::Server).pieces.into_iter().map(|piece| piece.range());
    statements.find(|range| mentions_all(&script[range.clone()], names))
}

fn mentions_all(statement: &str, names: &[String]) -> bool {
    let code: Vec<&str> = tokens(statement, 0)
        .filter(SqlToken::is_significant)
        .map(|token| &statement[token.range])
        .collect();
    names.iter().all(|name| code.iter().any(|token| has_word(token, name)))
}

/// Whether `text` contains `name`, not as part of a longer word.
fn has_word(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase().replace('"', "\"\""));
    let goes_on = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&name).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(goes_on)
            && !text[at + name.len()..].chars().next().is_some_and(goes_on)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mention<'s>(script: &'s str, names: &[&str]) -> Option<&'s str> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        first_mention(script, &names).map(|range| &script[range])
    }

    #[test]
    fn the_first_statement_with_all_names_is_found() {
        let script = "-- email_key\nALTER TABLE a ADD b int;\nALTER TABLE a ADD CONSTRAINT Email_Key UNIQUE (b);\n";
        let second = "ALTER TABLE a ADD CONSTRAINT Email_Key UNIQUE (b);";
        assert_eq!(mention(script, &["a", "email_key"]), Some(second));
        assert_eq!(mention(script, &["a", "b"]), Some("ALTER TABLE a ADD b int;"));
        assert_eq!(mention(script, &["email"]), None, "a part of a word");
        assert_eq!(mention(script, &[]), None);
    }

    #[test]
    fn names_in_bodies_and_strings_count_and_comments_do_not() {
        let block = "DO $$ BEGIN EXECUTE 'CREATE INDEX i ON t (x)'; END $$;";
        assert_eq!(mention(block, &["t", "i"]), Some(block));
        assert_eq!(mention("SELECT 1 /* i */; -- i", &["i"]), None);
        let quoted = "CREATE TABLE \"we\"\"ird\" ();";
        assert_eq!(mention(quoted, &["we\"ird"]), Some(quoted));
    }
}
