//! The provider `url`: an existing server that others may use. mig-ci creates only databases and one role with its prefix
//! there, in addition to the roles of the project's `prepare` SQL, and removes all of them.
//!
//! A session with the run's name in `application_name` (the anchor) stays open from before the first database until after
//! the last drop. Cleanup treats a run without its anchor as ended, on any machine. The anchor is always idle, so that the
//! server detects at once when its client is gone; a session that is executing a statement may continue for hours without
//! one.

mod leftovers;

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use secrecy::ExposeSecret as _;
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::{Provider, ProviderStart, RunningServer, Started, StoppedServer};
use crate::model::{PostgresSettings, ProviderChoice};
use crate::postgres::connect;
use crate::secrets;
use crate::server::borrowed_roles;
use crate::server::clean_report::{CleanReport, CleanupScope};
use crate::server::error::{ProviderError, describe};
use crate::server::run_id::{RunId, run_of_role};
use leftovers::{CLEANUP_APPLICATION, ROLES, names, remove};

const CONNECT_WITHIN: Duration = Duration::from_secs(15);

pub(crate) struct UrlProvider;

impl Provider for UrlProvider {
    fn choice(&self) -> ProviderChoice {
        ProviderChoice::Url
    }

    fn start<'a>(
        &'a self,
        start: &'a ProviderStart<'a>,
    ) -> BoxFuture<'a, Result<Started, ProviderError>> {
        begin(start).boxed()
    }

    fn clean_up<'a>(
        &'a self,
        settings: &'a PostgresSettings,
        scope: &'a CleanupScope,
    ) -> BoxFuture<'a, CleanReport> {
        async move {
            match clean_up(settings, scope).await {
                Ok(report) => report,
                Err(error) => {
                    CleanReport { problems: vec![error.to_string()], ..CleanReport::default() }
                }
            }
        }
        .boxed()
    }
}

async fn begin(start: &ProviderStart<'_>) -> Result<Started, ProviderError> {
    start.tell("the server of postgres.url");
    let run = &start.request.run;
    let admin = options(&start.request.settings, run)?;
    let anchored = admin.clone().application_name(&run.anchor_name());
    let mut anchor = connect::connect(&anchored, CONNECT_WITHIN)
        .await
        .map_err(|error| ProviderError::Unreachable { reason: describe(&error) })?;
    let version_num = hold(&mut anchor).await?;
    may_create_databases(&mut anchor).await?;
    let roles = names(&mut anchor, ROLES).await?.into_iter().collect();
    Ok(Started {
        provider: ProviderChoice::Url,
        description: "the server of postgres.url".to_owned(),
        notes: Vec::new(),
        admin: admin.clone(),
        port: None,
        own: false,
        running: Box::new(Borrowed { admin, anchor, run: run.clone(), version_num, roles }),
    })
}

/// The administrator's options, from the configured URL.
fn options(settings: &PostgresSettings, run: &RunId) -> Result<PgConnectOptions, ProviderError> {
    let url = settings.url.as_ref().ok_or(ProviderError::NoUrl)?.expose_secret();
    secrets::learn_address(url);
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(ProviderError::BadUrl {
            reason: "it does not begin with postgres://".to_owned(),
        });
    }
    // The error may quote a part of the URL, such as the password.
    let options = PgConnectOptions::from_str(url).map_err(|_| ProviderError::BadUrl {
        reason: "its host, port or parameters cannot be read (a password with special characters must be percent-encoded)"
            .to_owned(),
    })?;
    let options = match options.get_database() {
        Some(_) => options,
        None => options.database("postgres"),
    };
    Ok(connect::with_run_name(options, run))
}

