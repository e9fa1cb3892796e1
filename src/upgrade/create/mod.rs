//! Creates the schema or database of a new tenant. It remains, even if the tenant's migrations fail.

mod preflight;

use tokio_util::sync::CancellationToken;

use super::UpgradeError;
use super::interruption::{Backends, Interruption, is_cancellation, while_cancelling};
use super::own_sql::of_own_sql;
use super::preflight::database_target::DatabaseTarget;
use super::preflight::database_target::ResolvedTenant;
use super::preflight::endpoint::main_address;
use super::preflight::request_scope::RequestScope;
use super::stop_reason::INTERRUPTED;
use super::target::Target;
use super::track::progress::TargetOutcome;
use crate::model::{Failure, FailureKind, StepOutcome, TargetCause, Tenancy, UnitEnd};
use crate::postgres::{Address, Session};
use crate::report::upgrade_of;
use crate::retry::RetryError;
use crate::retry::policies::TEMPLATE_DATABASE;
use crate::sql::{quote_identifier, quote_literal};
use preflight::NewTenants;

/// How to handle a new tenant whose schema or database already exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfExists {
    Fail,
    Continue,
}

/// PostgreSQL's default database, which every server has. Other databases are created from a session in it.
const MAINTENANCE_DATABASE: &str = "postgres";

/// Codes of PostgreSQL's Appendix A: duplicate schema, duplicate database, and a concurrent insert of the same catalog row.
const ALREADY_EXISTS: [&str; 3] = ["42P06", "42P04", "23505"];
const TEMPLATE_IN_USE: &str = "55006";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// The new tenants of a command, whose schemas or databases are created first.
pub(crate) struct Creation<'a> {
    pub(crate) if_exists: IfExists,
    pub(crate) scope: &'a RequestScope<'a>,
    /// Settings of the sessions that create them.
    pub(crate) settings: &'a [(String, String)],
    pub(crate) interruption: &'a Interruption,
}

impl Creation<'_> {
    /// The new tenants that cannot be created, by their indices. They fail before anything is changed.
    ///
    /// # Errors
    /// The server is unreachable, or the run was interrupted.
    pub(crate) async fn check(
        &self,
        tenants: &[ResolvedTenant],
        targets: &[Target],
    ) -> Result<Vec<(usize, TargetOutcome)>, UpgradeError> {
        let Some(plan) = &self.scope.tenants else { return Ok(Vec::new()) };
        let (database_target, format) = (&self.scope.database, plan.detected.format);
        let new = NewTenants { database_target, format, resolved_tenants: tenants, targets };
        let checked = new.check(self.if_exists, self.settings);
        let checked = self.interruption.requested.run_until_cancelled(checked).await;
        let checked = checked.ok_or(UpgradeError::Interrupted)??;
        let failed = |(index, failure): (usize, Option<Failure>)| {
            Some((index, TargetOutcome::failed(failure?)))
        };
        Ok(checked.into_iter().enumerate().filter_map(failed).collect())
    }

    /// Creates the schemas or databases of these tenants. Returns those that were not created, by their indices: failed or
    /// not run.
    pub(crate) async fn create(
        &self,
        tenants: impl Iterator<Item = (usize, &ResolvedTenant)>,
    ) -> Vec<(usize, TargetOutcome)> {
        let mut not_created = Vec::new();
        for (index, resolved) in tenants {
            let new_target = NewTarget { database_target: &self.scope.database, resolved };
            let created = new_target.make(self.if_exists, self.settings, self.interruption).await;
            let outcome = match created {
                Ok(()) => continue,
                Err(CreateError::Interrupted) => TargetOutcome::not_run(INTERRUPTED),
                Err(CreateError::Failed(failure)) => TargetOutcome::failed(of_own_sql(*failure)),
            };
            not_created.push((index, outcome));
        }
        not_created
    }
}

/// Why a schema or database was not created.
enum CreateError {
    Interrupted,
    Failed(Box<Failure>),
}

impl From<Failure> for CreateError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

struct NewTarget<'a> {
    database_target: &'a DatabaseTarget<'a>,
    resolved: &'a ResolvedTenant,
}

