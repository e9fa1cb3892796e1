//! Reads the content of schemas: as fingerprints, which the server computes for many schemas at once, and as complete
//! catalogs, for the few schemas whose differences are reported. Both come from the same queries, one for each kind of item
//! (`kinds/`).
//!
//! **Independent of the schema's name.** While the items of a schema are rendered, the search path is this schema, so that
//! PostgreSQL omits its name and writes every other schema's. `schema_scan.rs` explains the exceptions.
//!
//! **What is read** is what a migration creates, not what depends on data or the server's machine: no current values of
//! sequences, no statistics, no collation versions, no dropped columns. The body of a function that is a string is compared
//! as text; so are comments, arguments of triggers, and strings in code. If these contain the schema's own name, the
//! fingerprint differs, but `Catalog::differences` reports no difference: see `model/catalog/own_name.rs`. Not read:
//! security labels, objects of extensions, text search parsers and templates, and (except for a whole database) objects
//! outside of schemas.
//!
//! **Nearly one snapshot.** A chunk of schemas is read in one `REPEATABLE READ` transaction. PostgreSQL's rendering
//! functions use the current catalog: after a concurrent drop they fail, and the chunk is read again; a concurrent rename
//! can be visible. For an exact fingerprint, no migration may run at the same time.

mod chunk;
mod kinds;
mod reader;
mod schema_scan;
mod statement;
#[cfg(test)]
mod tests;

pub(crate) use reader::CatalogReader;
