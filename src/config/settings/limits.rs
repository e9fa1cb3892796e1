//! Limits for a configuration file. On a developer's machine there are none. In the action the file belongs to the pull
//! request, and only the workflow's inputs decide what it may read and where its SQL runs.

use std::collections::BTreeSet;

use crate::config::alembic_problem::AlembicProblem;
use crate::config::interpolate::used_variables;
use crate::config::key::ConfigKey;
use crate::config::problem::ConfigProblem;
use crate::model::{ProviderChoice, Role};

/// Variables that no file of a pull request may read, independent of the inputs: credentials of the job and of the server.
const NEVER: [&str; 12] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "DOCKER_AUTH_CONFIG",
    "GH_ENTERPRISE_TOKEN",
    "GH_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GITHUB_TOKEN",
    "MIG_CI_POSTGRES_URL",
    "NODE_AUTH_TOKEN",
    "NPM_TOKEN",
    "PGPASSFILE",
    "PGPASSWORD",
];
/// The same for prefixes: the runner's credentials, the inputs, and the saved state of earlier steps.
const NEVER_PREFIXES: [&str; 5] = ["ACTIONS_", "GIT_CONFIG_", "INPUT_", "RUNNER_", "STATE_"];

/// What the inputs of the action allow a pull request's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileLimits {
    /// The variables that `${NAME}` may read.
    pub(crate) variables: BTreeSet<String>,
    /// Whether `role = "superuser"` is accepted.
    pub(crate) superuser: bool,
}

impl FileLimits {
    fn allows(&self, variable: &str) -> bool {
        self.variables.contains(variable) && !is_credential(variable)
    }
}

