//! A service container of a job: `services: postgres:`, reached by its name on the job's network.

use super::runner::Machine;
use crate::common::{docker, until};

const PASSWORD: &str = "only-for-this-service";

/// Removed with the value.
#[derive(Debug)]
pub(super) struct Service {
    id: String,
}

impl Service {
    pub(super) fn start(machine: &Machine) -> Self {
        let network = machine.network.argument().expect("a network of the job's own");
        let password = format!("POSTGRES_PASSWORD={PASSWORD}");
        let id = docker(&[
            "run",
            "--detach",
            "--rm",
            "--network",
            network,
            "--network-alias",
            "postgres",
            "--tmpfs",
            "/data",
            "-e",
            "PGDATA=/data/pg",
            "-e",
            &password,
            &machine.postgres,
        ]);
        let service = Self { id };
        // The first server, which only initializes the data directory, does not listen here.
        until("the service's server", || {
            let exec = ["exec", &service.id, "pg_isready", "--quiet", "--host", "127.0.0.1"];
            let asked = std::process::Command::new("docker").args(exec).status().unwrap();
            asked.success().then_some(())
        });
        service
    }

    /// As written in a workflow.
    pub(super) fn url(&self) -> String {
        format!("postgres://postgres:{PASSWORD}@postgres:5432/postgres")
    }

    /// Databases and roles that a run has left.
    pub(super) fn left(&self) -> String {
        let sql = "SELECT datname FROM pg_database WHERE datname LIKE 'mig\\_ci\\_%' \
                   UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'mig\\_ci\\_%'";
        docker(&["exec", &self.id, "psql", "-XAtq", "-U", "postgres", "-c", sql])
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.id]);
    }
}
