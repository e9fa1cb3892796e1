//! Values that snapshots must not contain, since they differ between runs and machines.

use camino::Utf8Path;

/// Patterns and their replacements. The order matters: a hash in a path is replaced with the path.
const FILTERS: [(&str, &str); 13] = [
    // Results of other tests on the shared server.
    (
        r"(?m)^\w+: (?:removed leftovers of an earlier run|these roles were created on the server of postgres\.url).*\n",
        "",
    ),
    (r"/(?:tmp|var/folders|dev/shm)/[\w./+-]+", "[TEMP]"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[UUID]"),
    (r"\b(?:[0-9a-f]{96}|[0-9a-f]{64}|[0-9a-f]{40})\b", "[HASH]"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", "[WHEN]"),
    (r#"("\w*(?:_ms|_kib)": )\d+"#, "$1[N]"),
    (r"\b\d+(?:\.\d+)?\s?(?:ns|µs|ms|s)\b", "[TIME]"),
    // A column of times is as wide as the widest.
    (r"(?m) +(time|\[TIME\])$", "  $1"),
    (r"\bat [0-9a-f]{7,12}\b", "at [COMMIT]"),
    (r"\b[0-9a-f]{12} \(", "[COMMIT] ("),
    (r"(?i)(postgres(?:ql)?[ :/]?)\d+(?:\.\d+)?(?:beta\d+|rc\d+)?\b", "$1[VERSION]"),
    (r#"("version": )"1[5-9](?:\.\d+)?""#, r#"$1"[VERSION]""#),
    (r"\bmig_?ci_[0-9a-z]{6,}\b", "[RUN]"),
];

/// Settings with these filters, and with `[PROJECT]` for the project's folder.
pub(super) fn settings(project: &Utf8Path) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    // On macOS the temporary folder is a symlink, and the binary may show either name.
    let real = project.canonicalize_utf8().unwrap();
    for folder in [real.as_path(), project] {
        settings.add_filter(&escaped(folder.as_str()), "[PROJECT]");
    }
    for (pattern, shown) in FILTERS {
        settings.add_filter(pattern, shown);
    }
    settings
}

/// The text as a pattern that matches itself.
fn escaped(text: &str) -> String {
    let special = |c: char| !c.is_alphanumeric() && c != '/' && c != '_' && c != '-';
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}
