//! Exit codes: a stable interface for scripts and required checks. `README.md` and `docs/report.md` contain the same table.

use std::process::ExitCode;

use strum::IntoEnumIterator as _;

use super::error::CommandError;
use crate::model::FailureKind;
use crate::project::ProjectError;
use crate::report::environment_failed;
use crate::report::verify::v1::{Report, Verdict};
use crate::server::ProviderError;
use crate::verify::VerifyError;

/// The result of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumIter)]
pub(crate) enum Exit {
    Passed,
    Failed,
    Usage,
    Project,
    Environment,
    Nothing,
    Interrupted,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Project => 3,
            Self::Environment => 4,
            Self::Nothing => 5,
            Self::Interrupted => 130,
        }
    }

    /// Combines two exits: an exit for a wrong result takes precedence over the environment.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Passed, exit) | (Self::Environment, exit @ Self::Failed) => exit,
            (exit, _) => exit,
        }
    }

    /// The meaning, for the help and the documents.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => {
                "a tenant failed, or there are findings at or above `--fail-on` (default: error)"
            }
            Self::Usage => "usage error: the command line is invalid",
            Self::Project => "the configuration or the project is invalid",
            Self::Environment => {
                "environment error: no server, no Docker, no git, no network, or a full disk; the affected targets have no \
                 result"
            }
            Self::Nothing => {
                "nothing to do, although `--require-migrations` or `--require-tenants` was given"
            }
            Self::Interrupted => {
                "interrupted: started servers were removed; migrations already in flight on real databases were allowed to \
                 finish"
            }
        }
    }

    /// The table at the end of `--help`.
    pub(crate) fn help() -> String {
        let line = |exit: Self| format!("{:>5}  {}\n", exit.code(), exit.meaning());
        format!("Exit codes:\n{}", Self::iter().map(line).collect::<String>())
    }

    /// The exit of a completed run. A failure that was found counts, even if the environment failed later.
    pub(crate) fn of_report(report: &Report) -> Self {
        match report.verdict {
            Verdict::Failed => Self::Failed,
            Verdict::Passed | Verdict::NotRun if environment_failed(report) => Self::Environment,
            Verdict::Passed => Self::Passed,
            Verdict::NotRun => Self::Failed,
        }
    }

    pub(crate) fn of_error(error: &CommandError) -> Self {
        match error {
            CommandError::Project(error) => Self::of_project(error),
            CommandError::Verify(error) => Self::of_verify(error),
            CommandError::Output { .. } => Self::Environment,
            CommandError::Interrupted => Self::Interrupted,
        }
    }

    pub(crate) fn of_project(error: &ProjectError) -> Self {
        match error {
            ProjectError::Config(_) | ProjectError::Plan(_) => Self::Project,
            ProjectError::Source(_) | ProjectError::Folder { .. } => Self::Environment,
        }
    }

    fn of_verify(error: &VerifyError) -> Self {
        match error {
            VerifyError::Project(error) => Self::of_project(error),
            VerifyError::Prepare(failure)
                if failure.is_environmental() || failure.kind == FailureKind::ConnectionLost =>
            {
                Self::Environment
            }
            VerifyError::Prepare(_) | VerifyError::Provider(ProviderError::Settings { .. }) => {
                Self::Project
            }
            VerifyError::Provider(_) => Self::Environment,
            VerifyError::Nothing(_) => Self::Nothing,
            VerifyError::Interrupted { .. } => Self::Interrupted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_contain_the_table() {
        let rows = Exit::iter().map(|exit| format!("| {} | {} |\n", exit.code(), exit.meaning()));
        let table = format!("| code | meaning |\n| --- | --- |\n{}\n", rows.collect::<String>());
        for document in [include_str!("../../README.md"), include_str!("../../docs/report.md")] {
            assert!(document.contains(&table), "not in it:\n{table}");
        }
    }
}
