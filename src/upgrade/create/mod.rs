//! The place of a new tenant: its schema, or its database. What was made stays, whatever becomes of its migrations.

mod preflight;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::UpgradeError;
use super::interruption::{Backends, Interruption, is_cancellation, while_cancelling};
use super::preflight::database_target::DatabaseTarget;
use super::preflight::endpoint::main_address;
use super::preflight::request_scope::RequestScope;
use super::preflight::resolved_tenant::ResolvedTenant;
use super::reconnect::of_own_sql;
use super::stop_reason::INTERRUPTED;
use super::target::Target;
use super::track::progress::TargetOutcome;
use crate::model::{Failure, FailureKind, StepOutcome, TargetCause, Tenancy, UnitEnd};
use crate::postgres::{Address, Session};
use crate::report::upgrade_of;
use crate::sql::{quote_identifier, quote_literal};
use preflight::NewTenants;

/// What becomes of a new tenant whose schema or database is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfThere {
    Refuse,
    GoOn,
}

/// PostgreSQL's own database, on every server: where another one can be made from.
const MAINTENANCE: &str = "postgres";
/// While somebody is connected to the template that databases are copied from.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// Codes of PostgreSQL's Appendix A: a schema, a database, and the row of either that somebody else writes meanwhile.
const THERE_ALREADY: [&str; 3] = ["42P06", "42P04", "23505"];
const TEMPLATE_IN_USE: &str = "55006";
const NOT_ALLOWED: &str = "42501";

/// New tenants of one command, whose schemas or databases are made first.
pub(crate) struct Creation<'a> {
    pub(crate) if_there: IfThere,
    pub(crate) scope: &'a RequestScope<'a>,
    /// Settings of the sessions that make them.
    pub(crate) settings: &'a [(String, String)],
    pub(crate) interruption: &'a Interruption,
}

impl Creation<'_> {
    /// New tenants that cannot be made, by their indices: they have failed before anything is begun.
    ///
    /// # Errors
    /// Nothing can be found out, or the run was interrupted.
    pub(crate) async fn look(
        &self,
        tenants: &[ResolvedTenant],
        targets: &[Target],
    ) -> Result<Vec<(usize, TargetOutcome)>, UpgradeError> {
        let Some(plan) = &self.scope.tenants else { return Ok(Vec::new()) };
        let (site, format) = (&self.scope.database, plan.chosen.format);
        let new = NewTenants { site, format, seats: tenants, targets };
        let looked = new.look(self.if_there, self.settings);
        let looked = self.interruption.requested.run_until_cancelled(looked).await;
        let looked = looked.ok_or(UpgradeError::Interrupted)??;
        let failed = |(index, failure): (usize, Option<Failure>)| {
            Some((index, TargetOutcome::failed(failure?)))
        };
        Ok(looked.into_iter().enumerate().filter_map(failed).collect())
    }

    /// Makes the schemas or databases of these tenants. Those that are not made, by their indices, have failed, or are not
    /// run.
    pub(crate) async fn create(
        &self,
        tenants: impl Iterator<Item = (usize, &ResolvedTenant)>,
    ) -> Vec<(usize, TargetOutcome)> {
        let mut not_made = Vec::new();
        for (index, seat) in tenants {
            let making = Making { site: &self.scope.database, seat };
            let made = making.make(self.if_there, self.settings, self.interruption).await;
            let outcome = match made {
                Ok(()) => continue,
                Err(NotMade::Interrupted) => TargetOutcome::not_run(INTERRUPTED),
                Err(NotMade::Failed(failure)) => TargetOutcome::failed(of_own_sql(*failure)),
            };
            not_made.push((index, outcome));
        }
        not_made
    }
}

/// Why a place was not made.
enum NotMade {
    Interrupted,
    Failed(Box<Failure>),
}

impl From<Failure> for NotMade {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

struct Making<'a> {
    site: &'a DatabaseTarget<'a>,
    seat: &'a ResolvedTenant,
}

