//! A report as it is, for machines: the schemas in `docs/` describe them.

use serde::Serialize;

/// Pretty, since people read it too. Text stands in it as the database gave it.
pub(crate) fn json<R: Serialize>(report: &R) -> String {
    let mut json = serde_json::to_string_pretty(report)
        .expect("internal error: a report holds only strings, numbers, lists and objects");
    json.push('\n');
    json
}
