//! The queries, one for each kind of item.
//!
//! Each returns `schema` (its OID), `kind` (a value of `model::ItemKind`), `name`, `code` (properties that PostgreSQL
//! renders) and `raw` (properties that are plain text). `statement.rs` explains the braces and the comments at the ends of
//! lines. No two queries of different lists return items of the same kind in the same schema.

/// The common table expressions at the start of each statement.
pub(crate) const COMMON: &str = include_str!("common.sql");

/// Queries that take no locks, or release them at once.
pub(crate) const PLAIN: [&str; 19] = [
    include_str!("collations.sql"),
    include_str!("columns.sql"),
    include_str!("constraints.sql"),
    include_str!("default_privileges.sql"),
    include_str!("domain_constraints.sql"),
    include_str!("extensions.sql"),
    include_str!("indexes.sql"),
    include_str!("operator_classes.sql"),
    include_str!("operator_families.sql"),
    include_str!("operators.sql"),
    include_str!("policies.sql"),
    include_str!("relations.sql"),
    include_str!("schemas.sql"),
    include_str!("sequences.sql"),
    include_str!("statistics.sql"),
    include_str!("text_search_configurations.sql"),
    include_str!("text_search_dictionaries.sql"),
    include_str!("triggers.sql"),
    include_str!("types.sql"),
];

/// Queries that lock (ACCESS SHARE) the objects used by the code that they render, until the end of the transaction.
pub(crate) const LOCKING: [&str; 3] =
    [include_str!("functions.sql"), include_str!("rules.sql"), include_str!("views.sql")];

/// Items of a database that are in no schema.
pub(crate) const DATABASE: [&str; 1] = [include_str!("database.sql")];
