//! Each problem with an image has its own error, which says what to change.

use std::process::Command as Process;

use super::{Images, adding};
use crate::common::{Project, docker};

fn project() -> Project {
    adding("ALTER TABLE members ADD note text")
}

/// What a failed run says to a person.
fn said(images: &Images, project: &Project, image: &str) -> String {
    let ended = images.verify(project, image).run();
    assert_ne!(ended.status.code(), Some(0), "{}", ended.stdout);
    format!("{}\n{}", ended.stdout, ended.stderr)
}

#[test]
fn an_image_that_does_not_exist() {
    let Some(images) = Images::found() else { return };
    let image = "mig-ci-test.invalid/nothing:1";
    let said = said(&images, &project(), image);
    assert!(said.contains(&format!("the image `{image}`")), "{said}");
    assert!(said.contains("docker pull"), "{said}");
    assert!(!said.contains("postgres.image"), "{said}");
}

#[test]
fn a_name_that_is_none() {
    let Some(images) = Images::found() else { return };
    let said = said(&images, &project(), "an app");
    assert!(said.contains("`an app` is not the name of an image"), "{said}");
    assert!(said.contains("runner-image"), "{said}");
}

#[test]
fn an_image_without_python() {
    let Some(images) = Images::found() else { return };
    let said = said(&images, &project(), &images.postgres);
    let start =
        format!("the image `{}` has no Python interpreter: tried python3, python", images.postgres);
    assert!(said.contains(&start), "{said}");
    assert!(said.contains("set `python = "), "{said}");
}

#[test]
fn an_image_without_the_configured_python() {
    let Some(images) = Images::found() else { return };
    let config = project().read("mig-ci.toml");
    let python = "[databases.app.tenants]\npython = \".venv/bin/python\"\n";
    let project =
        project().file("mig-ci.toml", config.replace("[databases.app.tenants]\n", python));
    let said = said(&images, &project, &images.python);
    assert!(said.contains("has no Python interpreter: tried /app/.venv/bin/python"), "{said}");
}

#[test]
fn an_image_without_alembic() {
    let Some(images) = Images::found() else { return };
    let config = project().read("mig-ci.toml");
    let python = "[databases.app.tenants]\npython = \"/opt/bare/bin/python\"\n";
    let project =
        project().file("mig-ci.toml", config.replace("[databases.app.tenants]\n", python));
    let said = said(&images, &project, &images.python);
    assert!(said.contains("No module named 'alembic'"), "{said}");
    assert!(
        said.contains(&format!("/opt/bare/bin/python of the image {}", images.python)),
        "{said}"
    );
}

/// A server on this machine's socket cannot be reached from a network without a way out.
#[test]
fn another_provider() {
    for provider in ["local", "url"] {
        let ended = project()
            .mig_ci(["verify", "--no-base", "--runner-image=app:1", "--provider", provider])
            .env("MIG_CI_POSTGRES_URL", "postgres://localhost/none")
            .run()
            .exit(4);
        assert!(
            ended.stderr.contains("the migrations run in the image `app:1`"),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains("--provider docker"), "{}", ended.stderr);
    }
}

/// Python in /root, where only root can read: as some tools install it.
#[test]
fn python_that_only_root_can_run() {
    let Some(images) = Images::found() else { return };
    let image = format!("mig-ci-test/python-of-root-{}", std::process::id());
    let folder = tempfile::tempdir().unwrap();
    let lines =
        format!("FROM {}\nRUN [\"/bin/busybox\", \"chmod\", \"700\", \"/venv\"]\n", images.python);
    std::fs::write(folder.path().join("Dockerfile"), lines).unwrap();
    let built = Process::new("docker")
        .env("DOCKER_BUILDKIT", "0")
        .args(["build", "--quiet", "--tag", &image])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let report = images.verify(&project(), &image).arg("--format=json").run();
    docker(&["image", "rm", "--force", &image]);
    assert_eq!(report.json()["verdict"], "passed", "{}", report.stdout);
}
