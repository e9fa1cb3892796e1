//! Errors inside a DO block: the server reports no position for them, but a line of the block's body.

use squawk_lexer::{LiteralKind, TokenKind};

use super::tokens::tokens;

/// The line, from 1, in the body of the outermost DO block in the server's call stack (the field `CONTEXT`).
///
/// The stack has one entry per line, innermost first, and names a DO block `inline_code_block` (`plpgsql_exec_error_callback`
/// in PostgreSQL's `pl_exec.c`).
pub(crate) fn do_block_line(context: &str) -> Option<usize> {
    let entry = context.lines().rev().find(|entry| entry.contains("inline_code_block line "))?;
    let (_, rest) = entry.split_once("inline_code_block line ")?;
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// The byte offset in a DO statement of the first non-blank character of line `line` of its body.
pub(crate) fn do_block_offset(statement: &str, line: usize) -> Option<usize> {
    let body = tokens(statement, 0).find(|token| {
        matches!(
            token.kind,
            TokenKind::Literal {
                kind: LiteralKind::DollarQuotedString { .. } | LiteralKind::Str { .. }
            }
        )
    })?;
    let text = &statement[body.range.clone()];
    let body_start = match text.strip_prefix('$') {
        Some(rest) => rest.find('$')? + 2,
        None => 1,
    };
    let start = text[body_start..]
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum::<usize>();
    let from = body.range.start + body_start + start;
    let indent = statement.get(from..)?.find(|c: char| !c.is_whitespace())?;
    Some(from + indent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_in_the_statement() {
        let context = "SQL statement \"select f()\"\nPL/pgSQL function f() line 9 at RAISE\n\
                       PL/pgSQL function inline_code_block line 3 at PERFORM";
        assert_eq!(do_block_line(context), Some(3));
        let statement = "DO LANGUAGE plpgsql $body$\nBEGIN\n  PERFORM f();\nEND $body$;";
        let at = do_block_offset(statement, 3).unwrap();
        assert!(statement[at..].starts_with("PERFORM f()"));
        assert_eq!(do_block_offset("DO 'BEGIN NULL; END'", 1), Some(4));
    }

    #[test]
    fn other_stacks_have_no_line() {
        assert_eq!(do_block_line("PL/pgSQL function f() line 9 at RAISE"), None);
        assert_eq!(do_block_offset("DO", 1), None);
    }
}
