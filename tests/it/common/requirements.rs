//! Requirements of tests that a machine may lack; [`crate::skipped`] explains the handling.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use nix::unistd::Uid;

use super::docker;
use crate::skipped::have;

/// Whether a Docker engine responds, or why not.
pub(crate) fn docker_answers() -> Result<(), String> {
    ping(&std::env::var("DOCKER_HOST").unwrap_or_default())
}

/// The image of `.ci/make-postgres-image`, or that of `MIG_CI_TEST_IMAGE`, if an engine has it.
///
/// # Panics
/// If it is not available and `MIG_CI_REQUIRE_DOCKER=1`.
pub(crate) fn docker_image() -> Option<String> {
    image("MIG_CI_TEST_IMAGE", "mig-ci-test/postgres:15")
}

/// The image of mig-ci with the static binary: see `.ci/lib.sh`. An image older than the source does not count.
///
/// # Panics
/// As for [`docker_image`].
pub(crate) fn action_image() -> Option<String> {
    let image = image("MIG_CI_TEST_ACTION_IMAGE", "mig-ci-test/mig-ci")?;
    let made = docker(&["image", "inspect", "--format", "{{.Created}}", &image]);
    let made = humantime::parse_rfc3339(&made).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let newest = ["src", "Cargo.lock", "Dockerfile"].map(|name| newest(&root.join(name)));
    let fresh = match newest.into_iter().max() {
        Some((changed, file)) if changed > made => {
            Err(format!("it is older than {}: create it again", file.display()))
        }
        _ => Ok(image.clone()),
    };
    have("MIG_CI_REQUIRE_DOCKER", &format!("image {image} of this source"), fresh)
}

/// The most recently changed file in a folder, or the file itself.
fn newest(path: &Path) -> (SystemTime, PathBuf) {
    if path.is_file() {
        return (path.metadata().unwrap().modified().unwrap(), path.to_owned());
    }
    let entries = path.read_dir().unwrap();
    let newest = entries.map(|entry| newest(&entry.unwrap().path())).max();
    newest.unwrap_or_else(|| (SystemTime::UNIX_EPOCH, path.to_owned()))
}

/// The image that act uses as the machine of a job, created by `.ci/make-runner-image`.
///
/// # Panics
/// As for [`docker_image`].
pub(crate) fn runner_image() -> Option<String> {
    image("MIG_CI_TEST_RUNNER_IMAGE", "mig-ci-test/act-runner")
}

/// An image with Python and Alembic, created by `.ci/make-python-image`.
///
/// # Panics
/// As for [`docker_image`].
pub(crate) fn python_image() -> Option<String> {
    image("MIG_CI_TEST_PYTHON_IMAGE", "mig-ci-test/python")
}

fn image(variable: &str, default: &str) -> Option<String> {
    let image = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    let known =
        Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", &image]).output();
    let known = match known {
        Ok(output) if output.status.success() => Ok(image.clone()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("docker cannot be run: {error}")),
    };
    have("MIG_CI_REQUIRE_DOCKER", &format!("image {image}"), known)
}

/// Whether this process is root, which may mount, and run programs as other users.
pub(crate) fn is_root() -> bool {
    let answer =
        if Uid::effective().is_root() { Ok(()) } else { Err("these tests run as somebody else") };
    have("MIG_CI_REQUIRE_ROOT", "root", answer).is_some()
}

/// Another program that a test needs: from `MIG_CI_PEER_<NAME>`, else from `target/peers` (where `.ci/run` installs it),
/// else from PATH.
///
/// # Panics
/// If it is not available and `MIG_CI_REQUIRE_PEERS=1`.
pub(crate) fn peer(name: &str) -> Option<PathBuf> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = ["bin", "node_modules/.bin", "python/bin"].map(|folder| peers.join(folder));
    let named = std::env::var_os(format!("MIG_CI_PEER_{}", name.to_uppercase())).map(PathBuf::from);
    let in_folders = folders.into_iter().chain(std::env::split_paths(&path));
    let found = named
        .into_iter()
        .chain(in_folders.map(|folder| folder.join(name)))
        .find(|file| file.is_file());
    have("MIG_CI_REQUIRE_PEERS", name, found.ok_or("neither in PATH nor in target/peers"))
}

/// A virtual environment with Alembic: `new` has the newest versions of Alembic, SQLAlchemy and the database drivers, `old` the
/// oldest that mig-ci supports. From `MIG_CI_PEER_ALEMBIC_<NAME>`, else from `target/peers`.
///
/// # Panics
/// As for [`peer`].
pub(crate) fn alembic(name: &str) -> Option<PathBuf> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    let named = std::env::var_os(format!("MIG_CI_PEER_ALEMBIC_{}", name.to_uppercase()));
    let folder = named.map_or_else(|| peers.join(format!("alembic-{name}")), PathBuf::from);
    let found = folder.join("bin/alembic").is_file().then_some(folder.clone());
    let reason = format!("{} has no bin/alembic", folder.display());
    have("MIG_CI_REQUIRE_PEERS", &format!("alembic-{name}"), found.ok_or(reason))
}

/// Docker's ping. `host` as in DOCKER_HOST; empty for the default socket.
fn ping(host: &str) -> Result<(), String> {
    const REQUEST: &[u8] = b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n";
    let limit = Some(Duration::from_secs(5));
    let mut answer = String::new();
    let asked = if let Some(address) = host.strip_prefix("tcp://") {
        TcpStream::connect(address).and_then(|mut stream| {
            stream.set_read_timeout(limit)?;
            stream.write_all(REQUEST)?;
            stream.read_to_string(&mut answer)
        })
    } else {
        let socket = if host.is_empty() { "unix:///var/run/docker.sock" } else { host };
        let socket = socket.strip_prefix("unix://").ok_or("DOCKER_HOST is neither unix nor tcp")?;
        UnixStream::connect(socket).and_then(|mut stream| {
            stream.set_read_timeout(limit)?;
            stream.write_all(REQUEST)?;
            stream.read_to_string(&mut answer)
        })
    };
    asked.map_err(|error| error.to_string())?;
    let first = answer.lines().next().unwrap_or_default();
    if first.contains(" 200 ") { Ok(()) } else { Err(format!("it answers {first:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn present_requirements_are_found() {
        assert_eq!(have("MIG_CI_REQUIRE_NOTHING", "x", Ok::<_, String>(1)), Some(1));
        assert!(ping("unix:///nowhere").is_err());
        assert!(ping("ssh://host").unwrap_err().contains("DOCKER_HOST"));
    }
}
