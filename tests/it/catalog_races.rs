//! Changes of shared objects of a database or a server are serialized: concurrent changes of the same catalog row fail,
//! which cannot happen in production, where one session runs at a time.

use std::fmt::Write as _;

use crate::common::{Postgres, Project, Report, project, random_rounds};

const DATABASES: [&str; 2] = ["app", "users"];
const SAMPLES: [&str; 3] = ["acme", "bolt", "coil"];

/// Statements that can be repeated, and fail if two sessions run them at the same time. `{member}` and `{group}` are roles
/// of the test.
const STATEMENTS: [&str; 14] = [
    "ALTER ROLE {member} SET work_mem = '8MB'",
    "ALTER ROLE {member} CONNECTION LIMIT 40",
    "GRANT {group} TO {member}",
    "COMMENT ON ROLE {member} IS 'reads'",
    "DO $$ BEGIN CREATE ROLE {member}_of_a_moment; DROP ROLE {member}_of_a_moment; END $$",
    "DO $$ BEGIN EXECUTE format('GRANT %I TO {member}', '{group}'); END $$",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''8MB''', current_database()); END $$",
    "CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public",
    "CREATE SCHEMA IF NOT EXISTS platform",
    "GRANT USAGE ON SCHEMA public TO {member}",
    "GRANT USAGE ON SCHEMA shared TO {member}",
    "COMMENT ON SCHEMA shared IS 'for all'",
    "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'changes') THEN\n\
     CREATE PUBLICATION changes FOR TABLE shared.plans; END IF; END $$",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {member}",
];

/// The same for objects of a schema that all tenants share, qualified or found through the search path.
const SHARED_OBJECTS: [&str; 20] = [
    "CREATE OR REPLACE FUNCTION shared.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE VIEW shared.all_plans AS SELECT id FROM shared.plans",
    "GRANT SELECT ON shared.plans TO {member}",
    "GRANT SELECT ON plans TO {member}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA shared TO {member}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA shared GRANT SELECT ON TABLES TO {member}",
    "COMMENT ON TABLE shared.plans IS 'for all'",
    "COMMENT ON COLUMN plans.id IS 'its number'",
    "ALTER TABLE shared.plans ADD COLUMN IF NOT EXISTS note text",
    "ALTER FUNCTION shared.fixed() STABLE",
    "CREATE INDEX IF NOT EXISTS plans_id ON shared.plans (id)",
    "SET LOCAL search_path = public;\nCREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1';\n\
     RESET search_path",
    "DO $$ BEGIN IF to_regtype('public.mood') IS NULL THEN PERFORM pg_sleep(0.02);\n\
     CREATE TYPE public.mood AS ENUM ('a'); END IF; END $$",
    "DO $$ BEGIN EXECUTE format('GRANT SELECT ON %I.plans TO {member}', 'shared'); END $$",
    "DO $$ BEGIN EXECUTE 'COMMENT ON TABLE ' || 'shared.plans' || ' IS NULL'; END $$",
    "DO $$ BEGIN EXECUTE format('ALTER ROLE {member} IN DATABASE %I SET work_mem = ''8MB''', current_database()); END $$",
    "REASSIGN OWNED BY {member} TO {group}",
    "DROP OWNED BY {group}",
    "DROP FUNCTION IF EXISTS shared.old();\nCREATE FUNCTION shared.old() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER PUBLICATION standing SET TABLE shared.plans",
];

const SHARED: &str = "CREATE TABLE shared.plans (id int PRIMARY KEY);\n\
    CREATE FUNCTION shared.fixed() RETURNS int LANGUAGE sql AS 'SELECT 1';\nCREATE PUBLICATION standing;\n";

/// Long enough for other sessions to reach the same statement before this transaction ends.
const PAUSE: &str = "SELECT pg_sleep(0.03)";

/// Roles are server-wide, and tests run concurrently.
fn with_roles(sql: &str, name: &str) -> String {
    sql.replace("{member}", &format!("{name}_member")).replace("{group}", &format!("{name}_group"))
}

