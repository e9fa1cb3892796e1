//! Properties of all renderers, for all kinds of results.

use super::comment::SUMMARY_BUDGET;
use super::test_fixtures;
use super::v1::Report;
use crate::report::{COMMENT_BUDGET, Links, RenderOptions, Rendered as _};

fn options() -> RenderOptions {
    RenderOptions {
        links: Links {
            repository_url: Some("https://github.com/acme/shop".into()),
            commit: Some("ec26c3e57ca3a959ca5aad62de7213c562f8c821".into()),
            run_url: Some("https://github.com/acme/shop/actions/runs/9876543210".into()),
            ..Links::default()
        },
        ..RenderOptions::default()
    }
}

fn render(format: &str, report: &Report) -> String {
    render_with(format, report, &options())
}

fn render_with(format: &str, report: &Report, options: &RenderOptions) -> String {
    let format = Report::FORMATS.iter().find(|known| known.name == format).unwrap();
    format.render(report, options)
}

/// Complete texts, for review. The hostile one is left to the properties below: a megabyte is not a useful snapshot.
#[test]
fn renders_as_before() {
    for (name, report) in test_fixtures::all() {
        for (format, extension) in [("terminal", "txt"), ("markdown", "md"), ("junit", "xml")] {
            let text = render(format, &report);
            // The rest of a large report adds nothing.
            let text: String = text.chars().take(9_000).collect();
            insta::assert_snapshot!(format!("{name}.{extension}"), text);
        }
    }
    insta::assert_snapshot!("one_cause.json", render("json", &test_fixtures::one_cause(1, 1)));
}

#[test]
fn json_matches_the_schema_and_round_trips() {
    let schema =
        serde_json::from_str(&crate::report::schema(crate::report::Described::Verify)).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, report) in test_fixtures::all() {
        let text = render("json", &report);
        let value = serde_json::from_str(&text).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
        let read: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(render("json", &read), text, "{name}");
    }
    let mut unknown = serde_json::to_value(test_fixtures::not_run()).unwrap();
    unknown["extra"] = serde_json::json!(1);
    assert!(!validator.is_valid(&unknown), "the reader refuses what the schema refuses");
}

#[test]
fn every_document_ends_its_last_line() {
    for (name, report) in test_fixtures::all() {
        for format in Report::FORMATS {
            let text = format.render(&report, &options());
            assert!(text.ends_with('\n'), "{format:?} of {name}");
        }
    }
}

mod terminal {
    use super::*;

    #[test]
    fn the_last_line_is_the_verdict() {
        let text = render("terminal", &test_fixtures::one_cause(500, 2));
        assert_eq!(text.lines().last(), Some("✘ Migrations fail for 2 of 500 tenants (48 s)"));
    }

    #[test]
    fn rows_and_headings_fit_80_columns() {
        for (name, report) in test_fixtures::all() {
            if name == "hostile" {
                continue;
            }
            let options = RenderOptions { width: 80, ..options() };
            let text = render_with("terminal", &report, &options);
            // The server's messages and commands are not wrapped.
            let whole = [
                "error",
                "warning",
                "info",
                "mig-ci",
                "   = reproduce",
                "  = reproduce",
                " = reproduce",
            ];
            for line in
                text.lines().filter(|line| !whole.iter().any(|start| line.starts_with(start)))
            {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
        }
    }

    #[test]
    fn passed_units_are_folded_and_failed_ones_only_beyond_a_bound() {
        let text = render("terminal", &test_fixtures::one_cause(1_000, 20));
        assert_eq!(text.matches("✘ failed").count(), 20);
        assert!(text.contains("… and 970 more passed"), "{text}");
        let text = render("terminal", &test_fixtures::one_cause(1_000, 1_000));
        assert_eq!(text.matches("✘ failed").count(), 50);
        assert!(text.contains("… and 950 more failed"), "{text}");
    }

    #[test]
    fn colours_only_if_asked_for() {
        let report = test_fixtures::many_causes();
        assert!(!render("terminal", &report).contains('\u{1b}'));
        let colored = RenderOptions { color: true, ..options() };
        let text = render_with("terminal", &report, &colored);
        assert!(text.contains("\u{1b}[1m\u{1b}[31m✘ failed\u{1b}[0m"), "{text}");
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), render("terminal", &report));
    }

    #[test]
    fn hostile_text_is_harmless_on_a_terminal_and_in_a_log() {
        let text = render("terminal", &test_fixtures::hostile());
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{text}");
        assert!(!text.contains("##["));
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{text}");
        assert!(!text.contains('\u{202e}'));
        assert!(text.len() < 30_000, "{}", text.len());
    }
}

