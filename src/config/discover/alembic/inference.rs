//! From what env.py reads to the variables, arguments and options that it is given, and how tenants are separated.

use indexmap::IndexMap;

use crate::formats::{EnvironmentReads, NamedRead, suggest_argument, suggest_value};
use crate::model::Tenancy;

/// The placeholders of a tenant.
const OF_TENANT: [&str; 2] = ["{target}", "{tenant}"];

/// Keys of `-x` that name a tenant's schema. A variable of such a name may be a setting of the whole installation; an argument
/// is given for each call.
const SCHEMA_ARGUMENTS: [&str; 3] = ["schema", "schemas", "target_schema"];

/// What env.py is given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct InferredSettings {
    pub(super) env: IndexMap<String, String>,
    pub(super) args: Vec<String>,
    pub(super) options: IndexMap<String, String>,
    /// Sentences that say from what this was derived.
    pub(super) reasons: Vec<String>,
}

/// Whether env.py works on one tenant of many, and how tenants are separated then.
pub(super) fn tenancy(reads: &EnvironmentReads) -> Option<Tenancy> {
    let variables = reads.variables.iter().filter(|read| is_of_tenant(read, suggest_value));
    let arguments = reads.arguments.iter().filter(|read| {
        is_of_tenant(read, suggest_argument) || SCHEMA_ARGUMENTS.contains(&read.name.as_str())
    });
    let options = reads.options.iter().filter(|read| is_of_tenant(read, suggest_argument));
    let mut found = variables.chain(arguments).chain(options).peekable();
    found.peek()?;
    // A schema decides: a database that is named, too, may be the one that contains all schemas.
    let mut databases = 0;
    for read in found {
        match names_database(&read.name) {
            true => databases += 1,
            false if names_schema(&read.name) => return Some(Tenancy::Schema),
            false => {}
        }
    }
    Some(if databases > 0 { Tenancy::Database } else { Tenancy::Schema })
}

fn is_of_tenant(read: &NamedRead, suggest: fn(&str) -> Option<&'static str>) -> bool {
    let says_tenant = words(&read.name).any(|word| word == "TENANT" || word == "TENANTS");
    says_tenant && suggest(&read.name).is_some_and(|value| OF_TENANT.contains(&value))
}

fn names_database(name: &str) -> bool {
    words(name).any(|word| matches!(word.as_str(), "DB" | "DATABASE" | "DBNAME"))
        && !names_schema(name)
}

fn names_schema(name: &str) -> bool {
    words(name).any(|word| word == "SCHEMA" || word == "SCHEMAS")
}

fn words(name: &str) -> impl Iterator<Item = String> {
    name.split(['_', '-']).map(str::to_uppercase)
}

/// The settings for what env.py reads. `set` are the main options that the ini file sets; `tenants`, whether the track is one of
/// tenants: else nothing is filled in that differs between tenants.
pub(super) fn settings(
    reads: &EnvironmentReads,
    set: &IndexMap<String, String>,
    tenants: bool,
) -> InferredSettings {
    let fits = |value: &'static str| (tenants || !OF_TENANT.contains(&value)).then_some(value);
    let mut settings = InferredSettings::default();
    let mut names_tenant = false;
    for read in &reads.variables {
        if let Some(value) = suggest_value(&read.name).and_then(fits) {
            names_tenant |= OF_TENANT.contains(&value);
            settings.env.insert(read.name.clone(), value.to_owned());
            settings.reasons.push(reason(
                "env",
                &format!("the variable {}", read.name),
                value,
                read,
            ));
        }
    }
    for read in &reads.arguments {
        if let Some(value) = suggest_argument(&read.name).and_then(fits) {
            names_tenant |= OF_TENANT.contains(&value);
            let argument = format!("{}={value}", read.name);
            settings.reasons.push(reason(
                "args",
                &format!("the argument -x {}", read.name),
                value,
                read,
            ));
            settings.args.extend(["-x".to_owned(), argument]);
        }
    }
    // An option that has a value in the ini file needs none, and one beside a variable is usually its default.
    let options = reads.options.iter().filter(|read| !set.contains_key(&read.name));
    for read in options.filter(|_| tenants && !names_tenant) {
        if let Some(value) = suggest_argument(&read.name).filter(|value| OF_TENANT.contains(value))
        {
            settings.options.insert(read.name.clone(), value.to_owned());
            settings.reasons.push(reason(
                "options",
                &format!("the option {}", read.name),
                value,
                read,
            ));
        }
    }
    settings
}

