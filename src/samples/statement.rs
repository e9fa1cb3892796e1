//! How a statement of a sample is run: `pg_dump` writes for a server that has all roles, and for its administrator.

use std::collections::BTreeSet;

use super::kind::treat_database_wide;
use super::treatment::Treatment;
use crate::sql::{self, SqlWord, words};

/// The roles and schemas that the server already has.
#[derive(Debug, Default)]
pub(crate) struct ExistingObjects {
    pub(crate) roles: BTreeSet<String>,
    pub(crate) schemas: BTreeSet<String>,
}

impl ExistingObjects {
    fn has_schema(&self, name: &SqlWord<'_>) -> bool {
        self.schemas.contains(&name_of(name))
    }
}

/// Classifies a statement. Sources: the statements that `pg_dump` writes (its `pg_backup_archiver.c` and `pg_dump.c`), and
/// PostgreSQL's privileges for each of them.
pub(crate) fn treat(statement: &str, existing: &ExistingObjects) -> Treatment {
    let words: Vec<SqlWord<'_>> = words(statement).collect();
    let is = |index: usize, text: &str| words.get(index).is_some_and(|word| word.is(text));
    if changes_role(&words) {
        return Treatment::Skip("change of role".to_owned());
    }
    if let Some(setting) = setting(&words) {
        // The value `replica` disables foreign keys and triggers, which an owner may not do.
        return if setting.is("session_replication_role") {
            Treatment::AsAdmin
        } else if is(0, "SET") {
            Treatment::Setting
        } else {
            Treatment::AsOwner
        };
    }
    if let Some(database) = database_statement(&words) {
        return Treatment::Skip(database);
    }
    if is(0, "CREATE") && is(1, "SCHEMA") {
        let name = if is(2, "IF") { words.get(5) } else { words.get(2) };
        let there = name.is_some_and(|name| existing.has_schema(name));
        // The target's schema exists before its sample, and a dump creates it again.
        return if there { Treatment::Ignore } else { Treatment::AsOwner };
    }
    if is(0, "DROP") && is(1, "SCHEMA") && words[2..].iter().any(|name| existing.has_schema(name)) {
        // From `pg_dump --clean`; the schema does not come from this sample.
        return Treatment::Skip("removal of a schema that existed before the sample".to_owned());
    }
    if is(0, "GRANT") || is(0, "REVOKE") {
        return grant(&words, existing, "grant");
    }
    if is(0, "ALTER") && is(1, "DEFAULT") && is(2, "PRIVILEGES") {
        return grant(&words, existing, "default privileges");
    }
    if is(0, "ALTER")
        && let Some(left_out) = new_owner(&words, existing)
    {
        return left_out;
    }
    if switches_all_triggers(&words) {
        return Treatment::AsAdmin;
    }
    if is(0, "COMMENT") && (is(2, "SCHEMA") || is(2, "ROLE")) || is(0, "SECURITY") && is(1, "LABEL")
    {
        return Treatment::AsAdmin;
    }
    if let Some(role) = unknown_user(&words, existing) {
        return Treatment::Skip(role);
    }
    treat_database_wide(&words).unwrap_or(Treatment::AsOwner)
}

/// `SET ROLE`, `SET SESSION AUTHORIZATION`, and their `RESET`: objects of later statements would have another owner.
fn changes_role(words: &[SqlWord<'_>]) -> bool {
    let mut words = words.iter().peekable();
    if words.next_if(|word| word.is("SET") || word.is("RESET")).is_none() {
        return false;
    }
    match words.next() {
        Some(word) if word.is("ROLE") => true,
        Some(word) if word.is("SESSION") || word.is("LOCAL") => {
            words.next().is_some_and(|word| word.is("AUTHORIZATION") || word.is("ROLE"))
        }
        _ => false,
    }
}

/// The name in a `SET` or `RESET`, after [`changes_role`] returned false.
fn setting<'w, 't>(words: &'w [SqlWord<'t>]) -> Option<&'w SqlWord<'t>> {
    let verb = words.first()?;
    if !(verb.is("SET") || verb.is("RESET")) {
        return None;
    }
    words[1..].iter().find(|word| !(word.is("SESSION") || word.is("LOCAL")))
}

