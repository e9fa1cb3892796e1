//! The plan of small projects, without a server or a disk.

use camino::Utf8PathBuf;

use super::*;
use crate::model::{
    AlembicTrack, CheckSettings, MemoryFiles, PostgresSettings, ProjectOrigin, Sample,
    TargetTemplate, TenantTrack, Track,
};

const HEAD: [(&str, &str); 4] = [
    ("shared/1_plans.sql", "create table plans ();"),
    ("tenant/1_users.sql", "create table users ();"),
    ("tenant/2_teams.sql", "create table teams (id int);"),
    ("tenant/4_tasks.sql", "create table tasks ();"),
];

const BASE: [(&str, &str); 4] = [
    ("shared/1_plans.sql", "create table plans ();"),
    ("tenant/1_users.sql", "create table users ();"),
    ("tenant/2_teams.sql", "create table teams ();"),
    ("tenant/3_gone.sql", "create table gone ();"),
];

fn track(directory: &str, search_path: &[&str]) -> Track {
    Track {
        migrations: directory.into(),
        format: Some("sqlx".into()),
        ledger: None,
        order: None,
        deploy: crate::model::Deploy::Tool,
        forward_only: Vec::new(),
        schema: search_path[0].into(),
        search_path: search_path.iter().map(|schema| (*schema).to_owned()).collect(),
        sample: None,
        alembic: None,
    }
}

fn sample(tenant: &str, version: Option<&str>) -> Sample {
    Sample {
        tenant: tenant.into(),
        path: format!("samples/{tenant}.sql").into(),
        version: version.map(str::to_owned),
    }
}

fn project(samples: Vec<Sample>) -> Project {
    let tenants = TenantTrack {
        track: track("tenant", &["{target}", "shared", "public"]),
        tenancy: Tenancy::Schema,
        target: TargetTemplate::parse("tenant_{tenant}").unwrap(),
        prepare: Vec::new(),
        samples,
        from: None,
    };
    let app = Database {
        name: "app".into(),
        url: None,
        other_ledgers: Vec::new(),
        prepare: Vec::new(),
        shared: Some(track("shared", &["shared", "public"])),
        tenants: Some(tenants),
    };
    Project {
        removed: Vec::new(),
        root: Utf8PathBuf::from("/"),
        origin: ProjectOrigin::Discovered,
        postgres: PostgresSettings::default(),
        prepare: Vec::new(),
        databases: vec![app],
        checks: CheckSettings::default(),
    }
}

fn plan(project: &Project, selection: &Selection) -> Result<ReplayPlan, PlanError> {
    let (head, base) = (MemoryFiles::new(HEAD), MemoryFiles::new(BASE));
    let base = PlanBase { files: &base, project: None };
    ReplayPlan::new(project, &head, Some(base), selection)
}

fn names(plan: &ReplayPlan) -> Vec<String> {
    plan.units().map(|(_, unit)| format!("{} {}", unit.track, unit.name)).collect()
}

#[test]
fn tracks_have_their_starting_states_in_plan_order() {
    let project = project(vec![sample("acme", None), sample("We'ird", None)]);
    let plan = plan(&project, &Selection::default()).unwrap();
    assert_eq!(
        names(&plan),
        [
            "shared base",
            "shared fresh",
            "tenant acme",
            "tenant We'ird",
            "tenant fresh_1",
            "tenant fresh_2",
            "tenant base"
        ]
    );
    let (_, weird) = plan.units().nth(3).unwrap();
    assert_eq!(weird.target, "tenant_We'ird");
    assert_eq!(weird.search_path, ["tenant_We'ird", "shared", "public"]);
    assert_eq!(weird.ledger.qualified(), "\"tenant_We'ird\".\"_sqlx_migrations\"");
}

#[test]
fn migration_states_show_the_changes_of_the_pull_request() {
    let plan = plan(&project(Vec::new()), &Selection::default()).unwrap();
    let tenants = plan.databases[0].tenants.as_ref().unwrap();
    let states: Vec<String> = tenants
        .states()
        .iter()
        .map(|(migration, state)| format!("{state} {}", migration.file_name()))
        .collect();
    assert_eq!(
        states,
        ["base 1_users.sql", "edited 2_teams.sql", "pending 4_tasks.sql", "removed 3_gone.sql"]
    );
    assert_eq!(tenants.pending(), 1);
}

#[test]
fn without_a_base_all_migrations_are_pending() {
    let head = MemoryFiles::new(HEAD);
    let plan = ReplayPlan::new(&project(Vec::new()), &head, None, &Selection::default()).unwrap();
    assert_eq!(plan.tracks().map(TrackPlan::pending).sum::<usize>(), HEAD.len());
}

