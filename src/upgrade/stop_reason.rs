//! Why targets are not run, as texts of reports.

/// A signal ended the run.
pub(crate) const INTERRUPTED: &str = "the run was interrupted";

/// The same if an index that was being built could not be dropped.
pub(crate) fn interrupted_with(invalid: &[String]) -> String {
    let drops = invalid.iter().map(|name| format!("DROP INDEX CONCURRENTLY {name};"));
    let drops = drops.collect::<Vec<_>>().join(" ");
    format!("{INTERRUPTED}, and an invalid index remains that could not be dropped: {drops}")
}

/// `--max-failures`.
pub(crate) fn after_failures(most: usize) -> String {
    format!("more than {most} (--max-failures) targets failed")
}

/// The server was lost for the rest of the run.
pub(crate) fn server_lost(why: &str) -> String {
    format!("the server was lost: {why}")
}

/// `--canary`.
pub(crate) fn after_canary(failed: usize, first: usize) -> String {
    format!("{failed} of the first {first} (--canary) failed")
}
