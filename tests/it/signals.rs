//! A run that a signal ends at any moment: it ends in time, and leaves nothing, at once or after the next cleanup.

use std::os::unix::process::ExitStatusExt as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::common::{
    Cluster, Container, Guest, Interceptor, Outcome, Postgres, Project, Running, StopPoint,
    containers_of, docker_image, postgres, project, until, wait_for_sleepers,
};

/// The time limit after an interruption.
const IN_TIME: Duration = Duration::from_secs(5);

const LOCAL: [&str; 3] = ["verify", "--provider", "local"];

/// One database whose second migration sleeps, in both of its units.
fn sleeper(mark: &str) -> Project {
    project()
        .file("migrations/1_table.sql", "CREATE TABLE t (id int);")
        .file("migrations/2_sleep.sql", format!("SELECT pg_sleep(100) /* {mark} */;"))
}

/// One tenant whose sample sleeps.
fn sleeping_sample(mark: &str) -> Project {
    project()
        .file("migrations/tenant/1_table.sql", "CREATE TABLE t (id int);")
        .file("migrations/shared/1_table.sql", "CREATE TABLE s (id int);")
        .git_commit("base")
        .file(
            "samples/acme.sql",
            format!("INSERT INTO t VALUES (1);\nSELECT pg_sleep(100) /* {mark} */;"),
        )
        .file(
            "mig-ci.toml",
            "[databases.app]\nshared = { migrations = \"migrations/shared\" }\n\
             [databases.app.tenants]\nmigrations = \"migrations/tenant\"\nsamples = \"samples/*.sql\"\n",
        )
}

/// Sends the signal, and waits for the end.
fn end_by(signal: Signal, run: Running) -> Outcome {
    let sent = Instant::now();
    run.signal(signal);
    ended_by(signal, run, sent)
}

fn ended_by(signal: Signal, run: Running, sent: Instant) -> Outcome {
    let ended = run.wait();
    if signal == Signal::SIGKILL {
        assert_eq!(ended.status.signal(), Some(9));
        return ended;
    }
    assert!(sent.elapsed() < IN_TIME, "{:?}: {}", sent.elapsed(), ended.stderr);
    let ended = ended.exit(130);
    assert!(
        ended.stderr.contains("everything that this run created was removed"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "");
    ended
}

/// Another run removes what SIGKILL leaves. Runs of other tests may have done so before.
fn clean(project: &Project) {
    project.mig_ci(["clean"]).run().success();
}

// local ---------------------------------------------------------------------------------------------------------------

async fn asleep(project: &Project, mark: &str, sleepers: usize) -> (Running, Cluster) {
    let run = project.mig_ci(LOCAL).start();
    let cluster = Cluster::ready(&run);
    wait_for_sleepers(&cluster.url(), mark, sleepers).await;
    (run, cluster)
}

#[tokio::test]
async fn local_interrupted_replay_has_no_leftovers() {
    let project = sleeper("local-in-replay");
    // SIGHUP: the terminal was closed.
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let (run, cluster) = asleep(&project, "local-in-replay", 2).await;
        assert!(cluster.segment.is_some() && cluster.processes().len() > 3);
        end_by(signal, run);
        cluster.is_gone();
    }
}

#[tokio::test]
async fn local_server_ends_with_a_killed_replay() {
    let project = sleeper("local-killed");
    let (run, cluster) = asleep(&project, "local-killed", 2).await;
    end_by(Signal::SIGKILL, run);
    cluster.is_dead();
    clean(&project);
    cluster.is_gone();

    let (run, cluster) = asleep(&project, "local-killed", 2).await;
    end_by(Signal::SIGKILL, run);
    let next = project.without("migrations/2_sleep.sql");
    next.mig_ci(LOCAL).run().success();
    cluster.is_gone();
}

#[tokio::test]
async fn local_replay_is_interrupted_while_a_sample_loads() {
    let project = sleeping_sample("local-sample");
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let (run, cluster) = asleep(&project, "local-sample", 1).await;
        end_by(signal, run);
        cluster.is_dead();
        if signal == Signal::SIGKILL {
            clean(&project);
        }
        cluster.is_gone();
    }
}

#[tokio::test]
async fn local_repeated_and_group_signals_are_handled_like_one() {
    let project = sleeper("local-impatience");
    let (run, cluster) = asleep(&project, "local-impatience", 2).await;
    let sent = Instant::now();
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGTERM);
    // It may have ended by now.
    run.try_signal(Signal::SIGINT);
    ended_by(Signal::SIGINT, run, sent);
    cluster.is_gone();

    let run = project.mig_ci(LOCAL).in_process_group().start();
    let cluster = Cluster::ready(&run);
    wait_for_sleepers(&cluster.url(), "local-impatience", 2).await;
    let sent = Instant::now();
    run.signal_group(Signal::SIGINT);
    ended_by(Signal::SIGINT, run, sent);
    cluster.is_gone();
}

