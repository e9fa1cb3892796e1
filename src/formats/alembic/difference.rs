//! Whether two versions of a revision file do the same.

use super::python::PythonModule;

/// The byte of `new` at which it starts to differ from `old`; `None` if the two differ only in comments, white space and the
/// docstring of the module, which is the revision's description. Texts that are not Python are compared by their bytes.
pub(crate) fn first_python_difference(old: &str, new: &str) -> Option<usize> {
    if old == new {
        return None;
    }
    let (Ok(before), Ok(after)) = (PythonModule::parse(old), PythonModule::parse(new)) else {
        let same = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
        return Some(new.floor_char_boundary(same));
    };
    let mut before = before.significant_tokens();
    for (kind, text, at) in after.significant_tokens() {
        if before.next().is_none_or(|(old_kind, old, _)| (old_kind, old) != (kind, text)) {
            return Some(at.min(new.len()));
        }
    }
    before.next().map(|_| new.trim_end().len())
}

#[cfg(test)]
mod tests {
    use super::first_python_difference as difference;

    const OLD: &str =
        "\"\"\"Add users\n\"\"\"\nrevision = 'a'\n\n\ndef upgrade():\n    op.execute('x')\n";

    #[test]
    fn comments_white_space_and_the_description_make_no_difference() {
        for new in [
            "'''Add all users'''\nrevision = 'a'\ndef upgrade():\n  # why\n  op.execute(  'x')  # here\n\n",
            "revision = 'a'\ndef upgrade():\n\n\top.execute(\n'x')",
            "\u{feff}# -*- coding: utf-8 -*-\n\"\"\"x\"\"\"\r\nrevision = 'a'\r\ndef upgrade():\r\n    op.execute('x')",
        ] {
            assert_eq!(difference(OLD, new), None, "{new}");
        }
    }

    #[test]
    fn what_runs_differently_is_found() {
        let at = |new: &str| difference(OLD, new).map(|at| new[at..].to_owned());
        let edited = |from: &str, to: &str| at(&OLD.replace(from, to)).unwrap();
        assert!(edited("'x'", "'y'").starts_with("'y'"));
        assert!(edited("'a'", "'b'").starts_with("'b'"));
        assert!(edited("    op", "    pass\n    op").starts_with("pass"));
        assert!(edited("op.execute('x')", "'a string'").starts_with("'a string'"));
        assert_eq!(at(&format!("{OLD}x = 1\n")).unwrap(), "x = 1\n");
        // A statement that leaves the function.
        let (inside, outside) = ("if a:\n    b\n    c\n", "if a:\n    b\nc\n");
        assert!(difference(inside, outside).is_some());
        assert_eq!(difference("def (", "def (x"), Some(5));
    }
}
