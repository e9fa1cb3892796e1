//! Runs a case with a real tool and with mig-ci, and compares.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use camino::Utf8Path;
use pretty_assertions::StrComparison;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::case::{Case, Expected, Layout};
use crate::common::{Database, Project, second_postgres};

const LIMIT: Duration = Duration::from_secs(60);

/// Makes the run's database a template, and marks it: see the top of `differential/mod.rs`.
const KEEP: &str = "DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I IS_TEMPLATE true', current_database());
    EXECUTE format('COMMENT ON DATABASE %I IS %L', current_database(), '{mark}');
END $$;";

static MARKS: AtomicU32 = AtomicU32::new(0);

/// A real tool.
pub(super) trait Peer: Clone + Send + Sync + 'static {
    /// The name of its format in mig-ci.
    const FORMAT: &'static str;

    /// One run of the tool, as a team runs it: with the tenant's search path, if any, in its URL.
    fn migrate(
        &self,
        database: &Database,
        search_path: Option<&str>,
        directory: &Utf8Path,
    ) -> impl Future<Output = Result<(), Said>> + Send;
}

/// How a run failed.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) sqlstate: Option<String>,
    pub(super) text: String,
}

/// Runs all cases, several at a time.
///
/// # Panics
/// With all differences, if there are any.
pub(super) async fn all_agree<P: Peer>(peer: P, cases: Vec<Case>) {
    // Other tests of the process need the processors, too.
    const BESIDE: usize = 2;
    let only = std::env::var("MIG_CI_TEST_CASE").ok();
    let mut waiting = cases.into_iter().filter(|case| only.as_ref().is_none_or(|o| case.name == o));
    let mut running = JoinSet::new();
    let (mut done, mut problems) = (0, Vec::new());
    loop {
        while running.len() < BESIDE
            && let Some(case) = waiting.next()
        {
            let peer = peer.clone();
            running.spawn(async move {
                let outcome = timeout(LIMIT, compare(&peer, &case)).await;
                let outcome = outcome.unwrap_or_else(|_| Err("it does not end".to_owned()));
                outcome.map_err(|problem| format!("=== {} {}: {problem}", P::FORMAT, case.name))
            });
        }
        match running.join_next().await {
            None => break,
            Some(Ok(Ok(()))) => done += 1,
            Some(Ok(Err(problem))) => problems.push(problem),
            Some(Err(panic)) => problems.push(format!("=== a case panicked: {panic}")),
        }
    }
    assert!(
        problems.is_empty(),
        "{done} agree, {} do not\n{}",
        problems.len(),
        problems.join("\n")
    );
    assert!(done > 0, "there is no such case");
}

async fn compare<P: Peer>(peer: &P, case: &Case) -> Result<(), String> {
    let mark = format!("case {}", MARKS.fetch_add(1, Ordering::Relaxed));
    let project = case.project(P::FORMAT, &KEEP.replace("{mark}", &mark));
    let database = prepared(case).await;
    let theirs = run_peer(peer, case, &project, &database).await;
    let ours = run_mig_ci(case, &project);
    if let Expected::RefusedAtLoad { ours: wanted, theirs: peers } = &case.expected {
        let refused = matches!(&ours, Err(text) if text.contains(wanted));
        let failed = theirs.iter().flatten().any(|said| said.text.contains(peers));
        return if refused && failed { Ok(()) } else { Err(format!("{ours:#?}\n{theirs:#?}")) };
    }
    let ours = ours?;
    let server = second_postgres();
    let find = format!(
        "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') = '{mark}'"
    );
    let [home] = &*server.sql(&find).await else {
        return Err("mig-ci's database was not kept".to_owned());
    };
    let (our_state, their_state) = (server.state(home).await, server.state(&database.name).await);
    server.sql(&format!("DROP DATABASE {} WITH (FORCE)", database.name)).await;
    // The database is now a leftover, which the next run removes.
    server.sql(&format!("ALTER DATABASE {home} IS_TEMPLATE false")).await;
    for (ours, theirs) in ours.iter().zip(&theirs) {
        same_outcome(&case.expected, ours.as_ref(), theirs.as_ref())?;
    }
    let first = theirs.iter().flatten().next();
    as_expected(&case.expected, first, ours.iter().flatten().next())?;
    if our_state == their_state {
        return Ok(());
    }
    Err(format!("other states (theirs, ours): {}", StrComparison::new(&their_state, &our_state)))
}

