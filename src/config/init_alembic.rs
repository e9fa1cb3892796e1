//! The keys of an Alembic track in the `mig-ci.toml` of `mig-ci init`, with what was derived from its files.

use indexmap::IndexMap;

use super::init_table::{Table, list, string};
use super::key::quoted;
use crate::model::{AlembicTrack, UndeclaredKind, UndeclaredRead};

pub(super) fn render_alembic(table: &mut Table, track: &AlembicTrack) {
    for sentence in &track.inferred {
        table.prose(&format!("Inferred: {sentence}."));
    }
    table.key("alembic", &environment(track));
    table.prose(
        "What env.py reads. {target} is the tenant's schema or database, {tenant} the tenant; others are {url}, {host}, {port},",
    );
    table.prose(
        "{user}, {password} and {dbname}. The process gets no other variables of this machine.",
    );
    by_name(table, "env", &track.environment, "{ TENANT_SCHEMA = \"{target}\" }");
    unset(table, track, UndeclaredKind::Variable);
    match track.arguments.is_empty() {
        true => table.off("args", "[\"-x\", \"name=value\"]"),
        false => table.key("args", &list(&track.arguments)),
    }
    unset(table, track, UndeclaredKind::Argument);
    by_name(table, "options", &track.options, "{ name = \"value\" }");
    unset(table, track, UndeclaredKind::MainOption);
    table.prose(
        "What production upgrades to: `head` fails if there are several heads, `heads` does not.",
    );
    match track.revisions.as_slice() {
        [one] => table.key("revision", &string(one)),
        several => table.key("revision", &list(several)),
    }
    table.prose(
        "What creates the state that the first revision expects: a command, or an SQL file.",
    );
    table.off("setup", "[\"python\", \"-m\", \"app.create_tables\"]");
    table.prose(
        "Default: the active virtual environment, .venv, that of uv, poetry or pdm, then python3.",
    );
    table.off("python", "\".venv/bin/python\"");
}

fn environment(track: &AlembicTrack) -> String {
    let ini = track.ini.as_ref().map(|path| format!("ini = {}", string(path.as_str())));
    let pyproject =
        track.pyproject.as_ref().map(|path| format!("pyproject = {}", string(path.as_str())));
    let section = track.ini.as_ref().map(|_| format!("section = {}", string(&track.section)));
    let location =
        track.script_location.as_ref().map(|text| format!("script_location = {}", string(text)));
    let keys: Vec<String> = [ini, pyproject, section, location].into_iter().flatten().collect();
    format!("{{ {} }}", keys.join(", "))
}

fn by_name(table: &mut Table, key: &str, values: &IndexMap<String, String>, example: &str) {
    let pairs: Vec<String> = values
        .iter()
        .map(|(name, value)| format!("{} = {}", quoted(name), string(value)))
        .collect();
    match pairs.is_empty() {
        true => table.off(key, example),
        false => table.key(key, &format!("{{ {} }}", pairs.join(", "))),
    }
}

/// A line for each name that is read and not set.
fn unset(table: &mut Table, track: &AlembicTrack, kind: UndeclaredKind) {
    for read in track.undeclared.iter().filter(|read| read.kind == kind) {
        table.prose(&format!("  {}", sentence(read)));
    }
}

/// `migrations/env.py:12 reads REGION, which is not set (it has a default)`.
pub(crate) fn sentence(read: &UndeclaredRead) -> String {
    let UndeclaredRead { name, path, line, .. } = read;
    let name = match read.kind {
        UndeclaredKind::Variable => format!("the variable {name}"),
        UndeclaredKind::Argument => format!("the argument -x {name}"),
        UndeclaredKind::MainOption => format!("the option {name}"),
    };
    let default = if read.has_default { " (it has a default)" } else { " and has no default" };
    format!("{path}:{line} reads {name}, which is not set{default}")
}
