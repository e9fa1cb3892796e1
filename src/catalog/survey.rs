//! The first look at a chunk: which of its schemas are there, and how their things have to be asked for.
//!
//! A thing that has the name of one of `pg_catalog`'s (a table `path`, a function `lower`) is hidden behind that even where
//! its own schema is the search path, and so PostgreSQL names the schema with it. The own schema could be put first; but
//! then its operators would take part in what PostgreSQL asks itself while it renders a view, with the rights of whoever
//! reads. Such a schema is *shadowed*: its items come in full, and `sql::without_own_schema` does the rest. So is one that the
//! reader's role may not use, since PostgreSQL leaves that out of the search path.

use std::collections::BTreeMap;

use sqlx::Row as _;

use super::statement::of_major;
use crate::model::{Failure, LeaveOut};
use crate::postgres::Session;
use crate::postgres::failure;
use crate::sql::quote_literal;

const QUERY: &str = include_str!("kinds/survey.sql");

/// A schema that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundSchema {
    pub(crate) name: String,
    pub(crate) shadowed: bool,
    /// How many things of it lock others while they are rendered.
    pub(crate) weight: i64,
}

/// What the first look has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// By oid.
    pub(crate) schemas: BTreeMap<u32, FoundSchema>,
    /// Relations to leave out.
    pub(crate) left_out: Vec<u32>,
}

impl Survey {
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
        let mut survey = Self::default();
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
                (oid, Some(found)) => drop(survey.schemas.insert(oid, found)),
                (oid, None) => survey.left_out.push(oid),
            }
        }
        Ok(survey)
    }

    /// The schemas in parts of which none locks much: the server's table of locks is everybody's.
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
    fn batches_keep_the_weight_low_and_leave_nobody_out() {
        let weights = [3, 3, 3, 20, 0, 0, 9, 1];
        let found = |weight| FoundSchema { name: String::new(), shadowed: false, weight };
        let survey =
            Survey { schemas: (1..).zip(weights.map(found)).collect(), left_out: Vec::new() };
        let oids: Vec<u32> = survey.schemas.keys().copied().collect();
        let batches = survey.batches(&oids, 10);
        assert_eq!(batches, [vec![1, 2, 3], vec![4], vec![5, 6, 7, 8]]);
        assert_eq!(survey.batches(&[], 10), Vec::<Vec<u32>>::new());
    }
}
