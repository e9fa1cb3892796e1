//! `[checks]`. The codes were validated together with the keys.

use strum::VariantNames as _;

use super::context::ValidationContext;
use crate::config::key::ConfigKey;
use crate::config::raw::{OFF, RawChecks};
use crate::model::{CheckSettings, Severity};

pub(super) fn settings(cx: &mut ValidationContext<'_>, raw: &RawChecks) -> CheckSettings {
    let table = ConfigKey::root().child("checks");
    let fail_on = cx.overridden(cx.input.overrides.fail_on, |cx| {
        cx.choice(&table.child("fail-on"), raw.fail_on.as_deref())
    });
    let choices = [Severity::VARIANTS, &[OFF]].concat();
    let mut severities = std::collections::BTreeMap::new();
    for (code, check) in &raw.codes {
        let key = table.child(code).child("severity");
        let severity = cx.word(&key, check.severity.as_deref(), &choices, |word| match word {
            OFF => Some(None),
            word => word.parse().ok().map(Some),
        });
        if let Some(severity) = severity {
            severities.insert(code.clone(), severity);
        }
    }
    CheckSettings { fail_on, severities }
}
