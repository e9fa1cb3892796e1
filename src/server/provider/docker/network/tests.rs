//! Decisions from an engine's data and the kernel's files; tests with a real engine cover the situations themselves.

use testcontainers::bollard::models::{EndpointSettings, HostConfig, NetworkSettings, PortBinding};

use crate::server::provider::docker::network::*;

const ID: &str = "7856763cdc83bcce2918516ceedfdd7262ea6b85edccfb98fd360aee02df5959";

fn container(mode: &str, networks: &[(&str, &str)]) -> ContainerInspectResponse {
    let endpoint = |address: &str| EndpointSettings {
        ip_address: Some(address.to_owned()),
        ..EndpointSettings::default()
    };
    let networks =
        networks.iter().map(|(name, address)| ((*name).to_owned(), endpoint(address))).collect();
    ContainerInspectResponse {
        host_config: Some(HostConfig {
            network_mode: Some(mode.to_owned()),
            ..HostConfig::default()
        }),
        network_settings: Some(NetworkSettings {
            networks: Some(networks),
            ..NetworkSettings::default()
        }),
        ..ContainerInspectResponse::default()
    }
}

#[test]
fn each_network_mode_is_recognized() {
    let network = |name: &str| Attached::Network(name.to_owned());
    assert_eq!(attached(&container("host", &[("host", "")])), Attached::Host);
    assert_eq!(attached(&container("default", &[("bridge", "172.17.0.2")])), network("bridge"));
    assert_eq!(attached(&container("bridge", &[("bridge", "172.17.0.2")])), network("bridge"));
    assert_eq!(
        attached(&container("github_network_1", &[("github_network_1", "172.18.0.2")])),
        network("github_network_1")
    );
    assert_eq!(
        attached(&container(&format!("container:{ID}"), &[])),
        Attached::Like(ID.to_owned())
    );
    assert_eq!(attached(&container("none", &[("none", "")])), Attached::Nowhere);
}

#[test]
fn a_user_defined_network_is_preferred() {
    let joined = container("b", &[("bridge", "172.17.0.2"), ("a", "10.0.0.2"), ("b", "10.0.1.2")]);
    assert_eq!(attached(&joined), Attached::Network("b".to_owned()));
    let later = container("bridge", &[("bridge", "172.17.0.2"), ("z", "10.0.0.2")]);
    assert_eq!(attached(&later), Attached::Network("z".to_owned()));
}

#[test]
fn addresses_come_from_the_network_or_the_published_port() {
    let on_network = container("net", &[("net", "10.0.0.7")]);
    assert_eq!(address_on(&on_network, "net").as_deref(), Some("10.0.0.7"));
    assert_eq!(address_on(&on_network, "other"), None);
    let mut on_host = container("bridge", &[("bridge", "")]);
    assert_eq!(address_on(&on_host, "bridge"), None);
    let binding =
        PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some("49153".to_owned()) };
    on_host.network_settings.as_mut().unwrap().ports =
        Some([("5432/tcp".to_owned(), Some(vec![binding]))].into_iter().collect());
    assert_eq!(published(&on_host), Some(49_153));
}

#[test]
fn the_own_container_is_identified_by_its_mounted_files() {
    let inside = format!(
        "89 72 0:21 / /proc rw - proc proc rw\n91 72 254:0 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw\n"
    );
    assert_eq!(own_id(&inside), Some(ID));
    // On a host the shared memory of its containers is visible.
    let host =
        format!("91 72 0:50 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n");
    assert_eq!(own_id(&host), None);
    assert_eq!(own_id("91 72 0:1 /var/lib/docker/containers/abc/hosts /etc/hosts rw\n"), None);
}

#[test]
fn engines_on_the_loopback_are_not_remote() {
    assert_eq!(remote_host("unix:///var/run/docker.sock"), None);
    assert_eq!(remote_host("tcp://localhost:2375"), None);
    assert_eq!(remote_host("tcp://docker:2376").as_deref(), Some("docker"));
    assert_eq!(remote_host("https://10.0.0.1:2376/").as_deref(), Some("10.0.0.1"));
    assert_eq!(remote_host("tcp://[fd00::1]:2376").as_deref(), Some("fd00::1"));
}

#[test]
fn the_host_of_a_remote_engine_is_tried_first() {
    let NetworkPlan::Everywhere { hosts } = everywhere(Some("docker".to_owned())) else { panic!() };
    assert_eq!(hosts.first().map(String::as_str), Some("docker"));
    assert_eq!(hosts.last().map(String::as_str), Some("localhost"));
    assert!(hosts.contains(&"host.docker.internal".to_owned()));
}

#[test]
fn the_gateway_of_the_default_route_is_parsed() {
    let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n\
                 eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n\
                 eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\n";
    if cfg!(target_endian = "little") {
        assert_eq!(default_gateway(table), Some(Ipv4Addr::new(172, 17, 0, 1)));
    }
    assert_eq!(default_gateway("Iface\n"), None);
}
