//! Networks of the Docker engine, and this machine's address in them.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::Value;

use crate::common::docker;
use crate::skipped::have;

static NETWORKS: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
pub(super) struct Network {
    pub(super) name: String,
    /// The address of this machine for containers in the network.
    pub(super) gateway: IpAddr,
    /// Created for one test, and removed after it.
    own: bool,
}

impl Network {
    /// The default network of containers: for a job without `services`. `None` if the engine runs on another machine.
    pub(super) fn bridge() -> Option<Self> {
        Self::reached("bridge".to_owned(), false)
    }

    /// Created as by the runner for a job with `services`.
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

    /// The network argument of a step's command line; `None` for the default network.
    pub(super) fn argument(&self) -> Option<&str> {
        self.own.then_some(self.name.as_str())
    }
}

impl Drop for Network {
    /// The engine does not remove a network that has containers.
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
    // Before its second start an engine does not return the gateway of `bridge`, which is the first address.
    if let Some(gateway) = config[0]["Gateway"].as_str().filter(|text| !text.is_empty()) {
        return gateway.parse().unwrap();
    }
    let (subnet, _) = config[0]["Subnet"].as_str().unwrap().split_once('/').unwrap();
    let first = u32::from(subnet.parse::<Ipv4Addr>().unwrap()) + 1;
    Ipv4Addr::from(first).into()
}
