//! The address of a database in the syntax of each tool.

use anyhow::{Context as _, Result};

use super::common::{PASSWORD, postgres};

/// The server's socket, or TCP through a proxy's port.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) database: String,
    /// A folder or `127.0.0.1`.
    host: String,
    port: u16,
}

impl Address {
    pub(crate) fn socket(database: &str) -> Result<Self> {
        let url = postgres().url(database);
        let (_, folder) = url.split_once("?host=").context("the tests' URLs name a socket")?;
        Ok(Self { database: database.to_owned(), host: folder.to_owned(), port: postgres().port() })
    }

    pub(crate) fn through(port: u16, database: &str) -> Self {
        Self { database: database.to_owned(), host: "127.0.0.1".to_owned(), port }
    }

    fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// For sqlx, and therefore for mig-ci.
    pub(crate) fn url(&self) -> String {
        if self.is_socket() {
            postgres().url(&self.database)
        } else {
            postgres().tcp_url_through(self.port, &self.database)
        }
    }

    /// For sqlx-cli, with a tenant's schema.
    pub(crate) fn url_at(&self, schema: &str) -> String {
        let mark = if self.is_socket() { '&' } else { '?' };
        format!("{}{mark}options[search_path]={schema},shared,public", self.url())
    }

    /// For Go's `lib/pq`, which dbmate uses.
    pub(crate) fn go_url_at(&self, schema: &str) -> String {
        let Self { database, host, port } = self;
        let place = if self.is_socket() {
            format!("postgres://admin@/{database}?socket={host}&port={port}")
        } else {
            format!("postgres://admin:{PASSWORD}@{host}:{port}/{database}?")
        };
        format!("{place}&sslmode=disable&search_path={schema},shared,public")
    }

    /// For libpq.
    pub(crate) fn dsn(&self) -> String {
        let Self { database, host, port } = self;
        format!("host={host} port={port} dbname={database} user=admin password={PASSWORD}")
    }

    /// For SQLAlchemy.
    pub(crate) fn sqlalchemy(&self) -> String {
        let Self { database, host, port } = self;
        format!("postgresql+psycopg2://admin:{PASSWORD}@/{database}?host={host}&port={port}")
    }
}