/// Creates the tool's database, as mig-ci creates its own.
async fn prepared(case: &Case) -> Database {
    let server = second_postgres();
    let database = server.database().await;
    let mut sql = case.prepare_sql();
    if case.layout == Layout::Schema {
        for schema in case.tenants {
            sql += &format!("\nCREATE SCHEMA {schema} AUTHORIZATION plain;");
        }
    }
    server.sql_in(&database.name, &sql).await;
    database
}

/// Does what mig-ci does with the tool itself: base and head, tenant by tenant.
async fn run_peer<P: Peer>(
    peer: &P,
    case: &Case,
    project: &Project,
    database: &Database,
) -> Vec<Option<Said>> {
    let mut outcomes = Vec::new();
    for tenant in case.tenants {
        let search_path =
            (case.layout == Layout::Schema).then(|| format!("{tenant},shared,public"));
        if let Some(sample) = &case.sample {
            let path = search_path.as_deref().unwrap_or("public");
            database.sql(&format!("SET search_path = {path};\n{sample}")).await;
        }
        let mut outcome = Ok(());
        for folder in ["base", "head"] {
            let directory = project.path().join(folder).join("m");
            let is_new = tenant.starts_with("fresh") && folder == "base";
            if outcome.is_ok() && directory.is_dir() && !is_new {
                outcome = peer.migrate(database, search_path.as_deref(), &directory).await;
            }
        }
        outcomes.push(outcome.err());
    }
    outcomes
}

/// The outcome for each tenant; an error is mig-ci's message if it refuses the project.
fn run_mig_ci(case: &Case, project: &Project) -> Result<Vec<Option<Said>>, String> {
    let base = if case.base.is_empty() { "--no-base" } else { "--base=HEAD" };
    let outcome = project
        .mig_ci(["verify", "--provider=url", "--format=json", "--jobs=1", base])
        .env("MIG_CI_TENANTS", case.tenants.join(","))
        .env("MIG_CI_POSTGRES_URL", second_postgres().url("postgres"))
        .run();
    if !matches!(outcome.status.code(), Some(0 | 1)) {
        return Err(outcome.stderr);
    }
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let units = report["databases"][0]["units"].as_array().unwrap();
    assert_eq!(units.len(), case.tenants.len(), "{}", outcome.stdout);
    let failures: Vec<_> = units.iter().map(failure).collect();
    let errors = report["findings"].as_array().unwrap().iter();
    let errors: BTreeSet<&str> = errors
        .filter(|finding| finding["severity"] == "error")
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    if failures.iter().all(Option::is_none) && !errors.iter().eq(case.found) {
        return Err(format!("found: {errors:?}"));
    }
    Ok(failures)
}

fn failure(unit: &Value) -> Option<Said> {
    let of_steps = unit["steps"].as_array().unwrap().iter().map(|step| &step["failure"]);
    let failure = of_steps.chain([&unit["failure"]]).find(|failure| !failure.is_null());
    failure.map(|failure| Said {
        sqlstate: failure["sqlstate"].as_str().map(str::to_owned),
        text: failure["message"].as_str().unwrap().to_owned(),
    })
}

fn same_outcome(
    expected: &Expected,
    ours: Option<&Said>,
    theirs: Option<&Said>,
) -> Result<(), String> {
    let same = match (ours, theirs) {
        (None, None) => true,
        (Some(ours), Some(theirs)) => {
            matches!(expected, Expected::InOtherWords { .. })
                || ours.sqlstate == theirs.sqlstate && theirs.text.contains(&ours.text)
        }
        _ => false,
    };
    if same { Ok(()) } else { Err(format!("mig-ci: {ours:#?}\ntool: {theirs:#?}")) }
}

fn as_expected(
    expected: &Expected,
    theirs: Option<&Said>,
    ours: Option<&Said>,
) -> Result<(), String> {
    let met = match (expected, theirs, ours) {
        (Expected::Passes, None, None) => true,
        (Expected::Fails(state), Some(said), _) => said.sqlstate.as_deref() == Some(*state),
        (Expected::Stops(words), Some(said), _) => {
            said.sqlstate.is_none() && said.text.contains(words)
        }
        (Expected::InOtherWords { ours, theirs }, Some(their), Some(our)) => {
            our.text.contains(ours) && their.text.contains(theirs)
        }
        _ => false,
    };
    if met { Ok(()) } else { Err(format!("expected {expected:?}: {theirs:#?}")) }
}
