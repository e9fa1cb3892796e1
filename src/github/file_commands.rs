//! The files for a step's outputs, the state for its clean-up, and its summary (docs.github.com, "Workflow commands for GitHub
//! Actions"; `src/Runner.Worker/FileCommandManager.cs` of actions/runner).

use std::fs::OpenOptions;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::secrets;

/// The maximum size of a step's summary in bytes: the runner uploads no larger one
/// (`CreateStepSummaryCommand.AttachmentSizeLimit`).
pub(crate) const SUMMARY_LIMIT: usize = 1 << 20;

/// A file of the runner that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {what} to {path}: {source}")]
pub(crate) struct FileCommandError {
    what: &'static str,
    path: Utf8PathBuf,
    source: std::io::Error,
}

/// Writes values for the following steps, by name.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_outputs(
    path: &Utf8Path,
    outputs: &[(&str, String)],
) -> Result<(), FileCommandError> {
    append("the outputs", path, &entries(outputs))
}

/// Writes values for the clean-up after the job, which reads them as `STATE_<name>`.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_state(
    path: &Utf8Path,
    state: &[(&str, String)],
) -> Result<(), FileCommandError> {
    append("the state", path, &entries(state))
}

/// Appends blocks of Markdown to the job's page, as many as fit, each complete.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_summary(path: &Utf8Path, blocks: &[String]) -> Result<(), FileCommandError> {
    let there = std::fs::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(0));
    append("the job summary", path, &summary(blocks, SUMMARY_LIMIT.saturating_sub(there)))
}

/// `name<<delimiter`, lines, `delimiter`: a value with line ends, or with `=`, cannot end this form, because the delimiter is
/// unpredictable.
fn entries(values: &[(&str, String)]) -> String {
    let entry = |(name, value): &(&str, String)| {
        let delimiter = format!("mig_ci_{}", uuid::Uuid::new_v4().simple());
        format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
    };
    values.iter().map(entry).collect()
}

fn summary(blocks: &[String], limit: usize) -> String {
    // Space for the sentence about omitted blocks.
    let room = limit.saturating_sub(200);
    let mut text = String::new();
    let mut left_out = 0;
    for block in blocks {
        if text.len() + block.len() + 2 <= room {
            text.push_str(block);
            // A block of HTML ends at an empty line, and so does a table.
            text.push_str(if block.ends_with('\n') { "\n" } else { "\n\n" });
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 && text.len() + 200 <= limit {
        let parts = if left_out == 1 { "part" } else { "parts" };
        text.push_str(&format!(
            "**{left_out} {parts} omitted**: a summary is limited to 1 MiB. See the JSON report.\n"
        ));
    }
    text
}

/// Appends, because other steps may write to the same file. A single write, so that no reader sees a part of it.
fn append(what: &'static str, path: &Utf8Path, text: &str) -> Result<(), FileCommandError> {
    let written = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(secrets::mask(text).as_bytes()));
    written.map_err(|source| FileCommandError { what, path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("file");
        (folder, path)
    }

    /// Parses such a file as the runner does: `EnvFileKeyValuePairs` in `FileCommandManager.cs`.
    fn parse(text: &str) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.is_empty() {
                continue;
            }
            let equals = line.find('=');
            let heredoc = line.find("<<");
            match heredoc {
                Some(at) if equals.is_none_or(|equals| at < equals) => {
                    let delimiter = &line[at + 2..];
                    let value: Vec<_> = lines.by_ref().take_while(|l| *l != delimiter).collect();
                    values.insert(line[..at].to_owned(), value.join("\n"));
                }
                _ => {
                    let (name, value) = line.split_once('=').unwrap();
                    values.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        values
    }

    #[test]
    fn values_cannot_end_their_entry() {
        let (_folder, path) = folder();
        fs::write(&path, "earlier=1\n").unwrap();
        let nasty = "a\nEOF\nresult=passed\nresult<<x\npassed\nx\nmig_ci_\n";
        write_outputs(&path, &[("result", "failed".into()), ("report", nasty.into())]).unwrap();
        let read = parse(&fs::read_to_string(&path).unwrap());
        assert_eq!(read.len(), 3);
        assert_eq!((read["earlier"].as_str(), read["result"].as_str()), ("1", "failed"));
        assert_eq!(read["report"], nasty);
    }

    #[test]
    fn each_value_has_its_own_delimiter() {
        let (_folder, path) = folder();
        write_state(&path, &[("a", "1".into()), ("b", "2".into())]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let delimiters: Vec<_> =
            text.lines().filter_map(|line| line.split_once("<<")).map(|(_, after)| after).collect();
        assert_eq!(delimiters.len(), 2);
        assert_ne!(delimiters[0], delimiters[1]);
        assert_eq!(parse(&text)["b"], "2");
    }

    #[test]
    fn a_summary_is_limited_to_one_mebibyte_of_complete_blocks() {
        let (_folder, path) = folder();
        fs::write(&path, "x".repeat(100_000)).unwrap();
        let blocks = ["# One".to_owned(), "y".repeat(1 << 20), "z".repeat(900_000)];
        write_summary(&path, &blocks).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() <= SUMMARY_LIMIT, "{}", text.len());
        assert!(text.contains("# One\n\n") && !text.contains("yyy"));
        assert_eq!(text.matches('z').count(), 900_000);
        assert!(text.ends_with(
            "**1 part omitted**: a summary is limited to 1 MiB. See the JSON report.\n"
        ));
        // Nothing more fits, and the limit is still respected.
        let before = text.len();
        write_summary(&path, &["w".repeat(100_000)]).unwrap();
        let after = fs::metadata(&path).unwrap().len() as usize;
        assert!(after <= SUMMARY_LIMIT && after < before + 300);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = write_outputs(Utf8Path::new("/nowhere/out"), &[]).unwrap_err().to_string();
        assert!(error.starts_with("cannot write the outputs to /nowhere/out: "), "{error}");
    }
}
