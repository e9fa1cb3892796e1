//! The compared programs, and how each of them is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::address::Address;
use super::common::postgres;
use super::files::Files;
use super::ledger::Ledger;

/// A compared program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arm {
    MigCi,
    /// The minimal program, with a message for each tenant.
    PerTenant,
    /// The minimal program, with a message for each migration.
    PerMigration,
    Alembic,
    SqlxCli,
    Dbmate,
    /// `mig-ci status` with all shapes.
    Status,
    /// One query that hashes the objects of each tenant.
    Query,
    PgDump,
}

/// The work of a program.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    pub(crate) files: &'a Files,
    pub(crate) address: Address,
    /// For programs that need the name of each tenant.
    pub(crate) schemas: &'a [String],
    pub(crate) jobs: usize,
}

impl Arm {
    pub(crate) const PEERS: [Self; 3] = [Self::Alembic, Self::SqlxCli, Self::Dbmate];

    /// A description for a table.
    pub(crate) fn words(self, jobs: usize) -> String {
        match self {
            Self::MigCi => "mig-ci upgrade --all-tenants".to_owned(),
            Self::PerTenant => "minimal program, a message per tenant".to_owned(),
            Self::PerMigration => "minimal program, a message per migration".to_owned(),
            Self::Alembic => "`for t in tenants: alembic upgrade head`".to_owned(),
            Self::SqlxCli => format!("sqlx-cli, a process per tenant, {jobs} at a time"),
            Self::Dbmate => format!("dbmate, a process per tenant, {jobs} at a time"),
            Self::Status => "mig-ci status --all-tenants".to_owned(),
            Self::Query => "minimal program, one query".to_owned(),
            Self::PgDump => format!("`pg_dump --schema-only -n`, {jobs} at a time"),
        }
    }

    /// The name in `benches/upgrade/peers`.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Alembic => "alembic",
            Self::SqlxCli => "sqlx-cli",
            Self::Dbmate => "dbmate",
            _ => "",
        }
    }

    /// Whether it is measured with a few tenants only.
    pub(crate) fn is_peer(self) -> bool {
        Self::PEERS.contains(&self) || self == Self::PgDump
    }

    /// Whether it is the reference of the comparison.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::MigCi | Self::Status)
    }

    pub(crate) fn is_here(self) -> bool {
        !self.is_peer() || self.program().is_file()
    }

    pub(crate) fn ledger(self) -> Ledger {
        match self {
            Self::Alembic => Ledger::Alembic,
            Self::Dbmate => Ledger::Dbmate,
            _ => Ledger::Sqlx,
        }
    }

    fn program(self) -> PathBuf {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
        match self {
            Self::MigCi | Self::Status => env!("CARGO_BIN_EXE_mig-ci").into(),
            Self::PerTenant | Self::PerMigration | Self::Query => {
                std::env::current_exe().unwrap_or_default()
            }
            Self::PgDump => postgres().program("pg_dump"),
            Self::Alembic => peers.join("alembic/bin/python"),
            Self::SqlxCli => peers.join("sqlx-cli/bin/sqlx"),
            // Not the script around it, which starts Node first.
            Self::Dbmate => {
                let machine =
                    if cfg!(target_arch = "aarch64") { "linux-arm64" } else { "linux-x64" };
                peers.join(format!("node_modules/@dbmate/{machine}/bin/dbmate"))
            }
        }
    }

    /// The processes of a run, and how many of them run concurrently.
    pub(crate) fn commands(self, task: &Task) -> Result<(Vec<Command>, usize)> {
        let jobs = task.jobs.to_string();
        let mut one = Command::new(self.program());
        one.current_dir(task.files.path()).env("BENCH_URL", task.address.url());
        match self {
            Self::MigCi => {
                one.args(["upgrade", "--all-tenants", "--yes", "--quiet", "--jobs", &jobs]);
            }
            Self::PerTenant => {
                one.args(["minimal", "sqlx/tenant", &jobs, "tenant"]);
            }
            Self::PerMigration => {
                one.args(["minimal", "sqlx/tenant", &jobs, "migration"]);
            }
            Self::Alembic => {
                task.files.put_alembic_ini(&task.address.sqlalchemy())?;
                let program = self.program();
                let mut path = program.parent().unwrap_or(Path::new("")).as_os_str().to_owned();
                path.push(":");
                path.push(std::env::var_os("PATH").unwrap_or_default());
                one.args(["migrate_all.py", &task.schemas.len().to_string()]);
                one.env("PATH", path).env("BENCH_DSN", task.address.dsn());
            }
            Self::Status => {
                one.args(["status", "--all-tenants", "--check", "--quiet"]);
            }
            Self::Query => {
                one.args(["minimal", "shapes"]);
            }
            Self::SqlxCli | Self::Dbmate | Self::PgDump => {
                let each = task.schemas.iter().map(|schema| self.command_for(task, schema));
                return Ok((each.collect(), task.jobs));
            }
        }
        Ok((vec![one], 1))
    }

    /// For programs that process one tenant.
    fn command_for(self, task: &Task, schema: &str) -> Command {
        let mut command = Command::new(self.program());
        command.current_dir(task.files.path());
        match self {
            Self::PgDump => {
                let url = task.address.dsn();
                command.args(["--schema-only", "--no-password", "-n", schema, "-d", &url]);
            }
            Self::SqlxCli => {
                let url = task.address.url_at(schema);
                command.args(["migrate", "run", "--source", "sqlx/tenant", "--database-url", &url]);
            }
            _ => {
                let url = task.address.go_url_at(schema);
                let files = ["--migrations-dir", "dbmate", "--no-dump-schema", "migrate"];
                command.args(["--url", &url]).args(files);
            }
        }
        command
    }
}
