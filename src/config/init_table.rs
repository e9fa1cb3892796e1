//! The lines of a TOML file with comments, for `mig-ci init`.

use std::fmt::Write as _;

pub(super) fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

pub(super) fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| string(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A part of the file, written line by line.
pub(super) struct Table {
    pub(super) text: String,
}

impl Table {
    pub(super) fn new(header: &str) -> Self {
        let mut table = Self { text: String::new() };
        table.header(header);
        table
    }

    pub(super) fn header(&mut self, header: &str) {
        self.line(format_args!("\n[{header}]"));
    }

    pub(super) fn prose(&mut self, text: &str) {
        self.line(format_args!("# {text}"));
    }

    pub(super) fn key(&mut self, key: &str, value: &str) {
        self.line(format_args!("{key} = {value}"));
    }

    /// A disabled key.
    pub(super) fn off(&mut self, key: &str, value: &str) {
        self.line(format_args!("#{key} = {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}
