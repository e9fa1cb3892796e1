//! Reports for tests: one for each kind of result, built from the same parts.

use super::v1::*;
use crate::report::headline;

/// The file of all failures here.
pub(crate) const FILE: &str = "migrations/tenant/042_currency_not_null.sql";

/// All kinds of results, by name.
pub(crate) fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("all_green", all_green(500)),
        ("one_cause", one_cause(500, 2)),
        ("many_causes", many_causes()),
        ("shared_failed", shared_failed()),
        ("nothing_pending", nothing_pending()),
        ("samples_not_loaded", samples_not_loaded()),
        ("server_lost", server_lost()),
        ("not_run", not_run()),
        ("several_databases", several_databases()),
        ("hostile", hostile()),
    ]
}

pub(crate) fn all_green(tenants: usize) -> Report {
    report(vec![database("app", (0..tenants).map(passed).collect())], Vec::new())
}

/// The first `failing` tenants have the same failure.
pub(crate) fn one_cause(tenants: usize, failing: usize) -> Report {
    let failure = nulls();
    let units = (0..tenants)
        .map(
            |number| {
                if number < failing { failed(number, failure.clone()) } else { passed(number) }
            },
        )
        .collect();
    let finding = finding("migration-failed", &failure, (0..failing).map(name).collect());
    report(vec![database("app", units)], vec![finding])
}

/// Groups of `each` failing tenants have different failures.
pub(crate) fn distinct_causes(causes: usize, each: usize) -> Report {
    let mut units = Vec::new();
    let mut findings = Vec::new();
    for cause in 0..causes {
        let message = format!("relation \"table_{cause}\" does not exist");
        let failure = Failure { message, sqlstate: Some("42P01".into()), ..nulls() };
        let numbers = cause * each..(cause + 1) * each;
        units.extend(numbers.clone().map(|number| failed(number, failure.clone())));
        findings.push(finding("migration-failed", &failure, numbers.map(name).collect()));
    }
    report(vec![database("app", units)], findings)
}

/// Errors, a warning, an info finding, notes and timings.
pub(crate) fn many_causes() -> Report {
    let mut report = distinct_causes(3, 2);
    report.databases[0].units.extend((6..40).map(passed));
    report.findings.push(Finding {
        severity: Severity::Warning,
        failure: None,
        place: Some(Place { path: FILE.into(), line: 1, column: None, excerpt: None }),
        help: Some("drop IF NOT EXISTS where the object must be new".into()),
        message: "relation \"invoice_no\" already exists, skipping".into(),
        ..finding("already-exists-skipped", &nulls(), vec![name(7)])
    });
    report.findings.push(Finding {
        severity: Severity::Info,
        failure: None,
        place: None,
        unplaced: Some("each tenant has its own sample".into()),
        help: None,
        reproduce: None,
        message: "skipped statements of samples: owner of unknown role \"app\"".into(),
        phase: Some(Phase::Prepare),
        ..finding("sample-statements-skipped", &nulls(), (8..30).map(name).collect())
    });
    report.notes.push(Note {
        severity: Severity::Warning,
        message: "the local server is PostgreSQL 15, and `version` says 17".into(),
    });
    report.timings = Some(Timings {
        phases: ["server", "prepare", "replay"]
            .map(|phase| PhaseTime { name: phase.into(), ms: 1_234 })
            .into(),
        units_to_base_ms: 900,
        units_to_head_ms: 300,
        tool_cpu_ms: 80,
        server_cpu_ms: Some(2_900),
        tool_peak_rss_kib: 34_000,
    });
    settled(report)
}

