//! Leftovers of runs on a shared server: their sessions, databases and roles, found by name.

use std::collections::BTreeSet;

use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::postgres::connect;
use crate::retry::policies::SESSIONS_END;
use crate::server::borrowed_roles;
use crate::server::clean_report::{CleanReport, CleanupScope, RemovedKind};
use crate::server::databases::{drop_databases, drop_role};
use crate::server::error::ProviderError;
use crate::server::run_id::{run_of_application, run_of_database, run_of_role};

/// The names of all roles.
pub(crate) const ROLES: &str = "SELECT rolname::text FROM pg_catalog.pg_roles";
/// The `application_name` of cleanup sessions.
pub(crate) const CLEANUP_APPLICATION: &str = "mig-ci sweep";
const LOOKING: &str = "find leftovers of earlier runs on the server of postgres.url";

/// Terminates the sessions, and drops the databases and then the roles, of the runs in `scope`.
pub(crate) async fn remove(
    connection: &mut PgConnection,
    admin: &PgConnectOptions,
    version_num: u32,
    scope: &CleanupScope,
) -> Result<CleanReport, ProviderError> {
    if matches!(scope, CleanupScope::Run(_)) {
        end_run(connection, scope).await?;
    }
    let databases = names(connection, "SELECT datname::text FROM pg_catalog.pg_database").await?;
    // Sessions are read last: a run that started after the list of databases was read has an anchor now, and its databases
    // are not in the list.
    let sessions = RunSessions::read(connection).await?;
    sessions.end(connection, scope).await;
    let mut report = CleanReport::default();
    let databases: Vec<String> = databases
        .into_iter()
        .filter(|name| {
            run_of_database(name).is_some_and(|run| sessions.is_removed(run, scope, &mut report))
        })
        .collect();
    let outcomes = drop_databases(admin, &databases, version_num).await;
    for (name, outcome) in databases.iter().zip(outcomes) {
        let run = run_of_database(name).unwrap_or_default();
        match outcome {
            Ok(()) => report.removed(RemovedKind::Database, name, run),
            Err(error) => report.problems.push(error.to_string()),
        }
    }
    borrowed_roles::lock(connection).await?;
    let roles = remove_roles(connection, scope, report).await;
    borrowed_roles::unlock(connection).await;
    roles
}

/// Terminates the sessions of a run, and waits until they are gone: a session could otherwise create a database after the
/// list of databases was read.
async fn end_run(connection: &mut PgConnection, scope: &CleanupScope) -> Result<(), ProviderError> {
    let ended = SESSIONS_END.poll_with(connection, |connection: &mut PgConnection| async move {
        let sessions = match RunSessions::read(connection).await {
            Ok(sessions) if sessions.has(scope) => sessions,
            read => return (connection, Ok(read.map(drop))),
        };
        sessions.end(connection, scope).await;
        (connection, Err(()))
    });
    // A session that does not end is reported by the drop that it blocks.
    ended.await.unwrap_or(Ok(()))
}

/// Removes the roles of the runs in `scope`: the migration role, and those of the project's `prepare` SQL. The latter have
/// names of the project, so other runs may use the same ones: they are removed with the last run.
async fn remove_roles(
    connection: &mut PgConnection,
    scope: &CleanupScope,
    mut report: CleanReport,
) -> Result<CleanReport, ProviderError> {
    // From here on, runs that acquire the lock later do not see this run as alive.
    connect::execute(
        connection,
        format!("SET application_name = '{CLEANUP_APPLICATION}'"),
        "end a run",
    )
    .await?;
    let ours = names(connection, ROLES).await?;
    let labelled = borrowed_roles::labelled(connection).await?;
    let sessions = RunSessions::read(connection).await?;
    let ours = ours.into_iter().filter_map(|name| {
        let run = run_of_role(&name)?.to_owned();
        sessions.is_removed(&run, scope, &mut report).then_some((name, run))
    });
    let mut roles: Vec<(String, String)> = ours.collect();
    if *scope == CleanupScope::Everything || sessions.is_only_run(scope) {
        roles.extend(labelled);
    }
    for (name, run) in &roles {
        match drop_role(connection, name).await {
            Ok(()) => report.removed(RemovedKind::Role, name, run),
            Err(error) => report.problems.push(error.to_string()),
        }
    }
    Ok(report)
}

/// The sessions of all runs.
struct RunSessions {
    /// PID and run.
    all: Vec<(i32, String)>,
    /// The runs that have an anchor session.
    living: BTreeSet<String>,
}

impl RunSessions {
    async fn read(connection: &mut PgConnection) -> Result<Self, ProviderError> {
        let sql = "SELECT pid, application_name FROM pg_catalog.pg_stat_activity \
                   WHERE application_name IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()";
        let rows: Vec<(i32, String)> = sqlx::query_as(sql)
            .fetch_all(connection)
            .await
            .map_err(|error| ProviderError::sql(LOOKING, &error))?;
        let of_run = |(pid, name): &(i32, String)| {
            run_of_application(name).map(|(run, is_anchor)| (*pid, run.to_owned(), is_anchor))
        };
        let (mut all, mut living) = (Vec::new(), BTreeSet::new());
        for (pid, run, is_anchor) in rows.iter().filter_map(of_run) {
            if is_anchor {
                living.insert(run.clone());
            }
            all.push((pid, run));
        }
        Ok(Self { all, living })
    }

    /// Terminates the sessions of the runs in `scope`. A session that is executing a statement does not detect that its
    /// client is gone.
    async fn end(&self, connection: &mut PgConnection, scope: &CleanupScope) {
        for (pid, _) in self.all.iter().filter(|(_, run)| in_scope(run, scope, &self.living)) {
            // It may have ended already. Its database is dropped by force later.
            let _ = sqlx::query("SELECT pg_catalog.pg_terminate_backend($1)")
                .bind(pid)
                .execute(&mut *connection)
                .await;
        }
    }

    fn has(&self, scope: &CleanupScope) -> bool {
        self.all.iter().any(|(_, run)| in_scope(run, scope, &self.living))
    }

    fn is_removed(&self, run: &str, scope: &CleanupScope, report: &mut CleanReport) -> bool {
        let is_removed = in_scope(run, scope, &self.living);
        report.kept += usize::from(!is_removed && *scope == CleanupScope::Stale);
        is_removed
    }

    /// Whether no run is alive except the one that ends.
    fn is_only_run(&self, scope: &CleanupScope) -> bool {
        let ends =
            |run: &String| matches!(scope, CleanupScope::Run(wanted) if run == wanted.as_str());
        self.living.iter().all(ends)
    }
}

/// Whether the objects of this run are to be removed.
pub(crate) fn in_scope(run: &str, scope: &CleanupScope, living: &BTreeSet<String>) -> bool {
    match scope {
        CleanupScope::Stale => !living.contains(run),
        CleanupScope::Run(wanted) => run == wanted.as_str(),
        CleanupScope::Everything => true,
    }
}

/// The values of a query with one column.
pub(crate) async fn names(
    connection: &mut PgConnection,
    sql: &'static str,
) -> Result<Vec<String>, ProviderError> {
    sqlx::query_scalar(sql)
        .fetch_all(connection)
        .await
        .map_err(|error| ProviderError::sql(LOOKING, &error))
}
