//! All retry policies, with the reasons for their limits. A jitter of 0.5 means 50 % to 150 % of a pause.

use std::time::Duration;

use super::policy::RetryPolicy;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

// Sessions on servers.

/// A server without a free connection slot. Sessions of other programs end at any time: 13 s on average in total, since several
/// runs may wait for one slot, with jitter so that they do not retry at the same time.
pub(crate) const SERVER_FULL: RetryPolicy =
    RetryPolicy::every(ms(100), "the server is full").growing(2.0, ms(6400)).jitter(0.5).retries(7);
/// A session of `verify`: the server may have no free slot, or recover from a crash, which takes seconds. If the server does not
/// come back, each unit waits no longer than this.
pub(crate) const REPLAY_SESSION: RetryPolicy =
    RetryPolicy::every(ms(100), "the server opens no session").within(s(20));
/// A server that refuses connections after work on it has started: a restart or a failover takes seconds.
pub(crate) const SERVER_AWAY: RetryPolicy =
    RetryPolicy::every(ms(100), "the server is unavailable")
        .growing(2.0, ms(800))
        .within_of_failure(s(10));
/// The same before any work has started: a wrong address should be reported soon.
pub(crate) const FIRST_CONTACT: RetryPolicy = SERVER_AWAY.within_of_failure(s(2));

// Upgrades.

/// The tenants query, after its connection was lost: opening a new session waits itself.
pub(crate) const TENANTS_QUERY: RetryPolicy =
    RetryPolicy::at_once("the connection broke").retries(10);
/// The template of `CREATE DATABASE`, while another session is connected to it. The server itself waits 5 s each time
/// (`CountOtherDBBackends`), so this is nearly two minutes in total.
pub(crate) const TEMPLATE_DATABASE: RetryPolicy =
    RetryPolicy::every(ms(250), "the template database is in use").retries(20);
/// The execution lock of a target, which a session of a terminated client holds until its statement ends: an index on a large
/// table takes minutes.
pub(crate) const EXECUTION_LOCK: RetryPolicy =
    RetryPolicy::every(ms(50), "execution lock is held").within(s(600));
/// The lease of a target that another run holds, with jitter so that several runs do not retry at the same time. The time limit
/// is an option of the command.
pub(crate) const TARGET_LEASE: RetryPolicy =
    RetryPolicy::every(ms(200), "another run holds the target").jitter(0.5);
/// A batch of migrations that failed without effect because of another session: 6 s on average in total. Other targets run
/// meanwhile.
pub(crate) const BATCH: RetryPolicy =
    RetryPolicy::every(ms(200), "another session caused a failure")
        .growing(2.0, ms(3200))
        .jitter(0.5)
        .retries(5);

// Catalogs.

/// A chunk of schemas in which another session drops objects during the read: each attempt has a new snapshot. If all fail, the
/// chunk is halved.
pub(crate) const CATALOG_READ: RetryPolicy =
    RetryPolicy::at_once("another session changed the catalog").retries(2);

// Servers that mig-ci starts.

/// From a container's start to the server's first response. With its data in memory this takes 2 s; an image with a long
/// initialisation, on a loaded machine, a minute.
pub(crate) const CONTAINER_READY: RetryPolicy =
    RetryPolicy::every(ms(25), "the container is not ready").within(s(120));
/// From the start of local binaries to the first response. It takes 0.1 s, longer on a machine that swaps.
pub(crate) const LOCAL_SERVER_READY: RetryPolicy =
    RetryPolicy::every(ms(25), "the server is not ready").within(s(60));
/// A response of a server that the run started: a recovery from the crash of one of its processes takes less than 2 s.
pub(crate) const SERVER_ALIVE: RetryPolicy =
    RetryPolicy::every(ms(100), "the server does not respond").within(s(2));
/// The same for a server that others may restart.
pub(crate) const SERVER_BACK: RetryPolicy = SERVER_ALIVE.within(s(12));
/// A container that the engine is already removing: 3 s, of the 4 s that a removal has.
pub(crate) const CONTAINER_REMOVED: RetryPolicy =
    RetryPolicy::every(ms(50), "the container is being removed").retries(59);
/// The end of terminated sessions: half of the time that an interrupted run has.
pub(crate) const SESSIONS_END: RetryPolicy =
    RetryPolicy::every(ms(20), "sessions have not ended").within(s(2));
/// The end of a child process after a signal. The time limit depends on the signal.
pub(crate) const CHILD_END: RetryPolicy =
    RetryPolicy::every(ms(2), "the process has not ended").within(s(1));
/// The end of a leftover server after a signal. Each check reads files.
pub(crate) const LEFTOVER_SERVER_END: RetryPolicy =
    RetryPolicy::every(ms(20), "the server has not ended").within(s(1));
/// The removal of a folder in which an ending process still creates files.
pub(crate) const FOLDER_REMOVED: RetryPolicy =
    RetryPolicy::every(ms(50), "the folder is in use").retries(4);

// GitHub.

/// A request to GitHub: about 1, 4 and 16 s, longer than a short outage. With jitter, the jobs of a matrix do not retry at the
/// same time. All waits of a run together have a limit, and `Retry-After` lengthens a pause: `github/retry.rs`.
pub(crate) const GITHUB: RetryPolicy =
    RetryPolicy::every(s(1), "GitHub does not respond").growing(4.0, s(16)).jitter(0.25).retries(3);
