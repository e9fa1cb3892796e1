//! Containers and networks of ended runs, found by their labels.

use std::collections::BTreeMap;
use std::time::Duration;

use testcontainers::bollard::models::{ContainerSummary, ContainerSummaryStateEnum, Network};

use super::container::wait_for_starts;
use super::engine::{Engine, labels_of};
use super::label::{self, now};
use crate::server::clean_report::{CleanReport, CleanupScope, RemovedKind};
use crate::server::error::ProviderError;
use crate::server::process_identity::{Liveness, ProcessIdentity};

/// Added to the lifetime, because the engine's clock may differ.
const GRACE: Duration = Duration::from_secs(10 * 60);

/// Removes the containers and networks in `scope`. Reports if no engine responds.
pub(crate) async fn clean_up(scope: &CleanupScope) -> CleanReport {
    let engine = match Engine::connect().await {
        Ok(engine) => engine,
        // A missing permission existed when a container could have been left, too; the start itself reports it.
        Err(error @ (ProviderError::NoEngine { .. } | ProviderError::EngineDenied { .. })) => {
            return CleanReport { unasked: vec![error.to_string()], ..CleanReport::default() };
        }
        Err(error) => {
            return CleanReport { problems: vec![error.to_string()], ..CleanReport::default() };
        }
    };
    if matches!(scope, CleanupScope::Run(_)) {
        // A container that is still being created cannot be found yet.
        wait_for_starts().await;
    }
    // A network has to be without containers.
    let containers = remove_labelled(&engine, scope).await;
    containers.join(remove_networks(&engine, scope).await)
}

fn filter(scope: &CleanupScope) -> String {
    match scope {
        CleanupScope::Run(run) => format!("{}={run}", label::RUN),
        CleanupScope::Stale | CleanupScope::Everything => label::RUN.to_owned(),
    }
}

async fn remove_networks(engine: &Engine, scope: &CleanupScope) -> CleanReport {
    let mut report = CleanReport::default();
    let networks = match engine.labelled_networks(&filter(scope)).await {
        Ok(networks) => networks,
        Err(error) => {
            report.problems.push(format!("cannot list networks: {error}"));
            return report;
        }
    };
    for network in &networks {
        let Some(id) = network.id.as_deref() else { continue };
        // The network of a living run is counted with its containers.
        if *scope == CleanupScope::Stale && !is_stale_network(engine, network).await {
            continue;
        }
        let labels = labels_of(network.labels.as_ref());
        let run = labels.get(label::RUN).copied().unwrap_or_default();
        match engine.remove_network(id).await {
            Ok(()) => {
                let name = network.name.as_deref().unwrap_or(id);
                report.removed(RemovedKind::Network, name, run);
            }
            Err(error) => report.problems.push(format!("cannot remove the network {id}: {error}")),
        }
    }
    report
}

async fn is_stale_network(engine: &Engine, network: &Network) -> bool {
    judge(&labels_of(network.labels.as_ref()), None, now()).is_stale(engine).await
}

async fn remove_labelled(engine: &Engine, scope: &CleanupScope) -> CleanReport {
    let mut report = CleanReport::default();
    let containers = match engine.labelled(&filter(scope)).await {
        Ok(containers) => containers,
        Err(error) => {
            report.problems.push(format!("cannot list containers: {error}"));
            return report;
        }
    };
    for container in &containers {
        let Some(id) = container.id.as_deref() else { continue };
        if *scope == CleanupScope::Stale && !is_stale(engine, container).await {
            report.kept += 1;
            continue;
        }
        let labels = labels_of(container.labels.as_ref());
        let run = labels.get(label::RUN).copied().unwrap_or_default();
        match engine.remove(id).await {
            Ok(()) => report.removed(RemovedKind::Container, id.get(..12).unwrap_or(id), run),
            Err(error) => {
                report.problems.push(format!("cannot remove the container {id}: {error}"))
            }
        }
    }
    report
}

async fn is_stale(engine: &Engine, container: &ContainerSummary) -> bool {
    let labels = labels_of(container.labels.as_ref());
    judge(&labels, container.state, now()).is_stale(engine).await
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Stale,
    Living,
    /// As the container that the owner ran in: stale if that has ended.
    AsItsMaker(String),
}

impl Judgement {
    async fn is_stale(&self, engine: &Engine) -> bool {
        match self {
            Self::Stale => true,
            Self::Living => false,
            Self::AsItsMaker(maker) => engine.has_ended(maker).await,
        }
    }
}

fn judge(
    labels: &BTreeMap<&str, &str>,
    state: Option<ContainerSummaryStateEnum>,
    now: Duration,
) -> Judgement {
    let get = |name: &str| labels.get(name).copied().unwrap_or_default();
    let owner = get(label::PID).parse().ok().map(|pid| ProcessIdentity {
        boot: get(label::HOST).to_owned(),
        namespace: get(label::PID_NAMESPACE).to_owned(),
        pid,
        started: get(label::PID_STARTED).to_owned(),
    });
    match owner.map(|owner| owner.liveness()) {
        Some(Liveness::Alive) => return Judgement::Living,
        Some(Liveness::Dead) => return Judgement::Stale,
        // The engine may serve other machines, too, so another boot ID tells nothing about the owner.
        Some(Liveness::Elsewhere) | None => {}
    }
    let seconds = |name: &str| get(name).parse().ok().map(Duration::from_secs);
    let end = seconds(label::STARTED).zip(seconds(label::LIFETIME));
    if end.is_none_or(|(started, lifetime)| now > started + lifetime + GRACE) {
        return Judgement::Stale;
    }
    match (get(label::CONTAINER), state) {
        ("", Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD)) => {
            Judgement::Stale
        }
        ("", _) => Judgement::Living,
        (maker, _) => Judgement::AsItsMaker(maker.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn judged(owner: &ProcessIdentity, more: &[(&'static str, &str)]) -> Judgement {
        let pid = owner.pid.to_string();
        let mut labels = BTreeMap::from([
            (label::RUN, "0123456789ab"),
            (label::PID, pid.as_str()),
            (label::PID_STARTED, owner.started.as_str()),
            (label::HOST, owner.boot.as_str()),
            (label::PID_NAMESPACE, owner.namespace.as_str()),
            (label::STARTED, "1799999000"),
            (label::LIFETIME, "10800"),
        ]);
        labels.extend(more.iter().copied());
        judge(&labels, Some(ContainerSummaryStateEnum::RUNNING), NOW)
    }

    fn elsewhere() -> ProcessIdentity {
        ProcessIdentity { namespace: "pid:[1]".to_owned(), ..ProcessIdentity::current() }
    }

    #[test]
    fn a_local_owner_decides() {
        assert_eq!(
            judged(&ProcessIdentity::current(), &[(label::STARTED, "1")]),
            Judgement::Living
        );
        let dead = ProcessIdentity { started: "0".to_owned(), ..ProcessIdentity::current() };
        assert_eq!(judged(&dead, &[]), Judgement::Stale);
    }

    #[test]
    fn a_remote_owner_is_judged_by_its_container_or_by_age() {
        assert_eq!(judged(&elsewhere(), &[]), Judgement::Living);
        assert_eq!(judged(&elsewhere(), &[(label::STARTED, "1799980000")]), Judgement::Stale);
        assert_eq!(
            judged(&elsewhere(), &[(label::CONTAINER, "abc")]),
            Judgement::AsItsMaker("abc".to_owned())
        );
        assert_eq!(judged(&elsewhere(), &[(label::LIFETIME, "")]), Judgement::Stale);
    }
}