/// The stages of a start, each by the file that appears last.
#[test]
fn local_start_can_be_interrupted_at_any_stage() {
    // initdb has started; its bootstrap session, and then others, have the lock file; the server's own configuration is
    // read.
    const BEGUN: &str = "data/PG_VERSION";
    const BOOTSTRAP: &str = "data/global/pg_control";
    const CATALOGS: &str = "data/base/4/PG_VERSION";
    const SERVER: &str = "data/postmaster.opts";
    let project = sleeper("local-start");
    for (signal, stage) in [
        (Signal::SIGINT, ""),
        (Signal::SIGTERM, BEGUN),
        (Signal::SIGKILL, BEGUN),
        (Signal::SIGINT, BOOTSTRAP),
        (Signal::SIGKILL, BOOTSTRAP),
        (Signal::SIGTERM, CATALOGS),
        (Signal::SIGKILL, CATALOGS),
        (Signal::SIGINT, SERVER),
        (Signal::SIGKILL, SERVER),
    ] {
        let run = project.mig_ci(LOCAL).start();
        let mut cluster = Cluster::begun(&run);
        until(stage, || {
            cluster.note_segment();
            cluster.folder.join(stage).exists().then_some(())
        });
        end_by(signal, run);
        cluster.is_dead();
        if signal == Signal::SIGKILL {
            clean(&project);
        }
        cluster.is_gone();
    }
}

/// The conditions must hold at every moment; these are samples.
#[test]
fn local_run_can_be_terminated_during_startup() {
    let project = sleeper("first-moments");
    for after in [0, 1, 2, 4, 8, 16, 32] {
        let run = project.mig_ci(LOCAL).start();
        let pid = run.id();
        sleep(Duration::from_millis(after));
        run.signal(Signal::SIGTERM);
        let ended = run.wait();
        // Before it handles signals it has created nothing, and ends like any program.
        let ended_well = ended.status.code() == Some(130) || ended.status.signal() == Some(15);
        assert!(ended_well, "{:?}: {}", ended.status, ended.stderr);
        assert!(ended.took < IN_TIME);
        assert_eq!(Cluster::folder_of(pid), None);
    }
}

// docker --------------------------------------------------------------------------------------------------------------

fn in_docker(project: &Project, image: &str) -> Running {
    project.mig_ci(["verify", "--provider", "docker", "--postgres-image", image]).start()
}

#[test]
fn docker_terminated_replay_has_no_leftovers() {
    let Some(image) = docker_image() else { return };
    let project = sleeper("docker-in-replay");
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let run = in_docker(&project, &image);
        let pid = run.id();
        let container = Container::begun(&run);
        container.wait_for_sleepers("docker-in-replay", 2);
        end_by(signal, run);
        if signal == Signal::SIGKILL {
            clean(&project);
        }
        assert!(!container.is_there());
        assert_eq!(containers_of(pid), "");
    }
}

#[test]
fn docker_replay_is_interrupted_while_a_sample_loads() {
    let Some(image) = docker_image() else { return };
    let project = sleeping_sample("docker-sample");
    let run = in_docker(&project, &image);
    let container = Container::begun(&run);
    container.wait_for_sleepers("docker-sample", 1);
    let sent = Instant::now();
    run.signal(Signal::SIGINT);
    run.signal(Signal::SIGINT);
    ended_by(Signal::SIGINT, run, sent);
    assert!(!container.is_there());
}

/// The conditions must hold at every moment; these are samples.
#[test]
fn docker_start_can_be_interrupted_at_any_moment() {
    let Some(image) = docker_image() else { return };
    let project = sleeper("docker-start");
    for (signal, after) in [
        (Signal::SIGINT, 0),
        (Signal::SIGTERM, 150),
        (Signal::SIGKILL, 150),
        (Signal::SIGINT, 600),
        (Signal::SIGKILL, 1_000),
    ] {
        let run = in_docker(&project, &image);
        let pid = run.id();
        run.says("starting PostgreSQL");
        sleep(Duration::from_millis(after));
        end_by(signal, run);
        if signal == Signal::SIGKILL {
            // The engine finishes its requests, and does not tell whether it has one: a container that appears later is
            // removed by the next start.
            let killed_at = Instant::now();
            while containers_of(pid).is_empty() && killed_at.elapsed() < Duration::from_secs(3) {
                sleep(Duration::from_millis(50));
            }
            clean(&project);
        }
        assert_eq!(containers_of(pid), "", "{signal} after {after} ms");
    }
    // Between the container's start and the server's first response.
    let run = in_docker(&project, &image);
    let container = Container::begun(&run);
    end_by(Signal::SIGTERM, run);
    assert!(!container.is_there());
}

