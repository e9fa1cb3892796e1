//! Compares the address and the environment of the migration tool with the configuration. If they differ, the tool and
//! mig-ci would use different ledgers, and mig-ci would apply every migration a second time.

use std::fmt::Write as _;

use crate::config::process_environment;
use crate::model::{Database, Failure, FailureKind, Tenancy, TrackKind};
use crate::postgres::Address;
use crate::upgrade::target::Target;

/// The target, and the values that the parameters must agree with.
pub(crate) struct ExpectedLedger<'a> {
    format: &'a str,
    target: &'a Target,
    /// Schemas that a search path may start with.
    schemas: Vec<&'a str>,
}

/// Why a target must not be processed at this address, if there is a contradiction.
pub(crate) fn of_address(
    database: &Database,
    format: &str,
    target: &Target,
    address: &Address,
) -> Option<Failure> {
    let expected = ExpectedLedger::of(database, format, target);
    let environment = [("PGOPTIONS", "options"), ("DBMATE_MIGRATIONS_TABLE", "migrations-table")];
    let has_options = address.parameters().iter().any(|(name, _)| name == "options");
    let from_environment = environment.into_iter().filter_map(|(variable, name)| {
        // As with libpq, the URL's options override those of the variable.
        let counts = name != "options" || !has_options;
        let counts = counts && (variable != "DBMATE_MIGRATIONS_TABLE" || format == "dbmate");
        let value = process_environment(variable).filter(|value| counts && !value.is_empty())?;
        Some((variable.to_owned(), name.to_owned(), value))
    });
    let of_url = address.parameters().iter();
    let of_url = of_url.map(|(name, value)| (format!("?{name}="), name.clone(), value.clone()));
    of_url
        .chain(from_environment)
        .find_map(|(shown, name, value)| expected.contradiction(&shown, &name, &value))
}

impl<'a> ExpectedLedger<'a> {
    pub(crate) fn of(database: &'a Database, format: &'a str, target: &'a Target) -> Self {
        let mut schemas = vec![target.search_path[0].as_str()];
        // Tenants with a schema each share an address. It can name the shared schema, but not a tenant's.
        let tenants = database.tenants.as_ref();
        if tenants.is_some_and(|tenants| tenants.tenancy == Tenancy::Schema) {
            let shared = database.shared.as_ref().and_then(|track| track.search_path.first());
            schemas.extend(shared.map(String::as_str));
            schemas.push("public");
        }
        Self { format, target, schemas }
    }

    /// `shown` is the parameter as it is written.
    pub(crate) fn contradiction(&self, shown: &str, name: &str, value: &str) -> Option<Failure> {
        // PostgreSQL ignores the case of setting names.
        match &*name.to_ascii_lowercase() {
            "search_path" | "currentschema" | "schema" => self.path(shown, &schemas(value)),
            "options" => {
                let path = path_of_options(value)?;
                self.path(&format!("search_path in {}", shown.trim_matches(['?', '='])), &path)
            }
            "x-migrations-table" | "migrations-table" | "migrations_table" => {
                self.ledger(shown, name, value)
            }
            "service" | "servicefile" => {
                let said =
                    format!("`{name}={value}` names a service file, which mig-ci does not read");
                let hint = "put host, database, user and options into the address itself";
                Some(Failure {
                    hint: Some(hint.to_owned()),
                    ..Failure::new(FailureKind::Refused, said)
                })
            }
            // It only tells how the table's name is parsed.
            "x-migrations-table-quoted" => None,
            "x-multi-statement" | "x-statement-timeout" | "x-lock-strategy" | "x-lock-table"
                if !matches!(value, "" | "0" | "false" | "advisory") =>
            {
                let said = format!(
                    "`{shown}{value}` is a parameter of golang-migrate that mig-ci does not support"
                );
                Some(failure(
                    said,
                    "remove it from the address; use --statement-timeout for a time limit",
                ))
            }
            _ => None,
        }
    }

