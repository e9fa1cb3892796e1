//! Random ini files.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Value, json};

use super::{ask, peers, random_rounds};
use crate::formats::FormatError;
use crate::formats::alembic::ini::IniFile;

/// Parts of lines, with everything that the rules are about.
const PARTS: [&str; 30] = [
    "[",
    "]",
    "[s]",
    "[t]",
    "[DEFAULT]",
    "a",
    "b",
    "A",
    "here",
    " = ",
    "=",
    ":",
    " ",
    "  ",
    "\t",
    "# x",
    ";",
    "%",
    "%%",
    "%(a)s",
    "%(b)s",
    "%(HERE)s",
    "%(",
    ")s",
    "x",
    "é",
    "\u{a0}",
    "\u{85}",
    "\u{1f}",
    "%(a",
];
const STARTS: [&str; 8] = ["a = ", "b=", "here: ", "c = %(a)s", "  ", "\t", "# ", ""];
const ENDS: [&str; 5] = ["\n", "\n", "\n", "\r\n", "\r"];

fn random_text(rng: &mut Rng) -> String {
    let mut text = String::new();
    if rng.u8(..10) > 0 {
        text.push_str(rng.choice(["[s]\n", "[DEFAULT]\n", "[t]\r\n"]).unwrap());
    }
    for _ in 0..rng.usize(..7) {
        match rng.u8(..10) {
            0 => text.push_str(rng.choice(["[s]", "[t]", "[u]", "[DEFAULT]"]).unwrap()),
            1 => {}
            _ => text.push_str(rng.choice(STARTS).unwrap()),
        }
        let most = if rng.bool() { 2 } else { 5 };
        for _ in 0..rng.usize(..most) {
            text.push_str(rng.choice(PARTS).unwrap());
        }
        text.push_str(rng.choice(ENDS).unwrap());
    }
    text
}

/// What mig-ci makes of a file, in the form of the answer.
fn read(text: &str) -> Result<Value, FormatError> {
    let file = IniFile::parse("alembic.ini".into(), text.as_bytes(), "/here")?;
    let options = |name: &str| -> BTreeMap<String, Option<String>> {
        let names = file.options(name).into_iter();
        let value = |option: &str| file.get(name, option).ok().flatten().map(|value| value.text);
        names.map(|option| (option.to_owned(), value(option))).collect()
    };
    let sections: Vec<_> = file.sections().map(|(name, _)| (name, options(name))).collect();
    Ok(json!({ "sections": sections }))
}

#[test]
fn ini_files_are_read_as_config_parser_reads_them() {
    let (mut rng, rounds) = random_rounds(7, 2_000, 200_000);
    let texts: Vec<String> = (0..rounds).map(|_| random_text(&mut rng)).collect();
    for python in peers() {
        let answers = ask(&python, &json!({ "inis": texts }));
        let (mut refused, mut read_files) = (0, 0);
        for (text, expected) in texts.iter().zip(answers["inis"].as_array().unwrap()) {
            match read(text) {
                Ok(own) => {
                    assert_eq!(&own, expected, "{text:?}");
                    read_files += 1;
                }
                Err(error) => {
                    assert!(expected["error"].is_string(), "{text:?}: {error}, and not {expected}");
                    if let Some(line) = expected["line"].as_u64() {
                        let FormatError::File { line: own, .. } = &error else { panic!("{error}") };
                        assert_eq!(own.map(|line| line as u64), Some(line), "{text:?}: {error}");
                    }
                    refused += 1;
                }
            }
        }
        assert!(refused > rounds / 20 && read_files > rounds / 20, "{refused} and {read_files}");
    }
}
