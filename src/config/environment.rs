//! The environment of the process at its start: if mig-ci has restarted itself without it, the values that were passed to the
//! new process.

use std::collections::BTreeMap;
use std::sync::OnceLock;

static HANDED_OVER: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// The only place in this module that reads the process's environment.
///
/// A variable whose value is not UTF-8 counts as not set.
pub(crate) fn process_environment(name: &str) -> Option<String> {
    match HANDED_OVER.get() {
        Some(handed_over) => handed_over.get(name).cloned(),
        None => std::env::var(name).ok(),
    }
}

/// All variables with UTF-8 values.
pub(crate) fn whole_environment() -> Vec<(String, String)> {
    if let Some(handed_over) = HANDED_OVER.get() {
        return handed_over.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    }
    let all = std::env::vars_os();
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Sets the environment from now on. Only the first call has an effect.
pub(crate) fn hand_over(environment: BTreeMap<String, String>) {
    let _ = HANDED_OVER.set(environment);
}
