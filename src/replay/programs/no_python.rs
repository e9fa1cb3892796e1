//! The failure of a track for whose program this machine has no Python. In a job that is the normal case for the action, whose
//! image has none, so the failure shows both ways to give it one.

use crate::driver::DriverError;
use crate::model::{AlembicTrack, Failure, FailureKind, ProgramCause, TrackKind};

/// The failure, with text that can be pasted.
pub(super) fn no_python(
    error: &DriverError,
    database: &str,
    kind: TrackKind,
    alembic: &AlembicTrack,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Failure {
    let is_job = variable("GITHUB_ACTIONS").as_deref() == Some("true");
    let failure = Failure::new(FailureKind::Program(ProgramCause::NotStarted), error.to_string());
    if alembic.python.is_some() {
        return failure;
    }
    let table = match kind {
        TrackKind::Shared => "shared",
        TrackKind::Tenant => "tenants",
    };
    let file = alembic.ini.as_ref().or(alembic.pyproject.as_ref());
    let section = file.map(|file| format!("# section `{}` of {file}\n", alembic.section));
    let section = section.unwrap_or_default();
    if !is_job {
        let hint = format!(
            "or run it in an image that has the project's Python: `--runner-image IMAGE`, or `image = \"IMAGE\"` in \
             [databases.{database}.{table}] of mig-ci.toml"
        );
        return Failure { hint: Some(hint), ..failure };
    }
    let ways = format!(
        "{section}# 1. in an image that has the project's Python and Alembic:\n\
         - uses: mig-ci/mig-action@v0\n  with:\n    runner-image: ghcr.io/OWNER/IMAGE:TAG\n\
         # or, for this track alone, in mig-ci.toml (the input has to list the image, too):\n\
         [databases.{database}.{table}]\nimage = \"ghcr.io/OWNER/IMAGE:TAG\"\n\
         # 2. in the Python of the job, instead of `uses: mig-ci/mig-action@v0`:\n\
         - uses: actions/setup-python@v6\n  with:\n    python-version: \"3.x\"\n\
         - run: pip install -r requirements.txt\n\
         - uses: mig-ci/mig-action/setup@v0"
    );
    Failure {
        message: "the migrations are run by Alembic, and this machine has no Python: the image of the action contains \
                  mig-ci alone. Name an image that has the project's Python (`runner-image`), or use the action `setup` in \
                  a job that has it"
            .to_owned(),
        context: Some(ways),
        ..failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(job: bool, kind: TrackKind, python: Option<&str>) -> Failure {
        let error = DriverError::NoInterpreter { reason: "no python3 in PATH".to_owned() };
        let alembic = AlembicTrack {
            ini: Some("backend/alembic.ini".into()),
            section: "tenant".to_owned(),
            python: python.map(str::to_owned),
            ..AlembicTrack::default()
        };
        let variable = |name: &str| (job && name == "GITHUB_ACTIONS").then(|| "true".to_owned());
        no_python(&error, "app", kind, &alembic, &variable)
    }

    #[test]
    fn a_job_gets_both_ways_with_the_names_of_the_project() {
        let failure = failure(true, TrackKind::Tenant, None);
        let ways = failure.context.unwrap();
        for part in [
            "# section `tenant` of backend/alembic.ini\n",
            "    runner-image: ghcr.io/",
            "[databases.app.tenants]\nimage = ",
            "- uses: mig-ci/mig-action/setup@v0",
        ] {
            assert!(ways.contains(part), "{ways}");
        }
        let other = self::failure(true, TrackKind::Shared, None).context.unwrap();
        assert!(other.contains("[databases.app.shared]\n"), "{other}");
    }

    #[test]
    fn a_developer_gets_the_flag() {
        let failure = failure(false, TrackKind::Tenant, None);
        assert!(failure.message.contains("no python3 in PATH"), "{failure:?}");
        assert!(failure.hint.unwrap().contains("--runner-image"));
    }

    #[test]
    fn a_configured_interpreter_that_is_missing_is_the_problem_itself() {
        assert_eq!(failure(true, TrackKind::Tenant, Some(".venv/bin/python")).context, None);
    }
}
