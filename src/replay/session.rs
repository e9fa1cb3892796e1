//! Sessions of a replay. Opening one is retried for a while: the server may have no free connection, or be recovering from a
//! crash. No migration has been sent yet, so such a failure is not a migration's.

use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, timeout_at};

use super::Replay;
use crate::model::{EnvironmentCause, Failure, FailureKind};
use crate::postgres::Session;
use crate::retry::policies::REPLAY_SESSION;

impl Replay<'_> {
    /// Opens a session, with this search path or the server's default one.
    pub(crate) async fn session(
        &self,
        options: PgConnectOptions,
        search_path: Option<&[String]>,
    ) -> Result<Session, Failure> {
        let deadline = Instant::now() + REPLAY_SESSION.total();
        let attempt = async || {
            let open = async {
                match search_path {
                    Some(path) => Session::open(options.clone(), path).await,
                    None => Session::open_plain(options.clone()).await,
                }
            };
            timeout_at(deadline, open).await.unwrap_or_else(|_| Err(not_opened()))
        };
        let is_transient = |failure: &Failure| is_temporary(failure) && !self.is_lost();
        REPLAY_SESSION.retry(is_transient, attempt).await.map_err(|failure| {
            if !is_temporary(&failure) {
                return failure;
            }
            let cause = failure.environment_cause().unwrap_or(EnvironmentCause::SessionNotOpened);
            Failure { kind: FailureKind::Environment(cause), ..failure }
        })
    }
}

fn not_opened() -> Failure {
    let words =
        format!("the server did not open a session within {} s", REPLAY_SESSION.total().as_secs());
    Failure::new(FailureKind::Environment(EnvironmentCause::SessionNotOpened), words)
}

/// The server is unreachable, recovering, or has no free connection. Source of the code: PostgreSQL, Appendix A:
/// `too_many_connections`.
fn is_temporary(failure: &Failure) -> bool {
    match &failure.kind {
        FailureKind::ConnectionLost => true,
        FailureKind::Sql { sqlstate } => sqlstate == "53300",
        _ => false,
    }
}