/// Settings that only affect how rows are stored: `pg_dump` writes them for tablespaces and access methods that another
/// server may not have.
pub(crate) fn storage_setting(statement: &str) -> Option<&'static str> {
    let words: Vec<SqlWord<'_>> = words(statement).collect();
    let setting = setting(&words)?;
    ["default_tablespace", "default_table_access_method", "default_toast_compression"]
        .into_iter()
        .find(|name| setting.is(name))
}

/// `ALTER TABLE … DISABLE TRIGGER ALL` (and `ENABLE`), as `pg_dump --disable-triggers` writes them: they include the
/// internal triggers of foreign keys.
fn switches_all_triggers(words: &[SqlWord<'_>]) -> bool {
    words.first().is_some_and(|word| word.is("ALTER"))
        && words.windows(3).any(|three| {
            (three[0].is("DISABLE") || three[0].is("ENABLE"))
                && three[1].is("TRIGGER")
                && three[2].is("ALL")
        })
}

/// `CREATE USER MAPPING FOR app` for a role that does not exist.
fn unknown_user(words: &[SqlWord<'_>], existing: &ExistingObjects) -> Option<String> {
    if !(words.get(1)?.is("USER") && words.get(2)?.is("MAPPING")) {
        return None;
    }
    let user = words.iter().skip_while(|word| !word.is("FOR")).nth(1)?;
    (!user.is("USER")).then(|| skip_unknown(user, existing, "user mapping"))?
}

/// Whether it is a `CREATE TABLE` in any form.
pub(crate) fn creates_table(statement: &str) -> bool {
    let mut words = words(statement);
    if !words.next().is_some_and(|word| word.is("CREATE")) {
        return false;
    }
    let kinds = ["UNLOGGED", "FOREIGN", "GLOBAL", "LOCAL"];
    words.find(|word| !kinds.iter().any(|kind| word.is(kind))).is_some_and(|word| word.is("TABLE"))
}

/// Statements about the database as a whole, which is created for the sample.
fn database_statement(words: &[SqlWord<'_>]) -> Option<String> {
    let first = words.first()?;
    let at = if first.is("COMMENT") || first.is("GRANT") || first.is("REVOKE") {
        words.iter().position(|word| word.is("ON"))? + 1
    } else if ["CREATE", "ALTER", "DROP"].iter().any(|verb| first.is(verb)) {
        1
    } else {
        return None;
    };
    words.get(at)?.is("DATABASE").then(|| "statement about the database itself".to_owned())
}

/// Whether a statement only affects this schema, the database or rows, which other samples do not share.
pub(crate) fn affects_only(statement: &str, schema: &str) -> bool {
    if sql::begins_with(statement, &["INSERT"]) {
        return true;
    }
    let words: Vec<SqlWord<'_>> = words(statement).collect();
    let is = |index: usize, text: &str| words.get(index).is_some_and(|word| word.is(text));
    if database_statement(&words).is_some() {
        return true;
    }
    let kind = match words.iter().position(|word| word.is("ON")) {
        Some(on) if ["COMMENT", "GRANT", "REVOKE"].iter().any(|verb| is(0, verb)) => on + 1,
        _ if ["CREATE", "ALTER", "DROP"].iter().any(|verb| is(0, verb)) => 1,
        _ => return false,
    };
    let name = (kind + 1..words.len())
        .find(|at| !["IF", "NOT", "EXISTS"].iter().any(|word| is(*at, word)));
    let Some(name) = name.filter(|_| is(kind, "SCHEMA")) else { return false };
    let is_listed = words.get(name + 1).is_some_and(|word| word.text() == ",");
    !is_listed && name_of(&words[name]) == schema
}

/// Changes of owners are always skipped: in production the migration role owns what it migrates, and here another role does.
fn new_owner(words: &[SqlWord<'_>], existing: &ExistingObjects) -> Option<Treatment> {
    let role = words
        .windows(3)
        .find_map(|three| (three[0].is("OWNER") && three[1].is("TO")).then_some(&three[2]))?;
    let reason = skip_unknown(role, existing, "owner").unwrap_or_else(|| {
        format!(
            "owner \"{}\": all objects of a sample belong to the migrations' role",
            name_of(role)
        )
    });
    Some(Treatment::Skip(reason))
}

/// A grant runs as the administrator if all its roles exist.
fn grant(words: &[SqlWord<'_>], existing: &ExistingObjects, what: &str) -> Treatment {
    let revokes = words.iter().any(|word| word.is("REVOKE"));
    let (to, stop) =
        if revokes { ("FROM", ["CASCADE", "RESTRICT"]) } else { ("TO", ["WITH", "GRANTED"]) };
    let receivers =
        words.iter().rposition(|word| word.is(to)).map_or(&[][..], |at| &words[at + 1..]);
    let receivers = receivers.iter().take_while(|word| !stop.iter().any(|end| word.is(end)));
    let for_role = words.windows(3).filter_map(|three| {
        (three[0].is("FOR") && (three[1].is("ROLE") || three[1].is("USER"))).then_some(&three[2])
    });
    receivers
        .chain(for_role)
        .filter(|word| word.identifier().is_some())
        .find_map(|role| skip_unknown(role, existing, what))
        .map_or(Treatment::AsAdmin, Treatment::Skip)
}

/// The reason to skip a statement that names a role that does not exist.
fn skip_unknown(role: &SqlWord<'_>, existing: &ExistingObjects, what: &str) -> Option<String> {
    const NOT_A_NAME: [&str; 5] =
        ["PUBLIC", "GROUP", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER"];
    if NOT_A_NAME.iter().any(|word| role.is(word)) || existing.roles.contains(&name_of(role)) {
        return None;
    }
    Some(format!("{what} of unknown role \"{}\"", name_of(role)))
}

/// The name as the server parses it.
fn name_of(word: &SqlWord<'_>) -> String {
    word.identifier().map_or_else(|| word.text().to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn existing() -> ExistingObjects {
        ExistingObjects {
            roles: BTreeSet::from(["reader".to_owned(), "We'ird".to_owned()]),
            schemas: BTreeSet::from(["public".to_owned(), "tenant_acme".to_owned()]),
        }
    }

    #[track_caller]
    fn skipped(statement: &str) -> String {
        match treat(statement, &existing()) {
            Treatment::Skip(reason) => reason,
            other => panic!("{statement}: {other:?}"),
        }
    }

    #[test]
    fn changes_of_owners_are_skipped() {
        assert_eq!(
            skipped("ALTER TABLE tenant_acme.users OWNER TO app;"),
            "owner of unknown role \"app\""
        );
        assert_eq!(
            skipped("ALTER FUNCTION f(a text, \"OWNER\" int) OWNER TO \"App\";"),
            "owner of unknown role \"App\""
        );
        assert_eq!(
            skipped("ALTER TABLE x OWNER TO \"We'ird\";"),
            "owner \"We'ird\": all objects of a sample belong to the migrations' role"
        );
        assert_eq!(treat("ALTER TABLE x ADD PRIMARY KEY (id);", &existing()), Treatment::AsOwner);
    }

    #[test]
    fn changes_of_the_role_are_skipped() {
        for statement in [
            "SET SESSION AUTHORIZATION 'app';",
            "SET SESSION AUTHORIZATION DEFAULT;",
            "RESET SESSION AUTHORIZATION;",
            "set role reader;",
            "SET LOCAL ROLE reader;",
            "RESET ROLE;",
        ] {
            assert_eq!(skipped(statement), "change of role");
        }
        assert_eq!(treat("SET row_security = off;", &existing()), Treatment::Setting);
        assert_eq!(treat("RESET work_mem;", &existing()), Treatment::AsOwner);
    }

    #[test]
    fn grants_run_only_if_all_roles_exist() {
        assert_eq!(
            skipped("GRANT SELECT ON TABLE x TO reader, app;"),
            "grant of unknown role \"app\""
        );
        assert_eq!(
            treat("GRANT SELECT ON x TO reader WITH GRANT OPTION;", &existing()),
            Treatment::AsAdmin
        );
        assert_eq!(
            treat("REVOKE ALL ON SCHEMA public FROM PUBLIC;", &existing()),
            Treatment::AsAdmin
        );
        assert_eq!(
            skipped(
                "ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA x GRANT SELECT ON TABLES TO reader;"
            ),
            "default privileges of unknown role \"app\""
        );
    }

    #[test]
    fn existing_schemas_and_database_statements_are_skipped() {
        assert_eq!(treat("CREATE SCHEMA tenant_acme;", &existing()), Treatment::Ignore);
        assert_eq!(treat("CREATE SCHEMA audit;", &existing()), Treatment::AsOwner);
        let removal = "removal of a schema that existed before the sample";
        assert_eq!(skipped("DROP SCHEMA IF EXISTS tenant_acme;"), removal);
        assert_eq!(skipped("DROP SCHEMA audit, \"public\" CASCADE;"), removal);
        assert_eq!(treat("DROP SCHEMA IF EXISTS audit;", &existing()), Treatment::AsOwner);
        assert_eq!(
            skipped("CREATE DATABASE shop WITH TEMPLATE = template0;"),
            "statement about the database itself"
        );
        assert_eq!(
            skipped("COMMENT ON DATABASE shop IS 'x';"),
            "statement about the database itself"
        );
        assert_eq!(
            skipped("GRANT CONNECT ON DATABASE shop TO reader;"),
            "statement about the database itself"
        );
    }

    #[test]
    fn privileged_statements_run_as_the_administrator() {
        for statement in [
            "COMMENT ON EXTENSION pg_trgm IS 'x';",
            "COMMENT ON SCHEMA public IS 'x';",
            "CREATE USER MAPPING FOR reader SERVER s;",
            "CREATE USER MAPPING FOR USER SERVER s;",
            "ALTER TABLE tenant_acme.users DISABLE TRIGGER ALL;",
            "ALTER TABLE tenant_acme.users ENABLE TRIGGER ALL;",
            "SET session_replication_role = replica;",
            "SET LOCAL session_replication_role TO 'replica';",
            "RESET session_replication_role;",
        ] {
            assert_eq!(treat(statement, &existing()), Treatment::AsAdmin, "{statement}");
        }
        assert_eq!(treat("SET transaction_timeout = 0;", &existing()), Treatment::Setting);
        for statement in ["COMMENT ON TABLE x IS 'x';", "ALTER TABLE x DISABLE TRIGGER USER;"] {
            assert_eq!(treat(statement, &existing()), Treatment::AsOwner, "{statement}");
        }
        assert_eq!(
            skipped("CREATE USER MAPPING FOR app SERVER s OPTIONS (\"user\" 'x');"),
            "user mapping of unknown role \"app\""
        );
    }

    #[test]
    fn statements_about_the_own_schema_affect_no_other_sample() {
        for statement in [
            "CREATE SCHEMA tenant_acme;",
            "create schema if not exists \"tenant_acme\" authorization app;",
            "COMMENT ON SCHEMA tenant_acme IS 'x';",
            "GRANT USAGE ON SCHEMA tenant_acme TO reader;",
            "ALTER SCHEMA tenant_acme OWNER TO app;",
            "DROP SCHEMA IF EXISTS tenant_acme;",
            "ALTER DATABASE shop OWNER TO app;",
            "INSERT INTO notes VALUES ('CREATE ROLE app');",
        ] {
            assert!(affects_only(statement, "tenant_acme"), "{statement}");
        }
        for statement in [
            "CREATE SCHEMA shared;",
            "GRANT USAGE ON SCHEMA tenant_acme, shared TO reader;",
            "DROP SCHEMA tenant_acme, shared;",
            "CREATE EXTENSION pg_trgm WITH SCHEMA tenant_acme;",
            "GRANT reader TO app;",
            "CREATE ROLE tenant_acme;",
        ] {
            assert!(!affects_only(statement, "tenant_acme"), "{statement}");
        }
    }

    #[test]
    fn a_created_table_makes_a_sample_complete() {
        assert!(creates_table("-- x\nCREATE TABLE a (b int);"));
        assert!(creates_table("create unlogged table a (b int);"));
        assert!(!creates_table("CREATE TYPE mood AS ENUM ('TABLE');"));
        assert!(!creates_table("CREATE TEMP TABLE a (b int);"));
    }
}
