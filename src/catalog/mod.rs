//! Reads what schemas hold: as fingerprints, which the server computes for many schemas at once, and as whole catalogs, for
//! the few that a difference has to be told of. Both come from the same queries, one for each kind of thing (`kinds/`).
//!
//! **Independent of the schema's name.** While a schema's things are rendered, it is the search path, so that PostgreSQL
//! itself leaves it out of what it renders, and names every other schema. What is left is told in `survey.rs`.
//!
//! **What is read** is what a migration makes, and not what the data or the server's machine make of it: no current values of
//! sequences, no statistics, no versions of collations, no dropped columns. A function's body that is a string is text as
//! it is; so are comments, the arguments of triggers, and strings in code. Where these hold the own name of the schema, the
//! fingerprint differs, and `Catalog::differences` does not: `model/catalog/own_name.rs` says how. Not read: security labels,
//! what an extension has made, text search parsers and templates, and (but for a whole database) what is in no schema.
//!
//! **In one snapshot, nearly.** A chunk of schemas is read in one `REPEATABLE READ` transaction. PostgreSQL's functions that
//! render code look at the catalog as it is by then: a drop meanwhile makes them fail, and the chunk is read again; a rename
//! meanwhile can show. A fingerprint that has to be right is taken while nobody migrates.

mod chunk;
mod kinds;
mod reader;
mod statement;
mod survey;
#[cfg(test)]
mod tests;

pub(crate) use reader::CatalogReader;
