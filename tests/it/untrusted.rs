//! The files of a pull request are untrusted: what they cannot read, choose, or send in the action.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::unistd::{Uid, User, chown};
use serde_json::json;

use crate::common::github::{Fake, TOKEN};
use crate::common::{Command, Job, Project, is_root, project};
use crate::skipped::have;

const DATABASE: &str = "[databases.app]\nmigrations = \"migrations\"\nformat = \"sqlx\"\n";

/// A migration that raises the value of a setting.
const RAISE: &str = "DO $$ BEGIN RAISE EXCEPTION 'here' USING DETAIL = \
    coalesce(current_setting('app.x', true), 'nothing'); END $$;\n";

fn with_config(config: &str) -> Project {
    project()
        .file("mig-ci.toml", format!("{config}\n{DATABASE}"))
        .file("migrations/1_raise.sql", RAISE)
        .git_commit("head")
}

fn job() -> Job {
    Job::of_payload("workflow_dispatch", &json!({}).to_string())
}

#[test]
fn variables_are_readable_only_with_permission() {
    let shop = with_config("[postgres.settings]\n\"app.x\" = \"${PLANTED}\"\n");
    let job = job();
    let step = job.read(&job.step(&shop).env("PLANTED", "planted-value-1").run().exit(3));
    let [error] = step.commands("error")[..] else { panic!("{:?}", step.log) };
    assert!(error.contains("mig-ci.toml:2:11"), "{error}");
    assert!(error.contains("may not read the environment variable `PLANTED`"), "{error}");
    assert!(error.contains("`allow-variables: PLANTED`"), "{error}");
    assert!(!format!("{step:?}").contains("planted-value-1"));

    let step = job.step(&shop).env("PLANTED", "public").env("INPUT_ALLOW-VARIABLES", "PLANTED");
    let step = job.read(&step.run().exit(1));
    assert!(step.summary.contains("DETAIL:  public"), "{}", step.summary);

    // Outside of CI, and in CI without the action, the file can read all variables.
    let verify = shop.mig_ci(["verify", "--provider", "url", "--no-base"]);
    let url = crate::common::postgres().url("postgres");
    let verify = verify.env("CI", "true").env("MIG_CI_POSTGRES_URL", url).env("PLANTED", "public");
    assert!(verify.run().exit(1).stdout.contains("public"));
}

#[test]
fn credentials_are_not_readable_even_if_an_input_allows_them() {
    let job = job();
    let names =
        ["MIG_CI_POSTGRES_URL", "ACTIONS_RUNTIME_TOKEN", "INPUT_GITHUB_TOKEN", "PGPASSWORD"];
    for name in names {
        let shop = with_config(&format!("[postgres.settings]\n\"app.x\" = \"${{{name}}}\"\n"));
        let step = || job.step(&shop).env("ACTIONS_RUNTIME_TOKEN", "planted-runtime-token");
        // With a token, and without a request to GitHub.
        let step = || step().env("INPUT_GITHUB_TOKEN", "planted-input-token");
        let step = || step().env("INPUT_COMMENT", "off").env("INPUT_CHECK-RUN", "never");
        let denied = job.read(&step().run().exit(3));
        let [error] = denied.commands("error")[..] else { panic!("{:?}", denied.log) };
        assert!(error.contains(&format!("`{name}` is a credential")), "{error}");
        let refused = job.read(&step().env("INPUT_ALLOW-VARIABLES", name).run().exit(2));
        let [error] = refused.commands("error")[..] else { panic!("{:?}", refused.log) };
        assert!(error.contains(&format!("`allow-variables` is {name:?}")), "{error}");
    }
}