pub(crate) fn shared_failed() -> Report {
    let path = "migrations/shared/017_billing_ref.sql";
    let failure = Failure {
        sqlstate: Some("42P01".into()),
        message: "relation \"billing.plan\" does not exist".into(),
        detail: None,
        context: None,
        statement: Some("ALTER TABLE shared.account\n  ADD CONSTRAINT account_plan_fk\n  FOREIGN KEY (plan_id) REFERENCES billing.plan (id);".into()),
        place: Some(Place {
            path: path.into(),
            line: 3,
            column: Some(36),
            excerpt: Some(Excerpt {
                first_line: 1,
                lines: vec![
                    "ALTER TABLE shared.account".into(),
                    "  ADD CONSTRAINT account_plan_fk".into(),
                    "  FOREIGN KEY (plan_id) REFERENCES billing.plan (id);".into(),
                ],
 shift: 0,
            }),
        }),
        ..nulls()
    };
    let shared = Unit {
        track: TrackKind::Shared,
        name: "base".into(),
        target: "shared".into(),
        start: Start::Base,
        ..failed(0, failure.clone())
    };
    let reason = "the shared track of its database failed";
    let tenants = (0..500).map(|number| unit_not_run(number, reason));
    let finding = Finding {
        track: TrackKind::Shared,
        help: Some("if another schema provides it, make that in `prepare`".into()),
        reproduce: Some("mig-ci verify -n app --shared".into()),
        ..finding("migration-failed", &failure, vec!["base".into()])
    };
    report(vec![database("app", [shared].into_iter().chain(tenants).collect())], vec![finding])
}

pub(crate) fn nothing_pending() -> Report {
    let mut report = all_green(6);
    for track in &mut report.databases[0].tracks {
        track.migrations.retain(|migration| migration.state == MigrationState::Base);
    }
    for unit in &mut report.databases[0].units {
        unit.steps.retain(|step| step.phase == Phase::Base);
    }
    report.notes.push(Note {
        severity: Severity::Info,
        message: "the pull request brings no migration".into(),
    });
    settled(report)
}

pub(crate) fn samples_not_loaded() -> Report {
    let failure = Failure {
        kind: "file".into(),
        cause: None,
        sqlstate: None,
        message: "the COPY block that begins here has no end".into(),
        detail: None,
        hint: None,
        context: None,
        statement: None,
        place: Some(Place {
            path: "samples/app/acme.sql".into(),
            line: 31,
            column: None,
            excerpt: Some(Excerpt {
                first_line: 30,
                lines: vec![String::new(), "COPY invoice (id, currency) FROM stdin;".into()],
                shift: 0,
            }),
        }),
    };
    let mut broken = Unit { steps: Vec::new(), ..failed(0, failure.clone()) };
    broken.failure = Some(failure.clone());
    let finding = Finding {
        phase: Some(Phase::Prepare),
        ..finding("sample-not-loaded", &failure, vec![name(0)])
    };
    let units = [broken].into_iter().chain((1..4).map(passed)).collect();
    report(vec![database("app", units)], vec![finding])
}

pub(crate) fn server_lost() -> Report {
    let failure = Failure {
        kind: "server-lost".into(),
        cause: None,
        sqlstate: None,
        message: "the server closed the connection and does not answer any more".into(),
        place: None,
        detail: None,
        context: None,
        statement: None,
        hint: None,
    };
    let mut units: Vec<Unit> = (0..3).map(passed).collect();
    let struck = failed(3, failure.clone());
    let reason = Some(failure.message.clone());
    units.push(Unit { verdict: Verdict::NotRun, reason, ..struck });
    units.extend((4..20).map(|number| unit_not_run(number, "the server was lost")));
    let finding = Finding {
        unplaced: Some("the failure is outside of all migration files".into()),
        place: None,
        reproduce: None,
        help: Some("check the server's log".into()),
        ..finding("server-lost", &failure, vec![name(3)])
    };
    let mut report = report(vec![database("app", units)], vec![finding]);
    report.server.lost = true;
    settled(report)
}

pub(crate) fn not_run() -> Report {
    let units = (0..6).map(|number| unit_not_run(number, "interrupted")).collect();
    report(vec![database("app", units)], Vec::new())
}

pub(crate) fn several_databases() -> Report {
    let mut report = one_cause(5, 1);
    let shared = Unit {
        track: TrackKind::Shared,
        name: "base".into(),
        target: "public".into(),
        start: Start::Base,
        ..passed(0)
    };
    let mut users = database("users", vec![shared]);
    users.tracks.truncate(1);
    users.replayed = Some(Replayed {
        reason: "SQLSTATE 23505 at migrations/tenant/018_pro.sql:1, and \
                                              concurrent units can cause this"
            .into(),
    });
    report.databases.insert(0, users);
    settled(report)
}

