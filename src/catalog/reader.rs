//! Reading catalogs of one database: many schemas in few transactions, and each schema's failure its own.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnectOptions;

use super::chunk::Chunk;
use super::statement::NameRendering;
use crate::model::{
    Catalog, Digests, EnvironmentCause, Failure, FailureKind, Fingerprint, Item, LeaveOut,
};
use crate::postgres::Session;

/// Schemas in one transaction. Each looks through the whole catalog once, and keeps what has been dropped since from being
/// vacuumed away.
const CHUNK: usize = 500;

/// How often a chunk is read in which somebody drops things meanwhile, before it is halved.
const TRIES: u32 = 3;

/// A session that reads catalogs, and changes nothing.
#[derive(Debug)]
pub(crate) struct CatalogReader {
    session: Session,
    /// The server's major version.
    pub(crate) major: u32,
}

/// What was read, or why not, by the schema's name.
type Told<T> = Vec<(String, Result<T, Failure>)>;

/// How a chunk's schemas are read.
#[derive(Debug, Clone, Copy)]
enum ReadStrategy {
    Digests,
    Items,
}

/// What came of a schema.
#[derive(Debug)]
enum Read {
    Digests(Digests),
    Items(Vec<Item>),
}

impl CatalogReader {
    /// Connects to the database that is to be read. Any role may read catalogs; see `survey.rs` for what USAGE is good for.
    pub(crate) async fn open(options: &PgConnectOptions) -> Result<Self, Failure> {
        let mut session = Session::open_patiently(options).await?;
        let number = session
            .fetch_one::<i32>("SELECT pg_catalog.current_setting('server_version_num')::int4")
            .await?;
        Ok(Self { session, major: number.unsigned_abs() / 10_000 })
    }

    /// The schemas that are not PostgreSQL's own, by name.
    pub(crate) async fn schemas(&mut self) -> Result<Vec<String>, Failure> {
        self.session
            .column(
                "SELECT nspname::pg_catalog.text FROM pg_catalog.pg_namespace \
                 WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1",
            )
            .await
    }

    /// The fingerprints of many schemas, in their order. The server makes them: nothing else is sent.
    pub(crate) async fn fingerprints(
        &mut self,
        schemas: &[String],
        left_out: &LeaveOut,
    ) -> Told<Fingerprint> {
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

    /// All that one schema holds, without its name.
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

    /// All that each of some schemas holds, in any order. Those that are not there are left out.
    pub(crate) async fn catalogs(
        &mut self,
        schemas: &[String],
        left_out: &LeaveOut,
    ) -> Told<Catalog> {
        let read = self.read(schemas, left_out, ReadStrategy::Items).await;
        let catalog = |(name, read): (String, Result<Read, Failure>)| {
            let read = read.map(|read| Catalog::new(read.items()).named(&name));
            (name, read)
        };
        read.into_iter().map(catalog).collect()
    }

    /// The fingerprint of the whole database: all schemas that are not PostgreSQL's own, with their names, and what is in
    /// none.
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

    /// All that the whole database holds.
    pub(crate) async fn database_catalog(
        &mut self,
        left_out: &LeaveOut,
    ) -> Result<Catalog, Failure> {
        let read = self.database(left_out, ReadStrategy::Items).await?;
        let name = "SELECT pg_catalog.current_database()::pg_catalog.text";
        let name: String = self.session.fetch_one(name).await?;
        Ok(Catalog::new(read.into_iter().flat_map(Read::items).collect()).named(&name))
    }

    /// All that the database holds outside of `schemas`: in its other schemas, with their names, and in none.
    pub(crate) async fn catalog_without(
        &mut self,
        schemas: &[String],
        left_out: &LeaveOut,
    ) -> Result<Catalog, Failure> {
        let mut others = self.schemas().await?;
        others.retain(|schema| !schemas.contains(schema));
        let read = self
            .patiently(NameRendering::OfAllSchemas, &others, left_out, ReadStrategy::Items)
            .await?;
        Ok(Catalog::new(read.into_iter().flat_map(|(_, read)| read.items()).collect()))
    }

    pub(crate) async fn close(self) {
        self.session.close().await;
    }

    async fn database(
        &mut self,
        left_out: &LeaveOut,
        way: ReadStrategy,
    ) -> Result<Vec<Read>, Failure> {
        let schemas = self.schemas().await?;
        let read = self.patiently(NameRendering::OfAllSchemas, &schemas, left_out, way).await?;
        Ok(read.into_iter().map(|(_, read)| read).collect())
    }

    /// Those that are there, in any order. What fails together is tried in halves, until it is clear whose failure it is.
    async fn read(
        &mut self,
        schemas: &[String],
        left_out: &LeaveOut,
        way: ReadStrategy,
    ) -> Told<Read> {
        let mut told: Told<Read> = Vec::with_capacity(schemas.len());
        let mut left: Vec<&[String]> = schemas.chunks(CHUNK).rev().collect();
        while let Some(part) = left.pop() {
            match self.patiently(NameRendering::OfOneSchema, part, left_out, way).await {
                Ok(read) => told.extend(read.into_iter().map(|(name, read)| (name, Ok(read)))),
                Err(failure) if part.len() == 1 || is_of_all(&failure) => {
                    told.extend(part.iter().map(|name| (name.clone(), Err(failure.clone()))));
                }
                Err(_) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    left.extend([second, first]);
                }
            }
        }
        told
    }

