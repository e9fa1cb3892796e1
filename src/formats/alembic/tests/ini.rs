//! Reading an ini file. The random comparison with Python's ConfigParser is in `tests/it`.

use pretty_assertions::assert_eq;

use crate::formats::alembic::ini::IniFile;

fn parse(text: &str) -> Result<IniFile, String> {
    IniFile::parse("alembic.ini".into(), text.as_bytes(), "/here")
        .map_err(|error| error.to_string())
}

fn value(text: &str, section: &str, option: &str) -> Result<Option<String>, String> {
    let file = parse(text)?;
    let value = file.get(section, option).map_err(|error| error.to_string())?;
    Ok(value.map(|value| value.text))
}

fn a(text: &str) -> Option<String> {
    value(text, "s", "a").unwrap()
}

#[test]
fn values_are_read_as_config_parser_does() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(a("[s]\na = 1"), some("1"));
    assert_eq!(a("[s]\nA:1"), some("1"));
    assert_eq!(a("[s]\na = x = y : z"), some("x = y : z"));
    assert_eq!(a("[s]\na = 1 ; no comment # here"), some("1 ; no comment # here"));
    assert_eq!(a("[s]\na =\n  1\n  2\nb = 3"), some("\n1\n2"));
    assert_eq!(a("[s]\na = 1\n\n  2\n  # comment\n  3\n\n"), some("1\n\n2\n3"));
    assert_eq!(a("[s]\n  a = 1\n  b = 2\n   c = 3"), some("1"));
    assert_eq!(value("[s]\n  a = 1\n  b = 2\n   c = 3", "s", "b"), Ok(some("2\nc = 3")));
    assert_eq!(a("[DEFAULT]\na = 1\n[s]"), some("1"));
    assert_eq!(a("[DEFAULT]\na = 1\n[s]\na = 2"), some("2"));
    assert_eq!(a("[s]\r\na = 1\r\n  2\r"), some("1\n2"));
    assert_eq!(a("[s]\na ="), some(""));
    assert_eq!(a("[other]\na = 1"), None);
    assert_eq!(value("[s] ; a ] comment\na=1", "s] ; a ", "a"), Ok(some("1")));
}

#[test]
fn values_are_interpolated_as_config_parser_does() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(a("[s]\na = %(here)s/m"), some("/here/m"));
    assert_eq!(a("[DEFAULT]\nroot = r\n[s]\na = %(ROOT)s/%(b)s\nb = %%(x)s"), some("r/%(x)s"));
    assert_eq!(a("[DEFAULT]\nhere = mine\n[s]\na = %(here)s"), some("mine"));
    assert_eq!(a("[s]\na = 100%%"), some("100%"));
    let error = |text: &str| value(text, "s", "a").unwrap_err();
    assert_eq!(
        error("[s]\n\na = %(missing)s"),
        "alembic.ini:3: the value of `a` in [s] cannot be interpolated: there is no option `missing`"
    );
    assert_eq!(
        error("[s]\na = postgresql://u:p%40@h/d"),
        "alembic.ini:2: the value of `a` in [s] cannot be interpolated: `%` has to be followed by `%` or `(`, and here it is \
         `%40@h/d`"
    );
    assert!(error("[s]\na = %(a)s").contains("more than 10 levels deep"));
    assert!(error("[s]\na = %(b").contains("is not of the form `%(name)s`"));
    // Ten levels are allowed: `a` refers to `b1`, and so on to `b9`, which ends.
    let chain = |depth: usize| {
        let links = (1..depth).map(|n| format!("b{n} = %(b{})s\n", n + 1));
        format!("[s]\na = %(b1)s\n{}b{depth} = %%\n", links.collect::<String>())
    };
    assert_eq!(a(&chain(9)), some("%"));
    assert!(error(&chain(10)).contains("more than 10 levels deep"));
}

#[test]
fn what_config_parser_refuses_is_an_error_with_its_line() {
    for (text, expected) in [
        ("a = 1\n[s]", "alembic.ini:1: `a = 1` is before the first section"),
        ("[s]\n[t]\n[s]", "alembic.ini:3: the section [s] is there twice"),
        ("[s]\na = 1\nA = 2", "alembic.ini:3: the option `a` is twice in [s]"),
        (
            "[s]\na = 1\nnonsense\nb = 2",
            "alembic.ini:3: `nonsense` is neither a section nor an option",
        ),
        ("[s]\n= 1", "alembic.ini:2: `= 1` is neither a section nor an option"),
        (
            "\u{feff}[s]",
            "alembic.ini:1: it begins with a byte order mark, which Alembic takes for a part of the first line",
        ),
    ] {
        assert_eq!(parse(text).map(drop), Err(expected.to_owned()), "{text}");
    }
    let latin1 = IniFile::parse("alembic.ini".into(), b"[s]\na = \xe9", "/here").unwrap_err();
    assert_eq!(latin1.to_string(), "alembic.ini:2: it is not UTF-8");
    assert!(parse("[DEFAULT]\na = 1\n[DEFAULT]\nb = 2").is_ok());
}