/// Everything that a database, a file name or a tenant can contain to break a report.
pub(crate) fn hostile() -> Report {
    let nasty = "a\n```\n````\n</details><script>alert(1)</script>\n@everyone #1 ##[error]gotcha\n\
                 ::error file=x::boo | `tick` **bold** \u{1b}[31mred\u{1b}[0m \u{9b}2J\r\u{7}\u{202e}🐘 <!-- -- -->";
    let failure = Failure {
        message: format!("{nasty}{}", "x".repeat(1 << 20)),
        detail: Some(nasty.into()),
        hint: Some("é".repeat(50_000)),
        context: Some(nasty.into()),
        statement: Some(format!("SELECT '{nasty}';")),
        place: Some(Place {
            path: "m/`a|b`](x) <b>.sql".into(),
            line: 7,
            column: Some(5),
            excerpt: Some(Excerpt {
                first_line: 6,
                lines: vec![
                    "\t\u{1b}[31m -- ```".into(),
                    "  \u{7}\u{202e}DROP ##[error] ::x".into(),
                ],
                shift: 0,
            }),
        }),
        ..nulls()
    };
    let tenant = "`a`|</summary>@everyone\n🐘";
    let units =
        vec![Unit { name: tenant.into(), target: nasty.into(), ..failed(0, failure.clone()) }];
    let mut finding = finding("migration-failed", &failure, vec![tenant.into()]);
    finding.help = Some(nasty.into());
    finding.reproduce = Some(format!("mig-ci verify --tenant {tenant}"));
    finding.database = "a|`b`\n### x".into();
    let mut report = report(vec![database("a|`b`\n### x", units)], vec![finding]);
    report.notes.push(Note { severity: Severity::Warning, message: nasty.into() });
    report.server.description = nasty.into();
    settled(report)
}

fn report(databases: Vec<Database>, findings: Vec<Finding>) -> Report {
    let revision = |commit: &str, name: &str| Revision {
        commit: commit.repeat(4),
        name: name.into(),
        dirty: Some(false),
    };
    settled(Report {
        schema: SCHEMA.into(),
        tool: Tool { name: "mig-ci".into(), version: "0.1.0".into() },
        verdict: Verdict::Passed,
        summary: String::new(),
        started_at: "2026-11-22T08:40:00Z".into(),
        duration_ms: 48_000,
        server: Server {
            provider: "docker".into(),
            description: "postgres:17".into(),
            version: "17.2".into(),
            role: "owner".into(),
            lost: false,
            locale: None,
        },
        revisions: Revisions {
            base: Some(revision("0a1b2c3d4e", "main")),
            base_reason: "merge base with main".into(),
            head: Some(revision("ec26c3e57c", "HEAD")),
        },
        counts: Counts::default(),
        databases,
        findings,
        notes: Vec::new(),
        timings: None,
        partition: None,
    })
}

/// Counts, verdict and summary as derived from the units.
fn settled(mut report: Report) -> Report {
    let mut counts = Counts::default();
    for database in &report.databases {
        for unit in &database.units {
            let tally = match unit.track {
                TrackKind::Shared => &mut counts.shared,
                TrackKind::Tenant => &mut counts.tenants,
            };
            match unit.verdict {
                Verdict::Passed => tally.passed += 1,
                Verdict::Failed => tally.failed += 1,
                Verdict::NotRun => tally.not_run += 1,
            }
        }
        for migration in database.tracks.iter().flat_map(|track| &track.migrations) {
            counts.migrations += 1;
            let pending = migration.state == MigrationState::Pending;
            counts.pending_migrations += usize::from(pending);
        }
    }
    report.verdict = if counts.tenants.failed + counts.shared.failed > 0 {
        Verdict::Failed
    } else if counts.tenants.not_run + counts.shared.not_run > 0 {
        Verdict::NotRun
    } else {
        Verdict::Passed
    };
    report.counts = counts;
    report.summary = headline(&report);
    report
}

