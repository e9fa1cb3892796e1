//! The request to run Alembic on one target: the texts of the configuration with the values of the target.

use std::collections::BTreeMap;
use std::path::Path;

use super::protocol::{
    AlembicCommand, DriverRequest, Expectation, Limits, AlembicOperation, ProcessContext, RunRequest,
    ProgramServer, SetupRequest,
};
use crate::model::{AlembicTrack, PLACEHOLDERS, ProcessIsolation};

/// Variables of mig-ci's own environment that programs of the project get. All others are left out, since they may be
/// credentials, or addresses of other servers.
const PASSED_ON: [&str; 9] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"];

/// The target of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TargetNames<'a> {
    pub(crate) tenant: &'a str,
    /// Its schema or database in production.
    pub(crate) target: &'a str,
}

/// A track's program, and where its files are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrackProgram<'a> {
    pub(crate) track: &'a AlembicTrack,
    /// The root of the project, or of the base's files; absolute.
    pub(crate) root: &'a Path,
    /// The root of the other revision's files, from which nothing may be imported; absolute.
    pub(crate) foreign_root: Option<&'a Path>,
}

/// The variables that each program of the project gets: those of [`PASSED_ON`], and settings of Python.
pub(crate) fn common_environment(
    variable: &dyn Fn(&str) -> Option<String>,
) -> BTreeMap<String, String> {
    let passed = PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?)));
    let mut environment: BTreeMap<String, String> = passed.collect();
    // The worktree stays as it is.
    environment.insert("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned());
    environment.insert("PYTHONUNBUFFERED".to_owned(), "1".to_owned());
    environment
}

impl TrackProgram<'_> {
    /// The request to upgrade a target to these revisions.
    pub(crate) fn upgrade(
        &self,
        id: u64,
        level: ProcessIsolation,
        names: TargetNames<'_>,
        server: ProgramServer,
        common: &BTreeMap<String, String>,
        revisions: &[String],
    ) -> DriverRequest {
        let fill = |text: &str| filled(text, names, &server);
        let arguments = self.track.arguments.iter().map(|text| fill(text)).collect();
        let mut options: BTreeMap<String, String> =
            self.track.options.iter().map(|(name, text)| (name.clone(), fill(text))).collect();
        if let Some(location) = &self.track.script_location {
            options.insert("script_location".to_owned(), location.clone());
        }
        let configs = self.track.ini.iter().chain(&self.track.pyproject);
        let request = RunRequest {
            id,
            level: level.to_string(),
            neutral_environment: self.neutral_environment(common),
            program: "alembic",
            alembic: AlembicCommand {
                configs: configs.map(|path| text_of(&self.root.join(path))).collect(),
                section: self.track.section.clone(),
                arguments,
                options,
            },
            operation: AlembicOperation::Upgrade { revisions: revisions.to_vec() },
            expect: Expectation { database: server.database.clone() },
            foreign_root: self.foreign_root.map(text_of),
            limits: Limits::default(),
            context: self.context(names, server, common),
        };
        DriverRequest::Run(Box::new(request))
    }

    /// The request to run a command.
    pub(crate) fn setup(
        &self,
        id: u64,
        command: &[String],
        names: TargetNames<'_>,
        server: ProgramServer,
        common: &BTreeMap<String, String>,
    ) -> DriverRequest {
        let command = command.iter().map(|text| filled(text, names, &server)).collect();
        let context = self.context(names, server, common);
        DriverRequest::Setup(Box::new(SetupRequest { id, context, command }))
    }

    fn context(
        &self,
        names: TargetNames<'_>,
        server: ProgramServer,
        common: &BTreeMap<String, String>,
    ) -> ProcessContext {
        let mut environment = common.clone();
        // What libpq uses if a program names no server.
        let port = server.port.to_string();
        for (name, value) in [
            ("PGHOST", &server.host),
            ("PGPORT", &port),
            ("PGUSER", &server.user),
            ("PGPASSWORD", &server.password),
            ("PGDATABASE", &server.database),
        ] {
            environment.insert(name.to_owned(), value.clone());
        }
        let configured = self.track.environment.iter();
        environment
            .extend(configured.map(|(name, text)| (name.clone(), filled(text, names, &server))));
        let python_path = self.track.python_path.iter();
        ProcessContext {
            cwd: text_of(&self.root.join(&self.track.folder)),
            python_path: python_path.map(|folder| text_of(&self.root.join(folder))).collect(),
            environment,
            server,
        }
    }

    /// The variables that are the same for all targets.
    fn neutral_environment(&self, common: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let depends =
            |text: &str| PLACEHOLDERS.iter().any(|name| text.contains(&format!("{{{name}}}")));
        let configured = self.track.environment.iter().filter(|(_, text)| !depends(text));
        let configured = configured.map(|(name, text)| (name.clone(), text.clone()));
        common.clone().into_iter().chain(configured).collect()
    }
}