/// Disables the idle timeout of the session, and returns `server_version_num`.
async fn hold(anchor: &mut PgConnection) -> Result<u32, ProviderError> {
    let version_num: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int4")
        .fetch_one(&mut *anchor)
        .await
        .map_err(|error| {
            ProviderError::sql("query the version of the server of postgres.url", &error)
        })?;
    if version_num >= 140_000 {
        connect::execute(anchor, "SET idle_session_timeout = 0", "keep a session open").await?;
    }
    // Firewalls and NAT drop idle connections.
    let keep_alive = "SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 20; SET tcp_keepalives_count = 6";
    connect::execute(anchor, keep_alive, "keep a session open").await?;
    Ok(version_num.unsigned_abs())
}

async fn may_create_databases(anchor: &mut PgConnection) -> Result<(), ProviderError> {
    let row = sqlx::query(
        "SELECT rolname::text, rolsuper OR rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER",
    )
    .fetch_one(anchor)
    .await;
    let (user, may): (String, bool) =
        row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?))).map_err(|error| {
            ProviderError::sql("query the privileges of the user of postgres.url", &error)
        })?;
    if may { Ok(()) } else { Err(ProviderError::NoCreateDb { user }) }
}

/// A shared server, on which only the run's own objects are removed.
struct Borrowed {
    admin: PgConnectOptions,
    anchor: PgConnection,
    run: RunId,
    version_num: u32,
    /// The roles that existed before the run.
    roles: BTreeSet<String>,
}

impl RunningServer for Borrowed {
    fn stop(mut self: Box<Self>) -> BoxFuture<'static, StoppedServer> {
        async move {
            let scope = CleanupScope::Run(self.run.clone());
            let mut report = match remove(&mut self.anchor, &self.admin, self.version_num, &scope).await {
                Ok(report) => report,
                // If the anchor's connection broke, a new session removes them.
                Err(_) => match connect::connect(&self.admin, CONNECT_WITHIN).await {
                    Ok(mut fresh) => remove(&mut fresh, &self.admin, self.version_num, &scope)
                        .await
                        .unwrap_or_else(|error| problem(error.to_string())),
                    Err(error) => problem(format!(
                        "the databases `{}…` are still on the server of postgres.url, which does not answer: {}",
                        self.run.database(0).trim_end_matches('0'),
                        describe(&error)
                    )),
                },
            };
            let roles_left = self.unlabelled_roles().await.unwrap_or_default();
            report.problems.extend(roles_problem(&roles_left));
            connect::close(self.anchor).await;
            StoppedServer { problems: report.problems, roles_left, ..StoppedServer::default() }
        }
        .boxed()
    }
}

impl Borrowed {
    /// New roles without a label. They may belong to another user, and remain.
    async fn unlabelled_roles(&mut self) -> Option<Vec<String>> {
        // An unreachable server is already reported.
        let now = names(&mut self.anchor, ROLES).await.ok()?;
        let labelled = borrowed_roles::labelled(&mut self.anchor).await.ok()?;
        let is_strange = |name: &&String| {
            let known = self.roles.contains(*name) || run_of_role(name).is_some();
            !known && labelled.iter().all(|(role, _)| role != *name)
        };
        Some(now.iter().filter(is_strange).cloned().collect())
    }
}

fn roles_problem(foreign: &[String]) -> Option<String> {
    let names: Vec<String> = foreign.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| {
        format!(
            "these roles were created on the server of postgres.url during the run: {}; if this project's \
             SQL creates them, create them in the server's `prepare` file instead: only those are removed",
            names.join(", ")
        )
    })
}

fn problem(text: String) -> CleanReport {
    CleanReport { problems: vec![text], ..CleanReport::default() }
}

async fn clean_up(
    settings: &PostgresSettings,
    scope: &CleanupScope,
) -> Result<CleanReport, ProviderError> {
    // The cleanup session must not count as a session of a run.
    let admin = options(settings, &RunId::new())?.application_name(CLEANUP_APPLICATION);
    let mut connection = connect::connect(&admin, CONNECT_WITHIN)
        .await
        .map_err(|error| ProviderError::Unreachable { reason: describe(&error) })?;
    let version_num = hold(&mut connection).await?;
    let report = remove(&mut connection, &admin, version_num, scope).await;
    connect::close(connection).await;
    report
}

#[cfg(test)]
mod tests;