fn reason(key: &str, name: &str, value: &str, read: &NamedRead) -> String {
    format!("{}:{} reads {name}, so `{key}` sets it to {value}", read.path, read.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(variables: &[&str], arguments: &[&str], options: &[&str]) -> EnvironmentReads {
        let all = |names: &[&str]| {
            let read = |name: &&str| NamedRead {
                name: (*name).to_owned(),
                path: "migrations/env.py".into(),
                line: 7,
                has_default: false,
            };
            names.iter().map(read).collect()
        };
        EnvironmentReads {
            variables: all(variables),
            arguments: all(arguments),
            options: all(options),
        }
    }

    #[test]
    fn names_with_tenant_separate_tenants() {
        let of = |variables: &[&str], arguments: &[&str], options: &[&str]| {
            tenancy(&reads(variables, arguments, options))
        };
        assert_eq!(of(&["TENANT_SCHEMA"], &[], &["schema"]), Some(Tenancy::Schema));
        assert_eq!(of(&["DATABASE_URL", "TENANT_DB"], &[], &[]), Some(Tenancy::Database));
        assert_eq!(of(&["TENANT_DB", "TENANT_SCHEMA"], &[], &[]), Some(Tenancy::Schema));
        assert_eq!(of(&["TENANT"], &[], &[]), Some(Tenancy::Schema));
        assert_eq!(of(&[], &["tenant"], &[]), Some(Tenancy::Schema));
        assert_eq!(of(&[], &["schema"], &[]), Some(Tenancy::Schema));
        assert_eq!(of(&[], &[], &["tenant_schema"]), Some(Tenancy::Schema));
        // Settings of one installation.
        assert_eq!(of(&["DATABASE_URL", "DB_SCHEMA", "SCHEMA"], &["db"], &["schema"]), None);
        assert_eq!(of(&["TENANT_SERVICE_URL", "MULTI_TENANT"], &["data"], &[]), None);
    }

    #[test]
    fn values_are_filled_in_by_name() {
        let all = reads(&["DATABASE_URL", "TENANT_DB", "REGION"], &["tenant"], &["schema"]);
        let tenant = settings(&all, &IndexMap::new(), true);
        let env = [("DATABASE_URL", "{url}"), ("TENANT_DB", "{target}")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(tenant.env, IndexMap::from(env));
        assert_eq!(tenant.args, ["-x", "tenant={tenant}"]);
        assert!(tenant.options.is_empty(), "a variable names the tenant");
        assert_eq!(
            tenant.reasons[0],
            "migrations/env.py:7 reads the variable DATABASE_URL, so `env` sets it to {url}"
        );
        let shared = settings(&all, &IndexMap::new(), false);
        assert_eq!(shared.env.keys().collect::<Vec<_>>(), ["DATABASE_URL"]);
        assert_eq!(shared.args, [""; 0]);
    }

    #[test]
    fn an_option_of_the_tenant_is_set_unless_the_file_has_it() {
        let all = reads(&[], &[], &["target_schema"]);
        let tenant = settings(&all, &IndexMap::new(), true);
        assert_eq!(tenant.options["target_schema"], "{target}");
        let set = IndexMap::from([("target_schema".to_owned(), "x".to_owned())]);
        assert!(settings(&all, &set, true).options.is_empty());
    }
}
