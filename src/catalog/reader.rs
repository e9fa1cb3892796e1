//! Reads catalogs of one database: many schemas in few transactions, with a separate failure for each schema.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnectOptions;

use super::chunk::Chunk;
use super::statement::NameRendering;
use crate::model::{
    Catalog, Digests, EnvironmentCause, Failure, FailureKind, Fingerprint, Item, LeaveOut,
};
use crate::postgres::Session;
use crate::retry::policies::CATALOG_READ;

/// Schemas in one transaction. Each transaction scans the whole catalog once, and keeps dropped rows from being vacuumed.
const CHUNK: usize = 500;

/// A read-only session for catalogs.
#[derive(Debug)]
pub(crate) struct CatalogReader {
    session: Session,
    /// The server's major version.
    pub(crate) major: u32,
}

/// By the schema's name: what was read, or why it was not.
type Results<T> = Vec<(String, Result<T, Failure>)>;

/// How a chunk's schemas are read.
#[derive(Debug, Clone, Copy)]
enum ReadStrategy {
    Digests,
    Items,
}

/// The result for one schema.
#[derive(Debug)]
enum SchemaContent {
    Digests(Digests),
    Items(Vec<Item>),
}

impl CatalogReader {
    /// Connects to the database to read. Any role may read catalogs; `schema_scan.rs` explains the effect of USAGE.
    pub(crate) async fn open(options: &PgConnectOptions) -> Result<Self, Failure> {
        let mut session = Session::open_with_retry(options).await?;
        let number = session
            .fetch_one::<i32>("SELECT pg_catalog.current_setting('server_version_num')::int4")
            .await?;
        Ok(Self { session, major: number.unsigned_abs() / 10_000 })
    }

    /// The names of all schemas except PostgreSQL's own.
    pub(crate) async fn schemas(&mut self) -> Result<Vec<String>, Failure> {
        self.session
            .column(
                "SELECT nspname::pg_catalog.text FROM pg_catalog.pg_namespace \
                 WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1",
            )
            .await
    }

    /// The fingerprints of many schemas, in their order. The server computes them, so only digests are transferred.
    pub(crate) async fn fingerprints(
        &mut self,
        schemas: &[String],
        left_out: &LeaveOut,
    ) -> Results<Fingerprint> {
        let mut found = BTreeMap::new();
        for (name, read) in self.read(schemas, left_out, ReadStrategy::Digests).await {
            found.insert(name, read.map(|read| read.digests().fingerprint()));
        }
        let absent = |name: &String| Err(no_such_schema(name));
        schemas
            .iter()
            .map(|name| (name.clone(), found.get(name).cloned().unwrap_or_else(|| absent(name))))
            .collect()
    }

    /// All items of one schema, without its name.
    pub(crate) async fn catalog(
        &mut self,
        schema: &str,
        left_out: &LeaveOut,
    ) -> Result<Catalog, Failure> {
        let schemas = [schema.to_owned()];
        match self.read(&schemas, left_out, ReadStrategy::Items).await.pop() {
            Some((_, read)) => Ok(Catalog::new(read?.items()).named(schema)),
            None => Err(no_such_schema(schema)),
        }
    }

    /// All items of each schema, in any order. Schemas that do not exist are omitted.
    pub(crate) async fn catalogs(
        &mut self,
        schemas: &[String],
        left_out: &LeaveOut,
    ) -> Results<Catalog> {
        let read = self.read(schemas, left_out, ReadStrategy::Items).await;
        let catalog = |(name, read): (String, Result<SchemaContent, Failure>)| {
            let read = read.map(|read| Catalog::new(read.items()).named(&name));
            (name, read)
        };
        read.into_iter().map(catalog).collect()
    }

    /// The fingerprint of the whole database: all schemas except PostgreSQL's own, with their names, and objects outside of
    /// schemas.
    pub(crate) async fn database_fingerprint(
        &mut self,
        left_out: &LeaveOut,
    ) -> Result<Fingerprint, Failure> {
        let mut all = Digests::default();
        for read in self.database(left_out, ReadStrategy::Digests).await? {
            all.join(read.digests());
        }
        Ok(all.fingerprint())
    }

    /// All items of the whole database.
    pub(crate) async fn database_catalog(
        &mut self,
        left_out: &LeaveOut,
    ) -> Result<Catalog, Failure> {
        let read = self.database(left_out, ReadStrategy::Items).await?;
        let name = "SELECT pg_catalog.current_database()::pg_catalog.text";
        let name: String = self.session.fetch_one(name).await?;
        Ok(Catalog::new(read.into_iter().flat_map(SchemaContent::items).collect()).named(&name))
    }

