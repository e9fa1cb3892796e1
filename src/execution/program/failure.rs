//! The failure of a run, in the words of the server or of Python.

use camino::Utf8Path;

use super::ProgramRun;
use super::cause::{program, silent_failure};
use crate::driver::{ErrorEvent, ProcessExit, SourcePlace};
use crate::model::{Failure, FailureKind, ProgramCause};

/// The number of lines of output in a failure.
const OUTPUT_LINES: usize = 20;

impl ProgramRun<'_> {
    /// Why not all pending migrations were applied.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.refused_connection()
            .or_else(|| self.foreign_module())
            .or_else(|| self.reported_error())
            .or_else(|| self.sudden_end())
            .or_else(|| silent_failure(self))
    }

    fn refused_connection(&self) -> Option<Failure> {
        let refused = self.observation.refused.first()?;
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "?".to_owned());
        let port =
            refused.port.as_ref().map(|port| format!(":{}", port.to_string().trim_matches('"')));
        let database = refused.database.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        let message = format!(
            "a connection to `{}{}{database}` was refused, because it is not the server of this run",
            text(&refused.host),
            port.unwrap_or_default(),
        );
        Some(Failure {
            detail: refused.reason.clone(),
            place: refused.place.as_ref().and_then(|place| self.files.place(place)),
            ..program(ProgramCause::OtherServer, message)
        })
    }

    /// A module of the head was imported, although the base's migrations ran.
    fn foreign_module(&self) -> Option<Failure> {
        let end = self.observation.end.as_ref()?;
        let module = end.foreign_modules.first()?;
        let message = format!(
            "the migrations of the base imported the module {module} from the files of the head, so they did not make the \
             state of the base"
        );
        let hint = "the project is installed in its environment in editable mode: set `python-path` to the folders of its \
                    modules, so that each revision imports its own";
        Some(Failure { hint: Some(hint.to_owned()), ..program(ProgramCause::NotStarted, message) })
    }

    fn reported_error(&self) -> Option<Failure> {
        let error = self.observation.error()?;
        // `sys.exit(0)`: the ledger decides.
        let exits_with_0 = error.kind == "exit"
            && self.observation.end.as_ref().is_some_and(|end| end.exit_code == Some(0));
        if exits_with_0 {
            return None;
        }
        let failure = self.of_error(error, None);
        let is_outside = error.revision.is_none() && failure_is_sql(&failure);
        let swallowed = self.observation.last_swallowed().filter(|_| is_outside);
        let detail = swallowed.map(|(step, failed)| {
            format!(
                "the likely cause is an error that revision {} caught before: {}",
                step.revision, failed.error.message
            )
        });
        let place = swallowed.and_then(|(_, failed)| self.files.place(failed.place.as_ref()?));
        Some(Failure {
            detail: detail.or(failure.detail),
            place: place.or(failure.place),
            ..failure
        })
    }

    /// An error as a failure. `place` takes precedence over the error's own.
    pub(super) fn of_error(&self, error: &ErrorEvent, place: Option<&SourcePlace>) -> Failure {
        let kind = match (&error.sqlstate, error.kind.as_str()) {
            (Some(sqlstate), _) => FailureKind::Sql { sqlstate: sqlstate.clone() },
            // The client library reports a broken connection without a code.
            (None, "database") if is_broken_connection(&error.type_name) => {
                FailureKind::ConnectionLost
            }
            (None, "database" | "python" | "exit") if !self.observation.configured.is_empty() => {
                FailureKind::Program(ProgramCause::Exception)
            }
            (None, "database") => FailureKind::Program(ProgramCause::Exception),
            (None, _) => FailureKind::Program(ProgramCause::NotStarted),
        };
        let places = place.into_iter().chain(&error.place).chain(error.traceback.iter().rev());
        let message = match error.type_name.as_str() {
            _ if error.sqlstate.is_some() => error.message.clone(),
            "" => error.message.clone(),
            name => format!("{}: {}", name.rsplit('.').next().unwrap_or(name), error.message),
        };
        Failure {
            detail: error.detail.clone(),
            hint: error.hint.clone(),
            statement: error.statement.clone(),
            place: self.files.first(places),
            context: traceback(error, self.files.root),
            ..Failure::new(kind, message)
        }
    }

    /// The process ended without a report.
    fn sudden_end(&self) -> Option<Failure> {
        let message = match &self.observation.exit {
            None => "the driver of the migrations ended".to_owned(),
            Some(ProcessExit { reason: Some(reason), .. }) => reason.clone(),
            Some(ProcessExit { signal: Some(signal), .. }) => {
                format!("the process of the migrations was ended by signal {signal}")
            }
            Some(ProcessExit { code: Some(code), .. })
                if *code != 0 && self.observation.end.is_none() =>
            {
                format!("the process of the migrations ended itself with exit code {code}")
            }
            Some(_) => return None,
        };
        Some(Failure { context: self.last_output(), ..program(ProgramCause::Ended, message) })
    }

    /// The end of what the project printed.
    fn last_output(&self) -> Option<String> {
        let of_step = self.observation.steps.last().map(|step| step.output.as_str());
        let text = of_step.filter(|text| !text.is_empty()).unwrap_or(&self.observation.output);
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(OUTPUT_LINES)..];
        (!last.is_empty()).then(|| last.join("\n"))
    }
}

/// The exceptions of database drivers for a connection that broke (PEP 249), and asyncpg's.
fn is_broken_connection(type_name: &str) -> bool {
    ["OperationalError", "InterfaceError", "ConnectionDoesNotExistError"]
        .iter()
        .any(|name| type_name.ends_with(name))
}

fn failure_is_sql(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Sql { .. })
}

/// The project's own frames, the outermost first, with paths in the project.
fn traceback(error: &ErrorEvent, root: &Utf8Path) -> Option<String> {
    let line = |place: &SourcePlace| {
        let file = Utf8Path::new(&place.file);
        let file = file.strip_prefix(root).unwrap_or(file);
        let function = place.function.as_deref().unwrap_or("?");
        let text = place.text.as_deref().unwrap_or_default();
        format!("{file}:{}, in {function}: {text}", place.line)
    };
    let lines: Vec<String> = error.traceback.iter().map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
