//! Advice for the server's errors, by SQLSTATE.
//!
//! Codes: PostgreSQL manual, appendix A. The advice is for a reader who sees a migration fail for one tenant, can read SQL, and
//! did not write the migration.

struct Advice {
    /// A complete SQLSTATE, or its first two characters for a class.
    state: &'static str,
    /// Words that the message must contain; empty for any. More specific entries precede general ones in the table.
    words: &'static str,
    help: &'static str,
}

/// The advice for a SQLSTATE and a message. `None` if the message is sufficient.
pub(super) fn help(sqlstate: &str, message: &str) -> Option<&'static str> {
    let fits =
        |advice: &&Advice| sqlstate.starts_with(advice.state) && message.contains(advice.words);
    ADVICE.iter().find(fits).map(|advice| advice.help)
}

const fn advice(state: &'static str, words: &'static str, help: &'static str) -> Advice {
    Advice { state, words, help }
}

const EXTENSION_NOT_AVAILABLE: &str = "the server lacks the extension's files: set `image` in `[postgres]` to one that has them (for example \
     `postgis/postgis:17-3.5`), or install the package for the local binaries";

const MISSING_OBJECT: &str = "compare the name with the migration that creates it; the session sees only the schemas of its `search_path`. If the \
     object exists in production but no migration creates it (a platform's schema, an extension's type), create it in \
     `prepare` or list it in `extensions`; if a later migration or the other track creates it, the order is wrong; if only \
     some tenants lack it, they have drifted";

const OBJECT_THERE: &str = "an earlier migration, or an earlier statement of this one, creates an object of this name: check there first. If only \
     the second tenant and later ones fail, the object is outside of the tenant's schema (an unqualified name that resolved \
     to `public`, a role, a publication): create it in the shared track, or qualify it with the tenant's schema. If only \
     some samples fail, those tenants already have it: they have drifted, or are at a later version than their ledger shows";

const NOT_A_MEMBER: &str = "the role that runs migrations has to be a member of that role, as in production (where it may also be a superuser). \
     `mig-ci explain migration-failed` shows the statements for the database's `prepare` file; a new owner also needs \
     CREATE on the schema. Or remove OWNER TO and SET ROLE, so that this role owns the objects that it creates";

