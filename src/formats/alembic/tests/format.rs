//! The traits of the format.

use pretty_assertions::assert_eq;

use super::{files, revisions, track};
use crate::formats::alembic::Alembic;
use crate::formats::testing::{directory, rows, texts};
use crate::formats::{
    Detection, Directory, DirectoryRules as _, DownTo, ExecutionRules as _, FORMATS, Ledger,
    LedgerRules as _, detect_format, load,
};
use crate::model::{Migration, ScriptLanguage};

const ENV: (&str, &str) = ("m/env.py", "from alembic import context\n");
const INI: (&str, &str) = ("alembic.ini", "[alembic]\nscript_location = m\n");

fn loaded(project: &[(&str, &str)]) -> Result<Vec<Migration>, String> {
    let files = files(&[&[INI, ENV], project].concat());
    let track = track();
    let directory = Directory { alembic: Some(&track), ..directory(&files, "m") };
    load(&Alembic, &directory).map(|loaded| loaded.migrations).map_err(|error| error.to_string())
}

fn versions(migrations: &[Migration]) -> Vec<&str> {
    migrations.iter().map(|migration| &*migration.version).collect()
}

#[test]
fn an_environment_is_recognised_by_env_py() {
    let detect = |project: &[(&str, &str)]| {
        let files = files(project);
        Alembic.detect(&directory(&files, "m")).unwrap()
    };
    let certain = Detection::Certain("its env.py uses Alembic's `context`".to_owned());
    assert_eq!(detect(&[ENV, ("m/versions/a.py", "")]), certain);
    assert_eq!(detect(&[ENV, ("m/script.py.mako", "")]), certain);
    assert_eq!(detect(&[ENV]), Detection::No);
    assert_eq!(detect(&[("m/env.py", "x"), ("m/versions/a.py", "")]), Detection::No);
    assert_eq!(detect(&[("m/versions/a.py", "")]), Detection::No);
    let project = files(&[ENV, ("m/versions/a.py", "revision='a'"), ("sqlx.toml", "")]);
    assert_eq!(detect_format(&directory(&project, "m"), None).unwrap().format.name(), "alembic");
    let part = files(&[("m/versions/a.py", "revision='a'")]);
    let error = detect_format(&directory(&part, "m"), None).unwrap_err();
    assert!(error.to_string().contains("looks like a part of an Alembic environment"), "{error}");
    assert!(
        FORMATS
            .iter()
            .filter(|format| format.runs_programs())
            .all(|format| format.name() == "alembic")
    );
}

#[test]
fn revisions_are_loaded_in_the_order_of_an_upgrade() {
    let first = "\"\"\"Add users\n\nRevision ID: ffff\n\"\"\"\nrevision = 'ffff'\ndown_revision = None\n\
                 def upgrade(): op.x()\ndef downgrade(): pass\n";
    let second = "# Down migration: rollback\nrevision = 'aaaa'\ndown_revision = 'ffff'\ndef upgrade(): pass\n";
    let project = [
        ("m/versions/1_rollback.py", second),
        ("m/versions/2.py", first),
        ("m/versions/__init__.py", ""),
        ("m/versions/__init__old.py", "x"),
        ("m/versions/.#2.py", "x"),
        ("m/versions/README.md", "x"),
        ("m/versions/a.pyc", "x"),
        ("m/versions/sub/3.py", "x"),
        ("m/versions/__pycache__/2.cpython-311.pyc", "x"),
    ];
    let migrations = loaded(&project).unwrap();
    assert_eq!(versions(&migrations), ["ffff", "aaaa"]);
    let [first, second] = &migrations[..] else { panic!("{migrations:?}") };
    assert_eq!(first.description, "Add users");
    assert_eq!(first.up.language(), ScriptLanguage::Python);
    assert_eq!(first.up.path(), "m/versions/2.py");
    assert_eq!(first.down.as_ref(), Some(&first.up));
    assert_eq!(second.down, None);
    let node = second.node.as_ref().unwrap();
    assert_eq!((node.line, node.revision_line, node.is_empty), (3, 2, true));
    assert_eq!(node.down_revisions, ["ffff"]);
}

#[test]
fn what_alembic_cannot_load_is_an_error_of_its_file() {
    let error = |text: &str| loaded(&[("m/versions/helpers.py", text)]).unwrap_err();
    assert_eq!(
        error("x = 1"),
        "m/versions/helpers.py: Could not determine revision id from filename helpers.py"
    );
    assert_eq!(
        error("revision = 'a'"),
        "m/versions/helpers.py:1: it has no variable `down_revision`"
    );
    assert_eq!(
        error("revision = 'a'\ndown_revision = previous()"),
        "m/versions/helpers.py:2: the value of `down_revision` is computed, and revisions are read without running them"
    );
    assert_eq!(
        loaded(&[]).unwrap_err(),
        "no migrations found in m: there is no revision in `m/versions`"
    );
    let old = loaded(&[("m/versions/ab12.py", "down_revision = None")]).unwrap();
    assert_eq!(versions(&old), ["ab12"]);
}

