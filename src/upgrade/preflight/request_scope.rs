//! The scope of a request: its database and tracks. Nothing is connected to yet.

use super::database_target::DatabaseTarget;
use super::{contradiction, declared, targets};
use crate::formats::DownTo;
use crate::model::{Project, Tenancy, Track, TrackKind};
use crate::postgres::Address;
use crate::replay::plan::{TrackPlan, directory};
use crate::source::Worktree;
use crate::upgrade::direction::{Direction, TargetVersion};
use crate::upgrade::target::Target;
use crate::upgrade::{UpgradeError, UpgradeRequest};

/// The database and the tracks of a request.
pub(crate) struct RequestScope<'a> {
    pub(crate) database: DatabaseTarget<'a>,
    pub(crate) shared: Option<TrackPlan>,
    pub(crate) tenants: Option<TrackPlan>,
}

impl<'a> RequestScope<'a> {
    pub(crate) fn new(
        request: &UpgradeRequest,
        project: &'a Project,
        files: &Worktree,
    ) -> Result<Self, UpgradeError> {
        let (url, selector) = (request.url.as_ref(), request.tenants.as_ref());
        let database_target = DatabaseTarget::of(&request.scope.selection, url, selector, project)?;
        let database = database_target.database;
        let of = |kind, track: &Track| targets::track(database, kind, track, files);
        let shared = database
            .shared
            .as_ref()
            .filter(|_| request.direction.includes_shared_track(selector.is_some()));
        let shared = shared.map(|track| of(TrackKind::Shared, track)).transpose()?;
        let tenants = database.tenants.as_ref().filter(|_| selector.is_some());
        let tenants = tenants.map(|tenants| of(TrackKind::Tenant, &tenants.track)).transpose()?;
        let scope = Self { database: database_target, shared, tenants };
        scope.check(request)?;
        scope.check_address(files)?;
        Ok(scope)
    }

    /// Checks that the address, and the tool's files next to the migrations, agree with the configuration.
    fn check_address(&self, files: &Worktree) -> Result<(), UpgradeError> {
        let database = self.database.database;
        let address = self.database.url.address().ok();
        let is_only_one = self.database.others.is_empty();
        let check =
            |of_address: Option<&Address>, track: &Track, plan: &TrackPlan, target: &Target| {
                let format = plan.detected.format.name();
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
            // Tenants with a database each have addresses of their own.
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

    /// Notes for the report about the migration directories.
    pub(crate) fn notes(&self) -> Vec<String> {
        let tracks = self.shared.iter().chain(&self.tenants);
        tracks.flat_map(TrackPlan::allowed_directions).collect()
    }

    /// Checks that the request is complete and can be executed.
    fn check(&self, request: &UpgradeRequest) -> Result<(), UpgradeError> {
        let database = self.database.database;
        if self.shared.is_none() && self.tenants.is_none() {
            return Err(UpgradeError::Usage(format!(
                "`{}` has only tenant migrations: use --tenant or --all-tenants",
                database.name
            )));
        }
        if database.tenants.is_some() && request.tenants.is_none() && !request.shared_only {
            return Err(UpgradeError::Usage(format!(
                "`{}` has tenants: use --shared for its shared track only, --tenant NAME, or --all-tenants",
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
