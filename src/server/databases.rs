//! Databases of a run: owned by the migration role, named after the run, and dropped by that name.

use futures::StreamExt as _;
use futures::stream;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::error::ProviderError;
use super::instance::Server;
use crate::model::{Failure, FailureKind};
use crate::postgres::{Session, connect};
use crate::retry::policies::TEMPLATE_DATABASE;
use crate::sql::quote_identifier;

/// The first version with `CREATE DATABASE … STRATEGY`.
const STRATEGY_FROM: u32 = 150_000;
/// The first version with `DROP DATABASE … WITH (FORCE)`.
const FORCE_FROM: u32 = 130_000;
/// Concurrent drops: each needs a checkpoint and removes a directory, so more would only wait for each other.
const DROPS_AT_A_TIME: usize = 4;

impl Server {
    /// Creates an empty database (UTF-8, from `template0`) that the migration role owns, with the configured extensions, and
    /// returns its name.
    pub(crate) async fn create_database(&self) -> Result<String, ProviderError> {
        let name = self.create_empty().await?;
        if !self.extensions().is_empty() {
            self.create_extensions(&name).await?;
        }
        Ok(name)
    }

    async fn create_empty(&self) -> Result<String, ProviderError> {
        let name = self.next_database();
        // On a server without durability a checkpoint is cheap, and copying files takes half as long as copying through the
        // WAL.
        let strategy =
            if self.own && self.version_num >= STRATEGY_FROM { " STRATEGY file_copy" } else { "" };
        let locale = self.locale_options();
        let sql = format!(
            "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'{locale}{strategy}",
            quote_identifier(&name),
            quote_identifier(self.role_name()),
        );
        let mut connection = connect::open(&self.admin(), "connect to create a database").await?;
        connect::execute(&mut connection, sql, &format!("create the database `{name}`")).await?;
        connect::close(connection).await;
        Ok(name)
    }

    /// Copies a database of the run, which no session may use meanwhile, and returns the name of the copy.
    ///
    /// # Errors
    /// The role of the run may not copy it, or a session does not end.
    pub(crate) async fn copy_database(&self, source: &str) -> Result<String, Failure> {
        let name = self.next_database();
        let sql = format!(
            "CREATE DATABASE {} OWNER {} TEMPLATE {}",
            quote_identifier(&name),
            quote_identifier(self.role_name()),
            quote_identifier(source),
        );
        // A session that was closed a moment ago still counts (SQLSTATE 55006, object in use).
        let is_used = |failure: &Failure| matches!(&failure.kind, FailureKind::Sql { sqlstate } if sqlstate == "55006");
        let copy = async || {
            let mut session = Session::open_plain(self.admin()).await?;
            session.execute(sql.clone()).await?;
            session.close().await;
            Ok(())
        };
        TEMPLATE_DATABASE.retry(is_used, copy).await.map(|()| name)
    }

    async fn create_extensions(&self, database: &str) -> Result<(), ProviderError> {
        let mut connection =
            connect::open(&self.admin_in(database), "connect to create extensions").await?;
        for extension in self.extensions() {
            let sql =
                format!("CREATE EXTENSION IF NOT EXISTS {} CASCADE", quote_identifier(extension));
            let doing = format!(
                "create the extension `{extension}` of postgres.extensions (if the server lacks it, set \
                 `image` in [postgres] to one that has it, or install its package for the local binaries)"
            );
            connect::execute(&mut connection, sql, &doing).await?;
        }
        connect::close(connection).await;
        Ok(())
    }
}

/// Drops databases with all their sessions, some at a time. Returns the result for each, in the order of `names`.
pub(crate) async fn drop_databases(
    admin: &PgConnectOptions,
    names: &[String],
    version_num: u32,
) -> Vec<Result<(), ProviderError>> {
    // Owned, because a borrow in such a stream would make the whole future not `Send`.
    stream::iter(names.to_vec())
        .map(|name| {
            let admin = admin.clone();
            async move { drop_one(&admin, &name, version_num).await }
        })
        .buffered(DROPS_AT_A_TIME)
        .collect()
        .await
}

async fn drop_one(
    admin: &PgConnectOptions,
    name: &str,
    version_num: u32,
) -> Result<(), ProviderError> {
    let doing = format!("drop the database `{name}`");
    let mut connection = connect::open(admin, &doing).await?;
    let quoted = quote_identifier(name);
    if version_num >= FORCE_FROM {
        let sql = format!("DROP DATABASE IF EXISTS {quoted} WITH (FORCE)");
        connect::execute(&mut connection, sql, &doing).await?;
    } else {
        let ended = sqlx::query(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = $1",
        )
        .bind(name)
        .execute(&mut connection)
        .await;
        ended.map_err(|error| ProviderError::sql(doing.as_str(), &error))?;
        connect::execute(&mut connection, format!("DROP DATABASE IF EXISTS {quoted}"), &doing)
            .await?;
    }
    connect::close(connection).await;
    Ok(())
}

/// Drops a role of a run whose databases are gone, with its privileges in the maintenance database and on the server.
pub(crate) async fn drop_role(
    connection: &mut PgConnection,
    name: &str,
) -> Result<(), ProviderError> {
    let quoted = quote_identifier(name);
    let doing = format!("drop the role `{name}`");
    let plainly = format!("DROP ROLE IF EXISTS {quoted}");
    if connect::execute(connection, plainly, &doing).await.is_ok() {
        return Ok(());
    }
    connect::execute(connection, format!("DROP OWNED BY {quoted}; DROP ROLE {quoted}"), &doing)
        .await
}