// url -----------------------------------------------------------------------------------------------------------------

async fn as_guest<'a>(
    project: &Project,
    server: &'a Postgres,
    mark: &str,
    sleepers: usize,
) -> (Running, Guest<'a>) {
    let url = server.url("postgres");
    let run =
        project.mig_ci(["verify", "--provider", "url"]).env("MIG_CI_POSTGRES_URL", &url).start();
    wait_for_sleepers(&url, mark, sleepers).await;
    (run, Guest::of_sleeper(server, mark).await)
}

#[tokio::test]
async fn url_interrupted_replay_has_no_leftovers() {
    let server = postgres();
    let other = server.database().await;
    other.sql("CREATE TABLE mine AS SELECT 1 AS n").await;
    for (project, sleepers) in
        [(sleeper("url-in-replay"), 2), (sleeping_sample("url-in-replay"), 1)]
    {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let (run, guest) = as_guest(&project, server, "url-in-replay", sleepers).await;
            let things = guest.things().await;
            assert!(things.iter().any(|thing| thing.ends_with("_owner")), "{things:?}");
            end_by(signal, run);
            guest.is_gone().await;
        }
    }
    assert_eq!(other.sql("SELECT n FROM mine").await, ["1"]);
}

#[tokio::test]
async fn url_leftovers_of_a_killed_replay_are_removed_while_its_sessions_sleep() {
    // On a separate server: its cleanup is reported by the run that does it.
    let server = Postgres::start();
    server.sql("CREATE TABLE mine AS SELECT 1 AS n").await;
    let project = sleeper("url-killed");
    let url = server.url("postgres");

    let (run, guest) = as_guest(&project, &server, "url-killed", 2).await;
    end_by(Signal::SIGKILL, run);
    without_anchor(&guest).await;
    let cleaned = project.mig_ci(["clean", "--postgres-url", &url]).run().success();
    assert!(!cleaned.stdout.contains("problem"), "{}", cleaned.stdout);
    guest.is_gone().await;

    let (run, guest) = as_guest(&project, &server, "url-killed", 2).await;
    end_by(Signal::SIGKILL, run);
    without_anchor(&guest).await;
    let next = project.without("migrations/2_sleep.sql");
    next.mig_ci(["verify", "--provider", "url", "--postgres-url", &url]).run().success();
    guest.is_gone().await;

    assert_eq!(server.sql("SELECT n FROM mine").await, ["1"]);
}

/// Waits until the server has detected that the client is gone.
async fn without_anchor(guest: &Guest<'_>) {
    let begun = Instant::now();
    while guest.things().await.iter().any(|thing| thing.ends_with(" anchor")) {
        assert!(begun.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn url_clean_keeps_objects_of_a_running_replay() {
    let server = postgres();
    let url = server.url("postgres");
    let project = sleeper("url-living");
    let (run, guest) = as_guest(&project, server, "url-living", 2).await;
    let before = guest.things().await;
    project.mig_ci(["clean", "--postgres-url", &url]).run().success();
    assert_eq!(guest.things().await, before);
    end_by(Signal::SIGINT, run);
    guest.is_gone().await;
}

/// Before each of the first messages to the server, and after it.
#[tokio::test]
async fn url_start_can_be_interrupted_at_any_message() {
    let server: &Postgres = Box::leak(Box::new(Postgres::start()));
    let database = server.database().await;
    let interceptor = Interceptor::to(&database);
    let url = interceptor.url_of("admin", "postgres");
    let project = sleeper("url-start");
    for messages in 0..24 {
        let point =
            if messages % 2 == 0 { StopPoint::BeforeServer } else { StopPoint::BeforeBinary };
        interceptor.stop_after(messages, point);
        let run = project.mig_ci(["verify", "--provider", "url", "--postgres-url", &url]);
        let mut run = run.env("MIG_CI_LOG", "mig_ci=debug").start();
        assert!(interceptor.is_stopped(&mut run), "it has ended: {:?}", run.wait());
        run.signal(Signal::SIGINT);
        run.says("interruption requested");
        interceptor.release();
        ended_by(Signal::SIGINT, run, Instant::now());
        let left = "SELECT datname FROM pg_database WHERE datname LIKE 'mig\\_ci\\_%' \
                    UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'mig\\_ci\\_%'";
        assert_eq!(server.sql(left).await, [""; 0], "after {messages} messages");
    }
}
