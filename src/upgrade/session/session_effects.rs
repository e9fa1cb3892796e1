//! Session state that a migration may leave behind. If it may leave any, its target gets a session of its own.

use crate::model::Script;
use crate::sql::{Certainty, effects};

/// Session state that outlives, or may outlive, the transaction would affect the next target.
pub(crate) fn need_own_session<'s>(mut scripts: impl Iterator<Item = &'s Script>) -> bool {
    scripts.any(|script| effects(script).leaves_in_session() > Certainty::No)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> bool {
        need_own_session([Script::whole("1.sql", text)].iter())
    }

    #[test]
    fn state_that_may_outlive_a_transaction_needs_an_own_session() {
        for text in [
            "select 1; set statement_timeout = 1;",
            "RESET ALL",
            "create temp table a ();",
            "select set_config('a.b', 'c', false)",
            "select pg_try_advisory_lock(1)",
            "prepare p as select 1",
            "select setup();",
            "do $$ begin perform setup(); end $$;",
            "insert into t values (1);",
        ] {
            assert!(needs(text), "{text}");
        }
        for text in [
            "create table sessions (reset_at date, template text, upload text);",
            "set local statement_timeout = 1;",
            "create function f() returns void language plpgsql as $$begin create temp table x(); end$$;",
            "alter table a alter b set not null;",
        ] {
            assert!(!needs(text), "{text}");
        }
    }
}
