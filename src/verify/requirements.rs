//! `--require-migrations` and `--require-tenants`.

use super::{VerifyError, VerifyRequest};
use crate::model::{Sample, TrackKind};
use crate::replay::plan::{ReplayPlan, StartingState, TrackPlan};

/// Exit code 5 if there is nothing.
pub(super) fn check_requirements(
    request: &VerifyRequest,
    plan: &ReplayPlan,
) -> Result<(), VerifyError> {
    let pending: usize = plan.tracks().map(TrackPlan::pending).sum();
    if request.require_migrations && pending == 0 {
        return Err(VerifyError::Nothing(
            "no migration is pending, and --require-migrations is set".to_owned(),
        ));
    }
    let is_sample = |start: &StartingState| matches!(start, StartingState::Sample(Sample { .. }));
    let samples = plan
        .units()
        .filter(|(_, unit)| unit.track == TrackKind::Tenant && is_sample(&unit.start))
        .count();
    if request.require_tenants && samples == 0 {
        return Err(VerifyError::Nothing(
            "there is no sample tenant, and --require-tenants is set".to_owned(),
        ));
    }
    Ok(())
}