    async fn patiently(
        &mut self,
        naming: NameRendering,
        schemas: &[String],
        left_out: &LeaveOut,
        way: ReadStrategy,
    ) -> Result<Vec<(String, Read)>, Failure> {
        let mut tries = 1;
        loop {
            match self.chunk(naming, schemas, left_out, way).await {
                Err(failure) if tries < TRIES && is_of_the_moment(&failure) => tries += 1,
                answered => return answered,
            }
        }
    }

    async fn chunk(
        &mut self,
        naming: NameRendering,
        schemas: &[String],
        left_out: &LeaveOut,
        way: ReadStrategy,
    ) -> Result<Vec<(String, Read)>, Failure> {
        let mut chunk =
            Chunk::begin(&mut self.session, self.major, naming, schemas, left_out).await?;
        let read = match way {
            ReadStrategy::Digests => chunk.digests().await.map(|all| wrapped(all, Read::Digests)),
            ReadStrategy::Items => chunk.catalogs().await.map(|all| wrapped(all, Read::Items)),
        };
        let ended = chunk.end().await;
        let read = read?;
        ended.map(|()| read)
    }
}

fn wrapped<T>(all: Vec<(String, T)>, wrap: impl Fn(T) -> Read) -> Vec<(String, Read)> {
    all.into_iter().map(|(name, one)| (name, wrap(one))).collect()
}

impl Read {
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

/// It would be no other for any part of the schemas.
fn is_of_all(failure: &Failure) -> bool {
    !matches!(failure.kind, FailureKind::Sql { .. })
}

/// Something was dropped while it was rendered. A lock or too little memory is none of that: the same would happen again.
/// Source of the codes: PostgreSQL's Appendix A; `XX000` is how "cache lookup failed" and "could not open relation" come,
/// and `22P02` how `{gone}` of `statement.rs` does.
fn is_of_the_moment(failure: &Failure) -> bool {
    let FailureKind::Sql { sqlstate } = &failure.kind else { return false };
    matches!(sqlstate.as_str(), "XX000" | "40001" | "40P01")
        || sqlstate == "22P02" && failure.message.contains(crate::catalog::statement::GONE)
        || sqlstate.starts_with("42")
}

fn no_such_schema(name: &str) -> Failure {
    Failure::new(
        FailureKind::Environment(EnvironmentCause::MissingSchema),
        format!("there is no schema `{name}` in the database"),
    )
}
