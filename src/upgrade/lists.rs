//! What was done to each of thousands of targets is mostly the same: each list of versions is there once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use crate::report::upgrade::Versions;

/// All lists of a run, each once.
#[derive(Debug, Default)]
pub(super) struct Lists(Mutex<HashSet<Versions>>);

impl Lists {
    pub(super) fn of<'v>(&self, versions: impl Iterator<Item = &'v str>) -> Versions {
        let list: Vec<Arc<str>> = versions.map(Into::into).collect();
        let Ok(mut known) = self.0.lock() else { return list.into() };
        if let Some(same) = known.get(&*list) {
            return Arc::clone(same);
        }
        let list: Versions = list.into();
        known.insert(Arc::clone(&list));
        list
    }
}
