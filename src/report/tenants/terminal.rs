//! For people: a line for each tenant.

use std::fmt::Write as _;

use super::{Report, Tenant};
use crate::report::RenderOptions;
use crate::report::text::visible;

pub(crate) fn render(report: &Report, _: &RenderOptions) -> String {
    let width = |text: fn(&Tenant) -> &String| {
        report.tenants.iter().map(|tenant| text(tenant).chars().count()).max().unwrap_or(0)
    };
    let names = width(|tenant| &tenant.name);
    let targets = width(|tenant| &tenant.target);
    let mut text = String::new();
    for tenant in &report.tenants {
        let Tenant { name, target, address, error } = tenant;
        let address = match (address, error) {
            (Some(address), _) => format!("at {address}"),
            (None, error) => format!("error: {}", error.as_deref().unwrap_or_default()),
        };
        let line = format!("{name:<names$}  {} {target:<targets$}  {address}", report.tenancy);
        // A name may contain a line end, and is still shown on one line.
        let _ = writeln!(text, "{}", visible(&line.replace('\n', "␊")));
    }
    text
}
