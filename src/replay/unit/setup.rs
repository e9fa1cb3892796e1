//! What makes the state that the first revision of a program expects: a command, or an SQL file.

use super::context::UnitContext;
use crate::driver::{ProcessExit, ProgramObservation, TargetNames, TrackProgram};
use crate::model::Phase;
use crate::model::{
    AlembicSetup, AlembicTrack, Failure, FailureKind, ProgramCause, RunEvent, UnitEnd,
};
use crate::samples::run_file;

/// The number of lines of output in a failure.
const OUTPUT_LINES: usize = 20;

/// Runs the setup of a track with a program, if it has one.
pub(super) async fn run_setup(context: &UnitContext<'_>) -> Result<(), UnitEnd> {
    let Some(alembic) = &context.track.alembic else { return Ok(()) };
    let ran = match &alembic.setup {
        None => Ok(()),
        Some(AlembicSetup::SqlFile(path)) => {
            let run = async {
                let mut session = context.owner_session().await?;
                run_file(&mut session, context.replay.files, path).await?;
                session.close().await;
                Ok(())
            };
            run.await
        }
        Some(AlembicSetup::Command(command)) => run_command(context, alembic, command).await,
    };
    ran.map_err(super::at(Phase::Prepare))
}

async fn run_command(
    context: &UnitContext<'_>,
    alembic: &AlembicTrack,
    command: &[String],
) -> Result<(), Failure> {
    let programs = &context.replay.programs;
    let runner = programs.runner(context.database, context.track, alembic).await?;
    let server = context.program_address(&runner);
    let root = programs.tree(context.track, Phase::Prepare).root.as_std_path();
    let program = TrackProgram { track: alembic, root, foreign_root: None };
    let names = TargetNames { tenant: &context.unit.name, target: context.target_name() };
    let id = programs.next_id();
    let request = program.setup(id, command, names, server, &runner.environment);
    let shown = command.join(" ");
    context.emit(RunEvent::StepStarted {
        unit: context.name(),
        migration: format!("setup: {shown}").into(),
    });
    let observation = ProgramObservation::of(runner.driver.run(id, request), |_| {}).await;
    let reason = match observation.exit {
        Some(ProcessExit { code: Some(0), .. }) => return Ok(()),
        Some(ProcessExit { signal: Some(signal), .. }) => format!("was ended by signal {signal}"),
        Some(ProcessExit { code: Some(code), .. }) => format!("ended with exit code {code}"),
        Some(ProcessExit { code: None, signal: None, .. }) | None => {
            "did not end properly".to_owned()
        }
    };
    let lines: Vec<&str> = observation.output.lines().collect();
    let last = &lines[lines.len().saturating_sub(OUTPUT_LINES)..];
    Err(Failure {
        context: (!last.is_empty()).then(|| last.join("\n")),
        hint: Some("run it by hand with the variables of `env`, or correct `setup`".to_owned()),
        ..Failure::new(
            FailureKind::Program(ProgramCause::NotStarted),
            format!("the setup command `{shown}` {reason}"),
        )
    })
}
