//! What to do about an SQLSTATE: the one table of advice on the server's errors.
//!
//! Codes: PostgreSQL manual, appendix A. Advice is for somebody who sees a migration fail for one tenant, knows SQL, and
//! has not written the migration.

/// One piece of advice.
struct Advice {
    /// A whole SQLSTATE, or its first two characters for a class.
    state: &'static str,
    /// Words that the message must hold; empty for any. The more particular stand first in the table.
    words: &'static str,
    help: &'static str,
}

/// What to do, by SQLSTATE and the words of the message. `None` where the message says it all.
pub(super) fn help(sqlstate: &str, message: &str) -> Option<&'static str> {
    let fits =
        |advice: &&Advice| sqlstate.starts_with(advice.state) && message.contains(advice.words);
    ADVICE.iter().find(fits).map(|advice| advice.help)
}

const fn advice(state: &'static str, words: &'static str, help: &'static str) -> Advice {
    Advice { state, words, help }
}

const EXTENSION_NOT_AVAILABLE: &str = "the server lacks the extension's files: set `image` in `[postgres]` to one that has them (for example \
     `postgis/postgis:17-3.5`), or install the package beside the local binaries";

const MISSING_OBJECT: &str = "compare the name with the migration that makes it; the session sees the schemas of its `search_path` alone. If the object exists in production but no migration makes \
     it (a platform's schema, an extension's type), make it in `prepare` or list it in `extensions`; if a later \
     migration or the other track makes it, the order is wrong; if only some tenants lack it, they have drifted";

const OBJECT_THERE: &str = "an earlier migration, or the same one further up, makes an object of this name: look there first. If only the second tenant and later ones fail, the object lies outside of the tenant's schema (an unqualified name \
     that resolved to `public`, a role, a publication): make it in the shared track, or name the tenant's schema. If only \
     some samples fail, those tenants have it already: they have drifted, or stand at a later version than their ledger \
     says";

const NOT_A_MEMBER: &str = "the migrating role has to be a member of that role, as it is in production (or a superuser there). \
     `mig-ci explain migration-failed` has the lines for the database's `prepare` file; a new owner needs CREATE on \
     the schema besides. Or leave OWNER TO and SET ROLE out, and let the migrating role own what it makes";

