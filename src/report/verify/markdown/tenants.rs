//! A row for each tenant, failed ones first, as many as fit.

use std::fmt::Write as _;

use super::escape::cell;
use super::{NAME, icon};
use crate::report::text::{count, duration, grouped, one_line};
use crate::report::verify::v1::{Report, TrackKind, Unit, Verdict};

/// The size in bytes of the text around the rows.
const AROUND: usize = 400;

/// Empty if there is no tenant, or no space for any.
pub(crate) fn table(report: &Report, room: usize) -> String {
    let several = report.databases.len() > 1;
    let units = report.databases.iter().flat_map(|database| {
        let units = database.units.iter().filter(|unit| unit.track == TrackKind::Tenant);
        units.map(move |unit| (database.name.as_str(), unit))
    });
    let mut units: Vec<_> = units.collect();
    // The sort is stable: within a verdict they keep plan order.
    units.sort_by_key(|(_, unit)| match unit.verdict {
        Verdict::Failed => 0,
        Verdict::NotRun => 1,
        Verdict::Passed if unit.is_untested() => 2,
        Verdict::Passed => 3,
    });
    let mut rows = String::new();
    let mut shown = 0;
    for (database, unit) in &units {
        let row = row(several.then_some(*database), unit);
        if rows.len() + row.len() + AROUND > room {
            break;
        }
        rows.push_str(&row);
        shown += 1;
    }
    if shown == 0 {
        return String::new();
    }
    let all = count(units.len(), "tenant");
    let heading = if several { "| Database " } else { "" };
    let columns = if several { "| --- " } else { "" };
    let mut out = format!(
        "\n<details><summary>All {all}</summary>\n\n\
         {heading}| Tenant | Result | Time |\n{columns}| --- | --- | ---: |\n{rows}"
    )
    .replace("All 1 tenant<", "The 1 tenant<");
    if let Some(more) = (units.len() - shown).checked_sub(1) {
        let _ = write!(out, "\n**{} more omitted**: see the JSON report.\n", grouped(more + 1));
    }
    out.push_str("\n</details>\n");
    out
}

fn row(database: Option<&str>, unit: &Unit) -> String {
    let database = database.map(|name| format!("| {} ", cell(name))).unwrap_or_default();
    let words = match unit.verdict {
        Verdict::Failed => "failed",
        Verdict::NotRun => "not run",
        Verdict::Passed if unit.is_untested() => "at head, nothing was applied",
        Verdict::Passed => "passed",
    };
    let shown = if unit.is_untested() { Verdict::NotRun } else { unit.verdict };
    let time =
        if unit.verdict == Verdict::NotRun { String::new() } else { duration(unit.duration_ms) };
    let name = cell(&one_line(&unit.name, NAME));
    format!("{database}| {name} | {} {words} | {time} |\n", icon(shown))
}
