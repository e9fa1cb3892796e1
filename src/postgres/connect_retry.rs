//! Sessions on a server that other programs use, too: there may be no free connection slot.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::session::Session;
use crate::model::{EnvironmentCause, Failure, FailureKind};
use crate::retry::policies::SERVER_FULL;

/// The time limit of one attempt: a server may accept the connection and never respond.
const OPEN_WITHIN: Duration = Duration::from_secs(30);

impl Session {
    /// [`Session::open_plain`], and retries a few times while the server has no free connection slot.
    pub(crate) async fn open_with_retry(options: &PgConnectOptions) -> Result<Self, Failure> {
        with_retry(|| Self::open_plain(options.clone())).await
    }

    /// As [`Self::open_with_retry`], with [`Session::open`].
    pub(crate) async fn open_at_with_retry(
        options: &PgConnectOptions,
        search_path: &[String],
    ) -> Result<Self, Failure> {
        with_retry(|| Self::open(options.clone(), search_path)).await
    }
}

async fn with_retry<F>(open: impl Fn() -> F) -> Result<Session, Failure>
where
    F: Future<Output = Result<Session, Failure>>,
{
    // Source: PostgreSQL's Appendix A: too_many_connections.
    let full = FailureKind::Sql { sqlstate: "53300".to_owned() };
    let attempt = async || {
        tokio::time::timeout(OPEN_WITHIN, open()).await.unwrap_or_else(|_| {
            let words = format!("it did not open a session within {} s", OPEN_WITHIN.as_secs());
            Err(Failure::new(FailureKind::Environment(EnvironmentCause::SessionNotOpened), words))
        })
    };
    SERVER_FULL.retry(|failure: &Failure| failure.kind == full, attempt).await
}
