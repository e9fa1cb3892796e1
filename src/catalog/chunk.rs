//! A chunk of schemas, read in one transaction.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::kinds;
use super::schema_scan::SchemaScan;
use super::statement::{CatalogOutput, CatalogScope, NameRendering};
use crate::model::{Catalog, Digests, Failure, Item, ItemKind, LeaveOut, SEPARATOR};
use crate::postgres::Session;
use crate::postgres::failure;
use crate::sql::without_own_schema;

/// The number of items that take locks while they are rendered, before their locks are released.
const LOCKING_ITEMS_PER_BATCH: i64 = 200;

/// The start of the transaction. Without statistics on the catalogs the planner chooses nested loops, which take minutes; a
/// merge join would mix the schemas, so that the search path changes with each row. The other settings make rendered
/// constants equal in every session.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL search_path = ''; SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; \
     SET LOCAL jit = off; SET LOCAL work_mem = '32MB'; \
    SET LOCAL lock_timeout = '1s'; SET LOCAL quote_all_identifiers = off; SET LOCAL standard_conforming_strings = on; \
    SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC'; \
    SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'";

/// One transaction, for schemas that are read in the same way.
#[derive(Debug)]
pub(crate) struct Chunk<'c> {
    session: &'c mut Session,
    major: u32,
    naming: NameRendering,
    scan: SchemaScan,
}

impl<'c> Chunk<'c> {
    /// Begins the transaction. [`Chunk::end`] must be called in any case.
    pub(crate) async fn begin(
        session: &'c mut Session,
        major: u32,
        naming: NameRendering,
        schemas: &[String],
        left_out: &LeaveOut,
    ) -> Result<Self, Failure> {
        session.execute(BEGIN).await?;
        match SchemaScan::of(session, major, schemas, left_out).await {
            Ok(scan) => Ok(Self { session, major, naming, scan }),
            Err(failure) => {
                let _ = session.execute("ROLLBACK").await;
                Err(failure)
            }
        }
    }

    /// Ends the transaction and releases its locks. It has written nothing.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        self.session.execute("ROLLBACK").await
    }

    /// The digests of each existing schema's items, by the schema's name; if all names are rendered with their schema, under
    /// that name.
    pub(crate) async fn digests(&mut self) -> Result<Vec<(String, Digests)>, Failure> {
        let rewritten = self.rewritten();
        let plain: Vec<u32> =
            self.scan.schemas.keys().copied().filter(|oid| !rewritten.contains(oid)).collect();
        let mut results: BTreeMap<u32, Digests> = BTreeMap::new();
        for row in self.rows(&plain, CatalogOutput::Digests).await? {
            let (oid, kind) = head(&row)?;
            let digest = row.try_get("digest").map_err(|error| failure::of_own(&error))?;
            results.entry(oid).or_default().add(self.shown(oid), kind, digest);
        }
        for (oid, items) in self.items(&rewritten).await? {
            results.insert(oid, Catalog::new(items).digests());
        }
        Ok(results.into_iter().map(|(oid, digests)| (self.name(oid).to_owned(), digests)).collect())
    }

    /// All items of each existing schema.
    pub(crate) async fn catalogs(&mut self) -> Result<Vec<(String, Vec<Item>)>, Failure> {
        let all: Vec<u32> = self.scan.schemas.keys().copied().collect();
        let items = self.items(&all).await?;
        Ok(items.into_iter().map(|(oid, items)| (self.name(oid).to_owned(), items)).collect())
    }

    /// The schemas whose items are rendered with the schema's name, which is then removed.
    fn rewritten(&self) -> Vec<u32> {
        if self.naming == NameRendering::OfAllSchemas {
            return Vec::new();
        }
        let shadowed = self.scan.schemas.iter().filter(|(_, found)| found.shadowed);
        shadowed.map(|(oid, _)| *oid).collect()
    }

    async fn items(&mut self, schemas: &[u32]) -> Result<BTreeMap<u32, Vec<Item>>, Failure> {
        let rewritten = self.rewritten();
        let mut results: BTreeMap<u32, Vec<Item>> = BTreeMap::new();
        for row in self.rows(schemas, CatalogOutput::Items).await? {
            let (oid, kind) = head(&row)?;
            let text = |column: &str| -> Result<Option<String>, Failure> {
                row.try_get(column).map_err(|error| failure::of_own(&error))
            };
            let code = |text: String| match rewritten.contains(&oid) {
                true => rewritten_parts(&text, self.name(oid)),
                false => text,
            };
            results.entry(oid).or_default().push(Item {
                schema: self.shown(oid).to_owned(),
                kind,
                name: code(text("name")?.unwrap_or_default()),
                code: text("code")?.map(code),
                text: text("raw")?,
            });
        }
        Ok(results)
    }

    async fn rows(
        &mut self,
        schemas: &[u32],
        wanted: CatalogOutput,
    ) -> Result<Vec<PgRow>, Failure> {
        if schemas.is_empty() && self.naming == NameRendering::OfOneSchema {
            return Ok(Vec::new());
        }
        let Self { session, major, naming, scan } = self;
        let scope = |schemas: &[u32]| CatalogScope {
            major: *major,
            naming: *naming,
            schemas: schemas.to_owned(),
            left_out: &scan.left_out,
        };
        let mut plain = kinds::PLAIN.to_vec();
        if *naming == NameRendering::OfAllSchemas {
            plain.extend(kinds::DATABASE);
        }
        let mut message =
            format!("SET LOCAL search_path = ''; {};", scope(schemas).statement(&plain, wanted));
        // A rollback to a savepoint releases the locks taken since.
        for batch in scan.batches(schemas, LOCKING_ITEMS_PER_BATCH) {
            message.push_str("SAVEPOINT locks; SET LOCAL search_path = ''; ");
            message.push_str(&scope(&batch).statement(&kinds::LOCKING, wanted));
            message.push_str("; ROLLBACK TO SAVEPOINT locks; ");
        }
        session.query(&message).await
    }

    fn name(&self, oid: u32) -> &str {
        self.scan.schemas.get(&oid).map_or("", |found| &found.name)
    }

    /// The schema's name in items.
    fn shown(&self, oid: u32) -> &str {
        match self.naming {
            NameRendering::OfOneSchema => "",
            NameRendering::OfAllSchemas => self.name(oid),
        }
    }
}

/// Rewrites each part separately, so that an open quote in one part does not affect the next.
fn rewritten_parts(text: &str, schema: &str) -> String {
    let parts: Vec<String> = text
        .split(SEPARATOR)
        .map(|part| match part.split_once('=') {
            Some((name, code)) => format!("{name}={}", without_own_schema(code, schema)),
            None => without_own_schema(part, schema),
        })
        .collect();
    parts.join(&SEPARATOR.to_string())
}

fn head(row: &PgRow) -> Result<(u32, ItemKind), Failure> {
    let read = || -> Result<_, sqlx::Error> {
        let (schema, kind): (String, String) = (row.try_get("schema")?, row.try_get("kind")?);
        let unknown = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
        let schema = schema.parse().map_err(|error| unknown(Box::new(error)))?;
        Ok((schema, kind.parse().map_err(|error| unknown(Box::new(error)))?))
    };
    read().map_err(|error| failure::of_own(&error))
}