impl NewTarget<'_> {
    /// An interruption ends a pause, a wait for a lock, and the wait for other sessions of the template database.
    async fn make(
        &self,
        if_exists: IfExists,
        settings: &[(String, String)],
        interruption: &Interruption,
    ) -> Result<(), CreateError> {
        let requested = &interruption.requested;
        let opened = requested.run_until_cancelled(self.session(settings)).await;
        let mut session = opened.ok_or(CreateError::Interrupted)??;
        let address = self.admin_address()?;
        let pid = session.fetch_one("SELECT pg_catalog.pg_backend_pid()").await?;
        let backends = Backends::default();
        backends.begin_cancellable(pid, session.sending());
        let options = address.options(&[]);
        let cancel = backends.cancel_lock_waits(&options, interruption, async |_: &str| {});
        let created = while_cancelling(cancel, self.run(&mut session, if_exists, requested)).await;
        let is_cancelled = backends.end(pid);
        session.close().await;
        created.map_err(|failure| {
            let gave_up = failure.kind == FailureKind::Sql { sqlstate: TEMPLATE_IN_USE.to_owned() };
            match (is_cancelled && is_cancellation(&failure))
                || (gave_up && requested.is_cancelled())
            {
                true => CreateError::Interrupted,
                false => failure.into(),
            }
        })
    }

    async fn session(&self, settings: &[(String, String)]) -> Result<Session, Failure> {
        let named = ("application_name".to_owned(), "mig-ci create".to_owned());
        let settings = [settings, &[named]].concat();
        Session::open_with_retry(&self.admin_address()?.options(&settings)).await
    }

    /// A schema is created in its database; a database from the one that the URL names, or from the server's default one.
    fn admin_address(&self) -> Result<Address, Failure> {
        let is_database = self.database_target.tenancy() == Tenancy::Database;
        let url = &self.database_target.url;
        if is_database && self.resolved.tenant.url.is_none() && !url.is_template() {
            let error = |error: UpgradeError| {
                Failure::new(FailureKind::Target(TargetCause::InvalidAddress), error.to_string())
            };
            return main_address(self.database_target).map_err(error);
        }
        let address = self.resolved.address.clone()?;
        Ok(if is_database { address.with_database(MAINTENANCE_DATABASE) } else { address })
    }

    async fn run(
        &self,
        session: &mut Session,
        if_exists: IfExists,
        interrupted: &CancellationToken,
    ) -> Result<(), Failure> {
        // Checked first: without the privilege to create one, the error would not be that it already exists.
        if if_exists == IfExists::Continue && self.exists(session).await? {
            return Ok(());
        }
        let make =
            format!("CREATE {} {}", self.kind().to_uppercase(), quote_identifier(self.target()));
        let is_in_use = |failure: &Failure| code_of(failure) == TEMPLATE_IN_USE;
        let attempt = async || session.execute(&*make).await;
        let made = TEMPLATE_DATABASE.retry_until(interrupted, is_in_use, attempt).await;
        let failure = match made {
            Ok(()) => return Ok(()),
            Err(RetryError::Failed(failure) | RetryError::Interrupted(failure)) => failure,
        };
        match (code_of(&failure), if_exists) {
            (code, IfExists::Continue) if ALREADY_EXISTS.contains(&code) => Ok(()),
            (code, IfExists::Fail) if ALREADY_EXISTS.contains(&code) => {
                Err(self.exists_already("has just been created by another session"))
            }
            (INSUFFICIENT_PRIVILEGE, _) => Err(self.insufficient_privilege(failure)),
            _ => Err(failure),
        }
    }

    async fn exists(&self, session: &mut Session) -> Result<bool, Failure> {
        let target = quote_literal(self.target());
        let all = match self.database_target.tenancy() {
            Tenancy::Schema => "pg_catalog.pg_namespace WHERE nspname",
            Tenancy::Database => "pg_catalog.pg_database WHERE datname",
        };
        session.fetch_one(&format!("SELECT EXISTS (SELECT FROM {all} = {target})")).await
    }

    fn exists_already(&self, problem: &str) -> Failure {
        let hint = format!(
            "upgrade it with `{}`; --if-not-exists accepts an existing one",
            upgrade_of(&self.database_target.database.name, &self.resolved.tenant.name)
        );
        let words = format!("the {} \"{}\" {problem}", self.kind(), self.target());
        Failure {
            hint: Some(hint),
            ..Failure::new(FailureKind::Target(TargetCause::AlreadyExists), words)
        }
    }

    fn insufficient_privilege(&self, failure: Failure) -> Failure {
        let needed = match self.database_target.tenancy() {
            Tenancy::Schema => "the role of the URL needs the privilege CREATE on this database",
            Tenancy::Database => "the role of the URL needs CREATEDB",
        };
        Failure { hint: Some(needed.to_owned()), ..failure }
    }

    fn kind(&self) -> String {
        self.database_target.tenancy().to_string()
    }

    fn target(&self) -> &str {
        &self.resolved.tenant.target
    }
}

/// The SQLSTATE; empty if the failure is not the server's.
fn code_of(failure: &Failure) -> &str {
    match &failure.kind {
        FailureKind::Sql { sqlstate } => sqlstate,
        _ => "",
    }
}

/// The created schema or database remains if migrations fail. Adds that, and how to continue, to the hint.
pub(crate) fn with_recovery_hint(
    database_target: &DatabaseTarget<'_>,
    resolved: &ResolvedTenant,
    mut done: TargetOutcome,
) -> TargetOutcome {
    let recovery = |then: &str| {
        format!(
            "the {} was created and remains; {then} with `{}`",
            database_target.tenancy(),
            upgrade_of(&database_target.database.name, &resolved.tenant.name)
        )
    };
    let of_end = match &mut done.end {
        UnitEnd::Failed { failure, .. } => failure.as_deref_mut(),
        UnitEnd::NotRun { reason } => {
            *reason = format!("{reason}; {}", recovery("continue"));
            return done;
        }
        UnitEnd::Completed => return done,
    };
    let of_step = done.steps.iter_mut().find_map(|step| match &mut step.outcome {
        StepOutcome::Failed(failure) => Some(&mut **failure),
        StepOutcome::Applied | StepOutcome::NotRun => None,
    });
    if let Some(failure) = of_end.or(of_step) {
        let recovery = recovery("fix the cause, then continue");
        let hint = failure
            .hint
            .take()
            .map_or_else(|| recovery.clone(), |hint| format!("{hint}; {recovery}"));
        failure.hint = Some(hint);
    }
    done
}
