//! The inputs of the action. The runner passes each as `INPUT_<NAME>`: in upper case, blanks as `_`, and dashes unchanged
//! (`Handler.AddInputsToEnvironment` of actions/runner). A shell in between drops names with dashes, so a second spelling with
//! `_` is also accepted. An absent input, or one whose expression is empty, is an empty variable.

use std::str::FromStr;

use camino::Utf8PathBuf;
use secrecy::SecretString;
use strum::VariantNames;

use super::check_run::CheckRunMode;
use super::comment::{CommentMode, CommentWhen};
use super::comment_key::{self, key_of};
use super::context::Lookup;
use crate::model::{Partition, ProviderChoice, Severity};

/// All inputs of action.yml, in its order; a test compares them.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) token: Option<SecretString>,
    pub(crate) config: Option<Utf8PathBuf>,
    pub(crate) databases: Vec<String>,
    pub(crate) tenants: Vec<String>,
    pub(crate) base: Option<String>,
    pub(crate) provider: Option<ProviderChoice>,
    pub(crate) postgres_image: Option<String>,
    /// The images in which Alembic may run.
    pub(crate) runner_images: Vec<String>,
    /// The environment variables that files of the pull request may read.
    pub(crate) allow_variables: Vec<String>,
    pub(crate) allow_superuser: bool,
    pub(crate) fail_on: Option<Severity>,
    pub(crate) comment: CommentMode,
    pub(crate) comment_when: CommentWhen,
    /// Distinguishes the comments of several runs on one pull request.
    pub(crate) comment_key: String,
    pub(crate) check_run: CheckRunMode,
    pub(crate) annotations: bool,
    /// Relative to the workspace, or absolute.
    pub(crate) report_path: Option<Utf8PathBuf>,
    pub(crate) partition: Option<Partition>,
    pub(crate) pull_request: Option<u64>,
    /// Relative to the workspace, and inside it.
    pub(crate) working_directory: Utf8PathBuf,
}

/// An invalid input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the input `{name}` is {value:?}: {problem}")]
pub(crate) struct InputError {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) problem: String,
}

impl Inputs {
    /// # Errors
    /// The first invalid input.
    pub(crate) fn read(lookup: &Lookup<'_>) -> Result<Self, InputError> {
        let one = |name: &'static str| given(lookup, name);
        let partition = parsed("partition", one("partition"), Partition::from_str)?;
        Ok(Self {
            token: one("github-token").map(SecretString::from),
            config: one("config").map(Utf8PathBuf::from),
            databases: list(one("databases").as_deref()),
            tenants: list(one("tenants").as_deref()),
            base: one("base"),
            provider: parsed("provider", one("provider"), one_of)?,
            postgres_image: one("postgres-image"),
            runner_images: list(one("runner-image").as_deref()),
            allow_variables: list(one("allow-variables").as_deref()),
            allow_superuser: parsed("allow-superuser", one("allow-superuser"), boolean)?
                .unwrap_or(false),
            fail_on: parsed("fail-on", one("fail-on"), one_of)?,
            comment: parsed("comment", one("comment"), one_of)?.unwrap_or_default(),
            comment_when: parsed("comment-when", one("comment-when"), one_of)?.unwrap_or_default(),
            comment_key: key_of(
                parsed("comment-key", one("comment-key"), comment_key::parse)?,
                partition,
            ),
            check_run: parsed("check-run", one("check-run"), one_of)?.unwrap_or_default(),
            annotations: parsed("annotations", one("annotations"), boolean)?.unwrap_or(true),
            report_path: one("report-path").map(Utf8PathBuf::from),
            partition,
            pull_request: parsed("pull-request", one("pull-request"), pull_request)?,
            working_directory: parsed("working-directory", one("working-directory"), inside)?
                .unwrap_or_default(),
        })
    }
}

impl Inputs {
    /// The valid inputs, and the first error: a run has to show its result on a pull request even if it cannot start.
    pub(crate) fn read_usable(lookup: &Lookup<'_>) -> (Self, Option<InputError>) {
        let mut problems: Vec<InputError> = Vec::new();
        loop {
            let is_left_out = |name: &str| {
                let name = name.trim_start_matches("INPUT_").replace('_', "-").to_lowercase();
                problems.iter().any(|problem| problem.name == name)
            };
            let usable = |name: &str| lookup(name).filter(|_| !is_left_out(name));
            match Self::read(&usable) {
                Ok(inputs) => return (inputs, problems.into_iter().next()),
                Err(problem) => problems.push(problem),
            }
        }
    }
}

