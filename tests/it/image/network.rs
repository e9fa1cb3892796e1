//! Networks of the Docker engine, and this machine's address on them.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::Value;

use crate::common::docker;
use crate::skipped::have;

static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// See the file's head.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) name: String,
    /// Where a container on it reaches this machine.
    pub(super) gateway: IpAddr,
    /// Made for one test, and taken away after it.
    own: bool,
}

impl Network {
    /// The one that containers are on unless something else is said: a job without `services`. `None` if the engine runs
    /// elsewhere.
    pub(super) fn bridge() -> Option<Self> {
        Self::reached("bridge".to_owned(), false)
    }

    /// As the runner makes one for a job with `services`.
    pub(super) fn of_a_job() -> Option<Self> {
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let name = format!("mig-ci-test-{}-{number}", std::process::id());
        docker(&["network", "create", &name]);
        Self::reached(name, true)
    }

    fn reached(name: String, own: bool) -> Option<Self> {
        let network = Self { gateway: gateway(&name), name, own };
        let bound = TcpListener::bind((network.gateway, 0)).map(drop);
        have("MIG_CI_REQUIRE_DOCKER", "Docker engine on this very machine", bound)?;
        Some(network)
    }

    /// What a step's command line says of it: nothing, where it is the usual one.
    pub(super) fn argument(&self) -> Option<&str> {
        self.own.then_some(self.name.as_str())
    }
}

impl Drop for Network {
    /// The engine removes none that a container is still on.
    fn drop(&mut self) {
        if self.own && !thread::panicking() {
            docker(&["network", "rm", &self.name]);
        } else if self.own {
            let _ =
                std::process::Command::new("docker").args(["network", "rm", &self.name]).output();
        }
    }
}

fn gateway(network: &str) -> IpAddr {
    let text = docker(&["network", "inspect", "--format", "{{json .IPAM.Config}}", network]);
    let config: Value = serde_json::from_str(&text).unwrap();
    // An engine does not name the one of `bridge` before its second start; it takes the first address.
    if let Some(gateway) = config[0]["Gateway"].as_str().filter(|text| !text.is_empty()) {
        return gateway.parse().unwrap();
    }
    let (subnet, _) = config[0]["Subnet"].as_str().unwrap().split_once('/').unwrap();
    let first = u32::from(subnet.parse::<Ipv4Addr>().unwrap()) + 1;
    Ipv4Addr::from(first).into()
}
