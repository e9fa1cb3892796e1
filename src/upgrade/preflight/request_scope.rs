//! What is to be done, and in which database. Nothing is connected to yet.

use secrecy::ExposeSecret as _;

use super::target::Target;
use super::{contradiction, declared, targets};
use crate::config::process_environment;
use crate::formats::DownTo;
use crate::model::{Database, Project, Tenancy, Track, TrackKind};
use crate::postgres::{Address, Url};
use crate::replay::plan::{Selection, TrackPlan, directory};
use crate::source::Worktree;
use crate::tenants::TenantSelector;
use crate::upgrade::direction::{Direction, TargetVersion};
use crate::upgrade::{UpgradeError, UpgradeRequest};
use crate::verify;

/// A real database.
pub(crate) struct DatabaseTarget<'a> {
    pub(crate) database: &'a Database,
    /// The other named databases of the project.
    pub(crate) others: Vec<&'a Database>,
    pub(crate) url: Url,
    /// `[postgres.settings]`, for the sessions that migrations run in.
    pub(crate) settings: Vec<(String, String)>,
}

/// What is to be done there.
pub(crate) struct RequestScope<'a> {
    pub(crate) database: DatabaseTarget<'a>,
    pub(crate) shared: Option<TrackPlan>,
    pub(crate) tenants: Option<TrackPlan>,
}

impl<'a> DatabaseTarget<'a> {
    /// The one database that was asked for. With `whom`, one that has tenants.
    pub(crate) fn of(
        selection: &Selection,
        url: Option<&Url>,
        whom: Option<&TenantSelector>,
        project: &'a Project,
    ) -> Result<Self, UpgradeError> {
        let database = the_one(selection, whom, project)?;
        let from_environment = || {
            let url = process_environment("DATABASE_URL");
            url.filter(|url| !url.is_empty()).map(Url::new)
        };
        let url = url.cloned().or_else(|| configured_url(database)).or_else(from_environment);
        let url = url.ok_or_else(|| UpgradeError::NoUrl(database.name.clone()))?;
        let all = project.databases.iter();
        let others = all.filter(|other| other.name != database.name).collect();
        let settings = project.postgres.settings.iter();
        let settings = settings.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Self { database, others, url, settings })
    }

    /// Of the sessions that migrations run in: they read `[postgres.settings]`, as they do in `verify`. What a flag sets wins.
    pub(crate) fn working_settings(&self, flags: Vec<(String, String)>) -> Vec<(String, String)> {
        [self.settings.clone(), flags].concat()
    }

    /// Whether both have the same configured address, or neither has one: then the flag or `DATABASE_URL` is that of both.
    pub(crate) fn shares_address_with(&self, other: &Database) -> bool {
        let key = |url: Url| url.address().ok().map(|address| address.key());
        match configured_url(other) {
            None => self.database.url.is_none(),
            Some(url) => key(url).is_some_and(|other| Some(other) == key(self.url.clone())),
        }
    }

    pub(crate) fn tenancy(&self) -> Tenancy {
        let tenants = self.database.tenants.as_ref();
        tenants.map_or_else(Tenancy::default, |tenants| tenants.tenancy)
    }
}

/// The address that the project's configuration gives it.
pub(crate) fn configured_url(database: &Database) -> Option<Url> {
    database.url.as_ref().map(|url| Url::new(url.expose_secret()))
}

impl<'a> RequestScope<'a> {
    pub(crate) fn new(
        request: &UpgradeRequest,
        project: &'a Project,
        files: &Worktree,
    ) -> Result<Self, UpgradeError> {
        let (url, whom) = (request.url.as_ref(), request.tenants.as_ref());
        let site = DatabaseTarget::of(&request.scope.selection, url, whom, project)?;
        let database = site.database;
        let of = |kind, track: &Track| targets::track(database, kind, track, files);
        let shared =
            database.shared.as_ref().filter(|_| request.direction.is_about_shared(whom.is_some()));
        let shared = shared.map(|track| of(TrackKind::Shared, track)).transpose()?;
        let tenants = database.tenants.as_ref().filter(|_| whom.is_some());
        let tenants = tenants.map(|tenants| of(TrackKind::Tenant, &tenants.track)).transpose()?;
        let job = Self { database: site, shared, tenants };
        job.check(request)?;
        job.check_address(files)?;
        Ok(job)
    }