#[test]
fn the_configuration_file_cannot_choose_server_or_role() {
    let refused = |config: &str, inputs: &[(&str, &str)]| {
        let (shop, job) = (with_config(config), job());
        let step = job.command(&shop, ["action"]);
        let step = inputs.iter().fold(step, |step, (name, value)| step.env(name, value));
        let step = job.read(&step.run().exit(3));
        assert_eq!(step.outputs["result"], "error");
        step.commands("error").join("\n")
    };
    let error = refused("[postgres]\nprovider = \"local\"\n", &[]);
    assert!(error.contains("add `provider: local` to the `with:`"), "{error}");
    let url = "[postgres]\nprovider = \"url\"\nurl = \"postgres://127.0.0.1:1/x\"\n";
    let error = refused(url, &[]);
    assert!(error.contains("add `provider: url` to the `with:`"), "{error}");
    let error = refused(url, &[("INPUT_PROVIDER", "url")]);
    assert!(error.contains("`postgres.url` is not used in the action"), "{error}");
    let error = refused("[postgres]\nrole = \"superuser\"\n", &[("INPUT_PROVIDER", "docker")]);
    assert!(error.contains("add `allow-superuser: true` to the `with:`"), "{error}");
    let image = "[postgres]\nimage = \"evil.example/${PLANTED}:1\"\n";
    let allowed = [("INPUT_ALLOW-VARIABLES", "PLANTED"), ("PLANTED", "planted-value-1")];
    let error = refused(image, &allowed);
    assert!(error.contains("contains the variable `PLANTED`"), "{error}");
    assert!(!error.contains("planted-value-1"), "{error}");
}

#[test]
fn an_input_allows_a_superuser() {
    let (shop, job) = (with_config("[postgres]\nrole = \"superuser\"\n"), job());
    let step = job.step(&shop).env("INPUT_ALLOW-SUPERUSER", "true").run().exit(1);
    assert_eq!(job.read(&step).outputs["result"], "failed");
}

