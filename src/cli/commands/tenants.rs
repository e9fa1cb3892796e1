//! `mig-ci tenants`: who the real tenants are, and where each lives.

use std::fmt::Write as _;

use super::apply_common;
use super::verify::watch_signals;
use crate::cli::args::{Global, TenantsArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;
use crate::postgres::Url;
use crate::report::tenants::{Report, SCHEMA, Tenant};
use crate::report::{self, StatusFormat, visible};
use crate::status::{ListedTenant, TenantList, TenantListRequest, tenants};

pub(crate) async fn run(
    global: &Global,
    args: &TenantsArgs,
    streams: &Streams,
) -> Result<Exit, CommandError> {
    let interrupted = watch_signals();
    let listing = TenantListRequest {
        scope: apply_common::scope(global, &global.databases, args.connection.url.is_some()),
        url: args.connection.url.clone().map(Url::new),
        partition: args.partition,
    };
    let listed = match tenants(&listing, &interrupted).await {
        Ok(listed) => listed,
        Err(error) => return apply_common::refused(error, streams),
    };
    let is_nowhere = listed.tenants.iter().any(|tenant| tenant.address.is_err());
    streams.print(&match args.format {
        StatusFormat::Terminal => as_text(&listed),
        StatusFormat::Json => report::json(&report_of(listed)),
    })?;
    Ok(if is_nowhere { Exit::Failed } else { Exit::Passed })
}

fn as_text(listed: &TenantList) -> String {
    let width = |texts: &mut dyn Iterator<Item = &String>| {
        texts.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let names = width(&mut listed.tenants.iter().map(|tenant| &tenant.name));
    let targets = width(&mut listed.tenants.iter().map(|tenant| &tenant.target));
    let mut text = String::new();
    for tenant in &listed.tenants {
        let address = tenant.address.as_ref().map_or_else(
            |reason| format!("error: {}", reason.message),
            |address| format!("at {address}"),
        );
        let line = format!(
            "{:<names$}  {} {:<targets$}  {address}",
            tenant.name, listed.tenancy, tenant.target
        );
        // A name may hold a line end, and is on one line all the same.
        let _ = writeln!(text, "{}", visible(&line.replace('\n', "␊")));
    }
    text
}

fn report_of(listed: TenantList) -> Report {
    let tenant = |tenant: ListedTenant| {
        let (address, error) = match tenant.address {
            Ok(address) => (Some(address), None),
            Err(reason) => (None, Some(reason.message)),
        };
        Tenant { name: tenant.name, target: tenant.target, address, error }
    };
    Report {
        schema: SCHEMA.to_owned(),
        database: listed.database,
        tenancy: listed.tenancy.to_string(),
        tenants: listed.tenants.into_iter().map(tenant).collect(),
    }
}