/// Whether a variable is never readable by files of a pull request.
pub(crate) fn is_credential(variable: &str) -> bool {
    let name = variable.to_ascii_uppercase();
    NEVER.contains(&name.as_str()) || NEVER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The problems for each variable in the value of `key` that the file may not read. Here and below, `None` means that the file
/// has no limits.
pub(super) fn denied_variables(
    limits: Option<&FileLimits>,
    key: &ConfigKey,
    text: &str,
) -> Vec<ConfigProblem> {
    let Some(limits) = limits else { return Vec::new() };
    let problem = |name: &str| match is_credential(name) {
        true => ConfigProblem::VariableIsCredential { key: key.to_string(), name: name.to_owned() },
        false => ConfigProblem::VariableNotAllowed {
            key: key.to_string(),
            name: name.to_owned(),
            allowed: limits.variables.iter().cloned().collect(),
        },
    };
    let denied = used_variables(text).into_iter().filter(|name| !limits.allows(name));
    denied.map(problem).collect()
}

/// The provider, if the file may choose it, or if the workflow has chosen it: `explicit`.
pub(super) fn provider(
    limits: Option<&FileLimits>,
    explicit: Option<ProviderChoice>,
    configured: ProviderChoice,
) -> Result<ProviderChoice, ConfigProblem> {
    if limits.is_none() {
        return Ok(configured);
    }
    match configured {
        // `auto` may fall back to local binaries, which only the workflow may choose.
        ProviderChoice::Auto | ProviderChoice::Docker => Ok(ProviderChoice::Docker),
        ProviderChoice::Local | ProviderChoice::Url if explicit.is_some() => Ok(configured),
        ProviderChoice::Local | ProviderChoice::Url => {
            Err(ConfigProblem::ProviderNotAllowed { provider: configured })
        }
    }
}

/// The role, if the workflow allows it.
pub(super) fn role(limits: Option<&FileLimits>, written: Role) -> Result<Role, ConfigProblem> {
    match limits {
        Some(limits) if written == Role::Superuser && !limits.superuser => {
            Err(ConfigProblem::SuperuserNotAllowed)
        }
        _ => Ok(written),
    }
}

/// The image's name is sent to its registry, so a limited file must not use variables in it.
pub(super) fn image(limits: Option<&FileLimits>, raw: &str) -> Result<(), ConfigProblem> {
    match used_variables(raw).pop().filter(|_| limits.is_some()) {
        Some(name) => Err(ConfigProblem::VariableInImage { name: name.to_owned() }),
        None => Ok(()),
    }
}

/// Whether the file may set the server: its address could send the values of variables elsewhere.
pub(super) fn server(limits: Option<&FileLimits>) -> Result<(), ConfigProblem> {
    match limits {
        Some(_) => Err(ConfigProblem::ServerOfFile),
        None => Ok(()),
    }
}

/// The image in which the pull request's Python runs, if no input lists any. That code can read and print everything in it, and
/// the runner may be logged in to registries that the author of the pull request cannot read.
pub(super) fn runner_image(
    limits: Option<&FileLimits>,
    key: &ConfigKey,
    image: &str,
) -> Result<(), AlembicProblem> {
    match limits {
        Some(_) => {
            Err(AlembicProblem::ImageNotAllowed { key: key.to_string(), image: image.to_owned() })
        }
        None => Ok(()),
    }
}

/// An interpreter at a path that is not in the project: it would be a program of the runner.
pub(super) fn interpreter(
    limits: Option<&FileLimits>,
    key: &ConfigKey,
    path: &str,
) -> Result<(), AlembicProblem> {
    match limits {
        Some(_) => {
            Err(AlembicProblem::PythonNotAllowed { key: key.to_string(), path: path.to_owned() })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::config::testing::{load_with, usual_files};
    use crate::model::Project;

    const DATABASE: &str = "databases.app.migrations = 'migrations/users'\n";

    fn limited(text: &str, change: impl FnOnce(&mut Overrides)) -> Result<Project, String> {
        let mut overrides =
            Overrides { limits: Some(FileLimits::default()), ..Overrides::default() };
        change(&mut overrides);
        load_with(&format!("{DATABASE}{text}"), usual_files(), overrides)
            .map_err(|errors| errors.render(false))
    }

    fn allow(names: &[&str]) -> Option<FileLimits> {
        let variables = names.iter().map(|name| (*name).to_owned()).collect();
        Some(FileLimits { variables, ..FileLimits::default() })
    }

    #[test]
    fn no_variable_is_read_unless_it_is_allowed() {
        let text = "postgres.settings = { 'app.region' = '${REGION}' }";
        insta::assert_snapshot!(limited(text, |_| ()).unwrap_err(), @r#"
        error: `postgres.settings."app.region"` may not read the environment variable `REGION` in the action
         --> mig-ci.toml:2:38
          |
        2 | postgres.settings = { 'app.region' = '${REGION}' }
          |                                      ^^^^^^^^^^^
          |
          = help: if everyone who can open a pull request may read its value, add `allow-variables: REGION` to the `with:` of the step, and the variable to its `env:`
        "#);
        let project = limited(text, |given| given.limits = allow(&["REGION"])).unwrap();
        assert_eq!(project.postgres.settings["app.region"], "eu");
        // A default makes no difference: whether a variable may be read does not depend on whether it is set.
        let text = "postgres.settings = { 'app.region' = '${OTHER:-x}' }";
        let error = limited(text, |given| given.limits = allow(&["REGION"])).unwrap_err();
        assert!(
            error.contains("`OTHER`") && error.contains("allow-variables: REGION, OTHER"),
            "{error}"
        );
        // Not a variable.
        limited("postgres.settings = { 'app.region' = '$${REGION} $REGION' }", |_| ()).unwrap();
    }

    #[test]
    fn every_key_with_variables_is_limited() {
        let keys = [
            "postgres.version = '${REGION}'",
            "postgres.provider = '${REGION}'",
            "postgres.role = '${REGION}'",
            "postgres.extensions = ['${REGION}']",
            "prepare.server = 'sql/${REGION}.sql'",
            "databases.b.migrations = '${REGION}'",
            "databases.b = { migrations = 'migrations/users', format = '${REGION}' }",
            "databases.b = { migrations = 'migrations/users', ledger = '${REGION}' }",
            "databases.b = { migrations = 'migrations/users', schema = '${REGION}' }",
            "databases.b = { migrations = 'migrations/users', search_path = ['${REGION}'] }",
            "databases.b = { migrations = 'migrations/users', sample = '${REGION}' }",
            "databases.b.tenants = { migrations = 'migrations/tenant', samples = '${REGION}' }",
            "databases.b.tenants = { migrations = 'migrations/tenant', target = '${REGION}_{tenant}' }",
            "databases.b = { migrations = 'migrations/users', prepare = 'sql/${REGION}.sql' }",
        ];
        for text in keys {
            let error = limited(text, |_| ()).expect_err(text);
            assert!(
                error.contains("may not read the environment variable `REGION`"),
                "{text}: {error}"
            );
            assert!(!error.contains("`eu"), "{error}");
        }
    }

    #[test]
    fn credentials_are_never_read() {
        for name in [
            "MIG_CI_POSTGRES_URL",
            "GITHUB_TOKEN",
            "github_token",
            "ACTIONS_RUNTIME_TOKEN",
            "INPUT_GITHUB_TOKEN",
            "PGPASSWORD",
            "STATE_started",
        ] {
            let text = format!("postgres.settings = {{ 'app.x' = '${{{name}:-}}' }}");
            let error = limited(&text, |given| given.limits = allow(&[name])).unwrap_err();
            assert!(error.contains(&format!("`{name}` is a credential")), "{error}");
        }
    }

    #[test]
    fn an_image_contains_no_variable() {
        let text = "postgres.image = 'evil.example/${REGION}:1'";
        let error = limited(text, |given| given.limits = allow(&["REGION"])).unwrap_err();
        assert!(error.contains("`postgres.image` contains the variable `REGION`"), "{error}");
        let image = || Some("postgres:17".to_owned());
        let project = limited(text, |given| given.image = image()).unwrap();
        assert_eq!(project.postgres.image, image());
        let project = limited("postgres.image = 'postgres:16'", |_| ()).unwrap();
        assert_eq!(project.postgres.image.as_deref(), Some("postgres:16"));
    }

    #[test]
    fn only_the_workflow_chooses_local_and_url() {
        let provider = |text: &str| limited(text, |_| ()).map(|project| project.postgres.provider);
        assert_eq!(provider(""), Ok(ProviderChoice::Docker));
        assert_eq!(provider("postgres.provider = 'auto'"), Ok(ProviderChoice::Docker));
        assert_eq!(provider("postgres.provider = 'docker'"), Ok(ProviderChoice::Docker));
        for name in ["local", "url"] {
            let text = format!("postgres.provider = '{name}'\npostgres.url = 'postgres://h/d'");
            let error = provider(&text).unwrap_err();
            assert!(error.contains(&format!("`provider: {name}`")), "{error}");
            let choice: ProviderChoice = name.parse().unwrap();
            let project = limited(&text, |given| {
                given.provider = Some(choice);
                given.url = Some("postgres://h/e".into());
            });
            assert_eq!(project.unwrap().postgres.provider, choice);
        }
        let auto = limited("", |given| given.provider = Some(ProviderChoice::Auto)).unwrap();
        assert_eq!(auto.postgres.provider, ProviderChoice::Docker);
    }

    #[test]
    fn the_server_of_the_file_is_not_used() {
        let error = limited("postgres.url = 'postgres://evil.example/${REGION}'", |given| {
            given.provider = Some(ProviderChoice::Url);
            given.limits = allow(&["REGION"]);
        });
        let error = error.unwrap_err();
        assert!(error.contains("env: MIG_CI_POSTGRES_URL"), "{error}");
    }

    #[test]
    fn a_superuser_role_has_to_be_allowed() {
        let text = "postgres.role = 'superuser'";
        let error = limited(text, |_| ()).unwrap_err();
        assert!(error.contains("`allow-superuser: true`"), "{error}");
        let limits = FileLimits { superuser: true, ..FileLimits::default() };
        let project = limited(text, |given| given.limits = Some(limits)).unwrap();
        assert_eq!(project.postgres.role, Role::Superuser);
    }
}
