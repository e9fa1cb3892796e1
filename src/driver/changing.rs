//! Whether a statement that a program sent may have changed something.

use crate::sql::{is_before_parenthesis, known_functions, words};

/// Commands that read, or that change only the session or its transaction.
const READING: [&str; 15] = [
    "SELECT",
    "VALUES",
    "TABLE",
    "SHOW",
    "EXPLAIN",
    "SET",
    "RESET",
    "BEGIN",
    "START",
    "COMMIT",
    "END",
    "ROLLBACK",
    "ABORT",
    "SAVEPOINT",
    "RELEASE",
];
/// Functions of PostgreSQL that read tables or catalogs, beside those that are known to read nothing.
const READERS: &str = "array_agg avg bool_and bool_or count current_schema current_schemas current_setting dense_rank every \
                       format_type generate_series generate_subscripts has_schema_privilege has_table_privilege json_agg \
                       jsonb_agg max min obj_description col_description pg_get_constraintdef pg_get_expr pg_get_indexdef \
                       pg_get_serial_sequence pg_get_viewdef pg_table_is_visible pg_type_is_visible rank row_number \
                       string_agg sum to_regclass to_regtype unnest version";

/// All statements may, except plain reads without a function of the project, and settings of the session.
pub(super) fn may_change(sql: &str) -> bool {
    let all: Vec<_> = words(sql).collect();
    let Some(first) = all.first() else { return false };
    let is_reading = READING.iter().any(|name| first.is(name));
    let into = all.iter().any(|word| word.is("INTO"));
    let mut calls = all.windows(2).filter(|pair| pair[1].text() == "(");
    let runs_code = calls.any(|pair| {
        pair[0].identifier().is_some_and(|name| {
            let is_known = |known: &str| known.eq_ignore_ascii_case(&name);
            !known_functions().chain(READERS.split_whitespace()).any(is_known)
                && !is_before_parenthesis(&name.to_uppercase())
        })
    });
    !is_reading || into || runs_code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_reads_change_nothing() {
        for sql in [
            "",
            "select 1",
            "SELECT a, count(*) FROM t WHERE b = 'f(x)' AND c IN (1, 2)",
            "show search_path",
            "SET a = 1",
            "ROLLBACK",
            "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a",
        ] {
            assert!(!may_change(sql), "{sql}");
        }
    }

    #[test]
    fn definitions_writes_and_unknown_functions_may_change_something() {
        for sql in [
            "create table t ()",
            "select f()",
            "SELECT tenant.add_columns(1)",
            "select * into b from a",
            "with x as (delete from a returning 1) select * from x",
            "do $$ begin end $$",
            "explain analyze delete from a where g(a)",
        ] {
            assert!(may_change(sql), "{sql}");
        }
    }
}