/// Particular before general; a class after its states.
const ADVICE: &[Advice] = &[
    advice("0A000", "extension", EXTENSION_NOT_AVAILABLE),
    advice(
        "0A000",
        "cached plan",
        "a statement prepared before the change was used after it; the migration must not depend on the plan cache",
    ),
    advice(
        "2BP01",
        "",
        "other objects depend on it (the detail names them): drop or change those first. CASCADE would drop them in every \
         tenant, with their data",
    ),
    advice(
        "22P02",
        "",
        "the value in the message cannot be read as that type. If it stands in the migration, mend it there; else these \
         tenants hold it: convert it in the migration (`USING …`), or clean the data in a migration before this one",
    ),
    advice(
        "22001",
        "",
        "a value is longer than the type takes. If it does not stand in the migration, these tenants hold it: shorten \
         theirs first, or take a wider type",
    ),
    advice(
        "22012",
        "",
        "the statement divides by zero: with a number of these tenants' if it reads rows (`nullif(…, 0)` takes the zero \
         out), else with one that stands in the migration",
    ),
    advice(
        "22023",
        "role ",
        "roles are not part of a database: make it in the server's `prepare` file (`CREATE ROLE …`), and the migrating \
         role a member of it (`mig-ci explain migration-failed` has the lines)",
    ),
    advice(
        "22023",
        "",
        "a setting, an option or an argument that stands in the statement has a value that this server does not take; \
         another version of PostgreSQL may",
    ),
    advice(
        "22",
        "",
        "the statement cannot take a value. If it stands in the migration, all tenants fail: mend it there. If it comes \
         from rows, tenants without such rows pass: clean the data in a migration before this one",
    ),
    advice(
        "23502",
        "",
        "these tenants have rows with NULL in that column; tenants without such rows pass. Fill them first (`UPDATE … SET … \
         WHERE … IS NULL`), or add the column with a DEFAULT, and only then set NOT NULL",
    ),
    advice(
        "23503",
        "",
        "these tenants have rows that refer to nothing (the detail names one). Delete or repair them in a migration before \
         this one; ADD CONSTRAINT … NOT VALID puts the check off, VALIDATE CONSTRAINT will still meet these rows",
    ),
    advice(
        "23505",
        "",
        "these tenants have rows that are equal in that key (the detail names one). Decide which row stays and remove the \
         others in a migration before this one; for inserted rows use ON CONFLICT",
    ),
    advice(
        "23514",
        "",
        "these tenants have rows that break the CHECK. Repair them in a migration before this one, or add the constraint NOT \
         VALID and validate it later",
    ),
    advice(
        "23",
        "",
        "these tenants hold rows that break the constraint: repair them in a migration before this one",
    ),
    advice(
        "25001",
        "",
        "the statement must run outside of any transaction: put it alone into a migration of its own that the tool runs \
         without one. sqlx: the file begins with `-- no-transaction`; dbmate: `-- migrate:up transaction:false`; plain: the \
         first line is `-- mig-ci: no-transaction`; golang-migrate: the statement is alone in its file",
    ),
    advice(
        "25P02",
        "",
        "an earlier statement of the same transaction failed, and was not the end of it: look further up for the first error",
    ),
    advice(
        "3D000",
        "",
        "migrations run in databases that mig-ci makes for the run: they must not name a database of production",
    ),
    advice(
        "3F000",
        "",
        "the schema is not there. If the platform provides it, make it in `prepare`; if the shared track makes it, check that \
         the shared track comes with this database; a tenant's migration must not name another tenant's schema",
    ),
    advice(
        "40P01",
        "",
        "two sessions waited for each other, also where no other tenant ran: the migration opens one itself, or another \
         user of the server was in its way. Take locks in one order, and touch shared tables in the shared track alone",
    ),
    advice("42501", "must be member of role", NOT_A_MEMBER),
    // From PostgreSQL 16 on.
    advice("42501", "must be able to SET ROLE", NOT_A_MEMBER),
    advice("42501", "permission denied to set role", NOT_A_MEMBER),
    advice(
        "42501",
        "must be superuser",
        "migrations run as a plain owner, as on managed Postgres. What needs a superuser belongs into `extensions` or \
         `prepare` in mig-ci.toml; only if production really migrates as a superuser, set `role = \"superuser\"` in \
         `[postgres]`",
    ),
    advice(
        "42501",
        "permission denied to create extension",
        "migrations run as a plain owner, as on managed Postgres: add the extension to `extensions` in `[postgres]`, and it is \
         made beforehand (the migration's `CREATE EXTENSION IF NOT EXISTS` then finds it)",
    ),
    advice(
        "42501",
        "permission denied to create role",
        "migrations run as a plain owner, which cannot make roles: make the role in the server's `prepare` file, as the \
         platform does in production",
    ),
    advice(
        "42501",
        "row-level security",
        "the migrating role owns the table but the policy holds it too (FORCE ROW LEVEL SECURITY): add a policy for it, or \
         change the data with the policy lifted in the same transaction",
    ),
    advice(
        "42501",
        "",
        "migrations run as a plain owner: it owns its databases and schemas, and is nothing else. Objects that the platform \
         owns are granted in `prepare`; only if production really migrates as a superuser, set `role = \"superuser\"` in \
         `[postgres]`",
    ),
    advice(
        "42601",
        "\u{feff}",
        "the file begins with a byte-order mark, an invisible character that Windows editors write: the tool sends it, and \
         the server takes it for a part of the first word. Save the file as UTF-8 without BOM",
    ),
    advice(
        "42601",
        "at or near \"\\\"",
        "a command with a backslash (`\\set`, `\\i`, `\\copy`) is psql's, and the tool does not send migrations through \
         psql: remove it, and write what it does in SQL",
    ),
    advice(
        "42601",
        "at or near \":\"",
        "a variable of psql's (`:name`) has no value where no psql is: write the value itself, or read a setting with \
         `current_setting('…')`",
    ),
    advice(
        "42601",
        "",
        "the server cannot read the statement from this point on; look at the end of the statement before as well (a missing \
         semicolon or comma)",
    ),
    advice(
        "42704",
        "role ",
        "check the spelling; roles are not part of a database: make those that grants and owners refer to in the server's `prepare` file \
         (`CREATE ROLE …`)",
    ),
    advice(
        "42704",
        "unrecognized configuration parameter",
        "the migration reads a session setting: give it in `settings` of `[postgres]`, or read it with \
         `current_setting('…', true)`",
    ),
    advice(
        "42704",
        "",
        "no such type, operator class or collation in the session's `search_path`. If an extension brings it, list that in \
         `extensions`; an extension lives in one schema of the database, and each tenant's `search_path` must hold that \
         schema",
    ),
    advice("42P01", "", MISSING_OBJECT),
    advice("42703", "", MISSING_OBJECT),
    advice("42883", "", MISSING_OBJECT),
    advice("42P07", "", OBJECT_THERE),
    advice("42701", "", OBJECT_THERE),
    advice("42710", "", OBJECT_THERE),
    advice("42723", "", OBJECT_THERE),
    advice("42P06", "", OBJECT_THERE),
    advice(
        "42804",
        "",
        "the server has no automatic cast between the two types: say how with `USING column::type`, and change the DEFAULT too",
    ),
    advice(
        "53100",
        "",
        "the server's disk is full: give it more room (a local server lies in TMPDIR, a container's in Docker's storage or in \
         memory), use fewer `--jobs`, or smaller samples",
    ),
    advice(
        "53200",
        "out of memory",
        "the machine has no memory left for the server: use fewer `--jobs`, smaller samples, or a larger machine",
    ),
    advice(
        "53200",
        "",
        "out of shared memory means too many locks in one transaction: split the migration, or raise \
         `max_locks_per_transaction` as production has it",
    ),
    advice("53300", "", "the server takes no more connections: fewer `--jobs`"),
    advice(
        "53400",
        "",
        "a limit in the server's own configuration is reached (`temp_file_limit`, for one): raise it there, or use fewer \
         `--jobs`",
    ),
    advice(
        "55P04",
        "",
        "a new enum value cannot be used in the transaction that adds it: put ALTER TYPE … ADD VALUE into a migration of its \
         own, before the one that uses the value",
    ),
    advice(
        "55P03",
        "",
        "another session held the lock: touch shared tables in the shared track alone, where no tenant runs beside it",
    ),
    advice(
        "55006",
        "",
        "a session, or a pending trigger event of this transaction, still uses the object: put the data change and the table \
         change into two migrations",
    ),
    advice(
        "57014",
        "",
        "the statement was stopped by a time limit; look at `statement_timeout` in the migration",
    ),
    advice("58P01", "extension", EXTENSION_NOT_AVAILABLE),
    advice(
        "58P01",
        "",
        "the server looks for a file that is not on it: a migration must not depend on the server's disk",
    ),
    advice(
        "P0001",
        "",
        "the migration itself raised this: its own text says what it expects of the tenant",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_particular_goes_before_the_general() {
        let role = help("42704", "role \"app\" does not exist").unwrap();
        assert!(role.contains("CREATE ROLE"));
        let kind = help("42704", "type \"vector\" does not exist").unwrap();
        assert!(kind.contains("`extensions`"));
        let extension = "permission denied to create extension \"postgis\"";
        assert!(help("42501", extension).unwrap().contains("`extensions` in `[postgres]`"));
    }

    #[test]
    fn what_is_no_data_of_the_tenants_is_not_blamed_on_them() {
        assert!(help("22012", "division by zero").unwrap().contains("nullif"));
        assert!(help("22023", "role \"nobody\" does not exist").unwrap().contains("CREATE ROLE"));
        assert!(!help("22023", "invalid value for parameter").unwrap().contains("tenants"));
    }

    #[test]
    fn what_is_not_sql_is_named() {
        let near =
            |what: &str| help("42601", &format!("syntax error at or near \"{what}\"")).unwrap();
        assert!(near("\u{feff}create").contains("byte-order mark"));
        assert!(near("\\").contains("psql"));
        assert!(near(":").contains("variable of psql's"));
        assert!(near("creat").contains("semicolon"));
    }

    #[test]
    fn another_owner_takes_a_membership() {
        for message in ["must be member of role \"app\"", "must be able to SET ROLE \"app\""] {
            assert!(help("42501", message).unwrap().contains("member"), "{message}");
        }
    }

    #[test]
    fn a_class_speaks_for_its_states() {
        assert!(help("23P01", "conflicting key value").unwrap().contains("rows"));
        assert!(help("22003", "out of range").is_some());
        assert!(help("99999", "whatever").is_none());
    }

    #[test]
    fn no_advice_hides_behind_a_more_general_one() {
        for (index, later) in ADVICE.iter().enumerate() {
            for earlier in &ADVICE[..index] {
                let hides =
                    later.state.starts_with(earlier.state) && later.words.contains(earlier.words);
                assert!(!hides, "{} {:?} is never reached", later.state, later.words);
            }
        }
    }

    #[test]
    fn states_are_five_characters_or_a_class() {
        for advice in ADVICE {
            assert!([2, 5].contains(&advice.state.len()), "{}", advice.state);
            assert!(advice.state.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()));
        }
    }
}
