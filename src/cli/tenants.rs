//! `mig-ci tenants`: who the real tenants are, and where each lives.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};

use super::args::Global;
use super::exit::Exit;
use super::real;
use super::stream::Streams;
use super::upgrade_args::SiteArgs;
use super::verify::watch_signals;
use crate::model::Partition;
use crate::postgres::Url;
use crate::report::tenants::{Report, SCHEMA, Tenant};
use crate::report::{self, visible};
use crate::status::{ListedTenant, TenantList, TenantListRequest, tenants};
use crate::verify;

#[derive(Debug, Args)]
pub(crate) struct TenantsArgs {
    /// Only this part of them, as `upgrade` divides them among machines: the second of eight is 2/8
    #[arg(long, value_name = "INDEX/COUNT", env = "MIG_CI_PARTITION")]
    pub(crate) partition: Option<Partition>,

    #[command(flatten)]
    pub(crate) site: SiteArgs,

    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", default_value = "terminal")]
    pub(crate) format: TenantsFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TenantsFormat {
    /// A line for each
    Terminal,
    /// An object with a list of them
    Json,
}

pub(crate) async fn run(
    global: &Global,
    args: &TenantsArgs,
    streams: &Streams,
) -> Result<Exit, verify::VerifyError> {
    let interrupted = watch_signals();
    let listing = TenantListRequest {
        scope: real::scope(global, &global.databases, args.site.url.is_some()),
        url: args.site.url.clone().map(Url::new),
        partition: args.partition,
    };
    let listed = match tenants(&listing, &interrupted).await {
        Ok(listed) => listed,
        Err(error) => return real::refused(error, streams),
    };
    let is_nowhere = listed.tenants.iter().any(|tenant| tenant.address.is_err());
    streams.print(&match args.format {
        TenantsFormat::Terminal => as_text(&listed),
        TenantsFormat::Json => report::json(&report_of(listed)),
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
            |reason| format!("nowhere: {}", reason.message),
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