/// Two databases with the same tracks. `base` is in both before the pull request, which adds `pending`.
fn products(name: &str, base: &[&str], pending: &[&str]) -> Project {
    let mut config =
        "[prepare]\nserver = \"roles.sql\"\n[postgres]\nrole = \"superuser\"\n".to_owned();
    for database in DATABASES {
        let folder = format!("{database}/migrations");
        write!(
            config,
            "[databases.{database}]\nshared = {{ migrations = \"{folder}/shared\", schema = \"shared\", format = \"sqlx\" }}\n\
             [databases.{database}.tenants]\nmigrations = \"{folder}/tenant\"\ntarget = \"tenant_{{tenant}}\"\nformat = \"sqlx\"\n\
             search_path = [\"{{target}}\", \"shared\", \"public\"]\nsamples = \"{database}/samples/*\"\n"
        )
        .unwrap();
    }
    let roles = with_roles("CREATE ROLE {member}; CREATE ROLE {group};", name);
    let first = |project: Project, database: &&str| {
        project.file(&format!("{database}/migrations/shared/1_plans.sql"), SHARED).file(
            &format!("{database}/migrations/tenant/1_members.sql"),
            "CREATE TABLE members (id int);\n",
        )
    };
    let project = project().file("mig-ci.toml", config).file("roles.sql", roles);
    let project = DATABASES.iter().fold(project, first);
    let number = |from: usize, list: &[&str]| {
        list.iter().enumerate().map(|(at, sql)| (from + at, with_roles(sql, name))).collect()
    };
    let add = |project: Project, (number, sql): &(usize, String)| {
        let tracks = DATABASES
            .iter()
            .flat_map(|database| ["shared", "tenant"].map(|track| (database, track)));
        tracks.fold(project, |project, (database, track)| {
            let path = format!("{database}/migrations/{track}/{number}_step.sql");
            project.file(&path, format!("{sql};\n{PAUSE};\n"))
        })
    };
    let before: Vec<_> = number(2, base);
    let project = before.iter().fold(project, add);
    let project = SAMPLES.iter().fold(project, |project, tenant| {
        DATABASES.iter().fold(project, |project, database| {
            let sample = base.iter().map(|sql| with_roles(sql, name)).collect::<Vec<_>>();
            let sample =
                format!("INSERT INTO members VALUES (1);\n{};\n{PAUSE};\n", sample.join(";\n"));
            project.file(&format!("{database}/samples/{tenant}.sql"), sample)
        })
    });
    let project = project.git_commit("base");
    let after: Vec<_> = number(2 + base.len(), pending);
    after.iter().fold(project, add)
}

#[track_caller]
fn passes_concurrently(project: &Project, what: &str) {
    let report: Report = project.verify().args(["--base=HEAD", "--jobs=8"]).report(0);
    for database in report.json["databases"].as_array().unwrap() {
        assert_eq!(database["replayed"]["reason"].as_str(), None, "{what}");
        for unit in database["units"].as_array().unwrap() {
            assert_eq!(unit["verdict"], "passed", "{what}: {unit}");
        }
    }
}

#[test]
fn each_catalog_statement_runs_alone() {
    for (number, statement) in STATEMENTS.iter().enumerate() {
        let project = products(&format!("kind_{number}"), &[statement], &[statement]);
        passes_concurrently(&project, statement);
    }
}

#[test]
fn changes_to_objects_of_all_tenants_are_serialized() {
    for (number, statements) in SHARED_OBJECTS.chunks(4).enumerate() {
        let project = products(&format!("object_{number}"), &[], statements);
        passes_concurrently(&project, &format!("{statements:#?}"));
    }
}

const THIRTY: &str = "[prepare]\nserver = \"roles.sql\"\n[postgres]\nrole = \"superuser\"\n\
    [databases.app]\nshared = { migrations = \"shared\", schema = \"shared\", format = \"plain\" }\n\
    [databases.app.tenants]\nmigrations = \"tenant\"\ntarget = \"tenant_{tenant}\"\nformat = \"plain\"\n\
    search_path = [\"{target}\", \"shared\", \"public\"]\nsamples = \"samples/*\"\n";

