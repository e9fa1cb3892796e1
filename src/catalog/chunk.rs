//! Some schemas, read in one transaction.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::kinds;
use super::statement::{CatalogOutput, CatalogScope, NameRendering};
use super::survey::Survey;
use crate::model::{Catalog, Digests, Failure, Item, ItemKind, LeaveOut, SEPARATOR};
use crate::postgres::Session;
use crate::postgres::failure;
use crate::sql::without_own_schema;

/// How many things that lock others are rendered before their locks are given back.
const LOCKING_AT_ONCE: i64 = 200;

/// What the transaction begins with. The planner takes nested loops over catalogs of which nobody has gathered statistics,
/// and that costs minutes; a merge join would
/// mix the schemas, and the search path would change with each row. The rest makes constants look the same in every session.
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
    survey: Survey,
}

impl<'c> Chunk<'c> {
    /// Begins it. It has to be ended, whatever happens.
    pub(crate) async fn begin(
        session: &'c mut Session,
        major: u32,
        naming: NameRendering,
        schemas: &[String],
        left_out: &LeaveOut,
    ) -> Result<Self, Failure> {
        session.execute(BEGIN).await?;
        match Survey::of(session, major, schemas, left_out).await {
            Ok(survey) => Ok(Self { session, major, naming, survey }),
            Err(failure) => {
                let _ = session.execute("ROLLBACK").await;
                Err(failure)
            }
        }
    }

    /// Nothing has been written; what is given back are the locks.
    pub(crate) async fn end(self) -> Result<(), Failure> {
        self.session.execute("ROLLBACK").await
    }

    /// For each schema that is there, the digests of what it holds. Under its name, or, where all names are rendered
    /// without it, under none.
    pub(crate) async fn digests(&mut self) -> Result<Vec<(String, Digests)>, Failure> {
        let rewritten = self.rewritten();
        let plain: Vec<u32> =
            self.survey.schemas.keys().copied().filter(|oid| !rewritten.contains(oid)).collect();
        let mut told: BTreeMap<u32, Digests> = BTreeMap::new();
        for row in self.rows(&plain, CatalogOutput::Digests).await? {
            let (oid, kind) = head(&row)?;
            let digest = row.try_get("digest").map_err(|error| failure::of_own(&error))?;
            told.entry(oid).or_default().add(self.shown(oid), kind, digest);
        }
        for (oid, items) in self.items(&rewritten).await? {
            told.insert(oid, Catalog::new(items).digests());
        }
        Ok(told.into_iter().map(|(oid, digests)| (self.name(oid).to_owned(), digests)).collect())
    }

    /// For each schema that is there, all that it holds.
    pub(crate) async fn catalogs(&mut self) -> Result<Vec<(String, Vec<Item>)>, Failure> {
        let all: Vec<u32> = self.survey.schemas.keys().copied().collect();
        let items = self.items(&all).await?;
        Ok(items.into_iter().map(|(oid, items)| (self.name(oid).to_owned(), items)).collect())
    }

    /// The schemas whose items name them, and should not.
    fn rewritten(&self) -> Vec<u32> {
        if self.naming == NameRendering::OfAllSchemas {
            return Vec::new();
        }
        let shadowed = self.survey.schemas.iter().filter(|(_, found)| found.shadowed);
        shadowed.map(|(oid, _)| *oid).collect()
    }

    async fn items(&mut self, schemas: &[u32]) -> Result<BTreeMap<u32, Vec<Item>>, Failure> {
        let rewritten = self.rewritten();
        let mut told: BTreeMap<u32, Vec<Item>> = BTreeMap::new();
        for row in self.rows(schemas, CatalogOutput::Items).await? {
            let (oid, kind) = head(&row)?;
            let text = |column: &str| -> Result<Option<String>, Failure> {
                row.try_get(column).map_err(|error| failure::of_own(&error))
            };
            let code = |text: String| match rewritten.contains(&oid) {
                true => rewritten_parts(&text, self.name(oid)),
                false => text,
            };
            told.entry(oid).or_default().push(Item {
                schema: self.shown(oid).to_owned(),
                kind,
                name: code(text("name")?.unwrap_or_default()),
                code: text("code")?.map(code),
                text: text("raw")?,
            });
        }
        Ok(told)
    }

    async fn rows(
        &mut self,
        schemas: &[u32],
        wanted: CatalogOutput,
    ) -> Result<Vec<PgRow>, Failure> {
        if schemas.is_empty() && self.naming == NameRendering::OfOneSchema {
            return Ok(Vec::new());
        }
        let Self { session, major, naming, survey } = self;
        let scope = |schemas: &[u32]| CatalogScope {
            major: *major,
            naming: *naming,
            schemas: schemas.to_owned(),
            left_out: &survey.left_out,
        };
        let mut plain = kinds::PLAIN.to_vec();
        if *naming == NameRendering::OfAllSchemas {
            plain.extend(kinds::DATABASE);
        }
        let mut message =
            format!("SET LOCAL search_path = ''; {};", scope(schemas).statement(&plain, wanted));
        // What has been locked since a savepoint is given back with it.
        for batch in survey.batches(schemas, LOCKING_AT_ONCE) {
            message.push_str("SAVEPOINT locks; SET LOCAL search_path = ''; ");
            message.push_str(&scope(&batch).statement(&kinds::LOCKING, wanted));
            message.push_str("; ROLLBACK TO SAVEPOINT locks; ");
        }
        session.query(&message).await
    }

    fn name(&self, oid: u32) -> &str {
        self.survey.schemas.get(&oid).map_or("", |found| &found.name)
    }

    /// The schema as the items have it.
    fn shown(&self, oid: u32) -> &str {
        match self.naming {
            NameRendering::OfOneSchema => "",
            NameRendering::OfAllSchemas => self.name(oid),
        }
    }
}

/// Part by part: a quote that is open in one of them is not closed in another.
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
