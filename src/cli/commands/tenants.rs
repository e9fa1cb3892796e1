//! `mig-ci tenants`: lists the real tenants with their targets and addresses.

use super::apply_common;
use super::verify::watch_signals;
use crate::cli::args::{Global, TenantsArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;
use crate::postgres::Url;
use crate::report::RenderOptions;
use crate::report::tenants::{Report, SCHEMA, Tenant};
use crate::status::{ListedTenant, TenantList, TenantListRequest, tenants};

pub(crate) async fn run(
    global: &Global,
    args: &TenantsArgs,
    streams: &Streams,
) -> Result<Exit, CommandError> {
    let interrupted = watch_signals();
    let request = TenantListRequest {
        scope: apply_common::scope(global, &global.databases, args.connection.url.is_some()),
        url: args.connection.url.clone().map(Url::new),
        partition: args.partition,
    };
    let listed = match tenants(&request, &interrupted).await {
        Ok(listed) => listed,
        Err(error) => return apply_common::refused(error, streams),
    };
    let is_nowhere = listed.tenants.iter().any(|tenant| tenant.address.is_err());
    streams.print(&args.format.render(&report_of(listed), &RenderOptions::default()))?;
    Ok(if is_nowhere { Exit::Failed } else { Exit::Passed })
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
