//! The labels of everything that a run creates in the engine. Cleanup searches for [`RUN`].

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::server::process_identity::ProcessIdentity;
use crate::server::run_id::RunId;

pub(crate) const RUN: &str = "org.mig-ci.run";
pub(crate) const PID: &str = "org.mig-ci.pid";
/// The start time of that process, since PIDs are reused.
pub(crate) const PID_STARTED: &str = "org.mig-ci.pid-started";
/// The boot ID and the PID namespace of that PID.
pub(crate) const HOST: &str = "org.mig-ci.host";
pub(crate) const PID_NAMESPACE: &str = "org.mig-ci.pid-namespace";
/// The container that mig-ci itself ran in, if any.
pub(crate) const CONTAINER: &str = "org.mig-ci.container";
/// Seconds since 1970.
pub(crate) const STARTED: &str = "org.mig-ci.started";
/// Seconds after which the container ends by itself.
pub(crate) const LIFETIME: &str = "org.mig-ci.lifetime";

/// All labels of an object of this process. `lifetime` is in seconds, `own_container` the container that mig-ci runs in.
pub(crate) fn of_run(
    run: &RunId,
    lifetime: u64,
    own_container: Option<&str>,
) -> HashMap<String, String> {
    let owner = ProcessIdentity::current();
    let container = own_container.map(|id| (CONTAINER, id.to_owned()));
    let labels = [
        (RUN, run.as_str().to_owned()),
        (PID, owner.pid.to_string()),
        (PID_STARTED, owner.started),
        (HOST, owner.boot),
        (PID_NAMESPACE, owner.namespace),
        (STARTED, now().as_secs().to_string()),
        (LIFETIME, lifetime.to_string()),
    ];
    let labels = labels.into_iter().chain(container);
    labels.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The time since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
