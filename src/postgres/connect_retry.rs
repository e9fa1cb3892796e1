//! Sessions on a server that others use, too: there may be no room at the moment.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::session::Session;
use crate::model::{EnvironmentCause, Failure, FailureKind};
use crate::retry::policies::SERVER_FULL;

/// For one session: a server that takes a connection and says nothing would be waited for without end.
const OPEN_WITHIN: Duration = Duration::from_secs(30);

impl Session {
    /// [`Session::open_plain`], and where the server has no room for one more session at the moment, again a few times.
    pub(crate) async fn open_patiently(options: &PgConnectOptions) -> Result<Self, Failure> {
        patiently(|| Self::open_plain(options.clone())).await
    }

    /// The same with [`Session::open`].
    pub(crate) async fn open_at_patiently(
        options: &PgConnectOptions,
        search_path: &[String],
    ) -> Result<Self, Failure> {
        patiently(|| Self::open(options.clone(), search_path)).await
    }
}

async fn patiently<F>(open: impl Fn() -> F) -> Result<Session, Failure>
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
