//! Tests with a real server: the PostgreSQL of this machine, or of `MIG_CI_PG_BIN`.

mod changes;
mod names;
mod others;
mod schema;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::mpsc;

use super::CatalogReader;
use crate::model::{Failure, Fingerprint, LeaveOut, PostgresSettings, ProviderChoice};
use crate::postgres::Session;
use crate::server::RunId;
use crate::server::{Server, ServerRequest};
use crate::sql::quote_identifier;

/// A database with the schema that all tenants share, with sessions for changes and reads.
struct CatalogTest {
    server: Server,
    database: String,
    session: Session,
    reader: CatalogReader,
}

impl CatalogTest {
    async fn new() -> Self {
        let settings =
            PostgresSettings { provider: ProviderChoice::Local, ..PostgresSettings::default() };
        let request = ServerRequest {
            settings,
            run: RunId::new(),
            jobs: 2,
            programs: false,
            program_image: None,
        };
        let (events, _events) = mpsc::unbounded_channel();
        let server = Server::start(&request, &events).await.unwrap();
        let database = server.create_database().await.unwrap();
        let session = Session::open_plain(server.admin_in(&database)).await.unwrap();
        let reader = CatalogReader::open(&server.admin_in(&database)).await.unwrap();
        let mut test = Self { server, database, session, reader };
        test.sql(schema::SHARED).await;
        test
    }

    fn options(&self) -> PgConnectOptions {
        self.server.admin_in(&self.database)
    }

    async fn sql(&mut self, sql: &str) {
        if let Err(failure) = self.session.execute(sql).await {
            panic!("{}: {:?}\nin: {sql}", failure.message, failure.detail);
        }
    }

    /// Creates a tenant's schema.
    async fn tenant(&mut self, schema: &str) {
        let script = schema::of(self.reader.major);
        self.tenant_of(schema, &script).await;
    }

    async fn tenant_of(&mut self, schema: &str, script: &str) {
        self.sql(&format!("CREATE SCHEMA {}", quote_identifier(schema))).await;
        self.sql_in(schema, script).await;
    }

    /// Runs SQL in a tenant's schema, as a migration.
    async fn sql_in(&mut self, schema: &str, sql: &str) {
        if let Err(failure) = self.try_in(schema, sql).await {
            panic!("{}: {:?}\nin: {sql}", failure.message, failure.detail);
        }
    }

    /// The same in one transaction.
    async fn try_in(&mut self, schema: &str, sql: &str) -> Result<(), Failure> {
        let schema = quote_identifier(schema);
        self.session
            .execute(format!("SET search_path = {schema}; {sql}; SET search_path = public"))
            .await
    }

    async fn fingerprints(&mut self, schemas: &[&str]) -> Vec<Fingerprint> {
        let schemas: Vec<String> = schemas.iter().map(|&name| name.to_owned()).collect();
        let read = self.reader.fingerprints(&schemas, &LeaveOut::nothing()).await;
        assert_eq!(read.len(), schemas.len());
        read.into_iter()
            .zip(schemas)
            .map(|((name, read), requested)| {
                assert_eq!(name, requested);
                read.unwrap_or_else(|failure| panic!("{name}: {failure:?}"))
            })
            .collect()
    }

    async fn fingerprint(&mut self, schema: &str) -> Fingerprint {
        self.fingerprints(&[schema]).await[0]
    }

    /// The differences as text. Both ways to compute fingerprints must agree.
    async fn differences(&mut self, schema: &str, expected: &str) -> Vec<String> {
        let made = self.fingerprints(&[schema, expected]).await;
        let is = self.reader.catalog(schema, &LeaveOut::nothing()).await.unwrap();
        let expected = self.reader.catalog(expected, &LeaveOut::nothing()).await.unwrap();
        assert_eq!(made, [is.fingerprint(), expected.fingerprint()]);
        let differences = is.differences(&expected);
        assert_eq!(differences.is_empty(), made[0] == made[1]);
        differences.iter().map(ToString::to_string).collect()
    }

    async fn end(self) {
        self.session.close().await;
        self.reader.close().await;
        self.server.stop().await;
    }
}
