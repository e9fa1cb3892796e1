//! How a container is reached, from the host or from inside another container.
//!
//! The `get_host()` of testcontainers is correct in only one of these situations, so mig-ci determines the address itself.
//! Each row is tested:
//!
//! | mig-ci runs | the server's container | reached at |
//! | --- | --- | --- |
//! | on the host, or with `--network host` | published on 127.0.0.1 | `127.0.0.1`, published port |
//! | in a container, user-defined network | put on the same network | its address there, 5432 |
//! | in a container, default bridge | put on `bridge` | its address there, 5432 |
//! | `--network container:X` | as for X | as for X |
//! | remote engine, or an engine that does not know mig-ci's container | published on all addresses | first that responds |

use std::fmt;
use std::fs;
use std::net::Ipv4Addr;

use testcontainers::bollard::models::ContainerInspectResponse;

use super::engine::{self, Engine};
use crate::server::error::ProviderError;

/// The server's port in the container.
pub(crate) const PORT: u16 = 5432;

/// Limit for chains of `--network container:X`.
const MAX_HOPS: usize = 8;

/// How the container is made reachable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NetworkPlan {
    /// Its port is published on this machine's loopback address only.
    Loopback,
    /// It joins mig-ci's own network; nothing is published.
    Join { network: String },
    /// Its port is published on all addresses of the engine's machine, which is one of `hosts`. A random password protects
    /// it.
    Everywhere { hosts: Vec<String> },
}

impl NetworkPlan {
    /// The address on which the port is published.
    pub(crate) fn published_on(&self) -> Option<&'static str> {
        match self {
            Self::Loopback => Some("127.0.0.1"),
            Self::Join { .. } => None,
            Self::Everywhere { .. } => Some("0.0.0.0"),
        }
    }

    /// The network that the container joins.
    pub(crate) fn join(&self) -> Option<&str> {
        match self {
            Self::Join { network } => Some(network),
            Self::Loopback | Self::Everywhere { .. } => None,
        }
    }

    /// A remark for the report.
    pub(crate) fn note(&self) -> Option<&'static str> {
        match self {
            Self::Loopback | Self::Join { .. } => None,
            Self::Everywhere { .. } => Some(
                "the server's port was published on all addresses of the Docker engine's machine (with a random \
                 password), because the engine is remote or does not know the container that mig-ci runs in",
            ),
        }
    }
}

/// A possible address of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Determines the plan from the engine's address and mig-ci's own container.
pub(crate) async fn plan(engine: &Engine) -> NetworkPlan {
    if let Some(host) = remote_host(&engine::address()) {
        return everywhere(Some(host));
    }
    let Some(mut id) = own_container() else { return NetworkPlan::Loopback };
    for _ in 0..MAX_HOPS {
        // An engine that does not know mig-ci's container (Docker in Docker) runs on another machine.
        let Some(container) = engine.inspect(&id).await else { return everywhere(None) };
        match attached(&container) {
            Attached::Host => return NetworkPlan::Loopback,
            Attached::Network(network) => return NetworkPlan::Join { network },
            Attached::Like(other) => id = other,
            Attached::Nowhere => return everywhere(None),
        }
    }
    everywhere(None)
}

/// The possible addresses of the started container, the most likely first.
pub(crate) async fn addresses(
    engine: &Engine,
    id: &str,
    plan: &NetworkPlan,
) -> Result<Vec<ServerAddress>, ProviderError> {
    // A container that has just ended has no addresses; waiting for its response detects that.
    let Some(container) = engine.inspect(id).await else { return Ok(Vec::new()) };
    let missing = |what: &str| ProviderError::Docker {
        doing: "find the address of the new container".to_owned(),
        reason: format!("it names no {what}"),
    };
    let running = container.state.as_ref().and_then(|state| state.running).unwrap_or(false);
    let found = match plan {
        NetworkPlan::Join { network } => address_on(&container, network)
            .map(|host| vec![ServerAddress { host, port: PORT }])
            .ok_or_else(|| missing(&format!("address on the network `{network}`"))),
        NetworkPlan::Loopback => published(&container)
            .map(|port| vec![ServerAddress { host: "127.0.0.1".to_owned(), port }])
            .ok_or_else(|| missing("published port")),
        NetworkPlan::Everywhere { hosts } => published(&container)
            .map(|port| {
                hosts.iter().map(|host| ServerAddress { host: host.clone(), port }).collect()
            })
            .ok_or_else(|| missing("published port")),
    };
    match found {
        Err(_) if !running => Ok(Vec::new()),
        found => found,
    }
}

