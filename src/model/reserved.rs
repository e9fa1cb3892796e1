//! Schemas that belong to PostgreSQL or to a track, and are therefore not available for tenants.

use std::collections::BTreeMap;
use std::fmt;

use super::{Database, Track};

/// The only schema of PostgreSQL that `check_identifier` accepts: its name does not begin with `pg_`.
const INFORMATION_SCHEMA: &str = "information_schema";

/// The owner of a reserved schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SchemaOwner {
    PostgreSql,
    SharedTrack,
    /// It is in the search path of the shared track's sessions.
    SharedPath,
    /// It is in the search path of every tenant's sessions.
    TenantPath,
    /// The shared track of another named database in the same real database.
    OtherTrack(String),
}

impl fmt::Display for SchemaOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PostgreSql => f.write_str("PostgreSQL's own schema"),
            Self::SharedTrack => f.write_str("the shared track's schema"),
            Self::SharedPath => f.write_str("in the search path of the shared track"),
            Self::TenantPath => f.write_str("in the search path of all tenants"),
            Self::OtherTrack(name) => write!(f, "the schema of the named database `{name}`"),
        }
    }
}

/// The schemas of one database that are not available for tenants.
///
/// Names are compared byte by byte: mig-ci quotes each identifier, and sends no name that is longer than PostgreSQL's limit.
#[derive(Debug, Clone)]
pub(crate) struct ReservedSchemas(BTreeMap<String, SchemaOwner>);

impl ReservedSchemas {
    pub(crate) fn new(shared: Option<&Track>, tenant_path: &[String]) -> Self {
        let mut reserved = Self(BTreeMap::new());
        reserved.add(INFORMATION_SCHEMA, SchemaOwner::PostgreSql);
        if let Some(shared) = shared {
            reserved.add(&shared.schema, SchemaOwner::SharedTrack);
            shared.search_path.iter().for_each(|name| reserved.add(name, SchemaOwner::SharedPath));
        }
        let fixed = tenant_path.iter().filter(|name| !name.contains('{'));
        fixed.for_each(|name| reserved.add(name, SchemaOwner::TenantPath));
        reserved
    }

    pub(crate) fn of(database: &Database) -> Self {
        let tenants = database.tenants.as_ref();
        let path = tenants.map_or(&[][..], |tenants| &tenants.track.search_path);
        Self::new(database.shared.as_ref(), path)
    }

    /// The first owner of a schema is kept.
    pub(crate) fn add(&mut self, schema: &str, owner: SchemaOwner) {
        self.0.entry(schema.to_owned()).or_insert(owner);
    }

    pub(crate) fn owner_of(&self, schema: &str) -> Option<SchemaOwner> {
        let is_system = schema.starts_with("pg_");
        self.0.get(schema).cloned().or_else(|| is_system.then_some(SchemaOwner::PostgreSql))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(schema: &str, path: &[&str]) -> Track {
        Track {
            migrations: "m".into(),
            format: None,
            ledger: None,
            order: None,
            deploy: crate::model::Deploy::Tool,
            forward_only: Vec::new(),
            schema: schema.to_owned(),
            search_path: path.iter().map(|name| (*name).to_owned()).collect(),
            sample: None,
            alembic: None,
        }
    }

    #[test]
    fn schemas_of_tracks_and_of_postgresql_are_reserved() {
        let shared = track("shared", &["shared", "ext", "public"]);
        let path = ["{target}", "shared", "lookup"].map(str::to_owned);
        let mut reserved = ReservedSchemas::new(Some(&shared), &path);
        reserved.add("reports", SchemaOwner::OtherTrack("reports".to_owned()));
        let owner = |name: &str| reserved.owner_of(name);
        assert_eq!(owner("shared"), Some(SchemaOwner::SharedTrack));
        assert_eq!(owner("ext"), Some(SchemaOwner::SharedPath));
        assert_eq!(owner("public"), Some(SchemaOwner::SharedPath));
        assert_eq!(owner("lookup"), Some(SchemaOwner::TenantPath));
        assert_eq!(owner("reports"), Some(SchemaOwner::OtherTrack("reports".to_owned())));
        for system in ["information_schema", "pg_catalog", "pg_toast", "pg_temp_3"] {
            assert_eq!(owner(system), Some(SchemaOwner::PostgreSql), "{system}");
        }
    }

    /// PostgreSQL compares quoted names by their bytes.
    #[test]
    fn another_case_or_another_normal_form_is_another_schema() {
        let shared = track("é", &["é"]);
        let reserved = ReservedSchemas::new(Some(&shared), &[]);
        assert!(reserved.owner_of("\u{e9}").is_some());
        for other in ["É", "e\u{301}", "public", "Information_Schema", "PG_x", "{target}"] {
            assert_eq!(reserved.owner_of(other), None, "{other}");
        }
    }
}