/// Thirty tenants, eight at a time: the result must equal sequential runs with psql.
#[tokio::test]
async fn many_tenants_end_in_the_same_state_as_with_psql() {
    let (mut random, rounds) = random_rounds(20_261_201, 1, 20);
    for round in 0..rounds {
        let mut statements = SHARED_OBJECTS;
        random.shuffle(&mut statements);
        let name = format!("loop_{round}");
        let statements: Vec<_> = statements[..8].iter().map(|sql| with_roles(sql, &name)).collect();
        let text = format!("{};\nCREATE TABLE items (id int);\n", statements.join(";\n"));
        // Both runs use the same server.
        let roles = "DO $$ BEGIN CREATE ROLE {member}; CREATE ROLE {group};\n\
            EXCEPTION WHEN duplicate_object THEN NULL; END $$;";
        let roles = with_roles(roles, &name);
        let project = project()
            .file("mig-ci.toml", THIRTY)
            .file("roles.sql", &roles)
            .file("shared/1_plans.sql", SHARED)
            .file("tenant/1_members.sql", "CREATE TABLE members (id int);\n");
        let tenants: Vec<_> = (0..27).map(|number| format!("t{number:02}")).collect();
        let project = tenants.iter().fold(project, |project, tenant| {
            project.file(&format!("samples/{tenant}.sql"), "INSERT INTO members VALUES (1);\n")
        });
        let project = project.git_commit("base").file("tenant/2_step.sql", &text);
        let [one, many] = ["--jobs=1", "--jobs=8"].map(|jobs| {
            let report = project.verify().args(["--base=HEAD", jobs]).report(0);
            let app = report.json["databases"][0].clone();
            assert_eq!(app["replayed"]["reason"].as_str(), None, "{text}");
            let units = app["units"].as_array().unwrap().iter();
            units.map(|unit| format!("{} {}", unit["name"], unit["verdict"])).collect::<Vec<_>>()
        });
        assert!(one.len() > 30 && one == many, "{one:?}, {many:?}: {text}");
        let server = Postgres::start();
        server.sql(&roles).await;
        server.sql(&format!("CREATE SCHEMA shared; {SHARED}")).await;
        for tenant in &tenants {
            let path = format!("-c search_path=tenant_{tenant},shared,public");
            let psql = std::process::Command::new(server.program("psql"))
                .env("PGOPTIONS", path)
                .args(["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", &server.url("postgres")])
                .args(["-c", &format!("CREATE SCHEMA tenant_{tenant}"), "-c", &text])
                .output()
                .unwrap();
            assert!(psql.status.success(), "{tenant}: {psql:?}\n{text}");
        }
    }
}

#[test]
fn mixed_catalog_statements_do_not_race() {
    let (mut random, rounds) = random_rounds(20_261_130, 2, 40);
    for round in 0..rounds {
        let mut statements = STATEMENTS;
        random.shuffle(&mut statements);
        let (base, pending) = statements.split_at(STATEMENTS.len() / 2);
        let project = products(&format!("mixed_{round}"), base, pending);
        passes_concurrently(&project, &format!("{statements:#?}"));
    }
}

/// `prepare` files of one database run concurrently with migrations of another.
#[test]
fn prepare_scripts_do_not_race_with_migrations() {
    for (number, statement) in STATEMENTS[..4].iter().enumerate() {
        let name = format!("prepared_{number}");
        let project = products(&name, &[], &[statement]);
        let sql = with_roles(&format!("{statement};\n{PAUSE};\n"), &name);
        let config = project.read("mig-ci.toml").replace(
            "[databases.app.tenants]\n",
            "[databases.app.tenants]\nprepare = [\"tenant.sql\"]\n",
        );
        let config = config
            .replace("[databases.users]\n", "[databases.users]\nprepare = [\"database.sql\"]\n");
        let project =
            project.file("mig-ci.toml", config).file("tenant.sql", &sql).file("database.sql", &sql);
        passes_concurrently(&project, statement);
    }
}
