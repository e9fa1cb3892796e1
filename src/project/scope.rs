//! The scope of a command: which project, which parts of it, and the base.

use camino::Utf8PathBuf;

use crate::config::Overrides;
use crate::replay::plan::Selection;
use crate::source::{BaseRequest, RemoteRepo, Revisions};

/// The project, its selected parts, and the base.
#[derive(Debug)]
pub(crate) struct Scope {
    /// `--config`.
    pub(crate) config: Option<Utf8PathBuf>,
    pub(crate) overrides: Overrides,
    pub(crate) base: BaseRequest,
    /// The host of the repository, which has the base if git does not.
    pub(crate) remote_repo: Option<RemoteRepo>,
    pub(crate) selection: Selection,
}

impl Scope {
    /// The flags that select the project and the base on a command line, if they are required.
    pub(super) fn flags(&self, revisions: &Revisions) -> Vec<String> {
        let config = self.config.iter().flat_map(|path| ["--config", path.as_str()]);
        let base = match &self.base {
            BaseRequest::Default => vec![],
            // The event is not available when the command is repeated.
            BaseRequest::Change(_) => match &revisions.base.revision {
                Some(revision) => vec!["--base", &revision.commit],
                None => vec![],
            },
            BaseRequest::Revision(revision) => vec!["--base", revision],
            BaseRequest::None => vec!["--no-base"],
        };
        config.chain(base).map(str::to_owned).collect()
    }
}
