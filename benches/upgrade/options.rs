//! The flags of the harness.

use anyhow::{Context as _, Result, bail};

use super::arm::Arm;

const HELP: &str = "\
cargo bench --bench upgrade -- [FLAGS]
  --tenants N         schemas in the whole history, and with one that is new [1000]
  --runs N            of each arm, interleaved; medians count [5]
  --jobs N            connections, or processes at a time [the number of cores]
  --only A,B          of whole, one-new, nothing, status, far, memory [all]
  --peers A,B         of alembic, sqlx-cli, dbmate; or none [those that benches/upgrade/peers has installed]
  --peer-tenants N    tenants for arms that start a process for each [50]
  --far-tenants N     tenants where the server is far [100]
  --far-peer-tenants N  and for arms that start a process for each [10]
  --idle-tenants N    tenants that have nothing to do [5000]
  --memory-tenants N  tenants where memory is measured [10000]";

/// See [`HELP`].
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) tenants: usize,
    pub(crate) runs: usize,
    pub(crate) jobs: usize,
    pub(crate) only: Vec<String>,
    pub(crate) peers: Vec<Arm>,
    pub(crate) peer_tenants: usize,
    pub(crate) far_tenants: usize,
    pub(crate) far_peer_tenants: usize,
    pub(crate) idle_tenants: usize,
    pub(crate) memory_tenants: usize,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            tenants: 1000,
            runs: 5,
            jobs: std::thread::available_parallelism()?.get(),
            only: ["whole", "one-new", "nothing", "status", "far", "memory"]
                .map(str::to_owned)
                .to_vec(),
            peers: Arm::PEERS.to_vec(),
            peer_tenants: 50,
            far_tenants: 100,
            far_peer_tenants: 10,
            idle_tenants: 5000,
            memory_tenants: 10_000,
        };
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            let mut value = || rest.next().with_context(|| format!("{flag} wants a value\n{HELP}"));
            match flag.as_str() {
                "--tenants" => options.tenants = value()?.parse()?,
                "--runs" => options.runs = value()?.parse()?,
                "--jobs" => options.jobs = value()?.parse()?,
                "--only" => {
                    let known = options.only.clone();
                    options.only = value()?.split(',').map(str::to_owned).collect();
                    if let Some(odd) = options.only.iter().find(|name| !known.contains(name)) {
                        bail!("--only {odd}?\n{HELP}");
                    }
                }
                "--peers" => options.peers = peers(value()?)?,
                "--peer-tenants" => options.peer_tenants = value()?.parse()?,
                "--far-tenants" => options.far_tenants = value()?.parse()?,
                "--far-peer-tenants" => options.far_peer_tenants = value()?.parse()?,
                "--idle-tenants" => options.idle_tenants = value()?.parse()?,
                "--memory-tenants" => options.memory_tenants = value()?.parse()?,
                "--help" => bail!("{HELP}"),
                // Passed by cargo itself.
                "--bench" => {}
                _ => bail!("{flag}?\n{HELP}"),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.only.iter().any(|name| name == scenario)
    }
}

fn peers(names: &str) -> Result<Vec<Arm>> {
    let names = names.split(',').filter(|name| *name != "none");
    let peer = |name: &str| Arm::PEERS.into_iter().find(|peer| peer.package() == name);
    names.map(|name| peer(name).with_context(|| format!("--peers {name}?\n{HELP}"))).collect()
}
