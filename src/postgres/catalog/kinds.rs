//! The queries, one for each kind of thing.
//!
//! Each gives `schema` (its oid), `kind` (a word of `model::ItemKind`), `name`, `code` (properties that PostgreSQL renders)
//! and `raw` (properties that are text to it). `statement.rs` says what the braces and the comments at the ends of lines
//! mean. No two queries of different lists give items of the same kind in the same schema.

/// What each statement begins with.
pub(super) const COMMON: &str = include_str!("kinds/common.sql");

/// Those that lock nothing, or only as long as they look at it.
pub(super) const PLAIN: [&str; 19] = [
    include_str!("kinds/collations.sql"),
    include_str!("kinds/columns.sql"),
    include_str!("kinds/constraints.sql"),
    include_str!("kinds/default_privileges.sql"),
    include_str!("kinds/domain_constraints.sql"),
    include_str!("kinds/extensions.sql"),
    include_str!("kinds/indexes.sql"),
    include_str!("kinds/operator_classes.sql"),
    include_str!("kinds/operator_families.sql"),
    include_str!("kinds/operators.sql"),
    include_str!("kinds/policies.sql"),
    include_str!("kinds/relations.sql"),
    include_str!("kinds/schemas.sql"),
    include_str!("kinds/sequences.sql"),
    include_str!("kinds/statistics.sql"),
    include_str!("kinds/text_search_configurations.sql"),
    include_str!("kinds/text_search_dictionaries.sql"),
    include_str!("kinds/triggers.sql"),
    include_str!("kinds/types.sql"),
];

/// Those that lock (ACCESS SHARE) what the code that they render reads, until their transaction ends.
pub(super) const LOCKING: [&str; 3] = [
    include_str!("kinds/functions.sql"),
    include_str!("kinds/rules.sql"),
    include_str!("kinds/views.sql"),
];

/// What is in a database and in no schema of it.
pub(super) const DATABASE: [&str; 1] = [include_str!("kinds/database.sql")];
