//! What runs have on a server that stays: their sessions, databases and roles, found by their names.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::postgres::connect;
use crate::server::borrowed_roles;
use crate::server::clean_report::{CleanupScope, RemovedKind, Swept};
use crate::server::databases::{drop_databases, drop_role};
use crate::server::error::ProviderError;
use crate::server::run_id::{run_of_application, run_of_database, run_of_role};

/// Asks for the names of all roles.
pub(crate) const ROLES: &str = "SELECT rolname::text FROM pg_catalog.pg_roles";
/// The `application_name` of sessions that take away.
pub(crate) const SWEEPER: &str = "mig-ci sweep";
/// Half of what an interrupted run has.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const LOOKING: &str = "find leftovers of earlier runs on the server of postgres.url";

/// Ends the sessions, and drops the databases and then the roles, of the runs in `scope`.
pub(crate) async fn remove(
    connection: &mut PgConnection,
    admin: &PgConnectOptions,
    version_num: u32,
    scope: &CleanupScope,
) -> Result<Swept, ProviderError> {
    if matches!(scope, CleanupScope::Run(_)) {
        end_run(connection, scope).await?;
    }
    let databases = names(connection, "SELECT datname::text FROM pg_catalog.pg_database").await?;
    // Sessions last: a run that began since then has an anchor now, and what it has made since is not in the list.
    let sessions = Sessions::look(connection).await?;
    sessions.end(connection, scope).await;
    let mut swept = Swept::default();
    let databases: Vec<String> = databases
        .into_iter()
        .filter(|name| {
            run_of_database(name).is_some_and(|run| sessions.takes(run, scope, &mut swept))
        })
        .collect();
    let outcomes = drop_databases(admin, &databases, version_num).await;
    for (name, outcome) in databases.iter().zip(outcomes) {
        let run = run_of_database(name).unwrap_or_default();
        match outcome {
            Ok(()) => swept.removed(RemovedKind::Database, name, run),
            Err(error) => swept.problems.push(error.to_string()),
        }
    }
    borrowed_roles::lock(connection).await?;
    let roles = remove_roles(connection, scope, swept).await;
    borrowed_roles::unlock(connection).await;
    roles
}

/// Ends the sessions of a run, and waits until they are gone: one that is about to make a database would make it after the
/// list of databases has been read.
async fn end_run(connection: &mut PgConnection, scope: &CleanupScope) -> Result<(), ProviderError> {
    let begun = Instant::now();
    loop {
        let sessions = Sessions::look(connection).await?;
        // What does not end is told of by the drops that it hinders.
        if !sessions.has(scope) || begun.elapsed() > SESSIONS_END_WITHIN {
            return Ok(());
        }
        sessions.end(connection, scope).await;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The roles of the runs in `scope`: the one that migrations run as, and those of the project's `prepare` SQL. Those have
/// the project's own names, so that another run may have found them there and use them: they go with the last run.
async fn remove_roles(
    connection: &mut PgConnection,
    scope: &CleanupScope,
    mut swept: Swept,
) -> Result<Swept, ProviderError> {
    // From here on this run lives no more for others, who hold the lock after us.
    connect::execute(connection, format!("SET application_name = '{SWEEPER}'"), "end a run")
        .await?;
    let ours = names(connection, ROLES).await?;
    let labelled = borrowed_roles::labelled(connection).await?;
    let sessions = Sessions::look(connection).await?;
    let ours = ours.into_iter().filter_map(|name| {
        let run = run_of_role(&name)?.to_owned();
        sessions.takes(&run, scope, &mut swept).then_some((name, run))
    });
    let mut roles: Vec<(String, String)> = ours.collect();
    if *scope == CleanupScope::Everything || sessions.nobody_but(scope) {
        roles.extend(labelled);
    }
    for (name, run) in &roles {
        match drop_role(connection, name).await {
            Ok(()) => swept.removed(RemovedKind::Role, name, run),
            Err(error) => swept.problems.push(error.to_string()),
        }
    }
    Ok(swept)
}

/// Whose sessions there are.
struct Sessions {
    /// Process, run.
    all: Vec<(i32, String)>,
    /// The runs that have their anchor.
    living: BTreeSet<String>,
}

impl Sessions {
    async fn look(connection: &mut PgConnection) -> Result<Self, ProviderError> {
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

    /// Ends the sessions of the runs in `scope`. One that is in the middle of a statement does not see that its client is
    /// gone.
    async fn end(&self, connection: &mut PgConnection, scope: &CleanupScope) {
        for (pid, _) in self.all.iter().filter(|(_, run)| in_scope(run, scope, &self.living)) {
            // It may have ended meanwhile. What it works in is dropped by force later.
            let _ = sqlx::query("SELECT pg_catalog.pg_terminate_backend($1)")
                .bind(pid)
                .execute(&mut *connection)
                .await;
        }
    }

    fn has(&self, scope: &CleanupScope) -> bool {
        self.all.iter().any(|(_, run)| in_scope(run, scope, &self.living))
    }

    fn takes(&self, run: &str, scope: &CleanupScope, swept: &mut Swept) -> bool {
        let takes = in_scope(run, scope, &self.living);
        swept.kept += usize::from(!takes && *scope == CleanupScope::Stale);
        takes
    }

    /// No run lives, besides the one that ends.
    fn nobody_but(&self, scope: &CleanupScope) -> bool {
        let ends =
            |run: &String| matches!(scope, CleanupScope::Run(wanted) if run == wanted.as_str());
        self.living.iter().all(ends)
    }
}

/// Whether the things of this run are to go.
pub(crate) fn in_scope(run: &str, scope: &CleanupScope, living: &BTreeSet<String>) -> bool {
    match scope {
        CleanupScope::Stale => !living.contains(run),
        CleanupScope::Run(wanted) => run == wanted.as_str(),
        CleanupScope::Everything => true,
    }
}

/// The one column of a question about the whole server.
pub(crate) async fn names(
    connection: &mut PgConnection,
    sql: &'static str,
) -> Result<Vec<String>, ProviderError> {
    sqlx::query_scalar(sql)
        .fetch_all(connection)
        .await
        .map_err(|error| ProviderError::sql(LOOKING, &error))
}
