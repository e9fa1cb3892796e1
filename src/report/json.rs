//! The report as it is, for machines: `docs/report.schema.json` describes it.

use super::RenderOptions;
use super::v1::Report;

/// Pretty, since people read it too. Text stands in it as the database gave it.
pub(crate) fn render(report: &Report, _: &RenderOptions) -> String {
    let mut json = serde_json::to_string_pretty(report)
        .expect("internal error: a report holds only strings, numbers, lists and objects");
    json.push('\n');
    json
}
