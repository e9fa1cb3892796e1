//! Kinds of objects that belong to the whole database. Only an administrator creates, changes or comments on most of them.

use super::treatment::Treatment;
use crate::sql::SqlWord;

/// Kinds of objects that only an administrator may create. Sources: the notes on privileges in PostgreSQL's reference of
/// each statement.
///
/// The keywords of the kind, and whether the migration role may own such an object. Event triggers and foreign-data wrappers
/// must be owned by superusers (`AlterEventTriggerOwner`, `AlterForeignDataWrapperOwner`), as subscriptions before 16;
/// extensions and access methods cannot change their owner.
const KINDS: [(&[&str], bool); 9] = [
    (&["EXTENSION"], false),
    (&["SUBSCRIPTION"], false),
    (&["EVENT", "TRIGGER"], false),
    (&["ACCESS", "METHOD"], false),
    (&["FOREIGN", "DATA", "WRAPPER"], false),
    (&["USER", "MAPPING"], false),
    (&["PUBLICATION"], true),
    (&["LANGUAGE"], true),
    (&["SERVER"], true),
];

/// The treatment of a statement that creates, changes, removes or comments on an object of such a kind.
pub(crate) fn treat_database_wide(words: &[SqlWord<'_>]) -> Option<Treatment> {
    let verb = words.first()?;
    let makes = verb.is("CREATE");
    let named = if verb.is("COMMENT") {
        words.get(2..)?
    } else if makes || verb.is("ALTER") || verb.is("DROP") {
        // `CREATE OR REPLACE TRUSTED PROCEDURAL LANGUAGE`
        let noise = ["OR", "REPLACE", "TRUSTED", "PROCEDURAL"];
        let from = words[1..].iter().position(|word| !noise.iter().any(|each| word.is(each)))?;
        &words[1 + from..]
    } else {
        return None;
    };
    let (kind, owner_may_own) = KINDS.iter().find(|(kind, _)| begins_with(named, kind))?;
    let is_publication = kind[0] == "PUBLICATION";
    if is_publication && !verb.is("DROP") && !publishes_what_others_have(words) {
        return Some(Treatment::AsOwner);
    }
    if !(makes && *owner_may_own) {
        return Some(Treatment::AsAdmin);
    }
    let name = &named[kind.len()..];
    let name =
        if begins_with(name, &["IF", "NOT", "EXISTS"]) { name.get(3) } else { name.first() }?;
    Some(Treatment::AsAdminForOwner(format!("{} {}", kind[0], name.text())))
}

/// Publishes all tables, or all of a schema, which an owner may not do.
fn publishes_what_others_have(words: &[SqlWord<'_>]) -> bool {
    let all = |what: &str| words.windows(2).any(|two| two[0].is("ALL") && two[1].is(what));
    let schemas = words.windows(2).any(|two| two[0].is("IN") && two[1].is("SCHEMA"));
    schemas || all("TABLES") || all("SEQUENCES")
}

fn begins_with(words: &[SqlWord<'_>], keywords: &[&str]) -> bool {
    words.len() >= keywords.len()
        && keywords.iter().zip(words).all(|(keyword, word)| word.is(keyword))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::words;

    fn treated(statement: &str) -> Option<Treatment> {
        treat_database_wide(&words(statement).collect::<Vec<_>>())
    }

    #[test]
    fn database_wide_statements_run_as_the_administrator() {
        for statement in [
            "CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;",
            "COMMENT ON EXTENSION pg_trgm IS 'x';",
            "ALTER EXTENSION pg_trgm SET SCHEMA x;",
            "ALTER EVENT TRIGGER et DISABLE;",
            "COMMENT ON EVENT TRIGGER et IS 'x';",
            "CREATE FOREIGN DATA WRAPPER w;",
            "COMMENT ON FOREIGN DATA WRAPPER w IS 'x';",
            "ALTER SERVER s OPTIONS (SET host 'x');",
            "COMMENT ON SERVER s IS 'x';",
            "CREATE USER MAPPING FOR PUBLIC SERVER s;",
            "ALTER PUBLICATION p ADD TABLES IN SCHEMA x;",
            "DROP PUBLICATION IF EXISTS p;",
            "COMMENT ON LANGUAGE pl IS 'x';",
            "COMMENT ON ACCESS METHOD m IS 'x';",
        ] {
            assert_eq!(treated(statement), Some(Treatment::AsAdmin), "{statement}");
        }
    }

    #[test]
    fn ownable_objects_are_given_to_the_owner() {
        let made = |name: &str| Some(Treatment::AsAdminForOwner(name.to_owned()));
        assert_eq!(
            treated("CREATE PUBLICATION \"P q\" FOR ALL TABLES;"),
            made("PUBLICATION \"P q\"")
        );
        assert_eq!(treated("CREATE PUBLICATION p FOR TABLES IN SCHEMA x;"), made("PUBLICATION p"));
        assert_eq!(
            treated("CREATE SERVER IF NOT EXISTS s FOREIGN DATA WRAPPER w;"),
            made("SERVER s")
        );
        assert_eq!(treated("CREATE OR REPLACE PROCEDURAL LANGUAGE pl;"), made("LANGUAGE pl"));
    }

    #[test]
    fn a_publication_of_single_tables_runs_as_the_owner() {
        for statement in [
            "CREATE PUBLICATION p WITH (publish = 'insert');",
            "CREATE PUBLICATION p FOR TABLE a;",
            "ALTER PUBLICATION p ADD TABLE ONLY x.a;",
            "COMMENT ON PUBLICATION p IS 'x';",
        ] {
            assert_eq!(treated(statement), Some(Treatment::AsOwner), "{statement}");
        }
        for other in [
            "CREATE TABLE a (b int);",
            "CREATE FOREIGN TABLE a (b int) SERVER s;",
            "ALTER USER x SET a = b;",
            "CREATE TRIGGER event BEFORE INSERT ON a EXECUTE FUNCTION f();",
            "COMMENT ON TABLE server IS 'x';",
            "COMMENT ON",
            "CREATE",
            "SELECT 1",
        ] {
            assert_eq!(treated(other), None, "{other}");
        }
    }
}
