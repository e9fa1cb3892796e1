//! The JSON Schema of `mig-ci.toml`, for editors, and for [`super::structure`], which validates files by it.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value};

use super::raw::{RawCheck, RawConfig};

/// The schema, with a property of `[checks]` for each of the check codes.
///
/// In one piece, without references, in the draft that most TOML plug-ins of editors support (7).
pub(crate) fn json_schema(check_codes: &[&str]) -> Value {
    let settings = SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(RecursiveTransform(without_null));
    let mut generator = settings.into_generator();
    let check = generator.root_schema_for::<RawCheck>();
    let mut check = Value::from(check);
    let mut schema = Value::from(generator.root_schema_for::<RawConfig>());

    if let Some(check) = check.as_object_mut() {
        check.remove("$schema");
        check.remove("title");
    }
    let checks = &mut schema["properties"]["checks"];
    for code in check_codes {
        checks["properties"][code] = check.clone();
    }
    checks["additionalProperties"] = Value::Bool(false);
    schema
}

/// The schema as the text of a file, with a newline at its end.
pub(crate) fn json_schema_text(check_codes: &[&str]) -> String {
    format!("{:#}\n", json_schema(check_codes))
}

/// TOML has no null: an optional key is absent.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(shapes)) = object.get_mut("anyOf") {
        shapes.retain(|shape| shape["type"] != "null");
        if let [Value::Object(one)] = shapes.as_slice() {
            let one = one.clone();
            object.remove("anyOf");
            adopt(object, one);
        }
    }
}

/// The field's own description takes precedence over its type's.
fn adopt(object: &mut Map<String, Value>, shape: Map<String, Value>) {
    for (key, value) in shape {
        object.entry(key).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::EXAMPLE;
    use crate::config::Overrides;
    use crate::config::testing::{CODES, ConfigFiles, load_with};

    /// The names of all keys, in any table.
    fn keys(schema: &Value, into: &mut BTreeSet<String>) {
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            into.insert(name.clone());
            keys(member, into);
        }
        for nested in schema["anyOf"].as_array().into_iter().flatten() {
            keys(nested, into);
        }
        keys_below(&schema["additionalProperties"], into);
    }

    fn keys_below(schema: &Value, into: &mut BTreeSet<String>) {
        if schema.is_object() {
            keys(schema, into);
        }
    }

    fn example_files() -> ConfigFiles {
        ConfigFiles::of(&[
            "migrations/users/1.sql",
            "migrations/shared/1.sql",
            "migrations/tenant/1.sql",
            "migrations/customer/1.sql",
            "samples/users.sql",
            "samples/app/acme.sql",
            "samples/app/globex.sql",
            "migrations/tenant/env.py",
            "migrations/tenant/versions/1.py",
            "backend/app/__init__.py",
            "sql/first_tables.sql",
        ])
        .with("alembic.ini", "[tenant]\nscript_location = migrations/tenant\n")
        .with("backend/migrations/tenant/versions/1.py", "")
        .with("pyproject.toml", "[tool.alembic]\nscript_location = 'migrations/tenant'\n")
    }

    fn load_example(text: &str) -> crate::model::Project {
        load_with(text, example_files(), Overrides::default())
            .unwrap_or_else(|errors| panic!("{}", errors.render(false)))
    }

    #[test]
    fn the_example_shows_every_key() {
        let mut all = BTreeSet::new();
        keys(&json_schema(&[]), &mut all);
        assert!(all.len() > 25, "{all:?}");
        for key in all {
            let begins = |line: &str| {
                let line = line.trim_start_matches('#');
                let inside = ["{ ", ", "].map(|before| format!("{before}{key} = "));
                line.starts_with(&format!("{key} = "))
                    || inside.iter().any(|key| line.contains(key))
            };
            let header = |line: &str| {
                line.starts_with('[') && line.trim_matches(['[', ']']).split('.').any(|p| p == key)
            };
            assert!(EXAMPLE.lines().any(|line| begins(line) || header(line)), "{key}");
        }
    }

    #[test]
    fn the_example_is_a_project_with_the_defaults() {
        let example = load_example(EXAMPLE);
        assert_eq!(example.databases.len(), 4);
        let bare = "
            [databases.users]
            migrations = 'migrations/users'
            [databases.app.shared]
            migrations = 'migrations/shared'
            schema = 'shared'
            [databases.app.tenants]
            migrations = 'migrations/tenant'
            samples = 'samples/app/*.sql'
            sample.acme.version = 20250101120000
            sample.'Globex, Inc.'.file = 'samples/app/globex.sql'
            [databases.erp.tenants]
            alembic = { ini = 'alembic.ini', section = 'tenant' }
            env = { TENANT_SCHEMA = '{target}' }
            [databases.customers.tenants]
            migrations = 'migrations/customer'
            tenancy = 'database'
            target = 'customer_{tenant}'
            [checks]
            fail-on = 'error'
        ";
        assert_eq!(format!("{example:#?}"), format!("{:#?}", load_example(bare)));
    }

    #[test]
    fn each_disabled_key_of_the_example_can_be_enabled() {
        let mut switched = 0;
        for off in EXAMPLE.lines() {
            let Some(on) =
                off.strip_prefix('#').filter(|on| !on.is_empty() && !on.starts_with(' '))
            else {
                continue;
            };
            // A key that occurs in three tables is enabled in all of them, except those that occur once and are set.
            let once = ["from = ", "alembic = "];
            let is_set =
                |line: &str| once.iter().any(|key| on.starts_with(key) && line.starts_with(key));
            let text: Vec<&str> = EXAMPLE
                .lines()
                .filter(|line| !is_set(line))
                .map(|line| if line == off { on } else { line })
                .collect();
            load_example(&text.join("\n"));
            switched += 1;
        }
        assert!(switched > 15, "{switched}");
    }

    #[test]
    fn the_schema_accepts_the_example_and_refuses_invalid_files() {
        let schema = json_schema(&CODES);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let as_json = |text: &str| {
            serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
        };
        assert!(validator.is_valid(&as_json(EXAMPLE)));
        assert!(validator.is_valid(&as_json("postgres.provider = '${PROVIDER:-auto}'")));
        assert!(validator.is_valid(&as_json("[checks]\nlocks = { severity = 'off' }")));
        for wrong in [
            "postgres.provider = 'podman'",
            "postgres.version = true",
            "databases.app.migration = 'x'",
            "databases.app.shared = {}",
            "checks.lokcs.severity = 'off'",
            "checks.locks.severity = 'loud'",
        ] {
            assert!(!validator.is_valid(&as_json(wrong)), "{wrong}");
        }
    }

    #[test]
    fn the_schema_is_one_piece_with_descriptions() {
        let text = json_schema_text(&CODES);
        assert!(text.ends_with("}\n"));
        assert!(!text.contains("$ref") && !text.contains("\"null\""));
        let schema = json_schema(&CODES);
        let postgres = &schema["properties"]["postgres"]["properties"];
        insta::assert_json_snapshot!(postgres["version"], @r#"
        {
          "anyOf": [
            {
              "format": "int64",
              "type": "integer"
            },
            {
              "type": "string"
            }
          ],
          "description": "The major version that production runs: `\"17\"`."
        }
        "#);
        insta::assert_json_snapshot!(postgres["provider"], @r#"
        {
          "anyOf": [
            {
              "enum": [
                "auto",
                "docker",
                "local",
                "url"
              ]
            },
            {
              "pattern": "\\$\\{"
            }
          ],
          "description": "Where the server comes from: Docker, local binaries, an existing server, or (`auto`) Docker if it works, else local binaries.",
          "type": "string"
        }
        "#);
    }
}
