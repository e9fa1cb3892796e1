//! Content of a directory, parsing of files, and rows of the ledger.

#![expect(clippy::too_many_lines, reason = "a list")]

use super::super::case::{Case, case};
use super::{outside, up};

pub(super) fn all() -> Vec<Case> {
    let (a, b, c) =
        (up("create table a(x int);"), up("create table b(x int);"), up("create table c(x int);"));
    let no_up = "requires each migration to define an up block";
    let no_down = "requires each migration to define a down block";
    vec![
        case("names order files")
            .file("9_a.sql", up("insert into a values (9);"))
            .file("10_b.sql", &a),
        case("digits are all that a name needs")
            .file("1.sql", &a)
            .file("2foo.sql", &b)
            .file("x3.sql", "nonsense")
            .file("3-c.sql", &c)
            .file("README.md", "x")
            .file("sub/4_d.sql", "nonsense"),
        case("a sequence behind its rows")
            .kept(
                "1_a.sql",
                &up("create table a(id serial primary key, x text); insert into a(id) values (1);"),
            )
            .file("2_b.sql", up("insert into a(x) values ('b');"))
            .fails("23505"),
        case("a temporary table twice")
            .file("1_a.sql", up("create temp table ids(x int);"))
            .file("2_b.sql", up("create temp table ids(x int);"))
            .fails("42P07"),
        case("versions are kept as written")
            .file("1_a.sql", &a)
            .file("01_b.sql", &b)
            .file("001_c.sql", &c),
        case("a version twice").file("1_a.sql", &a).file("1_b.sql", &b).fails("23505"),
        case("several sections")
            .file("1_a.sql", format!("{a}{b}"))
            .file("2_c.sql", &c)
            .fails("23505"),
        case("no up")
            .file("1_a.sql", &a)
            .file("2_b.sql", "create table b(x int);")
            .refused_at_load(no_up, no_up),
        case("no down")
            .file("1_a.sql", "-- migrate:up\ncreate table a(x int);\n")
            .refused_at_load(no_down, no_down),
        case("down before up")
            .file("1_a.sql", "-- migrate:down\n-- migrate:up\ncreate table a(x int);\n")
            .refused_at_load(no_down, no_down),
        case("two ups and one down")
            .file("1_a.sql", format!("-- migrate:up\nselect 1;\n{a}"))
            .refused_at_load(no_down, no_down),
        case("two downs in a row")
            .file("1_a.sql", format!("{a}-- migrate:down\n"))
            .refused_at_load(
                "to be preceded by a '-- migrate:up'",
                "to be preceded by a '-- migrate:up'",
            ),
        case("a statement before up").file("1_a.sql", format!("select 1;\n{a}")).refused_at_load(
            "does not support statements preceding",
            "does not support statements preceding",
        ),
        case("a comment before up").file("1_a.sql", format!("\n-- x\n{a}")),
        case("a byte order mark")
            .file("1_a.sql", format!("\u{feff}{a}"))
            .refused_at_load(no_up, no_up),
        case("a mark over two lines")
            .file(
                "1_a.sql",
                "-- migrate:up\n\ntransaction:false\ncreate table a(x int);\n\
                -- migrate:down\n",
            )
            .fails("42601"),
        case("a mark without its dashes' line")
            .file("1_a.sql", "--\nmigrate:up\ncreate table a(x int);\n-- migrate:down\n")
            .fails("42601"),
        case("options in other letters")
            .file("1_a.sql", "-- migrate:up Transaction:false\nvacuum;\n-- migrate:down\n")
            .fails("25001"),
        case("options of the other section")
            .file("1_a.sql", "-- migrate:up\nvacuum;\n-- migrate:down transaction:false\n")
            .fails("25001"),
        case("options twice").file(
            "1_a.sql",
            "-- migrate:up transaction:true transaction:false\nvacuum;\n\
                -- migrate:down\n",
        ),
        case("notifications")
            .file("1_a.sql", outside("listen news; notify news; create table a(x int);"))
            .file(
                "2_b.sql",
                "-- migrate:up\nnotify news; create table b(x int);\n-- migrate:down\n",
            )
            .file("3_c.sql", "-- migrate:up\nnotify news; select 1/0;\n-- migrate:down\n")
            .fails("22012"),
        case("pending ones")
            .kept("1_a.sql", "-- migrate:up\ncreate table a(x int);\n-- migrate:down\n")
            .file("2_b.sql", &b),
        case("a pending one that is older")
            .kept("2_b.sql", "-- migrate:up\ncreate table b(x int);\n-- migrate:down\n")
            .file("1_a.sql", &a),
        case("an applied one was edited")
            .base("1_a.sql", &a)
            .file("1_a.sql", &b)
            .file("2_c.sql", &c)
            .found(&["applied-migration-edited"]),
        case("an applied one is gone")
            .base("1_a.sql", &a)
            .file("2_b.sql", &b)
            .found(&["applied-migration-edited"]),
        // It does so for a new tenant; one that already has the migration would not detect it.
        case("an applied one is broken now")
            .base("1_a.sql", &a)
            .file("1_a.sql", "nonsense")
            .file("2_b.sql", &b)
            .tenants(&["fresh_1", "base"])
            .refused_at_load(no_up, no_up),
        case("the pending one fails")
            .base("1_a.sql", &a)
            .file("1_a.sql", &a)
            .file("2_b.sql", &a)
            .fails("42P07"),
        case("pending ones in public")
            .base("1_a.sql", &a)
            .file("1_a.sql", &a)
            .file("2_b.sql", outside("create index concurrently i on a(x);"))
            .public(),
        case("a sample with a ledger")
            .sample(
                "create table schema_migrations (version varchar primary key); \
                insert into schema_migrations values ('1'), ('0');\n\
                create table a(x int);",
            )
            .file("1_a.sql", &a)
            .file("2_b.sql", &b),
        case("a ledger of another tool")
            .sample(
                "create table schema_migrations (version bigint not null primary key, \
                dirty boolean not null); \
                insert into schema_migrations values (1, false);",
            )
            .file("1_a.sql", &a)
            .file("2_b.sql", &b)
            .fails("23502"),
        case("a ledger further along the search path")
            .prepare(
                "create table public.schema_migrations (version varchar primary key); \
                insert into public.schema_migrations values ('1')",
            )
            .file("1_a.sql", &a),
    ]
}
