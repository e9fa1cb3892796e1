//! Where the project is in its repository.

use camino::Utf8Path;

/// The location of the project: the root of its repository, and its own root relative to that.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProjectPlace<'a> {
    pub(super) toplevel: &'a Utf8Path,
    pub(super) prefix: &'a Utf8Path,
}
