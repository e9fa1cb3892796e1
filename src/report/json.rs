//! A report as JSON; the schemas in `docs/` describe it.

use serde::Serialize;

/// Indented, because people also read it. Texts of the database are not changed.
pub(crate) fn json<R: Serialize>(report: &R) -> String {
    let mut json = serde_json::to_string_pretty(report)
        .expect("internal error: a report holds only strings, numbers, lists and objects");
    json.push('\n');
    json
}
