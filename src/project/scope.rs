//! What of which project, compared with what.

use camino::Utf8PathBuf;

use crate::config::Overrides;
use crate::replay::plan::Selection;
use crate::source::{BaseRequest, RemoteRepo, Revisions};

/// What of which project, compared with what.
#[derive(Debug)]
pub(crate) struct Scope {
    /// `--config`.
    pub(crate) config: Option<Utf8PathBuf>,
    pub(crate) overrides: Overrides,
    pub(crate) base: BaseRequest,
    /// The host of the repository, to be asked where git does not have the base.
    pub(crate) hosted: Option<RemoteRepo>,
    pub(crate) selection: Selection,
}

impl Scope {
    /// How the command line says which project and which base, where it has to be said.
    pub(super) fn flags(&self, revisions: &Revisions) -> Vec<String> {
        let config = self.config.iter().flat_map(|path| ["--config", path.as_str()]);
        let base = match &self.base {
            BaseRequest::Default => vec![],
            // The event is not there when the command is typed.
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
