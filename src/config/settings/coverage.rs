//! `[[coverage.removed]]`: what a pull request intentionally no longer checks, each with a reason.

use super::context::ValidationContext;
use crate::config::key::ConfigKey;
use crate::config::problem::ConfigProblem;
use crate::config::raw_coverage::{RawCoverage, RawRemoved};
use crate::model::{Acknowledgement, CoveragePart, TrackKind};

pub(super) fn acknowledgements(
    cx: &mut ValidationContext<'_>,
    raw: &RawCoverage,
) -> Vec<Acknowledgement> {
    let table = ConfigKey::root().child("coverage").child("removed");
    let each = raw.removed.iter().enumerate();
    each.filter_map(|(index, raw)| acknowledgement(cx, &table.element(index), raw)).collect()
}

fn acknowledgement(
    cx: &mut ValidationContext<'_>,
    key: &ConfigKey,
    raw: &RawRemoved,
) -> Option<Acknowledgement> {
    let reason = raw.reason.trim();
    if reason.is_empty() {
        cx.refuse_key(key, ConfigProblem::NoReason { key: key.to_string() });
        return None;
    }
    let track: Option<TrackKind> = cx.choice(&key.child("track"), raw.track.as_deref());
    let RawRemoved { database, tenant, check, setting, .. } = raw;
    let part = match (database, track, tenant, check, setting) {
        (Some(name), None, None, None, None) => CoveragePart::Database(name.clone()),
        (Some(name), Some(track), None, None, None) => {
            CoveragePart::Track { database: name.clone(), track }
        }
        (database, None, Some(tenant), None, None) => {
            CoveragePart::Tenant { database: database.clone(), tenant: tenant.clone() }
        }
        (None, None, None, Some(code), None) => CoveragePart::Check(code.clone()),
        (None, None, None, None, Some(setting)) => CoveragePart::Setting(setting.clone()),
        _ => {
            cx.refuse_key(key, ConfigProblem::NotOnePart { key: key.to_string() });
            return None;
        }
    };
    Some(Acknowledgement { part, reason: reason.to_owned() })
}
