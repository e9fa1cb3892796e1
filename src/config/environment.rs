//! The environment of the process, as it was started: where mig-ci has started itself again without it, the values that
//! were handed over count.

use std::collections::BTreeMap;
use std::sync::OnceLock;

static HANDED_OVER: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// The one place where this room reads the process's environment.
///
/// A variable whose value is not UTF-8 counts as not set.
pub(crate) fn process_environment(name: &str) -> Option<String> {
    match HANDED_OVER.get() {
        Some(handed_over) => handed_over.get(name).cloned(),
        None => std::env::var(name).ok(),
    }
}

/// All variables that are UTF-8.
pub(crate) fn whole_environment() -> Vec<(String, String)> {
    if let Some(handed_over) = HANDED_OVER.get() {
        return handed_over.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    }
    let all = std::env::vars_os();
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// From now on these are the environment. Only the first call counts.
pub(crate) fn hand_over(environment: BTreeMap<String, String>) {
    let _ = HANDED_OVER.set(environment);
}