impl Making<'_> {
    /// A pause, and a wait for a lock, end where the run is interrupted.
    async fn make(
        &self,
        if_there: IfThere,
        settings: &[(String, String)],
        interruption: &Interruption,
    ) -> Result<(), NotMade> {
        let requested = &interruption.requested;
        let opened = requested.run_until_cancelled(self.session(settings)).await;
        let mut session = opened.ok_or(NotMade::Interrupted)??;
        let address = self.made_from()?;
        let pid = session.fetch_one("SELECT pg_catalog.pg_backend_pid()").await?;
        let backends = Backends::default();
        backends.begin(pid, Vec::new(), session.sending());
        let options = address.options(&[]);
        let cancel = backends.cancel_lock_waits(&options, interruption, async |_: &str| {});
        let made = while_cancelling(cancel, self.run(&mut session, if_there, requested)).await;
        let is_cancelled = backends.end(pid);
        session.close().await;
        made.map_err(|failure| {
            let gave_up = failure.kind == FailureKind::Sql { sqlstate: TEMPLATE_IN_USE.to_owned() };
            match (is_cancelled && is_cancellation(&failure))
                || (gave_up && requested.is_cancelled())
            {
                true => NotMade::Interrupted,
                false => failure.into(),
            }
        })
    }

    async fn session(&self, settings: &[(String, String)]) -> Result<Session, Failure> {
        let named = ("application_name".to_owned(), "mig-ci create".to_owned());
        let settings = [settings, &[named]].concat();
        Session::open_patiently(&self.made_from()?.options(&settings)).await
    }

    /// A schema in its database; a database in the one that the URL names, or else in the server's own.
    fn made_from(&self) -> Result<Address, Failure> {
        let is_database = self.site.tenancy() == Tenancy::Database;
        let url = &self.site.url;
        if is_database && self.seat.tenant.url.is_none() && !url.is_template() {
            let error = |error: UpgradeError| {
                Failure::new(FailureKind::Target(TargetCause::InvalidAddress), error.to_string())
            };
            return main_address(self.site).map_err(error);
        }
        let address = self.seat.address.clone()?;
        Ok(if is_database { address.with_database(MAINTENANCE) } else { address })
    }

    async fn run(
        &self,
        session: &mut Session,
        if_there: IfThere,
        interrupted: &CancellationToken,
    ) -> Result<(), Failure> {
        // Whoever may not make any would be told that, and not that this one is there.
        if if_there == IfThere::GoOn && self.is_there(session).await? {
            return Ok(());
        }
        let make =
            format!("CREATE {} {}", self.kind().to_uppercase(), quote_identifier(self.target()));
        let mut tries = 0;
        loop {
            let Err(failure) = session.execute(&*make).await else { return Ok(()) };
            let code = match &failure.kind {
                FailureKind::Sql { sqlstate } => sqlstate.clone(),
                _ => String::new(),
            };
            match (code.as_str(), if_there) {
                (code, IfThere::GoOn) if THERE_ALREADY.contains(&code) => return Ok(()),
                (code, IfThere::Refuse) if THERE_ALREADY.contains(&code) => {
                    return Err(self.there("has just been created by another session"));
                }
                (TEMPLATE_IN_USE, _) if tries < TRIES && !interrupted.is_cancelled() => {
                    interrupted.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                    tries += 1;
                }
                (NOT_ALLOWED, _) => return Err(self.not_allowed(failure)),
                _ => return Err(failure),
            }
        }
    }

    async fn is_there(&self, session: &mut Session) -> Result<bool, Failure> {
        let target = quote_literal(self.target());
        let all = match self.site.tenancy() {
            Tenancy::Schema => "pg_catalog.pg_namespace WHERE nspname",
            Tenancy::Database => "pg_catalog.pg_database WHERE datname",
        };
        session.fetch_one(&format!("SELECT EXISTS (SELECT FROM {all} = {target})")).await
    }

    fn there(&self, how: &str) -> Failure {
        let hint = format!(
            "upgrade it with `{}`; --if-not-exists accepts an existing one",
            upgrade_of(&self.site.database.name, &self.seat.tenant.name)
        );
        let words = format!("the {} \"{}\" {how}", self.kind(), self.target());
        Failure {
            hint: Some(hint),
            ..Failure::new(FailureKind::Target(TargetCause::AlreadyExists), words)
        }
    }

    fn not_allowed(&self, failure: Failure) -> Failure {
        let needed = match self.site.tenancy() {
            Tenancy::Schema => "the role of the URL needs the privilege CREATE on this database",
            Tenancy::Database => "the role of the URL needs CREATEDB",
        };
        Failure { hint: Some(needed.to_owned()), ..failure }
    }

    fn kind(&self) -> String {
        self.site.tenancy().to_string()
    }

    fn target(&self) -> &str {
        &self.seat.tenant.target
    }
}

/// What was made is there, also where its migrations fail: says so, and how to go on.
pub(crate) fn with_way_on(
    site: &DatabaseTarget<'_>,
    seat: &ResolvedTenant,
    mut done: TargetOutcome,
) -> TargetOutcome {
    let of_end = match &mut done.end {
        UnitEnd::Failed { failure, .. } => failure.as_deref_mut(),
        UnitEnd::Completed | UnitEnd::NotRun { .. } => return done,
    };
    let of_step = done.steps.iter_mut().find_map(|step| match &mut step.outcome {
        StepOutcome::Failed(failure) => Some(&mut **failure),
        StepOutcome::Applied | StepOutcome::NotRun => None,
    });
    if let Some(failure) = of_end.or(of_step) {
        let way = format!(
            "the {} was created and remains; fix the cause, then continue with `{}`",
            site.tenancy(),
            upgrade_of(&site.database.name, &seat.tenant.name)
        );
        let hint = failure.hint.take().map_or_else(|| way.clone(), |hint| format!("{hint}; {way}"));
        failure.hint = Some(hint);
    }
    done
}
