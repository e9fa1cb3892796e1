//! Reading a revision file.

use pretty_assertions::assert_eq;

use crate::formats::alembic::revision_file::{RevisionFile, RevisionFileError, read};

fn parse(text: &str) -> Result<RevisionFile, RevisionFileError> {
    (*read(text).1).clone()
}

/// Revision, parents, dependencies and labels.
fn variables(text: &str) -> (String, Vec<String>, Vec<String>, Vec<String>) {
    let file = parse(text).unwrap();
    let own = file.revision.unwrap().texts.remove(0);
    (own, file.down_revisions.unwrap().texts, file.depends_on, file.branch_labels)
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn variables_are_read_in_all_their_forms() {
    let none = || Vec::new();
    for (text, expected) in [
        ("revision = 'a'\ndown_revision = None", ("a", none(), none(), none())),
        (
            "from typing import Union\nrevision: str = \"b\"\ndown_revision: Union[str, None] = 'a'\n\
             branch_labels: Union[str, None] = None\ndepends_on: Union[str, None] = None\n",
            ("b", texts(&["a"]), none(), none()),
        ),
        (
            "revision = 'm'\ndown_revision = ('a', 'b')\nbranch_labels = ('x',)\ndepends_on = ['c']",
            ("m", texts(&["a", "b"]), texts(&["c"]), texts(&["x"])),
        ),
        ("revision = 'a' 'b'\ndown_revision = ('c'\n 'd')", ("ab", texts(&["cd"]), none(), none())),
        ("revision = down_revision = 'a'\ndown_revision = ()", ("a", none(), none(), none())),
        ("revision = f()\nrevision = 'a'\ndown_revision = None", ("a", none(), none(), none())),
        ("\u{feff}revision = 'a'\ndown_revision = ''", ("a", texts(&[""]), none(), none())),
        (
            "def f():\n    revision = 'x'\nrevision = r'a'\ndown_revision = None\nlabels = revision",
            ("a", none(), none(), none()),
        ),
    ] {
        let (revision, down, depends, labels) = expected;
        assert_eq!(variables(text), (revision.to_owned(), down, depends, labels), "{text}");
    }
}

#[test]
fn what_is_computed_is_left_to_python() {
    for (text, line, variable) in [
        ("revision = f()\n", 1, "revision"),
        ("\nrevision = f'{x}'", 2, "revision"),
        ("revision = 'a'\ndown_revision = BASE", 2, "down_revision"),
        ("revision = 'a'\ndown_revision = 'a' + 'b'", 2, "down_revision"),
        ("revision = 'a'\ndown_revision = ('a', B)", 2, "down_revision"),
        ("revision = 'a'\nif x:\n    down_revision = 'b'", 3, "down_revision"),
        ("revision = 'a'\ndown_revision = None\nfor depends_on in y:\n    pass", 3, "depends_on"),
        ("revision, down_revision = 'a', None", 1, "revision"),
        ("revision = 'a'\nfrom x import down_revision", 2, "down_revision"),
        (
            "revision = 'a'\ndown_revision = None\nbranch_labels = ('a',)\nbranch_labels += ('b',)",
            4,
            "branch_labels",
        ),
        ("revision = 1", 1, "revision"),
    ] {
        assert_eq!(parse(text), Err(RevisionFileError::Computed { line, variable }), "{text}");
    }
}

#[test]
fn what_alembic_refuses_is_invalid() {
    for (text, problem) in [
        ("revision = 'a-b@'", "Character(s) '-, @' not allowed in revision identifier 'a-b@'"),
        ("revision = ('a', 'b')", "`revision` has to be one text"),
        ("revision = None", "`revision` has to be one text"),
    ] {
        let problem = problem.to_owned();
        assert_eq!(parse(text), Err(RevisionFileError::Invalid { line: 1, problem }), "{text}");
    }
    let error = parse("revision = 'a'\ndef upgrade(:\n").unwrap_err().at("v/a.py".into());
    assert!(error.to_string().starts_with("v/a.py:2: it is not valid Python: "), "{error}");
}

#[test]
fn functions_and_the_description_are_read() {
    let body = |body: &str| parse(&format!("def upgrade():\n{body}\n")).unwrap().is_empty;
    for empty in [
        "    pass",
        "    ...",
        "    '''nothing'''",
        "    '''x'''\n    pass",
        "    return",
        "    # x\n    return None",
    ] {
        assert!(body(empty), "{empty}");
    }
    for other in ["    op.execute('x')", "    return f()", "    raise NotImplementedError"] {
        assert!(!body(other), "{other}");
    }
    let file =
        parse("\"\"\"  Add users \n\nRevision ID: a\n\"\"\"\ndef downgrade(): pass\n").unwrap();
    assert_eq!(
        (file.description.as_str(), file.has_downgrade, file.is_empty),
        ("Add users", true, false)
    );
    let file = parse("'''one\ntwo'''").unwrap();
    assert_eq!((file.description.as_str(), file.has_downgrade), ("one", false));
    assert_eq!(parse("x = 1").unwrap().description, "");
}

#[test]
fn a_text_is_parsed_once() {
    let (first, second) = (read("revision = 'once'"), read("revision = 'once'"));
    assert!(std::sync::Arc::ptr_eq(&first.0, &second.0));
    assert!(std::sync::Arc::ptr_eq(&first.1, &second.1));
}
