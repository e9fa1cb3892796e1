//! The fingerprint of a catalog: a hash of hashes, so that the server can compute most of it.
//!
//! Each item has a hash (SHA-256). A *digest* is the hash of the sorted item hashes of one kind in one schema. The fingerprint
//! is the hash of all digests. The queries of `catalog/kinds` compute digests in the same way.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::item::{Item, ItemKind, SEPARATOR};

/// Equal for two catalogs with equal contents. Not comparable between major versions of PostgreSQL, which render code
/// differently, or between versions of mig-ci.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Digests by schema and kind, computed here or by the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Digests(BTreeMap<(String, ItemKind), String>);

impl Digests {
    /// `digest` in hexadecimal digits, as the server returns it.
    pub(crate) fn add(&mut self, schema: &str, kind: ItemKind, digest: String) {
        let before = self.0.insert((schema.to_owned(), kind), digest);
        assert!(before.is_none(), "internal error: {kind} has two digests");
    }

    /// Adds the digests of other schemas.
    pub(crate) fn join(&mut self, other: Self) {
        for ((schema, kind), digest) in other.0 {
            self.add(&schema, kind, digest);
        }
    }

    /// `items` are all items of one schema and kind.
    pub(super) fn add_items(&mut self, items: &[Item]) {
        let Some(first) = items.first() else { return };
        let mut hashes: Vec<_> = items.iter().map(|item| Sha256::digest(item.hashed())).collect();
        hashes.sort_unstable();
        self.add(&first.schema, first.kind, hex::encode(Sha256::digest(hashes.concat())));
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut whole = Sha256::new();
        for ((schema, kind), digest) in &self.0 {
            whole.update(format!("{schema}{SEPARATOR}{kind}{SEPARATOR}{digest}\n"));
        }
        Fingerprint(whole.finalize().into())
    }
}