fn everywhere(url_host: Option<String>) -> NetworkPlan {
    let gateway =
        fs::read_to_string("/proc/net/route").ok().and_then(|table| default_gateway(&table));
    let hosts = [
        url_host,
        gateway.map(|gateway| gateway.to_string()),
        Some("host.docker.internal".to_owned()),
        Some("localhost".to_owned()),
    ];
    NetworkPlan::Everywhere { hosts: hosts.into_iter().flatten().collect() }
}

/// The host of an engine that is reached over the network; `None` for this machine's loopback address.
fn remote_host(address: &str) -> Option<String> {
    let rest =
        ["tcp://", "http://", "https://"].iter().find_map(|scheme| address.strip_prefix(scheme))?;
    let authority = rest.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    let local = matches!(host, "" | "localhost" | "127.0.0.1" | "::1");
    (!local).then(|| host.to_owned())
}

/// The network of a container.
#[derive(Debug, PartialEq, Eq)]
enum Attached {
    Host,
    Network(String),
    /// The network of this other container.
    Like(String),
    Nowhere,
}

fn attached(container: &ContainerInspectResponse) -> Attached {
    let mode = container.host_config.as_ref().and_then(|host| host.network_mode.as_deref());
    let mode = mode.unwrap_or_default();
    if mode == "host" {
        return Attached::Host;
    }
    if let Some(other) = mode.strip_prefix("container:") {
        return Attached::Like(other.to_owned());
    }
    let networks =
        container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let mut names: Vec<&str> = networks
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .filter(|name| *name != "none" && *name != "host")
        .collect();
    // A user-defined network before the bridge; the one it was started with before those it joined later.
    names.sort_by_key(|name| (*name == "bridge", *name != mode, *name));
    names.first().map_or(Attached::Nowhere, |name| Attached::Network((*name).to_owned()))
}

/// The address of a container on a network.
pub(crate) fn address_on(container: &ContainerInspectResponse, network: &str) -> Option<String> {
    let endpoint = container.network_settings.as_ref()?.networks.as_ref()?.get(network)?;
    [&endpoint.ip_address, &endpoint.global_ipv6_address]
        .into_iter()
        .flatten()
        .find(|address| !address.is_empty())
        .cloned()
}

fn published(container: &ContainerInspectResponse) -> Option<u16> {
    let ports = container.network_settings.as_ref()?.ports.as_ref()?;
    let bindings = ports.get(&format!("{PORT}/tcp"))?.as_ref()?;
    bindings.iter().find_map(|binding| binding.host_port.as_deref()?.parse().ok())
}

/// The ID of the container that mig-ci runs in, if any.
pub(crate) fn own_container() -> Option<String> {
    own_id(&fs::read_to_string("/proc/self/mountinfo").ok()?).map(str::to_owned)
}

/// Docker mounts `/etc/hosts` and other files into every container from `…/containers/<id>/`. The root of the mount is
/// decisive, not the mount point: on a host the folders of *other* containers can be mount points.
fn own_id(mountinfo: &str) -> Option<&str> {
    const FILES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
    mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let id = root.rsplit_once("/containers/")?.1.split('/').next()?;
        let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_id && FILES.contains(&point)).then_some(id)
    })
}

/// The gateway of the default route, from `/proc/net/route`.
fn default_gateway(table: &str) -> Option<Ipv4Addr> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (destination, gateway) = (fields.next()?, fields.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        // The network-order bytes are printed as a native integer: reversed on little-endian machines.
        (destination == "00000000" && gateway != 0).then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
    })
}

#[cfg(test)]
mod tests;