/// Specific entries before general ones; a class after its codes.
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
        "other objects depend on it (the detail lists them): drop or change those first. CASCADE would drop them in every \
         tenant, with their data",
    ),
    advice(
        "22P02",
        "",
        "the value in the message is invalid for that type. If the migration contains the value, fix it there; otherwise it \
         is in these tenants' data: convert it in the migration (`USING …`), or clean the data in an earlier migration",
    ),
    advice(
        "22001",
        "",
        "a value is too long for the type. If the migration does not contain the value, it is in these tenants' data: \
         shorten it first, or use a wider type",
    ),
    advice(
        "22012",
        "",
        "the statement divides by zero: by a value of these tenants if it reads rows (`nullif(…, 0)` avoids the zero), \
         otherwise by a value in the migration",
    ),
    advice(
        "22023",
        "role ",
        "roles are not part of a database: create it in the server's `prepare` file (`CREATE ROLE …`), and grant it to the \
         role that runs migrations (`mig-ci explain migration-failed` shows the statements)",
    ),
    advice(
        "22023",
        "",
        "a setting, an option or an argument in the statement has a value that this server does not accept; another version \
         of PostgreSQL may accept it",
    ),
    advice(
        "22",
        "",
        "the statement does not accept a value. If the migration contains it, all tenants fail: fix it there. If it comes \
         from rows, tenants without such rows pass: clean the data in an earlier migration",
    ),
    advice(
        "23502",
        "",
        "these tenants have rows with NULL in that column; tenants without such rows pass. Fill them first (`UPDATE … SET … \
         WHERE … IS NULL`), or add the column with a DEFAULT, and set NOT NULL afterwards",
    ),
    advice(
        "23503",
        "",
        "these tenants have rows that refer to missing rows (the detail shows one). Delete or repair them in an earlier \
         migration; ADD CONSTRAINT … NOT VALID defers the check, but VALIDATE CONSTRAINT still fails on these rows",
    ),
    advice(
        "23505",
        "",
        "these tenants have duplicate rows for that key (the detail shows one). Decide which row stays and remove the \
         others in an earlier migration; for inserted rows use ON CONFLICT",
    ),
    advice(
        "23514",
        "",
        "these tenants have rows that violate the CHECK. Repair them in an earlier migration, or add the constraint NOT \
         VALID and validate it later",
    ),
    advice(
        "23",
        "",
        "these tenants have rows that violate the constraint: repair them in an earlier migration",
    ),
    advice(
        "25001",
        "",
        "the statement must run outside of a transaction: put it into a separate migration that the tool runs without one. \
         sqlx: the file begins with `-- no-transaction`; dbmate: `-- migrate:up transaction:false`; plain: the first line \
         is `-- mig-ci: no-transaction`; golang-migrate: the statement is the only one in its file",
    ),
    advice(
        "25P02",
        "",
        "an earlier statement of the same transaction failed and did not end it: check for the first error before this one",
    ),
    advice(
        "3D000",
        "",
        "migrations run in databases that mig-ci creates for the run: they must not name a production database",
    ),
    advice(
        "3F000",
        "",
        "the schema does not exist. If the platform provides it, create it in `prepare`; if the shared track creates it, \
         check that the shared track is part of this database; a tenant's migration must not name another tenant's schema",
    ),
    advice(
        "40P01",
        "",
        "two sessions waited for each other, even though no other tenant was running: the migration opens a session itself, \
         or another user of the server held a lock. Take locks in a fixed order, and change shared tables only in the \
         shared track",
    ),
    advice("42501", "must be member of role", NOT_A_MEMBER),
    // From PostgreSQL 16 on.
    advice("42501", "must be able to SET ROLE", NOT_A_MEMBER),
    advice("42501", "permission denied to set role", NOT_A_MEMBER),
    advice(
        "42501",
        "must be superuser",
        "migrations run as a plain owner, as on managed PostgreSQL. Put statements that need a superuser into `extensions` \
         or `prepare` in mig-ci.toml; set `role = \"superuser\"` in `[postgres]` only if production migrates as a superuser",
    ),
    advice(
        "42501",
        "permission denied to create extension",
        "migrations run as a plain owner, as on managed PostgreSQL: add the extension to `extensions` in `[postgres]`, so \
         that it is created first (the migration's `CREATE EXTENSION IF NOT EXISTS` then finds it)",
    ),
    advice(
        "42501",
        "permission denied to create role",
        "migrations run as a plain owner, which cannot create roles: create the role in the server's `prepare` file, as the \
         platform does in production",
    ),
    advice(
        "42501",
        "row-level security",
        "the role that runs migrations owns the table, but the policy applies to it as well (FORCE ROW LEVEL SECURITY): add \
         a policy for it, or disable the policy in the transaction that changes the data",
    ),
    advice(
        "42501",
        "",
        "migrations run as a plain owner, which owns its databases and schemas and has no other privileges. Grant access to \
         objects of the platform in `prepare`; set `role = \"superuser\"` in `[postgres]` only if production migrates as a \
         superuser",
    ),
    advice(
        "42601",
        "\u{feff}",
        "the file begins with a byte-order mark, an invisible character that Windows editors write: the tool sends it, and \
         the server reads it as part of the first word. Save the file as UTF-8 without BOM",
    ),
    advice(
        "42601",
        "at or near \"\\\"",
        "a backslash command (`\\set`, `\\i`, `\\copy`) works only in psql, and the tool does not use psql: replace it with \
         SQL",
    ),
    advice(
        "42601",
        "at or near \":\"",
        "a psql variable (`:name`) works only in psql: write the value itself, or read a setting with `current_setting('…')`",
    ),
    advice(
        "42601",
        "",
        "the server cannot parse the statement from this position on; also check the end of the previous statement (a \
         missing semicolon or comma)",
    ),
    advice(
        "42704",
        "role ",
        "check the spelling; roles are not part of a database: create those that grants and owners refer to in the server's \
         `prepare` file (`CREATE ROLE …`)",
    ),
    advice(
        "42704",
        "unrecognized configuration parameter",
        "the migration reads a session setting: set it in `settings` of `[postgres]`, or read it with `current_setting('…', \
         true)`",
    ),
    advice(
        "42704",
        "",
        "no such type, operator class or collation in the session's `search_path`. If it belongs to an extension, list that \
         in `extensions`; an extension is in one schema of the database, and each tenant's `search_path` must contain that \
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
        "the server has no automatic cast between the two types: add `USING column::type`, and change the DEFAULT as well",
    ),
    advice(
        "53100",
        "",
        "the server's disk is full: give it more space (a local server uses TMPDIR, a container uses Docker's storage or \
         memory), use fewer `--jobs`, or smaller samples",
    ),
    advice(
        "53200",
        "out of memory",
        "the server is out of memory: use fewer `--jobs`, smaller samples, or a larger machine",
    ),
    advice(
        "53200",
        "",
        "out of shared memory means too many locks in one transaction: split the migration, or raise \
         `max_locks_per_transaction` to production's value",
    ),
    advice("53300", "", "the server has no connection slots left: use fewer `--jobs`"),
    advice(
        "53400",
        "",
        "a limit in the server's configuration is reached (for example `temp_file_limit`): raise it there, or use fewer \
         `--jobs`",
    ),
    advice(
        "55P04",
        "",
        "a new enum value cannot be used in the transaction that adds it: put ALTER TYPE … ADD VALUE into a separate \
         migration before the one that uses the value",
    ),
    advice(
        "55P03",
        "",
        "another session held the lock: change shared tables only in the shared track, which runs without tenants",
    ),
    advice(
        "55006",
        "",
        "a session, or a pending trigger event of this transaction, still uses the object: split the data change and the \
         table change into two migrations",
    ),
    advice(
        "57014",
        "",
        "a time limit cancelled the statement; check `statement_timeout` in the migration",
    ),
    advice("58P01", "extension", EXTENSION_NOT_AVAILABLE),
    advice(
        "58P01",
        "",
        "the server does not have this file: a migration must not depend on the server's disk",
    ),
    advice(
        "P0001",
        "",
        "the migration itself raised this error: its message describes the expected state",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specific_advice_precedes_general_advice() {
        let role = help("42704", "role \"app\" does not exist").unwrap();
        assert!(role.contains("CREATE ROLE"));
        let kind = help("42704", "type \"vector\" does not exist").unwrap();
        assert!(kind.contains("`extensions`"));
        let extension = "permission denied to create extension \"postgis\"";
        assert!(help("42501", extension).unwrap().contains("`extensions` in `[postgres]`"));
    }

    #[test]
    fn errors_without_tenant_data_are_not_blamed_on_it() {
        assert!(help("22012", "division by zero").unwrap().contains("nullif"));
        assert!(help("22023", "role \"nobody\" does not exist").unwrap().contains("CREATE ROLE"));
        assert!(!help("22023", "invalid value for parameter").unwrap().contains("tenants"));
    }

    #[test]
    fn text_that_is_not_sql_is_named() {
        let near =
            |what: &str| help("42601", &format!("syntax error at or near \"{what}\"")).unwrap();
        assert!(near("\u{feff}create").contains("byte-order mark"));
        assert!(near("\\").contains("psql"));
        assert!(near(":").contains("psql variable"));
        assert!(near("creat").contains("semicolon"));
    }

    #[test]
    fn another_owner_requires_a_membership() {
        for message in ["must be member of role \"app\"", "must be able to SET ROLE \"app\""] {
            assert!(help("42501", message).unwrap().contains("member"), "{message}");
        }
    }

    #[test]
    fn a_class_covers_its_codes() {
        assert!(help("23P01", "conflicting key value").unwrap().contains("rows"));
        assert!(help("22003", "out of range").is_some());
        assert!(help("99999", "whatever").is_none());
    }

    #[test]
    fn no_advice_is_unreachable() {
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
