//! Advice for errors, added where they are printed: the modules only say what failed, where and why.

use super::error::CommandError;
use crate::model::Failure;
use crate::project::ProjectError;
use crate::replay::plan::PlanError;
use crate::verify::VerifyError;

/// Lines that follow the error's own.
pub(crate) fn of(error: &CommandError) -> Vec<String> {
    match error {
        CommandError::Project(ProjectError::Plan(
            PlanError::Format { source, .. } | PlanError::BaseFormat { source, .. },
        )) => source.help().map(help).into_iter().collect(),
        CommandError::Verify(VerifyError::Prepare(failure)) => of_failure(failure),
        _ => Vec::new(),
    }
}

fn of_failure(failure: &Failure) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(place) = &failure.place {
        lines.push(format!("  --> {}:{}", place.path, place.line));
    }
    lines.extend(failure.detail.iter().map(|detail| format!("  detail: {detail}")));
    lines.extend(failure.hint.iter().map(|hint| help(hint)));
    lines
}

fn help(text: &str) -> String {
    format!("  help: {text}")
}
