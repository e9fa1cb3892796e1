//! Messages on the wire: a distant server costs its round trips.

use super::interruption::until;
use super::{assert_all_once, migration, numbered, outcome, report, shop, upgrade, with_tenants};
use crate::common::{Database, Project, Sent, Wire, postgres};

const TENANTS: usize = 192;
const MIGRATIONS: usize = 4;

pub(super) fn queries(wire: &Wire) -> Vec<String> {
    let text = |sent: Sent| match sent {
        Sent::Query(text) => Some(text),
        Sent::Extended(texts) => Some(texts.join("; ")),
        Sent::Startup(_) | Sent::Other(_) => None,
    };
    wire.sessions().into_iter().flatten().filter_map(text).collect()
}

/// Only definitions, which many migrations consist of.
fn definitions(migrations: usize) -> Project {
    (1..=migrations).fold(shop(0), |shop, number| {
        let sql = format!(
            "CREATE TABLE t{number} (id int PRIMARY KEY, plan int REFERENCES shared.plans);\n\
             CREATE INDEX ON t{number} (plan);\n"
        );
        shop.file(&format!("tenant/{number}_t.sql"), sql)
    })
}

async fn tables(database: &Database) -> usize {
    let tables = "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace \
        WHERE relkind = 'r' AND nspname LIKE 'tenant\\_%' AND relname LIKE 't%'";
    database.sql(tables).await[0].parse().unwrap()
}

/// All SQL of a tenant, from its search path to the postcondition, is one message if its migrations provably cannot observe
/// that. Shared messages are added: the first scan, and a lease and its release for up to sixteen tenants.
#[tokio::test]
async fn a_tenant_needs_one_message() {
    let database = with_tenants(&numbered(TENANTS)).await;
    let through = |wire: &Wire| postgres().tcp_url_through(wire.port(), &database.name);
    // From an empty database, and with a new migration.
    for migrations in [MIGRATIONS, MIGRATIONS + 1] {
        let wire = Wire::to(postgres().port());
        let shop = definitions(migrations);
        let run = upgrade(&shop, &database, ["--all-tenants", "--jobs=1"]);
        run.env("SHOP_URL", through(&wire)).run().success();
        let all = queries(&wire);
        let with_migrations = all.iter().filter(|text| text.contains("CREATE TABLE t"));
        assert_eq!(with_migrations.count(), TENANTS, "a message for each tenant");
        let others = all.len() - TENANTS;
        assert!(others <= TENANTS / 2, "{others} in addition");
    }
    assert_eq!(tables(&database).await, TENANTS * (MIGRATIONS + 1));

    let wire = Wire::to(postgres().port());
    let shop = definitions(MIGRATIONS + 1);
    let nothing = upgrade(&shop, &database, ["--all-tenants"]);
    nothing.env("SHOP_URL", through(&wire)).run().success();
    let all = queries(&wire);
    assert!(all.len() <= 8, "nothing to do: {all:#?}");
}

/// The first migration that changes rows costs its tenant a session and the messages of its tool, and each further one only
/// its messages.
#[tokio::test]
async fn a_migration_that_changes_rows_needs_its_tools_messages() {
    const FEW: usize = 16;
    let database = with_tenants(&numbered(FEW)).await;
    let first = shop(1);
    upgrade(&first, &database, ["--all-tenants"]).run().success();
    let mut messages = Vec::new();
    for migrations in [2, 4] {
        let wire = Wire::to(postgres().port());
        let url = postgres().tcp_url_through(wire.port(), &database.name);
        let shop = shop(migrations);
        let run = upgrade(&shop, &database, ["--all-tenants", "--jobs=1"]);
        run.env("SHOP_URL", url).run().success();
        let all = queries(&wire);
        let scripts = all.iter().filter(|text| text.starts_with("INSERT INTO audit.applied"));
        let new = if migrations == 2 { 1 } else { 2 };
        assert_eq!(scripts.count(), FEW * new, "each in a message of its own: {all:#?}");
        messages.push(all.len());
    }
    // BEGIN, script, row, the commit guard (it calls a function), COMMIT, postcondition.
    let [one, two] = messages[..] else { unreachable!() };
    assert!(two - one == 6 * FEW, "{one} and then {two} messages");
    assert!(one / FEW <= 13, "{one} messages for {FEW} tenants");
    assert_all_once(&database, FEW, 4).await;
}

/// The ledger is read before the lease. Changes in between are detected.
#[tokio::test]
async fn a_tenant_changed_since_the_scan_is_read_again() {
    let database = with_tenants(&numbered(9)).await;
    // The last one is not among those that are leased together with the first.
    let first = shop(1);
    upgrade(&first, &database, ["--all-tenants"]).run().success();
    let sleep = "SELECT pg_sleep(CASE current_schema() WHEN 'tenant_t001' THEN 600 ELSE 0 END);";
    let sleepy = shop(2).file("tenant/3_sleep.sql", migration(3, sleep));
    let running = upgrade(&sleepy, &database, ["--all-tenants", "--jobs=1", "--format=json"]);
    let running = running.start();
    // The message as shown by the server is truncated before the sleep.
    let asleep = "SELECT count(*) FROM pg_stat_activity \
        WHERE wait_event = 'PgSleep' AND datname = current_database()";
    until(&database, asleep, "1").await;
    upgrade(&sleepy, &database, ["--tenant=t009"]).run().success();
    database
        .sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
        .await;
    let run = report(&running.wait().exit(1));
    assert_eq!(
        ["t001", "t002", "t009"].map(|name| outcome(&run, name)),
        ["failed", "upgraded", "up-to-date"]
    );
    let applied = "SELECT tenant, string_agg(version::text, ',' ORDER BY version) FROM audit.applied \
        GROUP BY 1 ORDER BY 1";
    let applied = database.sql(applied).await;
    assert_eq!(applied[0], "tenant_t001|1,2");
    assert!(applied[1..].iter().all(|one| one.ends_with("|1,2,3")), "{applied:?}");
    assert_eq!(applied.len(), 9);
}