fn database(name: &str, units: Vec<Unit>) -> Database {
    let migration = |version: &str, path: &str, state| Migration {
        version: version.into(),
        description: "a change".into(),
        path: path.into(),
        state,
    };
    let track = |kind: TrackKind, migrations| Track {
        kind,
        directory: format!("migrations/{kind}"),
        format: "sqlx".into(),
        format_reason: "its names are a number and words".into(),
        deploy: Deploy::Tool,
        migrations,
    };
    Database {
        name: name.into(),
        replayed: None,
        tracks: vec![
            track(
                TrackKind::Shared,
                vec![
                    migration("016", "migrations/shared/016_plan.sql", MigrationState::Base),
                    migration(
                        "017",
                        "migrations/shared/017_billing_ref.sql",
                        MigrationState::Pending,
                    ),
                ],
            ),
            track(
                TrackKind::Tenant,
                vec![
                    migration("041", "migrations/tenant/041_invoice.sql", MigrationState::Base),
                    migration("042", FILE, MigrationState::Pending),
                ],
            ),
        ],
        units,
    }
}

fn name(number: usize) -> String {
    format!("tenant_{number:05}")
}

fn unit(number: usize, verdict: Verdict, steps: Vec<Step>) -> Unit {
    Unit {
        track: TrackKind::Tenant,
        name: name(number),
        target: name(number),
        start: Start::Sample { path: format!("samples/app/{}.sql", name(number)) },
        verdict,
        reason: None,
        duration_ms: 33,
        sample: None,
        steps,
        already_applied: Vec::new(),
        nothing_applied: false,
        shape: None,
        outside: None,
        failure: None,
    }
}

fn passed(number: usize) -> Unit {
    let steps = vec![
        step("041", "migrations/tenant/041_invoice.sql", Phase::Base, Outcome::Applied),
        step("042", FILE, Phase::Head, Outcome::Applied),
    ];
    unit(number, Verdict::Passed, steps)
}

fn failed(number: usize, failure: Failure) -> Unit {
    let steps = vec![
        step("041", "migrations/tenant/041_invoice.sql", Phase::Base, Outcome::Applied),
        Step { failure: Some(failure), ..step("042", FILE, Phase::Head, Outcome::Failed) },
    ];
    unit(number, Verdict::Failed, steps)
}

fn unit_not_run(number: usize, reason: &str) -> Unit {
    Unit {
        reason: Some(reason.into()),
        duration_ms: 0,
        ..unit(number, Verdict::NotRun, Vec::new())
    }
}

fn step(version: &str, path: &str, phase: Phase, outcome: Outcome) -> Step {
    Step {
        version: version.into(),
        path: path.into(),
        phase,
        outcome,
        duration_ms: 12,
        notices: Vec::new(),
        failure: None,
        not_checked: None,
        replayed_alone: false,
    }
}

/// A failure with all fields except the hint.
fn nulls() -> Failure {
    Failure {
        kind: "sql".into(),
        cause: None,
        sqlstate: Some("23502".into()),
        message: "column \"currency\" of relation \"invoice\" contains null values".into(),
        detail: Some("Failing row contains (17, null).".into()),
        hint: None,
        context: Some(
            "SQL statement \"ALTER TABLE invoice …\"\nPL/pgSQL function inline_code_block line 3"
                .into(),
        ),
        statement: Some("ALTER TABLE invoice\n  ALTER COLUMN currency SET NOT NULL;".into()),
        place: Some(Place {
            path: FILE.into(),
            line: 7,
            column: Some(16),
            excerpt: Some(Excerpt {
                first_line: 5,
                lines: vec![
                    "-- every invoice has one by now".into(),
                    "ALTER TABLE invoice".into(),
                    "  ALTER COLUMN currency SET NOT NULL;".into(),
                    String::new(),
                ],
                shift: 0,
            }),
        }),
    }
}

fn finding(code: &str, failure: &Failure, units: Vec<String>) -> Finding {
    Finding {
        fails_run: false,
        code: code.into(),
        severity: Severity::Error,
        message: failure.message.clone(),
        database: "app".into(),
        track: TrackKind::Tenant,
        reproduce: units.first().map(|unit| format!("mig-ci verify -n app --tenant {unit}")),
        units,
        phase: Some(Phase::Head),
        failure: Some(failure.clone()),
        place: failure.place.clone(),
        unplaced: None,
        help: Some(
            "these tenants have rows with NULL in that column; tenants without such rows pass. Fill them first \
             (`UPDATE … SET … WHERE … IS NULL`), and only then set NOT NULL"
                .into(),
        ),
    }
}
