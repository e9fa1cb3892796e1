//! The first query of a chunk: which of its schemas exist, and how their items must be rendered.
//!
//! An item with the name of an object in `pg_catalog` (a table `path`, a function `lower`) is hidden by that object even if
//! its own schema is the search path, so PostgreSQL renders it with its schema. With the own schema before `pg_catalog`,
//! PostgreSQL would use the schema's operators while it renders a view, with the privileges of the reader. Such a schema is
//! *shadowed*: its items are transferred in full, and `sql::without_own_schema` removes the name. The same applies to a
//! schema without USAGE for the reader's role, because PostgreSQL ignores it in the search path.

use std::collections::BTreeMap;

use sqlx::Row as _;

use super::statement::of_major;
use crate::model::{Failure, LeaveOut};
use crate::postgres::Session;
use crate::postgres::failure;
use crate::sql::quote_literal;

const QUERY: &str = include_str!("kinds/schema_scan.sql");

/// An existing schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundSchema {
    pub(crate) name: String,
    pub(crate) shadowed: bool,
    /// The number of its items that take locks while they are rendered.
    pub(crate) weight: i64,
}

/// The result of the first query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SchemaScan {
    /// By OID.
    pub(crate) schemas: BTreeMap<u32, FoundSchema>,
    /// OIDs of relations to omit.
    pub(crate) left_out: Vec<u32>,
}

impl SchemaScan {
    pub(crate) async fn of(
        session: &mut Session,
        major: u32,
        schemas: &[String],
        left_out: &LeaveOut,
    ) -> Result<Self, Failure> {
        let query = of_major(QUERY, major)
            .replace("{names}", &texts(schemas.iter().map(String::as_str)))
            .replace("{left_out_schemas}", &texts(left_out.iter().map(|(schema, _)| schema)))
            .replace("{left_out_tables}", &texts(left_out.iter().map(|(_, table)| table)));
        let mut scan = Self::default();
        for row in session.query(&query).await? {
            let read = || -> Result<_, sqlx::Error> {
                let oid: String = row.try_get("oid")?;
                let oid: u32 = oid.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
                let found = match row.try_get::<Option<String>, _>("name")? {
                    None => None,
                    Some(name) => Some(FoundSchema {
                        name,
                        shadowed: row.try_get("shadowed")?,
                        weight: row.try_get("weight")?,
                    }),
                };
                Ok((oid, found))
            };
            match read().map_err(|error| failure::of_own(&error))? {
                (oid, Some(found)) => drop(scan.schemas.insert(oid, found)),
                (oid, None) => scan.left_out.push(oid),
            }
        }
        Ok(scan)
    }

    /// Splits the schemas into batches that take few locks, because all sessions of the server share the lock table.
    pub(crate) fn batches(&self, oids: &[u32], most: i64) -> Vec<Vec<u32>> {
        let mut batches: Vec<Vec<u32>> = Vec::new();
        let mut weight = 0;
        for oid in oids {
            let own = self.schemas.get(oid).map_or(0, |found| found.weight);
            weight += own;
            match batches.last_mut() {
                Some(batch) if weight <= most => batch.push(*oid),
                _ => {
                    weight = own;
                    batches.push(vec![*oid]);
                }
            }
        }
        batches
    }
}

fn texts<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let texts: Vec<String> = texts.map(quote_literal).collect();
    format!("ARRAY[{}]::text[]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_limit_the_weight_and_contain_all_schemas() {
        let weights = [3, 3, 3, 20, 0, 0, 9, 1];
        let found = |weight| FoundSchema { name: String::new(), shadowed: false, weight };
        let scan =
            SchemaScan { schemas: (1..).zip(weights.map(found)).collect(), left_out: Vec::new() };
        let oids: Vec<u32> = scan.schemas.keys().copied().collect();
        let batches = scan.batches(&oids, 10);
        assert_eq!(batches, [vec![1, 2, 3], vec![4], vec![5, 6, 7, 8]]);
        assert_eq!(scan.batches(&[], 10), Vec::<Vec<u32>>::new());
    }
}
