//! Tests that did not run on this machine, or only partly, with their reasons: recorded during the run, listed at its end.
//!
//! A running test cannot tell libtest or cargo-nextest that it is skipped; both count it as passed. The list shows which of
//! those did not run. libtest: the list is printed when the process exits, and contains all test binaries of the same `cargo
//! test`. cargo-nextest: `language::skipped_tests_are_listed_at_the_end` runs last (`.config/nextest.toml`) and prints it.
//! The record is a file, because nextest runs each test in a separate process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

/// The file of the record, for a script that reads it afterwards.
const FILE: &str = "MIG_CI_SKIPPED_TESTS";

/// Records of old runs are removed.
const KEPT: Duration = Duration::from_hours(24);

/// The value of `found`. If it is an error, the current test is recorded as skipped, and must return.
///
/// # Panics
/// If it is an error and the environment variable `required` is `1`.
pub(crate) fn have<T>(required: &str, what: &str, found: Result<T, impl Display>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(reason) => {
            let is_required = std::env::var(required).is_ok_and(|value| value == "1");
            assert!(!is_required, "{required}=1, but there is no {what}: {reason}");
            skip(&current_test(), &format!("no {what}: {reason}"));
            None
        }
    }
}

/// Records that a test, or a part of all tests, is skipped.
fn skip(test: &str, reason: &str) {
    list_at_exit();
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = format!("{}\t{test}\n", one_line(reason));
    let path = record();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // One write for each line: other tests append to the same file.
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
    file.write_all(line.as_bytes()).unwrap();
    // Not by a macro: the test harness captures the output of macros.
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {}", one_line(reason));
}

/// Prints the list when this process exits, if libtest runs it: results, summary, this list.
pub(crate) fn list_at_exit() {
    static REGISTERED: Once = Once::new();
    if is_nextest() {
        return;
    }
    REGISTERED.call_once(|| {
        remove_old_records();
        #[expect(
            unsafe_code,
            reason = "libtest has no hook for the end; the function may run at any time"
        )]
        // SAFETY: `print_at_exit` uses nothing that is dropped before the process exits, and does not unwind.
        let failed = unsafe { libc::atexit(print_at_exit) };
        assert_eq!(failed, 0, "atexit");
    });
}

extern "C" fn print_at_exit() {
    let _ = io::stderr().write_all(list().as_bytes());
}

/// Whether cargo-nextest runs this process.
pub(crate) fn is_nextest() -> bool {
    std::env::var_os("NEXTEST").is_some()
}

/// The list of this run so far.
pub(crate) fn list() -> String {
    let record = fs::read_to_string(record()).unwrap_or_default();
    let lines = record.lines().filter_map(|line| line.split_once('\t'));
    text(&lines.collect::<BTreeSet<_>>())
}

/// The printed form: the number, then the tests by reason.
pub(crate) fn text(skipped: &BTreeSet<(&str, &str)>) -> String {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (reason, test) in skipped {
        by_reason.entry(reason).or_default().push(test);
    }
    let tests: BTreeSet<&str> = skipped.iter().map(|(_, test)| *test).collect();
    let mut text = match tests.len() {
        0 => "\nskipped tests: none\n".to_owned(),
        number => format!("\nskipped tests: {number} (the harness counts them as passed)\n"),
    };
    for (reason, tests) in by_reason {
        let _ = writeln!(text, "  {reason}");
        for test in tests {
            let _ = writeln!(text, "    {test}");
        }
    }
    text
}

/// One file for each run: of nextest, of `cargo test`, or of the test binary alone.
fn record() -> PathBuf {
    if let Some(file) = std::env::var_os(FILE) {
        return PathBuf::from(file);
    }
    let run = match std::env::var("NEXTEST_RUN_ID") {
        Ok(run) => format!("nextest-{run}"),
        Err(_) => cargo_above().unwrap_or_else(|| format!("process-{}", std::process::id())),
    };
    folder().join(run)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp/skipped-tests")
}

/// The `cargo test` that started this process, by PID and start time.
fn cargo_above() -> Option<String> {
    let parent = std::os::unix::process::parent_id();
    let stat = fs::read_to_string(format!("/proc/{parent}/stat")).ok()?;
    let (name, fields) = stat.split_once('(')?.1.rsplit_once(") ")?;
    // proc(5): the start time is field 22; `fields` starts with field 3.
    let started = fields.split(' ').nth(19)?;
    (name == "cargo").then(|| format!("cargo-{parent}-{started}"))
}

fn remove_old_records() {
    for entry in fs::read_dir(folder()).into_iter().flatten().flatten() {
        let changed = entry.metadata().and_then(|data| data.modified()).ok();
        if changed.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > KEPT) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The name as `cargo test` prints it, after the name of the binary.
fn current_test() -> String {
    let thread = std::thread::current();
    let of_nextest = std::env::var("NEXTEST_TEST_NAME").ok();
    let test = of_nextest.as_deref().or(thread.name()).unwrap_or("a test");
    format!("{} {test}", env!("CARGO_CRATE_NAME"))
}
