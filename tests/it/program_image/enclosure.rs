//! What a migration can see and reach in its container. The migration is `tests/fixtures/program_image/probe.py`, which goes
//! past the guard of the driver, and fails with what it has found.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command as Process;

use serde_json::{Value, json};

use super::{CONFIG, Images, adding};
use crate::common::{Project, docker};

fn probing(addresses: &[String]) -> Project {
    let config = CONFIG.replace("127.0.0.1:1", &addresses.join(","));
    adding("SELECT 1")
        .file("mig-ci.toml", config)
        .file(
            "migrations/versions/003_probe.py",
            include_str!("../../fixtures/program_image/probe.py"),
        )
        .file(".netrc", "machine github.com login me password secret-of-netrc\n")
        .git_commit("with a repository")
}

/// What the probe found.
fn found(images: &Images, project: &Project) -> Value {
    let run = images
        .verify(project, &images.python)
        .arg("--tenant=fresh_1")
        .env("GITHUB_TOKEN", "ghs_of_the_job")
        .env("SECRET", "value-of-the-job")
        .env("DOCKER_CONFIG", "/nowhere")
        .arg("--format=json")
        .run()
        .exit(1);
    let text = run.json().to_string();
    let report = run.json();
    let findings = report["findings"].as_array().unwrap();
    let messages = findings.iter().filter_map(|finding| finding["message"].as_str());
    let mut probes = messages.filter_map(|message| message.split_once("PROBE "));
    let (_, json) = probes.next().unwrap_or_else(|| panic!("no probe in {text}"));
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// All addresses of this machine: the local ones of the kernel's routes.
fn own_addresses() -> BTreeSet<Ipv4Addr> {
    let table = fs::read_to_string("/proc/net/fib_trie").unwrap();
    let lines: Vec<&str> = table.lines().collect();
    let local = lines.windows(2).filter(|pair| pair[1].contains("/32 host LOCAL"));
    local.filter_map(|pair| pair[0].trim().strip_prefix("|-- ")?.parse().ok()).collect()
}

#[test]
fn a_migration_sees_nothing_of_the_job() {
    let Some(images) = Images::found() else { return };
    let found = found(&images, &probing(&["127.0.0.1:1".to_owned()]));
    let seen = format!("{}{}", found["environment"], found["of_all_processes"]);
    for secret in ["ghs_of_the_job", "value-of-the-job", "DOCKER", "GITHUB", "of.the.image"] {
        assert!(!seen.contains(secret), "{seen}");
    }
    assert_eq!(
        found["environment"]["TENANT_SCHEMA"].as_str().map(|name| &name[..7]),
        Some("tenant_")
    );
    assert_eq!(found["sockets"], json!([]));
    assert_eq!(found["git"], json!([]));
    let workspace = found["workspace"].as_array().unwrap();
    assert!(workspace.contains(&json!("alembic.ini")) && !workspace.contains(&json!(".netrc")));
    assert_eq!(found["folder"], "/mig-ci/workspace");
}

#[test]
fn a_migration_has_no_privileges() {
    let Some(images) = Images::found() else { return };
    let found = found(&images, &probing(&["127.0.0.1:1".to_owned()]));
    assert_eq!(found["user"], 65534);
    for set in found["capabilities"].as_array().unwrap() {
        assert_eq!(set, "0000000000000000");
    }
    assert_eq!(found["no_new_privileges"], "1");
    assert_eq!(found["writable"], json!(["/tmp"]));
    assert_eq!(found["pids"].as_str().map(str::trim), Some("2048"));
}

/// A listener on this machine that another container reaches is out of reach, at each address; so is everything else.
#[test]
fn a_migration_reaches_the_server_alone() {
    let Some(images) = Images::found() else { return };
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let own = own_addresses().into_iter().filter(|address| !address.is_loopback());
    // The first addresses of networks that the engine creates next are this machine's, too.
    let gateways = (16..=31).map(|second| Ipv4Addr::new(172, second, 0, 1));
    let others = ["1.1.1.1:53".to_owned(), "169.254.169.254:80".to_owned()];
    let addresses: Vec<String> =
        own.chain(gateways).map(|address| format!("{address}:{port}")).chain(others).collect();
    let script = format!(
        "import socket\nfor a in {addresses:?}:\n  h, p = a.rsplit(':', 1)\n  try:\n    socket.create_connection((h, \
         int(p)), 1)\n    print(a)\n  except OSError: pass\n"
    );
    let beside = docker(&[
        "run",
        "--rm",
        "--network=bridge",
        "--entrypoint=/venv/bin/python",
        &images.python,
        "-c",
        &script,
    ]);
    assert!(
        beside.contains(&format!(":{port}")),
        "another container reaches this machine: {beside:?}"
    );

    let found = found(&images, &probing(&addresses));
    assert_eq!((&found["reached"], &found["server"]), (&json!([]), &json!(true)), "{found:#}");
    assert_eq!(found["interfaces"], json!(["eth0", "lo"]));
    // SERVFAIL, NXDOMAIN or no answer, and no address.
    assert_ne!(found["names"], json!(0), "the name server of the engine answers");
}

/// Names that a shell, a tar or a JSON message could misread.
#[test]
fn hostile_names_in_the_workspace() {
    let Some(images) = Images::found() else { return };
    let project = adding("ALTER TABLE members ADD note text");
    let names: [&[u8]; 8] = [
        b"$(touch x);`id`.txt",
        b"new\nline\r.txt",
        b"--checkpoint-action=exec=sh",
        b"\xff\xfe.py",
        b"quote'\"\\.txt",
        b"..hidden",
        &[b'n'; 255],
        b" leading and trailing ",
    ];
    for name in names {
        fs::write(project.path().as_std_path().join(OsStr::from_bytes(name)), "x").unwrap();
    }
    for (target, link) in
        [("/etc/passwd", "absolute"), ("../../../../etc", "out"), ("self", "self")]
    {
        std::os::unix::fs::symlink(target, project.path().join(link)).unwrap();
    }
    let fifo = Process::new("mkfifo").arg(project.path().join("fifo")).status().unwrap();
    assert!(fifo.success());
    let report = images.verify(&project, &images.python).report(0);
    assert_eq!(report.verdict(), "passed");
}