/// A text with the values of the target.
fn filled(text: &str, names: TargetNames<'_>, server: &ProgramServer) -> String {
    let value = |name: &str| match name {
        "target" => Some(names.target.to_owned()),
        "tenant" => Some(names.tenant.to_owned()),
        "url" => Some(server.plain_url.clone()),
        "host" => Some(server.host.clone()),
        "port" => Some(server.port.to_string()),
        "user" => Some(server.user.clone()),
        "password" => Some(server.password.clone()),
        "dbname" => Some(server.database.clone()),
        _ => None,
    };
    // One pass, so that a value that looks like a placeholder stays as it is.
    let mut filled = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        filled.push_str(before);
        let end = from.find('}');
        let found = end.and_then(|end| Some((value(&from[1..end])?, end)));
        match found {
            Some((value, end)) => {
                filled.push_str(&value);
                rest = &from[end + 1..];
            }
            None => {
                filled.push('{');
                rest = &from[1..];
            }
        }
    }
    filled + rest
}

/// Paths of a project are UTF-8, so that nothing is lost.
fn text_of(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use sqlx::postgres::PgConnectOptions;

    use super::*;

    fn address() -> ProgramServer {
        let options = PgConnectOptions::new_without_pgpass().host("h").port(1).username("u");
        ProgramServer::of(&options, "d{tenant}", None)
    }

    #[test]
    fn placeholders_are_replaced_once() {
        let names = TargetNames { tenant: "{target}", target: "We'ird \"T\"" };
        let fill = |text: &str| filled(text, names, &address());
        assert_eq!(fill("{tenant}/{target}"), "{target}/We'ird \"T\"");
        assert_eq!(fill("{dbname} {other} { {{host}}"), "d{tenant} {other} { {h}");
        assert_eq!(fill("{user}@{host}:{port}"), "u@h:1");
    }

    #[test]
    fn the_environment_contains_what_is_declared_and_nothing_else() {
        let variable = |name: &str| {
            Some(match name {
                "PATH" => "/bin",
                "AWS_SECRET_ACCESS_KEY" => "secret",
                "LANG" => "C",
                _ => return None,
            })
            .map(str::to_owned)
        };
        let common = common_environment(&variable);
        let track = AlembicTrack {
            environment: IndexMap::from([
                ("TENANT_SCHEMA".to_owned(), "{target}".to_owned()),
                ("MODE".to_owned(), "ci".to_owned()),
            ]),
            folder: "backend".into(),
            section: "tenant".to_owned(),
            ..AlembicTrack::default()
        };
        let program =
            TrackProgram { track: &track, root: Path::new("/project"), foreign_root: None };
        let names = TargetNames { tenant: "acme", target: "tenant_acme" };
        let level = ProcessIsolation::Process;
        let request = program.upgrade(1, level, names, address(), &common, &["heads".to_owned()]);
        let DriverRequest::Run(request) = request else { panic!("{request:?}") };
        let environment = &request.context.environment;
        assert_eq!(environment["TENANT_SCHEMA"], "tenant_acme");
        assert_eq!((environment["MODE"].as_str(), environment["PGHOST"].as_str()), ("ci", "h"));
        assert!(!environment.contains_key("AWS_SECRET_ACCESS_KEY"));
        assert_eq!(request.context.cwd, "/project/backend");
        assert_eq!(request.neutral_environment["MODE"], "ci");
        assert!(!request.neutral_environment.contains_key("TENANT_SCHEMA"));
        assert!(!request.neutral_environment.contains_key("PGHOST"));
    }
}
