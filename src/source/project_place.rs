//! Where the project is in its repository.

use camino::Utf8Path;

/// Where the project is: its repository's uppermost folder, and its root relative to that.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProjectPlace<'a> {
    pub(super) toplevel: &'a Utf8Path,
    pub(super) prefix: &'a Utf8Path,
}
