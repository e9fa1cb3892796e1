//! Fingerprints do not depend on the name of a schema.

use super::{CatalogTest, schema};
use crate::catalog::CatalogReader;
use crate::model::{LeaveOut, MAX_IDENTIFIER_BYTES};
use crate::sql::quote_identifier;

const HOSTILE: [&str; 9] = [
    "We'ird-Ténant\"",
    "select",
    "users",
    "u",
    "with space, and, commas",
    "back\\slash.dot",
    "{schema}",
    "Ünïcode_ÄÖ",
    "$1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_of_one_script_have_the_same_fingerprint_under_any_name() {
    let mut test = CatalogTest::new().await;
    test.tenant("acme").await;
    let expected = test.fingerprint("acme").await;
    let long = "x".repeat(MAX_IDENTIFIER_BYTES);
    for name in HOSTILE.iter().copied().chain([long.as_str()]) {
        test.tenant(name).await;
        assert_eq!(test.differences(name, "acme").await, [""; 0], "{name}");
        assert_eq!(test.fingerprint(name).await, expected);
    }
    test.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_schema_keeps_its_fingerprint() {
    let mut test = CatalogTest::new().await;
    test.tenant("acme").await;
    test.tenant("v").await;
    let with_path = test.fingerprint("acme").await;
    test.sql("ALTER SCHEMA v RENAME TO \"Or\"").await;
    // PostgreSQL treats a setting as text: the function refers to a schema that no longer exists, which is a difference.
    assert_eq!(
        test.differences("Or", "acme").await,
        ["function audit(): settings is `search_path=v`, expected `search_path={schema}`"]
    );
    test.sql("ALTER SCHEMA \"Or\" RENAME TO v").await;
    assert_eq!(test.fingerprint("v").await, with_path);
    for schema in ["acme", "v"] {
        test.sql_in(schema, "ALTER FUNCTION audit() RESET search_path").await;
    }
    let expected = test.fingerprint("acme").await;
    let mut name = "v".to_owned();
    for new in HOSTILE {
        let (from, to) = (quote_identifier(&name), quote_identifier(new));
        test.sql(&format!("ALTER SCHEMA {from} RENAME TO {to}")).await;
        assert_eq!(test.fingerprint(new).await, expected, "{new}");
        name = new.to_owned();
    }
    test.end().await;
}

/// Types, tables and functions with names of PostgreSQL's own objects, which hide them.
const SHADOWED: &str = r#"
    CREATE TABLE path (id int, "text" text);
    CREATE TABLE pg_class (relname text, next bigint REFERENCES users);
    CREATE TYPE "text" AS ENUM ('users', 'acme.users');
    CREATE FUNCTION lower(state) RETURNS varchar LANGUAGE sql IMMUTABLE AS 'SELECT ''x''';
    CREATE SEQUENCE pg_index;
    CREATE VIEW low AS SELECT lower(u.state), u.id FROM users AS u, path WHERE u.note <> 'acme.x';
    CREATE INDEX by_low ON users (lower(state));
"#;

/// Uses the schema's name where an object would be hidden otherwise.
fn shadowed(schema: &str, major: u32) -> String {
    let (quoted, all) = (quote_identifier(schema), schema::of(major));
    let literal = quoted.replace('\'', "''");
    format!(
        "{all}; {SHADOWED}; ALTER TABLE users ADD kind {quoted}.text DEFAULT 'users'; \
         ALTER TABLE path ALTER id SET DEFAULT nextval('{literal}.pg_index'); \
         CREATE VIEW own AS SELECT * FROM {quoted}.pg_class; \
         CREATE FUNCTION way(p {quoted}.path) RETURNS SETOF {quoted}.path LANGUAGE sql AS 'SELECT 1, ''x'''"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hidden_objects_are_rendered_without_their_schema() {
    let mut test = CatalogTest::new().await;
    let major = test.reader.major;
    test.tenant_of("acme", &shadowed("acme", major)).await;
    for name in ["beta", "We'ird-Ténant\"", "select"] {
        test.tenant_of(name, &shadowed(name, major)).await;
        assert_eq!(test.differences(name, "acme").await, [""; 0], "{name}");
    }
    let catalog = test.reader.catalog("acme", &LeaveOut::nothing()).await.unwrap();
    let code = |name: &str| {
        let item = catalog.items().iter().find(|item| item.name == name);
        item.and_then(|item| item.code.clone()).unwrap_or_else(|| panic!("no {name}"))
    };
    assert!(code("way({schema}.path)").contains("SETOF {schema}.path"));
    assert!(code("users.kind").contains("'users'::{schema}.text"), "{}", code("users.kind"));
    assert!(code("path.id").contains("nextval('{schema}.pg_index'::regclass)"));
    assert!(code("low").contains("'acme.x'"));
    test.sql("DROP FUNCTION beta.way(beta.path)").await;
    assert_eq!(test.differences("beta", "acme").await, ["function way({schema}.path) is missing"]);
    test.end().await;
}

/// The own name in bodies, defaults, arguments and other names; with each hostile name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_names_in_texts_are_not_a_difference() {
    const OWN: &str = r#"
        CREATE TABLE users (id int, kind text DEFAULT 'users');
        DO $do$ BEGIN
            EXECUTE format('ALTER TABLE users ADD tenant text DEFAULT %L', current_schema());
            EXECUTE format('CREATE INDEX %I ON users (id)', left(current_schema(), 40) || '_by_id');
            EXECUTE format('CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS %L',
                format('BEGIN PERFORM id FROM %I.users WHERE kind = %L; RETURN NEW; END', current_schema(), current_schema()));
            EXECUTE format('CREATE TRIGGER noted AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION note(%L)', current_schema());
        END $do$;
    "#;
    let mut test = CatalogTest::new().await;
    test.tenant_of("acme", OWN).await;
    // A backslash is escaped in a string.
    for name in HOSTILE.into_iter().filter(|name| !name.contains('\\')) {
        test.tenant_of(name, OWN).await;
        let is = test.reader.catalog(name, &LeaveOut::nothing()).await.unwrap();
        let expected = test.reader.catalog("acme", &LeaveOut::nothing()).await.unwrap();
        let results: Vec<String> =
            is.differences(&expected).iter().map(ToString::to_string).collect();
        assert_eq!(results, [""; 0], "{name}");
        assert_ne!(is.fingerprint(), expected.fingerprint(), "{name}: texts are as they are");
    }
    test.sql(
        "ALTER TABLE select.users ALTER tenant SET DEFAULT 'acme'"
            .replace("select.", "\"select\".")
            .as_str(),
    )
    .await;
    let is = test.reader.catalog("select", &LeaveOut::nothing()).await.unwrap();
    let expected = test.reader.catalog("u", &LeaveOut::nothing()).await.unwrap();
    let results: Vec<String> = is.differences(&expected).iter().map(ToString::to_string).collect();
    assert_eq!(results, ["column users.tenant: default is `'acme'::text`, expected `'u'::text`"]);
    test.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_privileges_reads_the_same_fingerprints() {
    let mut test = CatalogTest::new().await;
    for schema in ["acme", "beta"] {
        test.tenant(schema).await;
    }
    test.sql("CREATE ROLE guest LOGIN PASSWORD 'guest'").await;
    let options = test.options().username("guest").password("guest");
    let mut reader = CatalogReader::open(&options).await.unwrap();
    let schemas = ["acme".to_owned(), "beta".to_owned()];
    let read = reader.fingerprints(&schemas, &LeaveOut::nothing()).await;
    assert_eq!(read[0].1.as_ref().unwrap(), read[1].1.as_ref().unwrap());
    reader.close().await;
    test.end().await;
}
