//! Properties for any number of tenants: memory, and the number of round trips.

use crate::common::{ManyTenants, Sent, Wire, postgres};

/// The figure in `docs/performance.md`.
const MEMORY_KIB: u64 = 100 * 1024;

#[test]
fn a_thousand_tenants_stay_below_the_documented_memory() {
    let project = ManyTenants { tenants: 1_000, base: 1, head: 2 }.project();
    let run = project
        .mig_ci(["verify", "--quiet", "--provider", "local", "--format", "json", "--timings"])
        .arg("--output=markdown=report.md")
        .arg("--output=junit=report.xml")
        .run()
        .success();
    let report = run.json();
    // With the two empty ones and the one from the base.
    assert_eq!(report["counts"]["tenants"]["passed"], 1_003, "{}", report["counts"]);
    let peak = report["timings"]["tool_peak_rss_kib"].as_u64().unwrap();
    assert!(peak < MEMORY_KIB, "{peak} KiB");
}

/// A migration in a transaction is one round trip, with its ledger row and the postcondition. A session's other round trips
/// do not depend on the number of migrations.
#[test]
fn a_migration_is_one_round_trip() {
    let project = ManyTenants { tenants: 1, base: 2, head: 4 }.project();
    let wire = Wire::to(postgres().port());
    project
        .mig_ci(["verify", "--quiet", "--provider", "url", "--jobs", "1"])
        .env("MIG_CI_POSTGRES_URL", postgres().tcp_url_through(wire.port(), "postgres"))
        .run()
        .success();
    let is_its_own = |session: &&Vec<Sent>| matches!(&session[0], Sent::Startup(parameters) if parameters.contains("tenant_t0001"));
    let sessions = wire.sessions();
    let seen: Vec<String> = sessions.iter().filter(is_its_own).flatten().filter_map(line).collect();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"mig_ci_[0-9a-z]+_owner", "[OWNER]");
    let _bound = settings.bind_to_scope();
    insta::assert_snapshot!(seen.join("\n"), @r#"
    connect
      SELECT pg_catalog.array_to_json(pg_catalog.current_schemas(f
      CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT 
      SELECT pg_catalog.to_regclass('"tenant_t0001"."_sqlx_migrati
      SELECT l.version::pg_catalog.text AS version, pg_catalog.enc
      SELECT EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE
      BEGIN ; -- Migration 1. CREATE TABLE t1 ( id bigserial PRIMA … ledger, COMMIT, look
      BEGIN ; -- Migration 2. CREATE TABLE t2 ( id bigserial PRIMA … ledger, COMMIT, look
    connect
      SELECT pg_catalog.array_to_json(pg_catalog.current_schemas(f
      SELECT rolname::text FROM pg_catalog.pg_roles
      SELECT nspname::text FROM pg_catalog.pg_namespace
      SET ROLE "[OWNER]"
      INSERT INTO t1 (name) VALUES ('of tenant 1');
    connect
      SELECT pg_catalog.array_to_json(pg_catalog.current_schemas(f
      CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT 
      SELECT pg_catalog.to_regclass('"tenant_t0001"."_sqlx_migrati
      SELECT l.version::pg_catalog.text AS version, pg_catalog.enc
      SELECT EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE
      BEGIN ; -- Migration 3. CREATE TABLE t3 ( id bigserial PRIMA … ledger, COMMIT, look
      BEGIN ; -- Migration 4. CREATE TABLE t4 ( id bigserial PRIMA … ledger, COMMIT, look
    "#);
}

/// A short line for each message; authentication is omitted.
fn line(sent: &Sent) -> Option<String> {
    let short = |text: &str| {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let end = words.char_indices().nth(60).map_or(words.len(), |(end, _)| end);
        words[..end].to_owned()
    };
    match sent {
        Sent::Startup(_) => Some("connect".to_owned()),
        Sent::Query(text) => {
            let migrations = text.matches("-- Migration").count();
            let and =
                if migrations == 1 && text.contains("COMMIT") { " … ledger, COMMIT" } else { "" };
            let and_look = if text.contains("AS in_transaction") { ", look" } else { "" };
            Some(format!("  {}{and}{and_look}", short(text)))
        }
        Sent::Extended(texts) => Some(format!("  extended: {}", short(&texts.join("; ")))),
        Sent::Other('p') => None,
        Sent::Other(kind) => Some(format!("  {kind}")),
    }
}
