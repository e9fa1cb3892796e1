//! Compares what mig-ci reads with the real tools: random ini files with Python's ConfigParser, random graphs with the real
//! Alembic, of the oldest and the newest release. They have to agree in sections and values, heads, labels, orders, rows of the
//! ledger and refusals.

mod graphs;
mod inis;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fastrand::Rng;
use serde_json::Value;

use crate::skipped::have;

/// The interpreters with the newest and the oldest supported Alembic.
fn peers() -> Vec<PathBuf> {
    let peers = [("ALEMBIC", "alembic-new"), ("ALEMBIC_OLD", "alembic-old")];
    peers.into_iter().filter_map(|(name, folder)| peer(name, folder)).collect()
}

/// As in `tests/it`.
fn peer(name: &str, folder: &str) -> Option<PathBuf> {
    let of_project = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers").join(folder);
    let named = std::env::var_os(format!("MIG_CI_PEER_{name}"));
    let found = named.map_or_else(|| of_project.join("bin/python"), PathBuf::from);
    let found = if found.is_file() { Ok(found) } else { Err(format!("not {}", found.display())) };
    have("MIG_CI_REQUIRE_PEERS", folder, found)
}

/// The answers of `oracle.py`.
fn ask(python: &Path, questions: &Value) -> Value {
    let mut process = Command::new(python)
        .args(["-c", include_str!("oracle.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(questions.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{} failed", python.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A generator and a number of rounds: as `random_rounds` of `tests/it`.
fn random_rounds(seed: u64, slice: usize, whole: usize) -> (Rng, usize) {
    let is_whole = std::env::var("MIG_CI_TEST_ROUNDS").is_ok_and(|rounds| rounds == "whole");
    let seed = match std::env::var("MIG_CI_TEST_SEED") {
        Ok(seed) => seed.parse().expect("MIG_CI_TEST_SEED is a number"),
        Err(_) if is_whole => fastrand::u64(..),
        Err(_) => seed,
    };
    let rounds = if is_whole { whole } else { slice };
    #[expect(clippy::print_stdout, reason = "a failure has to show its seed")]
    {
        println!("{rounds} rounds with MIG_CI_TEST_SEED={seed}");
    }
    (Rng::with_seed(seed), rounds)
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}
