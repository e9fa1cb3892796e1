//! Sessions of a replay. Opening one is retried for a while: the server may have no free connection, or be recovering from a
//! crash. No migration has been sent yet, so such a failure is not a migration's.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use super::Replay;
use crate::model::{EnvironmentCause, Failure, FailureKind};
use crate::postgres::Session;

/// The time limit for opening one session, over all attempts.
const WITHIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

impl Replay<'_> {
    /// Opens a session, with this search path or the server's default one.
    pub(crate) async fn session(
        &self,
        options: PgConnectOptions,
        search_path: Option<&[String]>,
    ) -> Result<Session, Failure> {
        let deadline = Instant::now() + WITHIN;
        loop {
            let opening = async {
                match search_path {
                    Some(path) => Session::open(options.clone(), path).await,
                    None => Session::open_plain(options.clone()).await,
                }
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let opened = tokio::time::timeout(left, opening).await.unwrap_or_else(|_| {
                let words =
                    format!("the server did not open a session within {} s", WITHIN.as_secs());
                Err(Failure::new(
                    FailureKind::Environment(EnvironmentCause::SessionNotOpened),
                    words,
                ))
            });
            match opened {
                Err(failure) if is_temporary(&failure) => {
                    if self.is_lost() || Instant::now() + PAUSE > deadline {
                        let cause = failure.environment_cause();
                        let cause = cause.unwrap_or(EnvironmentCause::SessionNotOpened);
                        return Err(Failure { kind: FailureKind::Environment(cause), ..failure });
                    }
                    let reason = failure.message;
                    tracing::debug!(reason, pause = ?PAUSE, "connecting again");
                    tokio::time::sleep(PAUSE).await;
                }
                opened => return opened,
            }
        }
    }
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
