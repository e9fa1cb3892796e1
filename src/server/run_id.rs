//! The name of a run, and the names of all its objects, by which a later run finds leftovers.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// Milliseconds since 1970 in eight digits of base 36; they wrap around in 2059.
const TIME_DIGITS: usize = 8;
const RANDOM_DIGITS: usize = 4;

const DATABASE_PREFIX: &str = "mig_ci_";
const DIRECTORY_PREFIX: &str = "mig-ci-";
const APPLICATION_PREFIX: &str = "mig-ci ";
const OWNER_SUFFIX: &str = "_owner";
const ANCHOR_SUFFIX: &str = " anchor";
const LABEL_SUFFIX: &str = " created this role and drops it at the end";

/// Twelve letters and digits that sort by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunId {
    text: String,
}

impl RunId {
    pub(crate) fn new() -> Self {
        // A clock before 1970 affects only the order.
        let millis =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
        let mut text = base36(millis, TIME_DIGITS);
        text.push_str(&base36(uuid::Uuid::new_v4().as_u128(), RANDOM_DIGITS));
        Self { text }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The `application_name` of every session of the run.
    pub(crate) fn application_name(&self) -> String {
        format!("{APPLICATION_PREFIX}{}", self.text)
    }

    /// The `application_name` of the session that stays open for the whole run.
    pub(crate) fn anchor_name(&self) -> String {
        format!("{APPLICATION_PREFIX}{}{ANCHOR_SUFFIX}", self.text)
    }

    /// The comment on a role that the project's `prepare` SQL created for the run, on a shared server.
    pub(crate) fn role_label(&self) -> String {
        format!("{APPLICATION_PREFIX}{}{LABEL_SUFFIX}", self.text)
    }

    /// The `number`th database of the run.
    pub(crate) fn database(&self, number: usize) -> String {
        format!("{DATABASE_PREFIX}{}_{number}", self.text)
    }

    /// The migration role of the run on a shared server.
    pub(crate) fn owner_role(&self) -> String {
        format!("{DATABASE_PREFIX}{}{OWNER_SUFFIX}", self.text)
    }

    /// The name of the directory of the run's cluster.
    pub(crate) fn directory(&self) -> String {
        format!("{DIRECTORY_PREFIX}{}", self.text)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The run that a database belongs to, if [`RunId::database`] can have created its name.
pub(crate) fn run_of_database(name: &str) -> Option<&str> {
    let (run, number) = split_run(name.strip_prefix(DATABASE_PREFIX)?)?;
    let number = number.strip_prefix('_')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(run)
}

/// The run that a role belongs to, if [`RunId::owner_role`] can have created its name.
pub(crate) fn run_of_role(name: &str) -> Option<&str> {
    let (run, rest) = split_run(name.strip_prefix(DATABASE_PREFIX)?)?;
    (rest == OWNER_SUFFIX).then_some(run)
}

/// The run that a directory belongs to, if [`RunId::directory`] can have created its name.
pub(crate) fn run_of_directory(name: &str) -> Option<&str> {
    let (run, rest) = split_run(name.strip_prefix(DIRECTORY_PREFIX)?)?;
    rest.is_empty().then_some(run)
}

/// The run that a session belongs to, by its `application_name`, and whether it is the run's anchor.
pub(crate) fn run_of_application(name: &str) -> Option<(&str, bool)> {
    let (run, rest) = split_run(name.strip_prefix(APPLICATION_PREFIX)?)?;
    (rest.is_empty() || rest == ANCHOR_SUFFIX).then_some((run, rest == ANCHOR_SUFFIX))
}

/// The run that a role was created for, if [`RunId::role_label`] can have created its comment.
pub(crate) fn run_of_label(comment: &str) -> Option<&str> {
    let (run, rest) = split_run(comment.strip_prefix(APPLICATION_PREFIX)?)?;
    (rest == LABEL_SUFFIX).then_some(run)
}

fn split_run(text: &str) -> Option<(&str, &str)> {
    let (run, rest) = text.split_at_checked(TIME_DIGITS + RANDOM_DIGITS)?;
    run.bytes().all(|byte| DIGITS.contains(&byte)).then_some((run, rest))
}

/// The last `digits` digits of `value`.
fn base36(mut value: u128, digits: usize) -> String {
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(value % 36) as usize];
        value /= 36;
    }
    text.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mapped_to_their_run() {
        let run = RunId::new();
        assert_eq!(run_of_database(&run.database(12)), Some(run.as_str()));
        assert_eq!(run_of_role(&run.owner_role()), Some(run.as_str()));
        assert_eq!(run_of_directory(&run.directory()), Some(run.as_str()));
        assert_eq!(run_of_application(&run.application_name()), Some((run.as_str(), false)));
        assert_eq!(run_of_application(&run.anchor_name()), Some((run.as_str(), true)));
        assert_eq!(run_of_label(&run.role_label()), Some(run.as_str()));
    }

    #[test]
    fn similar_names_belong_to_no_run() {
        for name in [
            "mig_ci_",
            "mig_ci_app",
            "mig_ci_0123456789ab",
            "mig_ci_0123456789ab_",
            "mig_ci_0123456789ab_x",
            "mig_ci_0123456789AB_1",
            "mig_ci_ééééééé_1",
        ] {
            assert_eq!(run_of_database(name), None, "{name}");
            assert_eq!(run_of_role(name), None, "{name}");
        }
        assert_eq!(run_of_directory("mig-ci-0123456789ab.bak"), None);
        assert_eq!(run_of_application("mig-ci"), None);
        assert_eq!(run_of_application("mig-ci sweep"), None);
        assert_eq!(run_of_label("mig-ci 0123456789ab created this role"), None);
    }

    #[test]
    fn run_ids_sort_by_time() {
        assert!(base36(1_000, TIME_DIGITS) < base36(1_001, TIME_DIGITS));
        assert!(base36(35, 2) < base36(36, 2));
        assert_ne!(RunId::new(), RunId::new());
    }
}