/// A `prepare` file that a superuser of the server runs, which returns all occurrences of a word that it does not contain
/// itself. An error with `OPEN` at its code position means that the memory of mig-ci is readable.
const SEARCH: &str = r"
CREATE TEMP TABLE found (line text);
COPY found FROM PROGRAM $sh$
  for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do
    if tr '\000' '\n' < $file 2>/dev/null | grep -q 'plant[e]d-WORD'; then echo in $file; fi
  done
  for file in /proc/[0-9]*/fd/*; do
    case $(readlink $file) in
      *memfd*|*deleted*) if head -c 1000000 $file 2>/dev/null | grep -aq 'plant[e]d-WORD'; then echo in $file; fi;;
    esac
  done
  grep -rl 'plant[e]d-WORD' CHECKOUT JOB 2>/dev/null
  server=$(cut -d' ' -f4 /proc/$PPID/stat)
  owner=$(cut -d' ' -f4 /proc/$server/stat)
  name=$(cat /proc/$owner/comm)
  test $name = mig-ci || echo the name $name
  if head -c 1 /proc/$owner/maps >/dev/null 2>&1; then echo memory of $(cat /proc/$owner/comm); fi
  true
$sh$;
DO $$ BEGIN
  IF EXISTS (SELECT FROM found) THEN
    RAISE EXCEPTION 'found' USING DETAIL = (SELECT string_agg(line, E'\n') FROM found);
  END IF;
END $$;
";

/// A unique token for each test: tests run concurrently, and each sees the processes of all.
fn token(word: &str) -> String {
    format!("ghs_planted-{word}-0123456789")
}

/// A project whose `prepare` file searches for the planted word.
fn searching(job: &Job, word: &str) -> Project {
    let shop = project()
        .file("mig-ci.toml", format!("prepare.server = \"search.sql\"\n{DATABASE}"))
        .file("migrations/1_a.sql", "CREATE TABLE a (id int);\n");
    let search = SEARCH.replace("CHECKOUT", shop.path().as_str());
    let search = search.replace("JOB", job.path("").as_str()).replace("WORD", word);
    shop.file("search.sql", search).git_commit("head")
}

fn planted(command: Command, word: &str) -> Command {
    [
        "INPUT_GITHUB-TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "MY_VARIABLE",
        "MIG_CI_POSTGRES_URL",
        "PGPASSWORD",
    ]
    .into_iter()
    .fold(command, |command, name| command.env(name, token(word)))
    .env("INPUT_PROVIDER", "local")
    .env("INPUT_CHECK-RUN", "never")
    .env("INPUT_COMMENT", "off")
    .env("INPUT_BASE", "HEAD")
}

/// Another user than root, who owns all of the job; `None` if the user cannot be changed.
fn another_user(folders: [&camino::Utf8Path; 2]) -> Option<User> {
    if !is_root() {
        return None;
    }
    let user = User::from_name("postgres").unwrap().ok_or("getpwnam finds none");
    let user = have("MIG_CI_REQUIRE_ROOT", "user postgres", user)?;
    for folder in folders {
        let mut left = vec![folder.to_owned()];
        while let Some(path) = left.pop() {
            chown(path.as_std_path(), Some(user.uid), Some(user.gid)).unwrap();
            if path.is_dir() && !path.is_symlink() {
                left.extend(path.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path()));
            }
        }
    }
    Some(user)
}

#[test]
fn sql_finds_no_secret_on_the_machine() {
    let job = job();
    let shop = searching(&job, "in-a-root-job");
    let step = planted(job.command(&shop, ["action"]), "in-a-root-job")
        .arg(format!("--postgres-url={}", token("in-a-root-job")));
    let step = job.read(&step.run().success());
    assert_eq!(step.outputs["result"], "passed");
}

/// Root reads what `PR_SET_DUMPABLE` hides from others: what it finds is what a process of the same user would find without,
/// or before, that call.
#[test]
fn the_environment_of_the_process_contains_no_secret() {
    if !is_root() {
        return;
    }
    let word = "in-the-environment-of-a-job";
    let job = job();
    let shop = searching(&job, word);
    let step = planted(job.command(&shop, ["action"]), word);
    let is_over = AtomicBool::new(false);
    let environments = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut found = BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                found.extend(isolated_environments(shop.path()));
                std::thread::sleep(Duration::from_millis(2));
            }
            found
        });
        let run = step.run();
        is_over.store(true, Ordering::Relaxed);
        run.success();
        watch.join().unwrap()
    });
    assert!(!environments.is_empty(), "no process was seen");
    for environment in environments {
        assert!(!environment.contains(&token(word)), "{}", environment.replace('\0', "\n"));
    }
}

/// The `/proc` environments of the processes in a folder that have replaced themselves.
fn isolated_environments(folder: &camino::Utf8Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let folder = folder.canonicalize_utf8().unwrap();
    let environments = processes.filter_map(|process| {
        let cwd = std::fs::read_link(process.path().join("cwd")).ok()?;
        let environment = std::fs::read(process.path().join("environ")).ok()?;
        let environment = String::from_utf8_lossy(&environment).into_owned();
        (cwd == folder && environment.contains("MIG_CI_ISOLATED=1")).then_some(environment)
    });
    environments.collect()
}

/// The server then runs as the same user as mig-ci.
#[test]
fn sql_finds_no_secret_as_the_user_of_the_job() {
    let job = job();
    let shop = searching(&job, "in-a-user-job");
    let step = planted(job.command(&shop, ["action"]), "in-a-user-job");
    // Without the action the secret is found, so the search works.
    let verify =
        planted(shop.mig_ci(["verify", "--provider", "local", "--no-base"]), "in-a-user-job");
    let verify = verify.env("MIG_CI_POSTGRES_URL", "");
    let Some(user) = another_user([shop.path(), &job.path("")]) else { return };
    let through = |command: Command| command.through("runuser", &["-u", &user.name, "--"]);
    let step = job.read(&through(step).run().success());
    assert_eq!(step.outputs["result"], "passed");
    let verify = through(verify).run().exit(3);
    assert!(verify.stderr.contains("cannot prepare the server: found"), "{}", verify.stderr);
}

#[test]
fn a_local_server_is_refused_if_its_user_can_read_a_credential() {
    let job = job();
    let shop = searching(&job, "in-a-refused-job");
    // The credentials that actions/checkout keeps by default.
    let header = format!(
        "AUTHORIZATION: basic {}",
        STANDARD.encode(format!("x-access-token:{}", token("in-a-refused-job")))
    );
    shop.git(&["config", "http.https://github.com/.extraheader", &header]);
    let step = job.read(&planted(job.command(&shop, ["action"]), "in-a-refused-job").run().exit(4));
    let [error] = step.commands("error")[..] else { panic!("{:?}", step.log) };
    assert!(error.contains("/.git/config contains credentials of git"), "{error}");
    assert!(error.contains("persist-credentials: false"), "{error}");
    shop.git(&["config", "--unset", "http.https://github.com/.extraheader"]);

    // A shell with the environment of the job, which waits.
    let step = planted(job.command(&shop, ["action"]), "in-a-refused-job");
    let by_argument = planted(job.command(&shop, ["action"]), "in-a-refused-job");
    let by_argument = by_argument.arg(format!("--postgres-url={}", token("in-a-refused-job")));
    let Some(user) = another_user([shop.path(), &job.path("")]) else { return };
    let by_argument = by_argument.through("runuser", &["-u", &user.name, "--"]).run().exit(4);
    assert!(by_argument.stdout.contains("the process `runuser` ("), "{}", by_argument.stdout);
    let script = "\"$0\" \"$@\"; exit $?";
    let step = step.through("runuser", &["-u", &user.name, "--", "sh", "-c", script]);
    let step = step.run().exit(4);
    assert!(step.stdout.contains("the process `sh` ("), "{}", step.stdout);
}

/// Files of earlier steps and of the user's programs that the user of the server can read.
#[test]
fn a_local_server_is_refused_if_its_user_can_read_a_file_with_a_credential() {
    let word = "in-a-file-of-a-job";
    let (job, home) = (job(), tempfile::tempdir().unwrap());
    let home = camino::Utf8Path::from_path(home.path()).unwrap();
    let shop = searching(&job, word);
    let root = Uid::effective().is_root();
    let address = format!(
        "[url \"https://x:{}@github.com/\"]\n\tinsteadOf = https://github.com/\n",
        token(word)
    );
    let files = [
        (home.join(".gitconfig"), address),
        (home.join(".git-credentials"), "https://me:abc@github.com\n".to_owned()),
        (home.join(".netrc"), "machine github.com\nlogin me\npassword abc\n".to_owned()),
        (home.join(".docker/config.json"), "{\"auths\":{\"a\":{\"auth\":\"eDp5\"}}}".to_owned()),
        (home.join(".pgpass"), "*:*:*:me:abc\n".to_owned()),
        (job.path("env"), format!("SOME_VALUE={}\n", token(word))),
        (
            job.path("temp/credentials.config"),
            "extraheader = AUTHORIZATION: basic eDp5\n".to_owned(),
        ),
    ];
    let mode = |path: &camino::Utf8Path, mode: u32| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode).unwrap();
    };
    let step = || {
        let step = planted(job.command(&shop, ["action"]), word).env("HOME", home);
        job.read(&step.env("GITHUB_ENV", job.path("env")).run().exit(4))
    };
    for folder in [home, &job.path(""), &job.path("temp")] {
        mode(folder, 0o755);
    }
    for (path, text) in &files {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        mode(path, 0o644);
        let left = step();
        let [error] = left.commands("error")[..] else { panic!("{path}: {:?}", left.log) };
        assert!(
            error.contains(&format!("can read {path}, which contains a credential")),
            "{error}"
        );
        std::fs::remove_file(path).unwrap();
    }
    // Readable only for its owner: if mig-ci is root, the server is another user's, and nothing is found.
    let (path, text) = &files[0];
    std::fs::write(path, text).unwrap();
    mode(path, 0o600);
    if root {
        let step = planted(job.command(&shop, ["action"]), word).env("HOME", home);
        assert_eq!(job.read(&step.run().success()).outputs["result"], "passed");
    }
}

/// An event with an example of an address, an earlier step's test database, a dump of the event, and variables whose names
/// only look like secrets.
#[test]
fn harmless_values_do_not_refuse_a_local_server_or_mask_words() {
    let body = "Try it with `postgres://app:hunter2@localhost/app`.\n-----BEGIN PRIVATE KEY-----";
    let shop = project()
        .file("mig-ci.toml", DATABASE)
        .file("migrations/1_a.sql", "CREATE TABLE a (id int);\n")
        .git_commit("head");
    let head = shop.git(&["rev-parse", "HEAD"]);
    let payload = json!({"sha": head, "inputs": {"body": body}});
    let job = Job::of_payload("workflow_dispatch", &payload.to_string());
    let url = "postgres://postgres:postgres@localhost:5432/test";
    std::fs::write(job.path("env"), format!("DATABASE_URL={url}\n")).unwrap();
    for folder in ["", "temp"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(job.path(folder), mode).unwrap();
    }
    let dump = serde_json::to_string_pretty(&payload).unwrap();
    let step = || {
        [
            ("INPUT_PROVIDER", "local"),
            ("INPUT_CHECK-RUN", "never"),
            ("INPUT_COMMENT", "off"),
            ("INPUT_BASE", "HEAD"),
            ("DATABASE_URL", url),
            ("POSTGRES_PASSWORD", "postgres"),
            ("USE_TOKEN", "true"),
            ("GITHUB_CONTEXT", dump.as_str()),
            ("GITHUB_ENV", job.path("env").as_str()),
        ]
        .into_iter()
        .fold(job.command(&shop, ["action"]), |step, (name, value)| step.env(name, value))
    };
    // The second run finds the report of the first.
    for _ in 0..2 {
        let step = job.read(&step().run().success());
        assert_eq!(step.outputs["result"], "passed");
        assert!(step.summary.contains(&format!("base `{}`", &head[..7])), "{}", step.summary);
        let masks = step.commands("add-mask");
        assert!(masks.iter().all(|mask| !["true", "postgres", url].contains(mask)), "{masks:?}");
        assert!(masks.contains(&"hunter2"), "{masks:?}");
        assert!(step.log.iter().any(|line| format!("{line:?}").contains(&head[..7])));
    }
}

/// All encodings of a secret that SQL can produce, in all output of a run.
#[test]
fn no_output_contains_a_known_secret() {
    const SECRET: &str = "pl4nted/Secret+'wörd_0123456789abcdef";
    let halves = SECRET.replace('\'', "''");
    let (first, second) = halves.split_at(10);
    let raise = format!(
        "DO $$ DECLARE s text := '{first}' || '{second}'; BEGIN\n\
         RAISE WARNING '% and %', s, repeat(' ', 980) || s;\n\
         RAISE EXCEPTION 'x % y', s USING\n\
         DETAIL = s || ' ' || encode(convert_to(s, 'UTF8'), 'base64') || ' ' || encode(convert_to('a' || s, 'UTF8'), 'hex')\n\
         || ' ' || upper(s) || ' ' || quote_literal(s) || ' ' || to_json(s)::text || ' ' || left(s, 30),\n\
         HINT = repeat('x', 7990) || s; END $$;\n"
    );
    let shop = project()
        .file("mig-ci.toml", DATABASE)
        .file("migrations/1_raise.sql", raise)
        .git_commit("head");
    let fake = Fake::start();
    let head = shop.git(&["rev-parse", "HEAD"]);
    fake.pull_request(7, &head);
    let payload = json!({"pull_request": {
        "number": 7,
        "head": {"sha": head, "ref": "f", "repo": {"id": 1, "full_name": "shop/app"}},
        "base": {"sha": head, "ref": "main", "repo": {"id": 1, "full_name": "shop/app"}},
    }});
    let job = Job::of_payload("pull_request", &payload.to_string());
    let step = job.step_at(&fake, &shop).env("MY_PASSWORD", SECRET).env("MIG_CI_LOG", "debug");
    let step = step.env("INPUT_BASE", "HEAD");
    let ended = step.env("ACTIONS_RUNTIME_TOKEN", TOKEN).run().exit(1);
    let report = std::fs::read_to_string(job.path("temp/mig-ci-report.json")).unwrap();
    let masks: Vec<&str> =
        ended.stdout.lines().filter(|line| line.contains("::add-mask::")).collect();
    assert!(masks.iter().any(|line| line.contains("pl4nted")), "{masks:?}");
    let log: Vec<&str> =
        ended.stdout.lines().filter(|line| !line.contains("::add-mask::")).collect();
    let step = job.read(&ended);
    let places = [
        ("log", log.join("\n")),
        ("stderr", step.stderr.clone()),
        ("summary", step.summary.clone()),
        ("outputs", format!("{:?}", step.outputs)),
        ("report", report),
        ("comments", format!("{:?}", fake.comments())),
        ("check runs", json!(fake.check_runs()).to_string()),
    ];
    let shown = ["summary", "report", "comments", "check runs"];
    // Base64 of a text after an `a` shares its first character with that.
    let encoded = STANDARD.encode(SECRET);
    for (name, text) in &places {
        let text = text.to_lowercase();
        for form in [
            &SECRET[..14],
            "secret+",
            "0123456789abcdef",
            &encoded[..16],
            &hex(SECRET)[..24],
            TOKEN,
        ] {
            assert!(!text.contains(&form.to_lowercase()), "{form:?} in {name}: {text}");
        }
        assert!(!shown.contains(name) || text.contains("***"), "nothing of it is in {name}");
    }
    assert!(!fake.comments().is_empty() && !fake.check_runs().is_empty());
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// A job's log accepts commands from any program: the output of `mig-ci verify` and `upgrade --dry-run` must not be one.
#[test]
fn no_workflow_command_reaches_the_log_of_a_job() {
    let nasty = "##[error]a";
    let sql = format!("SELECT '{nasty}\r::error::b\n::stop-commands::c\n  ##[group]d';\n");
    let shop = project()
        .file("mig-ci.toml", DATABASE)
        .file("migrations/1_##[error]a.sql", &sql)
        .git_commit("head");
    let commands = |text: &str| -> Vec<String> {
        let lines = text.split(['\n', '\r']);
        let is = |line: &&str| line.contains("##[") || line.trim_start().starts_with("::");
        lines.filter(is).map(str::to_owned).collect()
    };
    let database = crate::common::postgres().url("postgres");
    for format in ["terminal", "json", "markdown", "junit"] {
        let verify = shop.verify().args(["--no-base", "--format", format]);
        let ended = verify.env("GITHUB_ACTIONS", "true").env("MIG_CI_LOG", "debug").run().success();
        assert_eq!(commands(&ended.stdout), [""; 0], "{format}");
        assert_eq!(commands(&ended.stderr), [""; 0], "{format}");
    }
    let plan = ["upgrade", "-n", "app", "--dry-run", "--url", &database];
    let in_process_group = shop.mig_ci(plan).env("GITHUB_ACTIONS", "true").run();
    assert!(
        in_process_group.stdout.contains("::error::b")
            || in_process_group.stdout.contains(":error::b"),
        "{}",
        in_process_group.stdout
    );
    assert_eq!(commands(&in_process_group.stdout), [""; 0]);
    assert_eq!(commands(&in_process_group.stderr), [""; 0]);
    // Outside of CI it is SQL that can be run.
    let at_a_desk = shop.mig_ci(plan).run();
    assert!(at_a_desk.stdout.contains(sql.trim_end()), "{}", at_a_desk.stdout);
}

/// Not even a name, a note or a message of the database, with any text before it in its line.
#[tokio::test]
async fn no_workflow_command_of_a_real_database_reaches_the_log() {
    const TOKENS: [&str; 9] = [
        "::error::a",
        "\r::set-output name=a::b",
        "\n  ::stop-commands::c",
        "\u{2028}::error::d",
        "\u{85}\u{a0}::error::e",
        "\u{1b}[31m::error::f",
        "x ##[error]g",
        "\u{1b}[0m##[group]h",
        "%0A::error::i",
    ];
    let say = TOKENS.map(|token| format!("RAISE WARNING '%', '{token}';")).join("\n");
    let sql = format!(
        "DO $$ BEGIN\n{say}\nRAISE EXCEPTION '%', '{}' USING DETAIL = '{}'; END $$;\n",
        TOKENS[2], TOKENS[1]
    );
    let server = crate::common::Postgres::start();
    let shop = project()
        .file(
            "mig-ci.toml",
            "[databases.app.tenants]\nmigrations = \"migrations\"\nformat = \"sqlx\"\ntarget = \"{tenant}\"\n\
             from.list = [\"::error::t\", \"##[error]u\"]\n",
        )
        .file("migrations/1_a.sql", &sql)
        .git_commit("head");
    let url = server.url("postgres");
    for format in ["terminal", "json", "markdown"] {
        for command in ["upgrade", "status", "tenants", "create"] {
            let mut given = vec![command, "-n", "app", "--url", &url];
            match command {
                "upgrade" => given.extend(["--all-tenants", "--yes", "--format", format]),
                "create" => given.push("::error::t"),
                _ => {}
            }
            let ran = given.iter().skip(1).fold(shop.mig_ci([given[0]]), |ran, word| ran.arg(word));
            let ended = ran.env("GITHUB_ACTIONS", "true").env("MIG_CI_LOG", "debug").run();
            for text in [&ended.stdout, &ended.stderr] {
                let commands: Vec<&str> = text
                    .split(['\n', '\r'])
                    .filter(|line| line.contains("##[") || line.trim_start().starts_with("::"))
                    .collect();
                assert_eq!(commands, [""; 0], "{given:?}");
            }
        }
    }
}

/// The password of a real database, in any message.
#[test]
fn the_password_of_a_real_database_is_in_no_output() {
    const PASSWORD: &str = "pl4nted-real-password";
    let server = crate::common::postgres();
    let sql = format!("DO $$ BEGIN RAISE EXCEPTION 'x {PASSWORD} y'; END $$;\n");
    let shop =
        project().file("mig-ci.toml", DATABASE).file("migrations/1_a.sql", &sql).git_commit("head");
    let address = server.url("postgres");
    let (scheme, rest) = address.split_once("://").unwrap();
    let (user, host) = rest.split_once('@').unwrap_or(("postgres", rest));
    let user = user.split(':').next().unwrap();
    let right = format!("{scheme}://{user}:{PASSWORD}@{host}");
    let nowhere = format!("postgres://u:{PASSWORD}@127.0.0.1:1/d?connect_timeout=1");
    let odd = format!("postgres://u:{PASSWORD}@h:port/d");
    let report = shop.path().join("report.json");
    for command in ["upgrade", "status", "downgrade", "tenants", "create", "list"] {
        for url in [&right, &nowhere, &odd] {
            let ran = shop.mig_ci([command, "-n", "app", "--url", url]).env("MIG_CI_LOG", "debug");
            let ran = if command == "upgrade" {
                ran.args(["--yes", "--output", &format!("json={report}")])
            } else {
                ran
            };
            let ended = ran.run();
            assert_ne!(ended.status.code(), Some(101), "{}", ended.stderr);
            for text in [&ended.stdout, &ended.stderr] {
                assert!(!text.contains(PASSWORD), "{command} {url}: {text}");
            }
        }
    }
    // Invalid arguments are quoted.
    let ended = shop.mig_ci(["schema", &right]).run().exit(2);
    assert!(!ended.stderr.contains(PASSWORD) && ended.stderr.contains("***"), "{}", ended.stderr);
    let failed = shop.mig_ci(["upgrade", "-n", "app", "--yes", "--url", &right]).run().exit(1);
    assert!(format!("{}{}", failed.stdout, failed.stderr).contains("x *** y"), "{}", failed.stdout);
    let text = std::fs::read_to_string(&report).unwrap();
    assert!(text.contains("x *** y") && !text.contains(PASSWORD), "{text}");
    // SQL for execution is unchanged.
    let plan = shop.mig_ci(["upgrade", "-n", "app", "--dry-run", "--url", &right]).run();
    assert!(plan.stdout.contains(&sql), "{}", plan.stdout);
}