/// An input's value without surrounding blanks and line ends, which YAML's block texts contain.
fn given(lookup: &Lookup<'_>, name: &str) -> Option<String> {
    let upper = name.to_uppercase();
    let value = |spelling: &str| {
        let value = lookup(&format!("INPUT_{spelling}"))?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    value(&upper).or_else(|| value(&upper.replace('-', "_")))
}

/// One value per line, or separated by commas.
fn list(value: Option<&str>) -> Vec<String> {
    let items = value.unwrap_or_default().split(['\n', ',']).map(str::trim);
    items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn parsed<T>(
    name: &'static str,
    value: Option<String>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, InputError> {
    let Some(value) = value else { return Ok(None) };
    parse(&value).map(Some).map_err(|problem| InputError { name, value, problem })
}

fn one_of<T: FromStr + VariantNames>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("possible values: {}", T::VARIANTS.join(", ")))
}

/// The spellings of YAML 1.2's core schema, as accepted by `core.getBooleanInput` of actions/toolkit.
fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err("possible values: true, false".to_owned()),
    }
}

fn pull_request(value: &str) -> Result<u64, String> {
    match value.parse() {
        Ok(0) | Err(_) => Err("it must be the number of a pull request, without a #".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn inside(value: &str) -> Result<Utf8PathBuf, String> {
    let path = Utf8PathBuf::from(value);
    if path.is_absolute() || path.components().any(|part| part.as_str() == "..") {
        return Err(
            "it must be a folder in the workspace, without a leading / and without ..".into()
        );
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(inputs: &[(&str, &str)]) -> Result<Inputs, InputError> {
        Inputs::read(&|name| {
            let found = inputs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_input_is_an_absent_one() {
        let all = |name: &str| name.starts_with("INPUT_").then(String::new);
        let inputs = Inputs::read(&all).unwrap();
        assert!(inputs.token.is_none() && inputs.base.is_none() && inputs.report_path.is_none());
        assert!(inputs.databases.is_empty() && inputs.partition.is_none());
        assert!(inputs.allow_variables.is_empty() && !inputs.allow_superuser);
        assert!(inputs.config.is_none() && inputs.postgres_image.is_none());
        assert_eq!(inputs.comment, CommentMode::Update);
        assert_eq!(inputs.comment_key, "default");
        assert!(inputs.annotations);
        assert_eq!(inputs.working_directory, "");
    }

    #[test]
    fn invalid_inputs_are_omitted_and_the_first_is_named() {
        let bad = [
            ("INPUT_COMMENT-KEY", "shop"),
            ("INPUT_COMMENT", "on"),
            ("INPUT_FAIL_ON", "x"),
            ("INPUT_CHECK-RUN", "x"),
            ("INPUT_PARTITION", "3/2"),
            ("INPUT_WORKING-DIRECTORY", "/"),
        ];
        let lookup = |name: &str| {
            let found = bad.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let (inputs, problem) = Inputs::read_usable(&lookup);
        assert_eq!((inputs.comment_key.as_str(), inputs.comment), ("shop", CommentMode::Update));
        assert_eq!(problem.unwrap(), Inputs::read(&lookup).unwrap_err());
        let (_, problem) = Inputs::read_usable(&|_| None);
        assert_eq!(problem, None);
    }

    #[test]
    fn both_spellings_are_read_and_the_runners_takes_precedence() {
        let inputs = read(&[("INPUT_GITHUB_TOKEN", "b"), ("INPUT_COMMENT-KEY", "k")]).unwrap();
        assert_eq!(inputs.token.unwrap().expose_secret(), "b");
        assert_eq!(inputs.comment_key, "k");
        let inputs = read(&[("INPUT_GITHUB_TOKEN", "b"), ("INPUT_GITHUB-TOKEN", "a")]).unwrap();
        assert_eq!(inputs.token.unwrap().expose_secret(), "a");
        let inputs = read(&[("INPUT_GITHUB_TOKEN", "b"), ("INPUT_GITHUB-TOKEN", "")]).unwrap();
        assert_eq!(inputs.token.unwrap().expose_secret(), "b");
    }

    #[test]
    fn lists_are_separated_by_lines_or_commas() {
        let inputs =
            read(&[("INPUT_DATABASES", "app, users\n analytics \n\n"), ("INPUT_TENANTS", "a")]);
        let inputs = inputs.unwrap();
        assert_eq!(inputs.databases, ["app", "users", "analytics"]);
        assert_eq!(inputs.tenants, ["a"]);
    }

    #[test]
    fn values_match_those_of_the_model() {
        let inputs = read(&[
            ("INPUT_PROVIDER", "url"),
            ("INPUT_FAIL-ON", " warning\n"),
            ("INPUT_COMMENT-WHEN", "failure"),
            ("INPUT_CHECK-RUN", "never"),
            ("INPUT_ANNOTATIONS", "False"),
            ("INPUT_PARTITION", "2/8"),
            ("INPUT_PULL-REQUEST", "7"),
            ("INPUT_WORKING-DIRECTORY", "services/shop"),
        ])
        .unwrap();
        assert_eq!(inputs.provider, Some(ProviderChoice::Url));
        assert_eq!(inputs.fail_on, Some(Severity::Warning));
        assert_eq!(inputs.comment_when, CommentWhen::Failure);
        assert_eq!(inputs.check_run, CheckRunMode::Never);
        assert!(!inputs.annotations);
        assert_eq!(inputs.partition, Some("2/8".parse().unwrap()));
        assert_eq!(inputs.pull_request, Some(7));
        assert_eq!(inputs.working_directory, "services/shop");
    }

    #[test]
    fn errors_name_the_input_and_its_valid_values() {
        let error = |name, value| read(&[(name, value)]).unwrap_err().to_string();
        insta::assert_snapshot!(error("INPUT_COMMENT", "on"), @r#"the input `comment` is "on": possible values: update, new, off"#);
        insta::assert_snapshot!(error("INPUT_ANNOTATIONS", "yes"), @r#"the input `annotations` is "yes": possible values: true, false"#);
        insta::assert_snapshot!(error("INPUT_PULL-REQUEST", "#7"), @r##"the input `pull-request` is "#7": it must be the number of a pull request, without a #"##);
        assert!(error("INPUT_ALLOW-SUPERUSER", "yes").contains("possible values: true, false"));
        for value in ["0/8", "9/8", "8", "a/b", "1/0", "-1/2"] {
            assert!(error("INPUT_PARTITION", value).contains("as in 2/8"), "{value}");
        }
        for value in ["a--b", "-->", "a b", "ü", "a\nb", "a/b"] {
            assert!(error("INPUT_COMMENT-KEY", value).contains("no two dashes"), "{value}");
        }
        for value in ["/etc", "..", "a/../../b"] {
            let text = error("INPUT_WORKING-DIRECTORY", value);
            assert!(text.contains("a folder in the workspace"), "{text}");
        }
    }

    /// The inputs that are read are those that action.yml declares.
    #[test]
    fn action_yml_declares_all_inputs() {
        let read = std::cell::RefCell::new(std::collections::BTreeSet::new());
        Inputs::read(&|name| {
            read.borrow_mut().insert(name.replace('_', "-"));
            None
        })
        .unwrap();
        let text = include_str!("../../action.yml");
        let (_, inputs) = text.split_once("\ninputs:\n").unwrap();
        let (inputs, _) = inputs.split_once("\noutputs:\n").unwrap();
        let names = inputs.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
        let declared = names.map(|name| format!("INPUT-{}", name.to_uppercase()));
        assert_eq!(read.into_inner(), declared.collect());
    }

    /// Each default in action.yml is valid, and equals the default without the input.
    #[test]
    fn the_defaults_of_action_yml_equal_those_of_the_code() {
        let text = include_str!("../../action.yml");
        let (_, inputs) = text.split_once("\ninputs:\n").unwrap();
        let mut name = String::new();
        let mut defaults = Vec::new();
        for line in inputs.lines().take_while(|line| *line != "outputs:") {
            if let Some(found) = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':')) {
                name = format!("INPUT_{}", found.to_uppercase());
            } else if let Some(value) = line.strip_prefix("    default: ") {
                defaults.push((name.clone(), value.trim_matches('"').to_owned()));
            }
        }
        let find = |wanted: &str| defaults.iter().find(|(name, _)| name == wanted);
        let with = Inputs::read(&|name| find(name).map(|(_, value)| value.clone())).unwrap();
        let without = read(&[("INPUT_GITHUB-TOKEN", "${{ github.token }}")]).unwrap();
        assert_eq!(format!("{with:?}"), format!("{without:?}"));
        assert_eq!(defaults.len(), 20);
    }

    #[test]
    fn debug_output_contains_no_token() {
        let inputs = read(&[("INPUT_GITHUB-TOKEN", "ghs_secret")]).unwrap();
        assert!(!format!("{inputs:?}").contains("ghs_secret"));
    }
}