#[test]
fn a_tenant_selection_keeps_the_shared_track() {
    let project = project(vec![sample("acme", None)]);
    let selection = Selection { tenants: vec!["acme".into()], ..Selection::default() };
    let selected = plan(&project, &selection).unwrap();
    assert_eq!(names(&selected), ["shared base", "shared fresh", "tenant acme"]);

    let unknown = Selection { tenants: vec!["acne".into()], ..Selection::default() };
    let error = plan(&project, &unknown).unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no tenant `acne` in the selected databases; they have `acme`, `fresh_1`, `fresh_2`, `base`"
    );
    let unknown = Selection { databases: vec!["users".into()], ..Selection::default() };
    let error = plan(&project, &unknown).unwrap_err().to_string();
    assert_eq!(error, "there is no database `users` in this project; it has `app`");
}

/// A database's own name has priority; a section of several databases is no choice.
#[test]
fn a_section_selects_its_database() {
    let with_section = |name: &str, section: &str| {
        let mut database = project(Vec::new()).databases.remove(0);
        let tenants = database.tenants.as_mut().unwrap();
        let ini = Some("alembic.ini".into());
        let alembic = AlembicTrack { ini, section: section.into(), ..AlembicTrack::default() };
        tenants.track.alembic = Some(Box::new(alembic));
        Database { name: name.into(), ..database }
    };
    let all = [with_section("app", "tenant"), with_section("tenant", "x"), with_section("c", "x")];
    let select = |names: &[&str]| {
        let databases = names.iter().map(|name| (*name).to_owned()).collect();
        let selection = Selection { databases, ..Selection::default() };
        let selected = selection.databases(&all).map_err(|error| error.to_string())?;
        Ok::<_, String>(selected.iter().map(|one| one.name.clone()).collect::<Vec<_>>())
    };
    assert_eq!(select(&["tenant"]).unwrap(), ["tenant"]);
    assert_eq!(select(&["c", "app"]).unwrap(), ["app", "c"], "in the order of the project");
    assert_eq!(
        select(&["x"]).unwrap_err(),
        "several databases have the Alembic section `x`; choose one of `tenant`, `c`"
    );
    assert_eq!(
        select(&["y"]).unwrap_err(),
        "there is no database `y` in this project; it has `app`, `tenant`, `c`, and the Alembic sections `tenant`, `x`"
    );
}

#[test]
fn partitions_cover_all_tenants_without_overlap() {
    let samples = ["acme", "globex", "hooli", "initech"].map(|name| sample(name, None));
    let mut project = project(samples.to_vec());
    let users = Database { name: "users".into(), tenants: None, ..project.databases[0].clone() };
    project.databases.insert(0, users);
    let all: Vec<_> =
        plan(&project, &Selection::default()).unwrap().units().map(unit_name).collect();
    for count in 1..=6 {
        let mut found = Vec::new();
        for index in 1..=count {
            let partition = Some(format!("{index}/{count}").parse().unwrap());
            let part = plan(&project, &Selection { partition, ..Selection::default() }).unwrap();
            assert_eq!(part.partition, partition);
            let names: Vec<_> = part.units().map(unit_name).collect();
            // A partition with tenants has their shared track, and both empty tenants are in one partition.
            let has = |wanted: &str| names.iter().any(|name| name.ends_with(wanted));
            assert_eq!(has("app shared base"), names.iter().any(|name| name.contains("tenant")));
            assert!(has("fresh_1") == has("fresh_2") && has("fresh_1") == has("tenant base"));
            found.extend(names);
        }
        found.sort();
        found.dedup_by(|a, b| a == b && a.starts_with("app shared"));
        let mut all = all.clone();
        all.sort();
        assert_eq!(found, all, "{count} parts");
    }
    let partition = Some("7/8".parse().unwrap());
    let error = plan(&project, &Selection { partition, ..Selection::default() }).unwrap_err();
    assert!(error.to_string().contains("nothing in partition 7/8"), "{error}");
    assert!(error.to_string().contains("among at most 6 jobs"), "{error}");
}

fn unit_name((database, unit): (&DatabasePlan, &PlannedUnit)) -> String {
    format!("{} {} {}", database.name, unit.track, unit.name)
}

#[test]
fn a_sample_version_without_a_migration_is_an_error() {
    let error = plan(&project(vec![sample("acme", Some("7"))]), &Selection::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "database `app`: the sample samples/acme.sql is configured with version `7`, which no migration of \
         tenant has; the newest are `4`, `2`, `1`"
    );
    // A version that only the base has is valid.
    assert!(plan(&project(vec![sample("acme", Some("3"))]), &Selection::default()).is_ok());
}
