//! Content of a directory, files next to it, and rows of the ledger.

#![expect(clippy::too_many_lines, reason = "a list")]

use super::super::case::{Case, case};
use super::ledger;

pub(super) fn all() -> Vec<Case> {
    let (a, b, c) = ("create table a(x int);", "create table b(x int);", "create table c(x int);");
    vec![
        case("numbers order files")
            .file("10_c.sql", "insert into a values (10);")
            .file("9_b.sql", a)
            .file("0011_d.sql", "insert into a values (11);")
            .file("-1_a.sql", "create table z(x int);"),
        case("reversible pairs")
            .file("1_a.up.sql", a)
            .file("1_a.down.sql", "drop table a;")
            .file("2_b.up.sql", b)
            .file("2_b.down.sql", "drop table b;"),
        case("reversible and simple ones mixed")
            .file("1_a.up.sql", a)
            .file("1_a.down.sql", "drop table a;")
            .file("2_b.sql", b),
        case("files that are none")
            .file("1_a.sql", a)
            .file("README.md", "x")
            .file("helper.sql", "nonsense")
            .file("1_x.txt", "x")
            .file("sub/2_b.sql", "nonsense"),
        case("a name that breaks the directory")
            .file("1_a.sql", a)
            .file("helper_fns.sql", "")
            .refused_at_load(
                "error parsing migration filename \"helper_fns.sql\"",
                "error parsing migration filename \"helper_fns.sql\"",
            ),
        case("a version that is too long")
            .file("1_a.sql", a)
            .file("99999999999999999999_b.sql", "")
            .refused_at_load(
                "error parsing migration filename",
                "error parsing migration filename",
            ),
        case("a version twice")
            .file("1_a.sql", a)
            .file("1_b.sql", b)
            .file("2_c.sql", c)
            .fails("23505"),
        case("a version twice, with and without zeros")
            .file("1_a.sql", a)
            .file("01_b.sql", a)
            .fails("42P07"),
        case("pending ones").kept("1_a.sql", a).file("2_b.sql", b),
        case("nothing is pending").kept("1_a.sql", a),
        case("a pending one that is older").kept("2_b.sql", b).file("1_a.sql", a),
        case("an applied one was edited")
            .base("1_a.sql", a)
            .kept("2_b.sql", b)
            .file("1_a.sql", "create table a(y int);")
            .file("3_c.sql", c)
            .stops("migration 1 was previously applied but has been modified"),
        case("an older one is applied before the edited one stops it")
            .kept("2_b.sql", b)
            .base("3_c.sql", c)
            .file("1_a.sql", a)
            .file("3_c.sql", "")
            .file("4_d.sql", "create table d(x int);")
            .stops("migration 3 was previously applied but has been modified"),
        case("only its spaces were edited")
            .base("1_a.sql", a)
            .file("1_a.sql", "create  table a(x int);\n")
            .stops("has been modified"),
        case("its description was edited").base("1_a.sql", a).file("1_b.sql", a).file("2_b.sql", b),
        case("an applied one is gone")
            .base("1_a.sql", a)
            .kept("2_b.sql", b)
            .file("3_c.sql", c)
            .stops(
                "migration 1 was previously applied but is missing in the \
                resolved migrations",
            ),
        case("one became reversible")
            .base("1_a.sql", a)
            .file("1_a.up.sql", a)
            .file("1_a.down.sql", "drop table a;")
            .file("2_b.sql", b),
        case("the pending one fails").kept("1_a.sql", a).file("2_a.sql", a).fails("42P07"),
        case("a sample with a ledger")
            .sample(ledger("old", "values (1, 'a', now(), true, '', 1)") + "create table a(x int);")
            .file("1_a.sql", a)
            .file("2_b.sql", b)
            .stops("migration 1 was previously applied but has been modified"),
        case("a sample with a dirty row")
            .sample(ledger("old", "values (1, 'a', now(), false, '', 1)"))
            .file("1_a.sql", a)
            .file("2_b.sql", b)
            .stops(
                "migration 1 is partially applied; \
                fix and remove row from `_sqlx_migrations` table",
            ),
        case("a sample with a migration from the future")
            .sample(ledger("old", "values (7, 'a', now(), true, '', 1)"))
            .file("1_a.sql", a)
            .stops("migration 7 was previously applied but is missing"),
        case("a ledger of another shape")
            .sample(
                "create table _sqlx_migrations (version bigint primary key, \
                done boolean);\ninsert into _sqlx_migrations values (1, true);",
            )
            .file("1_a.sql", a)
            .in_other_words(
                "the ledger \"old\".\"_sqlx_migrations\" cannot be read: column \
                \"checksum\" does not exist",
                "column \"success\" does not exist",
            ),
        case("a ledger further along the search path")
            .prepare(ledger("public", "values (1, 'a', now(), true, '', 0)"))
            .file("1_a.sql", a),
        case("another ledger")
            .beside("sqlx.toml", "[migrate]\ntable-name = 'Done'\n")
            .file("1_a.sql", a)
            .file("2_b.sql", b),
        case("another ledger, quoted")
            .beside("sqlx.toml", "[migrate]\ntable-name = '\"Done it\"'\n")
            .file("1_a.sql", a),
        case("another ledger, in a schema that is made for it")
            .beside("sqlx.toml", "[migrate]\ntable-name = 'meta.done'\ncreate-schemas = ['meta']\n")
            .file("1_a.sql", a)
            .file("2_b.sql", "set search_path = pg_temp; create temp table b(x int);")
            .found(&["search-path-moved"])
            .public(),
        case("another ledger, in a schema that is not there")
            .beside("sqlx.toml", "[migrate]\ntable-name = 'meta.done'\n")
            .file("1_a.sql", a)
            .public()
            .fails("3F000"),
        case("characters that do not count")
            .beside("sqlx.toml", "[migrate]\nignored-chars = [\" \", \"\\t\", \"\\r\", \"\\n\"]\n")
            .base("1_a.sql", a)
            .file("1_a.sql", "create  table\ta(x int);\r\n")
            .file("2_b.sql", b),
        case("characters that do not count, and one that does")
            .beside("sqlx.toml", "[migrate]\nignored-chars = [\" \"]\n")
            .base("1_a.sql", a)
            .file("1_a.sql", "create  table a(x int) ; -- x")
            .stops("has been modified"),
        case("in public")
            .file("1_a.sql", a)
            .file("2_b.sql", "create table b(x int); commit; select 1/0;")
            .fails("22012")
            .public(),
        case("pending ones in public")
            .kept("1_a.sql", a)
            .file("2_b.sql", "-- no-transaction\ncreate index concurrently i on a(x);")
            .public(),
    ]
}