    /// All items of the database outside of `schemas`: in its other schemas, with their names, and outside of schemas.
    pub(crate) async fn catalog_without(
        &mut self,
        schemas: &[String],
        left_out: &LeaveOut,
    ) -> Result<Catalog, Failure> {
        let mut others = self.schemas().await?;
        others.retain(|schema| !schemas.contains(schema));
        let read = self
            .read_with_retries(NameRendering::OfAllSchemas, &others, left_out, ReadStrategy::Items)
            .await?;
        Ok(Catalog::new(read.into_iter().flat_map(|(_, read)| read.items()).collect()))
    }

    pub(crate) async fn close(self) {
        self.session.close().await;
    }

    async fn database(
        &mut self,
        left_out: &LeaveOut,
        strategy: ReadStrategy,
    ) -> Result<Vec<SchemaContent>, Failure> {
        let schemas = self.schemas().await?;
        let read = self
            .read_with_retries(NameRendering::OfAllSchemas, &schemas, left_out, strategy)
            .await?;
        Ok(read.into_iter().map(|(_, read)| read).collect())
    }

    /// Reads the existing schemas, in any order. A chunk that fails is halved until the failing schema is found.
    async fn read(
        &mut self,
        schemas: &[String],
        left_out: &LeaveOut,
        strategy: ReadStrategy,
    ) -> Results<SchemaContent> {
        let mut results: Results<SchemaContent> = Vec::with_capacity(schemas.len());
        let mut left: Vec<&[String]> = schemas.chunks(CHUNK).rev().collect();
        while let Some(part) = left.pop() {
            match self.read_with_retries(NameRendering::OfOneSchema, part, left_out, strategy).await
            {
                Ok(read) => results.extend(read.into_iter().map(|(name, read)| (name, Ok(read)))),
                Err(failure) if part.len() == 1 || affects_all_schemas(&failure) => {
                    results.extend(part.iter().map(|name| (name.clone(), Err(failure.clone()))));
                }
                Err(_) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    left.extend([second, first]);
                }
            }
        }
        results
    }

    async fn read_with_retries(
        &mut self,
        naming: NameRendering,
        schemas: &[String],
        left_out: &LeaveOut,
        strategy: ReadStrategy,
    ) -> Result<Vec<(String, SchemaContent)>, Failure> {
        let attempt = async || self.chunk(naming, schemas, left_out, strategy).await;
        CATALOG_READ.retry(is_concurrent_drop, attempt).await
    }

    async fn chunk(
        &mut self,
        naming: NameRendering,
        schemas: &[String],
        left_out: &LeaveOut,
        strategy: ReadStrategy,
    ) -> Result<Vec<(String, SchemaContent)>, Failure> {
        let mut chunk =
            Chunk::begin(&mut self.session, self.major, naming, schemas, left_out).await?;
        let read = match strategy {
            ReadStrategy::Digests => {
                chunk.digests().await.map(|all| wrapped(all, SchemaContent::Digests))
            }
            ReadStrategy::Items => {
                chunk.catalogs().await.map(|all| wrapped(all, SchemaContent::Items))
            }
        };
        let ended = chunk.end().await;
        let read = read?;
        ended.map(|()| read)
    }
}

fn wrapped<T>(
    all: Vec<(String, T)>,
    wrap: impl Fn(T) -> SchemaContent,
) -> Vec<(String, SchemaContent)> {
    all.into_iter().map(|(name, one)| (name, wrap(one))).collect()
}

impl SchemaContent {
    fn digests(self) -> Digests {
        match self {
            Self::Digests(digests) => digests,
            Self::Items(items) => Catalog::new(items).digests(),
        }
    }

    fn items(self) -> Vec<Item> {
        match self {
            Self::Items(items) => items,
            Self::Digests(_) => Vec::new(),
        }
    }
}

/// Whether every part of the chunk would fail in the same way.
fn affects_all_schemas(failure: &Failure) -> bool {
    !matches!(failure.kind, FailureKind::Sql { .. })
}

/// Whether an item was dropped while it was rendered. A lock timeout or too little memory would recur, so they do not count.
/// Source of the codes: PostgreSQL, Appendix A; `XX000` is the code of "cache lookup failed" and "could not open relation",
/// and `22P02` that of `{gone}` in `statement.rs`.
fn is_concurrent_drop(failure: &Failure) -> bool {
    let FailureKind::Sql { sqlstate } = &failure.kind else { return false };
    matches!(sqlstate.as_str(), "XX000" | "40001" | "40P01")
        || sqlstate == "22P02" && failure.message.contains(crate::catalog::statement::GONE)
        || sqlstate.starts_with("42")
}

fn no_such_schema(name: &str) -> Failure {
    Failure::new(
        FailureKind::Environment(EnvironmentCause::MissingSchema),
        format!("the schema `{name}` does not exist"),
    )
}