    /// Whether the address, and what the tool reads beside the migrations, agree with what is configured.
    fn check_address(&self, files: &Worktree) -> Result<(), UpgradeError> {
        let database = self.database.database;
        let address = self.database.url.address().ok();
        let is_only_one = self.database.others.is_empty();
        let check =
            |of_address: Option<&Address>, track: &Track, plan: &TrackPlan, target: &Target| {
                let format = plan.chosen.format.name();
                let of_address = of_address.and_then(|address| {
                    contradiction::of_address(database, format, target, address)
                });
                let directory = directory(track, files);
                let of_files =
                    || declared::of_files((database, is_only_one), format, target, &directory);
                let failure = match of_address {
                    Some(failure) => Some(failure),
                    None => of_files().map_err(|source| targets::of_format(database, source))?,
                };
                let database = database.name.clone();
                failure.map_or(Ok(()), |failure| {
                    Err(UpgradeError::Contradiction { database, failure: Box::new(failure) })
                })
            };
        if let (Some(track), Some(plan)) = (&database.shared, &self.shared) {
            check(
                address.as_ref(),
                track,
                plan,
                &targets::shared_target(&self.database, track, plan, files)?,
            )?;
        }
        if let (Some(tenants), Some(plan)) = (&database.tenants, &self.tenants) {
            let target = targets::shared_target(&self.database, &tenants.track, plan, files)?;
            // Tenants that have databases have addresses of their own.
            let of_address =
                address.as_ref().filter(|_| self.database.tenancy() == Tenancy::Schema);
            check(
                of_address,
                &tenants.track,
                plan,
                &Target { track: TrackKind::Tenant, ..target },
            )?;
        }
        Ok(())
    }

    /// What a reader of the report should know of the directories.
    pub(crate) fn notes(&self) -> Vec<String> {
        let tracks = self.shared.iter().chain(&self.tenants);
        tracks.flat_map(TrackPlan::allowed_directions).collect()
    }

    /// Whether enough was said, and can be done.
    fn check(&self, request: &UpgradeRequest) -> Result<(), UpgradeError> {
        let database = self.database.database;
        if self.shared.is_none() && self.tenants.is_none() {
            return Err(UpgradeError::Usage(format!(
                "`{}` has migrations for its tenants alone: say which with --tenant or --all-tenants",
                database.name
            )));
        }
        if database.tenants.is_some() && request.tenants.is_none() && !request.shared_alone {
            return Err(UpgradeError::Usage(format!(
                "`{}` has tenants: say --shared for its shared track alone, --tenant NAME, or --all-tenants",
                database.name
            )));
        }
        if let (Some(report), Ok(here)) = (&request.reported_at, self.database.url.address()) {
            let (report, here) = (report.clone(), here.describe());
            if report != here {
                let database = database.name.clone();
                return Err(UpgradeError::OtherServer { database, report, here });
            }
        }
        let last = self.tenants.as_ref().or(self.shared.as_ref());
        let wanted = match &request.direction {
            Direction::Up(TargetVersion::Version(version))
            | Direction::Down(DownTo::Version(version)) => Some(version),
            _ => None,
        };
        if let (Some(version), Some(last)) = (wanted, last)
            && TargetVersion::Version(version.clone()).limit(&last.head).is_none()
        {
            let (database, version) = (database.name.clone(), version.clone());
            return Err(UpgradeError::NoVersion { database, version });
        }
        Ok(())
    }
}

fn the_one<'a>(
    selection: &Selection,
    whom: Option<&TenantSelector>,
    project: &'a Project,
) -> Result<&'a Database, UpgradeError> {
    let asked = selection.databases(&project.databases).map_err(verify::VerifyError::from)?;
    let fits = |database: &&&Database| whom.is_none() || database.tenants.is_some();
    let fitting: Vec<&Database> = asked.iter().filter(fits).copied().collect();
    if let [one] = fitting.as_slice() {
        return Ok(one);
    }
    let names = |databases: &[&Database]| {
        let names: Vec<_> = databases.iter().map(|database| database.name.as_str()).collect();
        names.join(", ")
    };
    Err(UpgradeError::Usage(match (fitting.as_slice(), whom) {
        ([], Some(whom)) if !selection.databases.is_empty() => format!(
            "`{}` has no tenants, and {}: name another database with -n, or leave that out",
            names(&asked),
            named_by(whom)
        ),
        ([], _) => "no database of this project has tenants".to_owned(),
        (several, _) => format!("which database? name one with -n: {}", names(several)),
    }))
}

/// What has said that tenants are meant.
fn named_by(whom: &TenantSelector) -> &'static str {
    match whom {
        TenantSelector::All => "all of its tenants are asked for",
        TenantSelector::Named(_) => "a tenant is named",
        TenantSelector::New(_) => "a tenant is to be made",
        TenantSelector::Recorded(_) => "the report has some",
        TenantSelector::Target { .. } => "TENANT_SCHEMA or TENANT_DB in the environment names one",
    }
}
