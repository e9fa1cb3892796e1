//! What is to be done with a statement of a sample: `pg_dump` writes for a server with all roles, run by its administrator.

use std::collections::BTreeSet;

use super::kind::treat_database_wide;
use super::treatment::Treatment;
use crate::sql::{self, SqlWord, words};

/// What the server already has.
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

/// Sources: the statements that `pg_dump` writes (its `pg_backup_archiver.c` and `pg_dump.c`), and PostgreSQL's privilege
/// rules for each of them.
pub(crate) fn treat(statement: &str, known: &ExistingObjects) -> Treatment {
    let words: Vec<SqlWord<'_>> = words(statement).collect();
    let is = |index: usize, text: &str| words.get(index).is_some_and(|word| word.is(text));
    if changes_role(&words) {
        return Treatment::Skip("change of role".to_owned());
    }
    if let Some(setting) = setting(&words) {
        // With its value `replica`, an owner could pass over foreign keys and triggers.
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
        let there = name.is_some_and(|name| known.has_schema(name));
        // The target's own schema is there before its sample; a dump makes it again.
        return if there { Treatment::Ignore } else { Treatment::AsOwner };
    }
    if is(0, "DROP") && is(1, "SCHEMA") && words[2..].iter().any(|name| known.has_schema(name)) {
        // `pg_dump --clean` writes it; what it would take away was not made by this sample.
        return Treatment::Skip("removal of a schema that existed before the sample".to_owned());
    }
    if is(0, "GRANT") || is(0, "REVOKE") {
        return grant(&words, known, "grant");
    }
    if is(0, "ALTER") && is(1, "DEFAULT") && is(2, "PRIVILEGES") {
        return grant(&words, known, "default privileges");
    }
    if is(0, "ALTER")
        && let Some(left_out) = new_owner(&words, known)
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
    if let Some(role) = unknown_user(&words, known) {
        return Treatment::Skip(role);
    }
    treat_database_wide(&words).unwrap_or(Treatment::AsOwner)
}

/// `SET ROLE`, `SET SESSION AUTHORIZATION`, and their `RESET`: what comes after them would belong to somebody else.
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

/// The name in a `SET` or `RESET`; the words are not those of [`changes_role`].
fn setting<'w, 't>(words: &'w [SqlWord<'t>]) -> Option<&'w SqlWord<'t>> {
    let verb = words.first()?;
    if !(verb.is("SET") || verb.is("RESET")) {
        return None;
    }
    words[1..].iter().find(|word| !(word.is("SESSION") || word.is("LOCAL")))
}

/// Settings that say where and how rows are stored, and change nothing else: `pg_dump` writes them for tablespaces and
/// access methods that another server may not have.
pub(crate) fn storage_setting(statement: &str) -> Option<&'static str> {
    let words: Vec<SqlWord<'_>> = words(statement).collect();
    let setting = setting(&words)?;
    ["default_tablespace", "default_table_access_method", "default_toast_compression"]
        .into_iter()
        .find(|name| setting.is(name))
}