mod junit {
    use super::*;

    #[test]
    fn not_run_is_skipped_and_never_passed() {
        let xml = render("junit", &test_fixtures::shared_failed());
        assert!(xml.contains(r#"<testsuite name="app/tenant" tests="500" skipped="500""#), "{xml}");
        assert!(xml.contains("the shared track of its database failed"));
        assert!(xml.contains(r#"<testsuite name="app/shared" tests="1""#));
    }

    #[test]
    fn hostile_text_is_escaped() {
        let xml = render("junit", &test_fixtures::hostile());
        assert!(!xml.contains("<script>"));
        assert!(!xml.chars().any(|c| c.is_ascii_control() && c != '\n' && c != '\t'));
    }
}

mod markdown {
    use super::*;

    /// Fences are closed, blocks are closed and not nested, and outside of fences no line is a foreign tag.
    pub(crate) fn assert_sound(name: &str, text: &str) {
        let mut fence: Option<String> = None;
        let mut depth = 0_i32;
        for line in text.lines() {
            match &fence {
                Some(open) => {
                    if line == open {
                        fence = None;
                    }
                    continue;
                }
                None if line.starts_with("```") => {
                    fence = Some(line.chars().take_while(|c| *c == '`').collect());
                }
                None => {
                    depth += i32::from(line.starts_with("<details"));
                    depth -= i32::from(line == "</details>");
                    assert!((0..=1).contains(&depth), "{name}: nested or unopened at {line}");
                }
            }
        }
        assert_eq!(fence, None, "{name}: a fence is open");
        assert_eq!(depth, 0, "{name}: a block is open");
    }

    fn heading(report: &Report) -> String {
        render("markdown", report).lines().next().unwrap().to_owned()
    }

    #[test]
    fn the_heading_is_the_verdict() {
        let headings: Vec<_> = test_fixtures::all()
            .iter()
            .map(|(name, report)| format!("{name}: {}", heading(report)))
            .collect();
        insta::assert_snapshot!(headings.join("\n"), @r"
        all_green: ### ✅ Migrations pass for all 500 tenants
        one_cause: ### ❌ Migrations fail for 2 of 500 tenants
        many_causes: ### ❌ Migrations fail for 6 of 40 tenants
        shared_failed: ### ❌ Shared migration failed: 0 of 500 tenants were checked
        nothing_pending: ### ✅ Nothing is pending; the migrations of the base pass for all 6 tenants
        samples_not_loaded: ### ❌ The starting state of 1 of 4 tenants could not be reproduced
        server_lost: ### ⏭️ The server was lost: no result for 17 of 20 tenants
        not_run: ### ⏭️ Nothing was run: 0 of 6 tenants were checked
        several_databases: ### ❌ Migrations fail for 1 of 5 tenants
        hostile: ### ❌ Migrations fail for 1 of 1 tenant
        ");
    }

    #[test]
    fn every_result_is_well_formed_and_within_its_budget() {
        for (name, report) in test_fixtures::all() {
            let text = render("markdown", &report);
            assert!(text.len() <= 60_000, "{name}: {}", text.len());
            assert_sound(name, &text);
        }
    }

    #[test]
    fn ten_thousand_tenants_fit_with_any_failures() {
        let mut emoji = test_fixtures::distinct_causes(20, 500);
        for finding in &mut emoji.findings {
            for unit in &mut finding.units {
                *unit = format!("🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘{unit}");
            }
        }
        let cases = [
            ("all pass", test_fixtures::all_green(10_000)),
            ("one cause for all", test_fixtures::one_cause(10_000, 10_000)),
            ("200 causes of 50", test_fixtures::distinct_causes(200, 50)),
            ("10,000 causes", test_fixtures::distinct_causes(10_000, 1)),
            ("20 causes, emoji names", emoji),
        ];
        for (name, report) in cases {
            let text = render("markdown", &report);
            assert!(text.len() <= 60_000, "{name}: {}", text.len());
            assert_sound(name, &text);
            // The most severe cause is present, with its position and command.
            if let Some(first) = report.findings.first() {
                assert!(text.contains("042_currency_not_null.sql"), "{name}");
                assert!(text.contains(first.reproduce.as_deref().unwrap()), "{name}");
            }
            let shown = text.matches("<details").count();
            if report.findings.len() > shown {
                let says = "omitted**: see the JSON report of [this run](https://github.com/";
                assert!(text.contains(says), "{name}");
            }
        }
    }

    #[test]
    fn each_smaller_budget_is_respected_and_omissions_are_stated() {
        let report = test_fixtures::distinct_causes(200, 50);
        for budget in [60_000, 40_000, 20_000, 10_000, 5_000, 2_000, 1_000, 700] {
            let options = RenderOptions { budget, ..options() };
            let text = render_with("markdown", &report, &options);
            assert!(text.len() <= budget, "{budget}: {}", text.len());
            assert!(text.contains("omitted**"), "{budget}: {text}");
            assert_sound("budget", &text);
        }
    }

    #[test]
    fn hostile_text_is_rendered_as_text() {
        let text = render("markdown", &test_fixtures::hostile());
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        let html = as_github_has_it(&text);
        // All of it is readable, as text in code.
        for entity in ["&lt;script&gt;", "&lt;/details&gt;", "@everyone", "**bold**"] {
            assert!(html.contains(entity), "{entity}");
        }
        let prose = without_code(&html);
        for sign in ["<script", "@e", "<strong", "<img", "<!--", "<em", "#1", "gotcha</h"] {
            assert!(!prose.contains(sign), "{sign} in {prose}");
        }
        for tag in ["<details", "</details>"] {
            assert_eq!(prose.matches(tag).count(), 1, "{tag} in {prose}");
        }
        assert_eq!(prose.matches("<h").count(), 1, "{prose}");
        let links: Vec<_> = prose.split("href=\"").skip(1).collect();
        assert_eq!(links.len(), 2);
        assert!(links.iter().all(|link| link.starts_with("https://github.com/acme/shop/")));
        assert_eq!(prose.matches("<tr>").count(), prose.matches("</tr>").count());
        assert_eq!(prose.matches("<td").count() % 3, 0, "a row has lost its columns: {prose}");
    }

    /// Rendered by a port of GitHub's own renderer, with its extensions, and with raw HTML allowed.
    pub(crate) fn as_github_has_it(markdown: &str) -> String {
        let mut options = comrak::Options::default();
        options.extension.table = true;
        options.extension.autolink = true;
        options.extension.strikethrough = true;
        options.extension.tasklist = true;
        options.render.r#unsafe = true;
        comrak::markdown_to_html(markdown, &options)
    }

    /// The part in which GitHub looks for mentions.
    pub(crate) fn without_code(html: &str) -> String {
        let mut out = String::new();
        let mut rest = html;
        while let Some((before, after)) = rest.split_once("<code") {
            out.push_str(before);
            rest = after.split_once("</code>").expect("code is closed").1;
        }
        out + rest
    }

    #[test]
    fn cells_and_titles_of_all_results_are_complete() {
        for (name, report) in test_fixtures::all() {
            let text = render("markdown", &report);
            let html = as_github_has_it(&text);
            assert_eq!(
                html.matches("<details").count(),
                html.matches("</details>").count(),
                "{name}"
            );
            assert_eq!(
                html.matches("<details").count(),
                text.matches("\n<details").count(),
                "{name}"
            );
            assert!(html.starts_with("<h3>"), "{name}");
        }
    }
}

mod comment {
    use super::markdown::{as_github_has_it, assert_sound, without_code};
    use super::*;

    fn comment(report: &Report) -> String {
        crate::report::comment(report, &options().links)
    }

    /// Complete comments, for review, including the hostile one, whose megabyte is cut by then.
    #[test]
    fn renders_as_before() {
        let wanted = [
            ("all_green", test_fixtures::all_green(500)),
            ("one_cause", test_fixtures::one_cause(500, 2)),
            ("many_causes", test_fixtures::many_causes()),
            ("shared_failed", test_fixtures::shared_failed()),
            ("nothing_pending", test_fixtures::nothing_pending()),
            ("samples_not_loaded", test_fixtures::samples_not_loaded()),
            ("hostile", test_fixtures::hostile()),
        ];
        for (name, report) in wanted {
            insta::assert_snapshot!(format!("{name}.comment.md"), comment(&report));
        }
    }

    #[test]
    fn any_number_of_tenants_and_causes_fits() {
        let cases = [
            test_fixtures::all_green(10_000),
            test_fixtures::one_cause(10_000, 10_000),
            test_fixtures::distinct_causes(200, 50),
            test_fixtures::distinct_causes(10_000, 1),
        ];
        for report in cases {
            let text = comment(&report);
            assert!(text.len() <= COMMENT_BUDGET, "{}", text.len());
            assert_sound("comment", &text);
        }
    }

    #[test]
    fn every_result_is_rendered_by_github_as_intended() {
        for (name, report) in test_fixtures::all() {
            let text = comment(&report);
            assert_sound(name, &text);
            let prose = without_code(&as_github_has_it(&text));
            // No mention, and no HTML except mig-ci's own.
            assert!(!prose.contains("@e"), "{name}: {prose}");
            for part in prose.split('<').skip(1) {
                let tag: String = part
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || "/!-".contains(*c))
                    .collect();
                let ours = [
                    "a", "b", "details", "h3", "li", "p", "pre", "sub", "summary", "table",
                    "tbody", "td", "th", "thead", "tr", "ul",
                ];
                let tag = tag.trim_start_matches('/');
                assert!(ours.contains(&tag), "{name}: <{tag}>");
            }
            for row in prose.split("<tr>").skip(1) {
                let cells = row.split("</tr>").next().unwrap();
                let cells = cells.matches("<td").count() + cells.matches("<th").count();
                assert!([3, 4].contains(&cells), "{name}: {cells} cells in {row}");
            }
        }
    }

    #[test]
    fn links_contain_the_projects_folder_in_its_repository() {
        let links = Links { folder: "services/my shop/".into(), ..options().links };
        let text = crate::report::comment(&test_fixtures::one_cause(2, 1), &links);
        let url = "https://github.com/acme/shop/blob/ec26c3e57ca3a959ca5aad62de7213c562f8c821/\
                   services/my%20shop/migrations/tenant/042_currency_not_null.sql#L7";
        assert!(text.contains(url), "{text}");
    }

    #[test]
    fn a_run_without_a_report_states_that_there_is_no_result() {
        let hostile =
            "`````\n</details>@everyone ##[error]x <script>".to_owned() + &"x".repeat(1 << 20);
        let text = crate::report::problem("mig-ci could not verify", &hostile, &options().links);
        assert!(text.len() < COMMENT_BUDGET);
        assert!(text.contains("No tenant has a result."));
        let prose = without_code(&as_github_has_it(&text));
        assert!(!prose.contains("@e") && !prose.contains("<script"), "{prose}");
        assert_sound("problem", &text);
    }
}

mod summary {
    use super::markdown::{as_github_has_it, assert_sound};
    use super::*;

    fn summary(report: &Report) -> String {
        crate::report::summary(report, &options().links)
    }

    #[test]
    fn renders_as_before() {
        insta::assert_snapshot!("one_cause.summary.md", summary(&test_fixtures::one_cause(12, 2)));
        insta::assert_snapshot!(
            "several_databases.summary.md",
            summary(&test_fixtures::several_databases())
        );
    }

    #[test]
    fn every_tenant_has_its_row() {
        for (report, rows) in [
            (test_fixtures::all_green(10_000), 10_000),
            (test_fixtures::one_cause(10_000, 10_000), 10_000),
            (test_fixtures::distinct_causes(200, 50), 10_000),
            (test_fixtures::distinct_causes(10_000, 1), 10_000),
        ] {
            let text = summary(&report);
            assert!(text.len() <= SUMMARY_BUDGET, "{}", text.len());
            assert_sound("summary", &text);
            let found = text.lines().filter(|line| line.starts_with("| `tenant_")).count();
            assert_eq!(found, rows);
        }
    }

    #[test]
    fn with_a_small_budget_failures_come_first_and_the_rest_is_counted() {
        let mut report = test_fixtures::one_cause(10_000, 3);
        report.databases[0].units.reverse();
        for unit in &mut report.databases[0].units {
            unit.name = format!("{}{}", unit.name, "🐘".repeat(60));
        }
        let text = summary(&report);
        assert!(text.len() <= SUMMARY_BUDGET, "{}", text.len());
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `tenant_")).collect();
        assert!(rows.len() < 10_000 && rows.len() > 2_500, "{}", rows.len());
        assert!(rows[..3].iter().all(|row| row.contains("❌ failed")), "{:?}", &rows[..4]);
        assert!(rows[3].contains("✅ passed"));
        let left_out = crate::report::text::grouped(10_000 - rows.len());
        assert!(text.contains(&format!("**{left_out} more omitted**")));
        assert_sound("summary", &text);
    }

    #[test]
    fn hostile_text_stays_in_its_cells() {
        let html = as_github_has_it(&summary(&test_fixtures::hostile()));
        assert!(!html.contains("<script"));
        for row in html.split("<tr>").skip(1) {
            let cells = row.split("</tr>").next().unwrap();
            let cells = cells.matches("<td").count() + cells.matches("<th").count();
            assert_eq!(cells, 3, "{row}");
        }
    }
}

mod annotations {
    use super::*;
    use crate::report::{SourceAnnotation, annotations};

    fn of(report: &Report) -> Vec<SourceAnnotation> {
        annotations(report, "")
    }

    #[test]
    fn there_is_one_annotation_for_each_cause() {
        assert!(of(&test_fixtures::all_green(3)).is_empty());
        let one = of(&test_fixtures::one_cause(500, 20));
        insta::assert_debug_snapshot!(one);
        assert_eq!(of(&test_fixtures::distinct_causes(200, 50)).len(), 200);
    }

    #[test]
    fn paths_begin_at_the_root_of_the_repository() {
        let report = test_fixtures::one_cause(2, 1);
        let found = annotations(&report, "services/shop/").remove(0).place.unwrap();
        assert_eq!(found.path, "services/shop/migrations/tenant/042_currency_not_null.sql");
    }

    #[test]
    fn files_outside_of_the_repository_have_no_place() {
        for path in ["/etc/passwd", "../other/x.sql", "a/../../x.sql"] {
            let mut report = test_fixtures::one_cause(2, 1);
            report.findings[0].place.as_mut().unwrap().path = path.into();
            assert_eq!(of(&report)[0].place, None, "{path}");
        }
    }

    #[test]
    fn hostile_text_is_visible_and_short() {
        for annotation in of(&test_fixtures::hostile()) {
            let text = format!("{}\n{}", annotation.title, annotation.message);
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
            assert!(!text.contains("##["));
            assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{text}");
            assert!(annotation.message.chars().count() < 5_000);
        }
    }
}