#[test]
fn folders_are_read_in_their_order_and_recursively_if_configured() {
    let revision = |name: &str| format!("revision = '{name}'\ndown_revision = None\n");
    let texts: Vec<(String, String)> =
        ["m/v/z.py", "m/v/a/b.py", "m/v/a/c/d.py", "m/v/e/f.py", "w/a.py"]
            .iter()
            .map(|path| ((*path).to_owned(), revision(&path.replace(['/', '.'], "_"))))
            .collect();
    let order = |ini: &str| {
        let mut project: Vec<(&str, &str)> = vec![("alembic.ini", ini), ENV];
        project.extend(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())));
        let (files, track) = (files(&project), track());
        let directory = Directory { alembic: Some(&track), ..directory(&files, "m") };
        let mut migrations = Alembic.load(&directory).unwrap();
        migrations.sort_by_key(|migration| migration.node.as_ref().unwrap().order);
        versions(&migrations).join(" ")
    };
    assert_eq!(order("[alembic]\nscript_location=m\nversion_locations = w m/v"), "w_a_py m_v_z_py");
    assert_eq!(
        order(
            "[alembic]\nscript_location=m\nversion_locations = m/v m/v/a\nrecursive_version_locations = true"
        ),
        "m_v_z_py m_v_a_b_py m_v_a_c_d_py m_v_e_f_py"
    );
}

#[test]
fn a_compiled_revision_without_its_source_is_left_to_python() {
    let ini = ("alembic.ini", "[alembic]\nscript_location = m\nsourceless = true\n");
    let load = |project: &[(&str, &str)]| {
        let (files, track) = (files(&[&[ini, ENV], project].concat()), track());
        let directory = Directory { alembic: Some(&track), ..directory(&files, "m") };
        Alembic.load(&directory).map(drop).map_err(|error| error.to_string())
    };
    let source = ("m/versions/a.py", "revision = 'a'\ndown_revision = None");
    assert_eq!(load(&[source, ("m/versions/a.pyc", "x")]), Ok(()));
    let alone = load(&[source, ("m/versions/b.pyc", "x")]).unwrap_err();
    assert!(
        alone.starts_with("m/versions/b.pyc:1: the value of `revision` is computed"),
        "{alone}"
    );
}

#[test]
fn the_ledger_is_alembics_table() {
    let files = files(&[]);
    let named = |name| Directory { ledger: name, ..directory(&files, "m") };
    let ledger = |name| Alembic.ledger(&named(name), "tenant_a");
    assert_eq!(ledger(None).unwrap(), Ledger::new("tenant_a", "alembic_version"));
    assert_eq!(ledger(Some("versions")).unwrap(), Ledger::new("tenant_a", "versions"));
    assert_eq!(ledger(Some("public.versions")).unwrap(), Ledger::new("public", "versions"));
    assert!(ledger(Some("a b")).is_err());
    assert_eq!(
        texts(&Alembic.ensure_ledger(&Ledger::new("t", "alembic_version"))),
        [
            "CREATE TABLE IF NOT EXISTS \"t\".\"alembic_version\" (\n    version_num VARCHAR(32) NOT NULL, \n    CONSTRAINT \
          \"alembic_version_pkc\" PRIMARY KEY (version_num)\n)"
        ]
    );
}

#[test]
fn rows_show_everything_before_them() {
    let migrations = revisions(&["aaaa", "bbbb <aaaa", "cccc <aaaa", "dddd", "eeee <dddd ~bbbb"]);
    let ledger = Ledger::new("t", "alembic_version");
    let history = |heads: &[&str]| {
        let rows = rows(heads.iter().map(|head| (*head, None)));
        let shown = Alembic.history(&rows, &migrations);
        shown.iter().map(|row| row.version.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(history(&["eeee"]), "aaaa bbbb dddd eeee");
    assert_eq!(history(&["cccc", "gone"]), "aaaa cccc gone");
    assert_eq!(history(&[]), "");
    let applied = migrations.iter().map(|migration| Alembic.is_applied_expr(migration, &ledger));
    assert_eq!(
        applied.collect::<Vec<_>>()[..2],
        [
            "EXISTS (SELECT FROM \"t\".\"alembic_version\" WHERE version_num::text IN ('aaaa', 'bbbb', 'cccc', 'eeee'))",
            "EXISTS (SELECT FROM \"t\".\"alembic_version\" WHERE version_num::text IN ('bbbb', 'eeee'))",
        ]
    );
    let stamp = |names: &[&str]| {
        let some: Vec<&Migration> =
            migrations.iter().filter(|one| names.contains(&&*one.version)).collect();
        Alembic.stamp(&some, &ledger)
    };
    assert_eq!(
        stamp(&["aaaa", "bbbb", "cccc"]),
        "INSERT INTO \"t\".\"alembic_version\" (version_num) VALUES ('bbbb'), ('cccc')"
    );
    assert_eq!(stamp(&[]), "");
}

#[test]
fn alembic_alone_runs_revisions() {
    let migrations = revisions(&["aaaa", "bbbb <aaaa"]);
    let ledger = Ledger::new("t", "alembic_version");
    let decision = Alembic.decide(&rows([("aaaa", None)]), &migrations);
    assert_eq!((decision.apply, decision.refusal), (vec![1], None));
    let refused = Alembic.decide(&rows([("gone", None)]), &migrations);
    assert_eq!(refused.refusal.as_deref(), Some("Can't locate revision identified by 'gone'"));
    assert!(Alembic.runs_programs());
    assert_eq!(
        texts(&Alembic.apply(&migrations[0], &ledger)),
        [
            "DO 'BEGIN RAISE EXCEPTION USING MESSAGE = ''internal error: revision aaaa is a program, and is run by Alembic \
          only''; END'"
        ]
    );
    assert!(Alembic.decide_down(&[], &migrations, &DownTo::Base).is_err());
}
