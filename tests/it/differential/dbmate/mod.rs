//! dbmate: the real binary, as installed from npm.

mod directories;
mod sections;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use camino::Utf8Path;
use regex::Regex;
use tokio::process::Command;

use super::compare::{Peer, Said, all_agree};
use crate::common::{Database, peer, scrub};

#[derive(Debug, Clone)]
struct Dbmate(PathBuf);

/// The server's code, which `lib/pq` appends to the message.
static SQLSTATE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\(([0-9A-Z]{5})\)").unwrap());

impl Dbmate {
    /// npm's command is a script that finds and starts the program, which takes longer than the program's run.
    fn here() -> Option<Self> {
        let command = peer("dbmate")?;
        let modules = command.parent().and_then(Path::parent);
        let packages = modules.and_then(|modules| modules.join("@dbmate").read_dir().ok());
        let program = packages.into_iter().flatten().find_map(|package| {
            Some(package.ok()?.path().join("bin/dbmate")).filter(|program| program.is_file())
        });
        Some(Self(program.unwrap_or(command)))
    }
}

impl Peer for Dbmate {
    const FORMAT: &'static str = "dbmate";

    async fn migrate(
        &self,
        database: &Database,
        search_path: Option<&str>,
        directory: &Utf8Path,
    ) -> Result<(), Said> {
        let mut url = database.go_url();
        if let Some(path) = search_path {
            url += &format!("&search_path={}", path.replace(',', "%2C"));
        }
        let mut command = std::process::Command::new(&self.0);
        command.args(["--url", &url, "--migrations-dir", directory.as_str(), "--no-dump-schema"]);
        scrub(&mut command);
        let output = Command::from(command)
            .arg("migrate")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let sqlstate = SQLSTATE.captures(&text).map(|found| found[1].to_owned());
        Err(Said { sqlstate, text })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sections_run_as_dbmate_runs_them() {
    let Some(dbmate) = Dbmate::here() else { return };
    all_agree(dbmate, sections::all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directories_are_read_as_dbmate_reads_them() {
    let Some(dbmate) = Dbmate::here() else { return };
    all_agree(dbmate, directories::all()).await;
}

/// A file with this up section, and an empty down section.
fn up(sql: &str) -> String {
    format!("-- migrate:up\n{sql}\n-- migrate:down\n")
}

/// The same, outside of a transaction.
fn outside(sql: &str) -> String {
    format!("-- migrate:up transaction:false\n{sql}\n-- migrate:down\n")
}
