//! Operations are retried in one module, `src/retry/`, with its policies.

use std::collections::BTreeSet;

use super::{begins, sources};

/// Functions that end after a duration.
const PAUSES: [&str; 8] = [
    "std::thread::park_timeout",
    "std::thread::sleep",
    "std::thread::sleep_until",
    "tokio::time::interval",
    "tokio::time::interval_at",
    "tokio::time::sleep",
    "tokio::time::sleep_until",
    "tokio::time::Sleep",
];

/// Files that pause for another reason than a retry. An unneeded entry fails, too.
const OTHER_PAUSES: [(&str, &str); 6] = [
    ("replay/mod.rs", "other sessions notice a crash a moment after the first one: checked once"),
    (
        "server/provider/docker/container.rs",
        "the end of a container's log arrives with a delay: read once",
    ),
    ("ui/mod.rs", "the ticker of the progress"),
    (
        "upgrade/interruption.rs",
        "the ticker that finds lock waits, from a signal to the end of the run",
    ),
    (
        "upgrade/rollout/pool_owner.rs",
        "the timer of a queue: other requests are served until a target is due",
    ),
    ("upgrade/rollout/worker.rs", "a worker waits until its next target in that queue is due"),
];

#[test]
fn only_retries_pause() {
    let mut found = BTreeSet::new();
    for source in sources().iter().filter(|source| !source.is_in("retry")) {
        let pauses = |path: &&String| PAUSES.iter().any(|pause| begins(path, pause));
        found.extend(
            source.uses.iter().find(pauses).map(|path| (source.path.clone(), path.clone())),
        );
    }
    let is_listed = |file: &str| OTHER_PAUSES.iter().any(|(listed, _)| *listed == file);
    let new: Vec<_> = found.iter().filter(|(file, _)| !is_listed(file.as_str())).collect();
    assert!(new.is_empty(), "use a policy of src/retry/policies.rs: {new:?}");
    for (file, reason) in OTHER_PAUSES {
        let is_needed = found.iter().any(|(path, _)| path == file);
        assert!(is_needed, "no longer needed: {file} ({reason})");
    }
}

#[test]
fn only_one_module_uses_backon() {
    let sources = sources();
    let uses = |module: &str, path: &str| {
        let of_module = sources.iter().filter(|source| source.is_in(module));
        of_module.flat_map(|source| &source.uses).any(|used| begins(used, path))
    };
    assert!(uses("retry", "backon"));
    for source in sources.iter().filter(|source| !source.is_in("retry")) {
        let used = source.uses.iter().find(|used| begins(used, "backon"));
        assert_eq!(used, None, "src/{}", source.path);
    }
}

#[test]
fn retry_uses_no_other_module() {
    for source in sources().iter().filter(|source| source.is_in("retry")) {
        let other = source
            .uses
            .iter()
            .find(|used| used.strip_prefix("crate::").is_some_and(|ours| !begins(ours, "retry")));
        assert_eq!(other, None, "src/{}", source.path);
    }
}
