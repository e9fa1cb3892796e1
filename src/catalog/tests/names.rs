//! The name of a schema is nobody's property.

use super::{Room, schema};
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
async fn whatever_its_name_a_schema_of_the_same_script_has_the_same_fingerprint() {
    let mut room = Room::new().await;
    room.tenant("acme").await;
    let expected = room.fingerprint("acme").await;
    let long = "x".repeat(MAX_IDENTIFIER_BYTES);
    for name in HOSTILE.iter().copied().chain([long.as_str()]) {
        room.tenant(name).await;
        assert_eq!(room.differences(name, "acme").await, [""; 0], "{name}");
        assert_eq!(room.fingerprint(name).await, expected);
    }
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_schema_keeps_its_fingerprint() {
    let mut room = Room::new().await;
    room.tenant("acme").await;
    room.tenant("v").await;
    let with_path = room.fingerprint("acme").await;
    room.sql("ALTER SCHEMA v RENAME TO \"Or\"").await;
    // A setting is text to PostgreSQL: the function looks for a schema that is there no more, and that is a difference.
    assert_eq!(
        room.differences("Or", "acme").await,
        ["function audit(): settings is `search_path=v`, expected `search_path={schema}`"]
    );
    room.sql("ALTER SCHEMA \"Or\" RENAME TO v").await;
    assert_eq!(room.fingerprint("v").await, with_path);
    for schema in ["acme", "v"] {
        room.sql_in(schema, "ALTER FUNCTION audit() RESET search_path").await;
    }
    let expected = room.fingerprint("acme").await;
    let mut name = "v".to_owned();
    for new in HOSTILE {
        let (from, to) = (quote_identifier(&name), quote_identifier(new));
        room.sql(&format!("ALTER SCHEMA {from} RENAME TO {to}")).await;
        assert_eq!(room.fingerprint(new).await, expected, "{new}");
        name = new.to_owned();
    }
    room.end().await;
}

/// Types, tables and functions that have the names of PostgreSQL's own hide behind these.
const SHADOWED: &str = r#"
    CREATE TABLE path (id int, "text" text);
    CREATE TABLE pg_class (relname text, next bigint REFERENCES users);
    CREATE TYPE "text" AS ENUM ('users', 'acme.users');
    CREATE FUNCTION lower(state) RETURNS varchar LANGUAGE sql IMMUTABLE AS 'SELECT ''x''';
    CREATE SEQUENCE pg_index;
    CREATE VIEW low AS SELECT lower(u.state), u.id FROM users AS u, path WHERE u.note <> 'acme.x';
    CREATE INDEX by_low ON users (lower(state));
"#;

/// With the schema where only that tells a thing from PostgreSQL's.
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
async fn what_hides_behind_postgresql_itself_is_named_without_its_schema_too() {
    let mut room = Room::new().await;
    let major = room.reader.major;
    room.tenant_of("acme", &shadowed("acme", major)).await;
    for name in ["beta", "We'ird-Ténant\"", "select"] {
        room.tenant_of(name, &shadowed(name, major)).await;
        assert_eq!(room.differences(name, "acme").await, [""; 0], "{name}");
    }
    let catalog = room.reader.catalog("acme", &LeaveOut::nothing()).await.unwrap();
    let code = |name: &str| {
        let item = catalog.items().iter().find(|item| item.name == name);
        item.and_then(|item| item.code.clone()).unwrap_or_else(|| panic!("no {name}"))
    };
    assert!(code("way({schema}.path)").contains("SETOF {schema}.path"));
    assert!(code("users.kind").contains("'users'::{schema}.text"), "{}", code("users.kind"));
    assert!(code("path.id").contains("nextval('{schema}.pg_index'::regclass)"));
    assert!(code("low").contains("'acme.x'"));
    room.sql("DROP FUNCTION beta.way(beta.path)").await;
    assert_eq!(room.differences("beta", "acme").await, ["function way({schema}.path) is missing"]);
    room.end().await;
}

/// The own name in bodies, defaults, arguments and other names; each hostile name with the same template.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_names_in_texts_are_no_difference() {
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
    let mut room = Room::new().await;
    room.tenant_of("acme", OWN).await;
    // In a string a backslash is written in another way.
    for name in HOSTILE.into_iter().filter(|name| !name.contains('\\')) {
        room.tenant_of(name, OWN).await;
        let is = room.reader.catalog(name, &LeaveOut::nothing()).await.unwrap();
        let expected = room.reader.catalog("acme", &LeaveOut::nothing()).await.unwrap();
        let told: Vec<String> = is.differences(&expected).iter().map(ToString::to_string).collect();
        assert_eq!(told, [""; 0], "{name}");
        assert_ne!(is.fingerprint(), expected.fingerprint(), "{name}: texts are as they are");
    }
    room.sql(
        "ALTER TABLE select.users ALTER tenant SET DEFAULT 'acme'"
            .replace("select.", "\"select\".")
            .as_str(),
    )
    .await;
    let is = room.reader.catalog("select", &LeaveOut::nothing()).await.unwrap();
    let expected = room.reader.catalog("u", &LeaveOut::nothing()).await.unwrap();
    let told: Vec<String> = is.differences(&expected).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["column users.tenant: default is `'acme'::text`, expected `'u'::text`"]);
    room.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_rights_reads_the_same() {
    let mut room = Room::new().await;
    for schema in ["acme", "beta"] {
        room.tenant(schema).await;
    }
    room.sql("CREATE ROLE guest LOGIN PASSWORD 'guest'").await;
    let options = room.options().username("guest").password("guest");
    let mut reader = CatalogReader::open(&options).await.unwrap();
    let schemas = ["acme".to_owned(), "beta".to_owned()];
    let read = reader.fingerprints(&schemas, &LeaveOut::nothing()).await;
    assert_eq!(read[0].1.as_ref().unwrap(), read[1].1.as_ref().unwrap());
    reader.close().await;
    room.end().await;
}