    fn path(&self, shown: &str, path: &[String]) -> Option<Failure> {
        let first = path.first()?;
        if self.schemas.contains(&first.as_str()) {
            return None;
        }
        let configured = &self.target.search_path;
        let said = format!(
            "{} sets the schema `{first}` for migrations, but the configuration sets `{}`",
            tick(shown),
            configured[0]
        );
        let key = match self.target.track {
            TrackKind::Shared => format!("schema = {}", toml::Value::String(first.clone())),
            TrackKind::Tenant => format!("search_path = {}", list(path)),
        };
        Some(failure(
            said,
            &format!("set `{key}` if the migrations belong there, or remove the parameter"),
        ))
    }

    fn ledger(&self, shown: &str, name: &str, value: &str) -> Option<Failure> {
        let ledger = &self.target.ledger;
        let plain = value.replace('"', "");
        let (schema, table) =
            plain.rsplit_once('.').map_or((None, plain.as_str()), |(s, t)| (Some(s), t));
        let is_own_tool = !name.starts_with("x-") || self.format == "golang-migrate";
        let is_same = table == ledger.table && schema.is_none_or(|schema| schema == ledger.schema);
        if is_own_tool && is_same {
            return None;
        }
        let said = format!(
            "{} sets the ledger `{value}`, but the configuration sets `{}` ({})",
            tick(shown),
            ledger.table,
            self.format
        );
        let help = if is_own_tool {
            format!("set `ledger = {}`, or remove the parameter", toml::Value::String(value.into()))
        } else {
            "it is a parameter of golang-migrate: set `format = \"golang-migrate\"`, or remove the parameter"
                .to_owned()
        };
        Some(failure(said, &help))
    }
}

fn tick(shown: &str) -> String {
    format!("`{}`", shown.trim_start_matches('?').trim_end_matches('='))
}

pub(crate) fn failure(said: String, help: &str) -> Failure {
    let message =
        format!("{said}: one of them may show migrations as applied that the other does not");
    Failure { hint: Some(help.to_owned()), ..Failure::new(FailureKind::Refused, message) }
}

fn list(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        let _ = write!(
            text,
            "{}{}",
            if text.is_empty() { "" } else { ", " },
            toml::Value::String(name.clone())
        );
    }
    format!("[{text}]")
}

/// The schemas of a search path as it is written in a setting, without `$user`, since the role is unknown here.
fn schemas(value: &str) -> Vec<String> {
    let names = value.split(',').map(str::trim);
    let names =
        names.map(|name| match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
            Some(quoted) => quoted.to_owned(),
            None => name.to_lowercase(),
        });
    names.filter(|name| !name.is_empty() && name != "$user").collect()
}

/// The search path in libpq's `options`: `-c search_path=a,b` or `--search-path=a,b`; the last one wins.
fn path_of_options(options: &str) -> Option<Vec<String>> {
    let text = options.replace("\\ ", "\u{1}");
    let mut words = text.split_whitespace().map(|word| word.replace('\u{1}', " "));
    let mut found = None;
    while let Some(word) = words.next() {
        let setting = if word == "-c" {
            words.next().unwrap_or_default()
        } else if let Some(setting) = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            setting.to_owned()
        } else {
            continue;
        };
        if let Some((name, value)) = setting.split_once('=')
            && name.replace('-', "_").eq_ignore_ascii_case("search_path")
        {
            found = Some(schemas(value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_libpq_reads_them() {
        let of = |options: &str| path_of_options(options).unwrap_or_default().join("|");
        assert_eq!(of("-c search_path=shop"), "shop");
        assert_eq!(of("-csearch_path=shop,public -c lock_timeout=1"), "shop|public");
        assert_eq!(of("--search-path=\"My\\ Shop\",public"), "My Shop|public");
        assert_eq!(of("-c search_path=\"$user\",Shop"), "shop");
        assert_eq!(of("-c search_path=a -c search_path=b"), "b");
        assert_eq!(of("-c lock_timeout=5s"), "");
    }
}
