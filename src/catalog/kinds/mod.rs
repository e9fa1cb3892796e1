//! The queries, one for each kind of thing.
//!
//! Each gives `schema` (its oid), `kind` (a word of `model::ItemKind`), `name`, `code` (properties that PostgreSQL renders)
//! and `raw` (properties that are text to it). `statement.rs` says what the braces and the comments at the ends of lines
//! mean. No two queries of different lists give items of the same kind in the same schema.

/// What each statement begins with.
pub(crate) const COMMON: &str = include_str!("common.sql");

/// Those that lock nothing, or only as long as they look at it.
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

/// Those that lock (ACCESS SHARE) what the code that they render reads, until their transaction ends.
pub(crate) const LOCKING: [&str; 3] =
    [include_str!("functions.sql"), include_str!("rules.sql"), include_str!("views.sql")];

/// What is in a database and in no schema of it.
pub(crate) const DATABASE: [&str; 1] = [include_str!("database.sql")];