/// `ALTER TABLE … DISABLE TRIGGER ALL` (and `ENABLE`), as `pg_dump --disable-triggers` writes them: those of foreign keys,
/// too, which are the server's.
fn switches_all_triggers(words: &[SqlWord<'_>]) -> bool {
    words.first().is_some_and(|word| word.is("ALTER"))
        && words.windows(3).any(|three| {
            (three[0].is("DISABLE") || three[0].is("ENABLE"))
                && three[1].is("TRIGGER")
                && three[2].is("ALL")
        })
}

/// `CREATE USER MAPPING FOR app`, where nobody is called so.
fn unknown_user(words: &[SqlWord<'_>], known: &ExistingObjects) -> Option<String> {
    if !(words.get(1)?.is("USER") && words.get(2)?.is("MAPPING")) {
        return None;
    }
    let user = words.iter().skip_while(|word| !word.is("FOR")).nth(1)?;
    (!user.is("USER")).then(|| skip_unknown(user, known, "user mapping"))?
}

/// `CREATE TABLE` in any of its forms.
pub(crate) fn creates_table(statement: &str) -> bool {
    let mut words = words(statement);
    if !words.next().is_some_and(|word| word.is("CREATE")) {
        return false;
    }
    let kinds = ["UNLOGGED", "FOREIGN", "GLOBAL", "LOCAL"];
    words.find(|word| !kinds.iter().any(|kind| word.is(kind))).is_some_and(|word| word.is("TABLE"))
}

/// Statements about the database as a whole: a sample lives in one that is made for it.
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

/// A statement about this schema itself, about the database, or about rows: nothing that other samples share.
pub(crate) fn stays_within(statement: &str, schema: &str) -> bool {
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

/// Owners are never taken over, whether this server has them or not: the role that runs migrations in production owns
/// what it migrates, and here another role does that.
fn new_owner(words: &[SqlWord<'_>], known: &ExistingObjects) -> Option<Treatment> {
    let role = words
        .windows(3)
        .find_map(|three| (three[0].is("OWNER") && three[1].is("TO")).then_some(&three[2]))?;
    let reason = skip_unknown(role, known, "owner").unwrap_or_else(|| {
        format!(
            "owner \"{}\": all objects of a sample belong to the migrations' role",
            name_of(role)
        )
    });
    Some(Treatment::Skip(reason))
}

/// A grant runs as the administrator if it names only roles that are there.
fn grant(words: &[SqlWord<'_>], known: &ExistingObjects, what: &str) -> Treatment {
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
        .find_map(|role| skip_unknown(role, known, what))
        .map_or(Treatment::AsAdmin, Treatment::Skip)
}

/// The reason to leave out a statement that names a role, if nobody is called so.
fn skip_unknown(role: &SqlWord<'_>, known: &ExistingObjects, what: &str) -> Option<String> {
    const NOT_A_NAME: [&str; 5] =
        ["PUBLIC", "GROUP", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER"];
    if NOT_A_NAME.iter().any(|word| role.is(word)) || known.roles.contains(&name_of(role)) {
        return None;
    }
    Some(format!("{what} of unknown role \"{}\"", name_of(role)))
}

/// The name as the server reads it.
fn name_of(word: &SqlWord<'_>) -> String {
    word.identifier().map_or_else(|| word.text().to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> ExistingObjects {
        ExistingObjects {
            roles: BTreeSet::from(["reader".to_owned(), "We'ird".to_owned()]),
            schemas: BTreeSet::from(["public".to_owned(), "tenant_acme".to_owned()]),
        }
    }

    #[track_caller]
    fn skipped(statement: &str) -> String {
        match treat(statement, &known()) {
            Treatment::Skip(reason) => reason,
            other => panic!("{statement}: {other:?}"),
        }
    }

    #[test]
    fn owners_are_left_out() {
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
        assert_eq!(treat("ALTER TABLE x ADD PRIMARY KEY (id);", &known()), Treatment::AsOwner);
    }

    #[test]
    fn nobody_else_takes_over_the_session() {
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
        assert_eq!(treat("SET row_security = off;", &known()), Treatment::Setting);
        assert_eq!(treat("RESET work_mem;", &known()), Treatment::AsOwner);
    }

    #[test]
    fn grants_run_only_if_everybody_is_here() {
        assert_eq!(
            skipped("GRANT SELECT ON TABLE x TO reader, app;"),
            "grant of unknown role \"app\""
        );
        assert_eq!(
            treat("GRANT SELECT ON x TO reader WITH GRANT OPTION;", &known()),
            Treatment::AsAdmin
        );
        assert_eq!(treat("REVOKE ALL ON SCHEMA public FROM PUBLIC;", &known()), Treatment::AsAdmin);
        assert_eq!(
            skipped(
                "ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA x GRANT SELECT ON TABLES TO reader;"
            ),
            "default privileges of unknown role \"app\""
        );
    }

    #[test]
    fn what_is_there_already_or_about_the_database_is_left_out() {
        assert_eq!(treat("CREATE SCHEMA tenant_acme;", &known()), Treatment::Ignore);
        assert_eq!(treat("CREATE SCHEMA audit;", &known()), Treatment::AsOwner);
        let removal = "removal of a schema that existed before the sample";
        assert_eq!(skipped("DROP SCHEMA IF EXISTS tenant_acme;"), removal);
        assert_eq!(skipped("DROP SCHEMA audit, \"public\" CASCADE;"), removal);
        assert_eq!(treat("DROP SCHEMA IF EXISTS audit;", &known()), Treatment::AsOwner);
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
    fn what_only_an_administrator_may_do() {
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
            assert_eq!(treat(statement, &known()), Treatment::AsAdmin, "{statement}");
        }
        assert_eq!(treat("SET transaction_timeout = 0;", &known()), Treatment::Setting);
        for statement in ["COMMENT ON TABLE x IS 'x';", "ALTER TABLE x DISABLE TRIGGER USER;"] {
            assert_eq!(treat(statement, &known()), Treatment::AsOwner, "{statement}");
        }
        assert_eq!(
            skipped("CREATE USER MAPPING FOR app SERVER s OPTIONS (\"user\" 'x');"),
            "user mapping of unknown role \"app\""
        );
    }

    #[test]
    fn statements_about_the_own_schema_concern_no_other_sample() {
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
            assert!(stays_within(statement, "tenant_acme"), "{statement}");
        }
        for statement in [
            "CREATE SCHEMA shared;",
            "GRANT USAGE ON SCHEMA tenant_acme, shared TO reader;",
            "DROP SCHEMA tenant_acme, shared;",
            "CREATE EXTENSION pg_trgm WITH SCHEMA tenant_acme;",
            "GRANT reader TO app;",
            "CREATE ROLE tenant_acme;",
        ] {
            assert!(!stays_within(statement, "tenant_acme"), "{statement}");
        }
    }

    #[test]
    fn a_table_makes_a_whole_sample() {
        assert!(creates_table("-- x\nCREATE TABLE a (b int);"));
        assert!(creates_table("create unlogged table a (b int);"));
        assert!(!creates_table("CREATE TYPE mood AS ENUM ('TABLE');"));
        assert!(!creates_table("CREATE TEMP TABLE a (b int);"));
    }
}
