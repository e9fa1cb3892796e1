//! The network of a run's programs: the server and the programs, and no way out.

use std::collections::HashMap;

use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::bollard::models::{Network, NetworkConnectRequest, NetworkCreateRequest};
use testcontainers::bollard::query_parameters::{
    InspectNetworkOptions, ListNetworksOptionsBuilder,
};

use super::error::ProgramImageError;
use crate::server::provider::docker::engine::Engine;
use crate::server::provider::docker::network;

/// Without an address of the engine's machine: on an internal network that machine would still be reachable, and all that
/// listens on it (moby's bridge driver).
const NO_ADDRESS_OF_HOST: (&str, &str) = ("com.docker.network.bridge.inhibit_ipv4", "true");

/// A network without a way out, to which the server's container is attached.
#[derive(Debug, Clone)]
pub(super) struct ProgramNetwork {
    pub(super) id: String,
    /// The server's address on it.
    pub(super) server: String,
}

impl ProgramNetwork {
    /// Creates the network, and attaches the container of the server.
    pub(super) async fn create(
        engine: &Engine,
        name: String,
        labels: HashMap<String, String>,
        server: String,
    ) -> Result<Self, ProgramImageError> {
        let (option, value) = NO_ADDRESS_OF_HOST;
        let wanted = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            internal: Some(true),
            attachable: Some(false),
            enable_ipv6: Some(false),
            options: Some(HashMap::from([(option.to_owned(), value.to_owned())])),
            labels: Some(labels),
            ..NetworkCreateRequest::default()
        };
        let created = engine.client.create_network(wanted).await;
        let id = created.map_err(|error| failed("create a network", &error))?.id;
        let request =
            NetworkConnectRequest { container: server.clone(), ..NetworkConnectRequest::default() };
        let attached = engine.client.connect_network(&id, request).await;
        attached.map_err(|error| failed("attach the server to a network", &error))?;
        let found = engine.inspect(&server).await;
        let address = found.and_then(|container| network::address_on(&container, &name));
        let address = address.ok_or_else(|| ProgramImageError::Docker {
            doing: "find the address of the server".to_owned(),
            reason: format!("its container has none on the network `{name}`"),
        })?;
        Ok(Self { id, server: address })
    }
}

fn failed(doing: &str, error: &DockerError) -> ProgramImageError {
    ProgramImageError::docker(format!("{doing} for the migrations' programs"), error)
}

impl Engine {
    /// All networks with the label.
    pub(in crate::server::provider::docker) async fn labelled_networks(
        &self,
        label: &str,
    ) -> Result<Vec<Network>, DockerError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        self.client.list_networks(Some(options)).await
    }

    /// Removes a network, and detaches what is still on it: the server of a run, which is about to be removed itself. Succeeds
    /// if it is already gone.
    pub(in crate::server::provider::docker) async fn remove_network(
        &self,
        id: &str,
    ) -> Result<(), DockerError> {
        let found = self.client.inspect_network(id, None::<InspectNetworkOptions>).await;
        let attached = found.ok().and_then(|network| network.containers).unwrap_or_default();
        for container in attached.into_keys() {
            let request = testcontainers::bollard::models::NetworkDisconnectRequest {
                container,
                force: Some(true),
            };
            // It may have ended meanwhile; then the removal succeeds.
            let _ = self.client.disconnect_network(id, request).await;
        }
        match self.client.remove_network(id).await {
            Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            outcome => outcome,
        }
    }
}
