//! The Alembic environment of a track, for `mig-ci list`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::config::undeclared_sentence;
use crate::formats::RevisionGraph;
use crate::model::{AlembicTrack, Migration, UndeclaredKind, UndeclaredRead};

/// The section, the heads, and what env.py is given. `head` are the revisions of the track.
pub(super) fn write(text: &mut String, track: &AlembicTrack, head: &[Migration]) {
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "    {name:<8} {value}");
    };
    line("section", format!("{}, upgraded to {}", place(track), track.revisions.join(", then ")));
    line("heads", heads(head).join(", "));
    let env = track.environment.iter().map(|(name, value)| shown(name, value));
    let options = track.options.iter().map(|(name, value)| shown(name, value));
    let args = track.arguments.iter().map(|text| match text.split_once('=') {
        Some((name, value)) => shown(name, value),
        None => text.clone(),
    });
    let settings: [(&str, Vec<String>, &str); 3] = [
        ("env", env.collect(), ", "),
        ("args", args.collect(), " "),
        ("options", options.collect(), ", "),
    ];
    for (name, values, separator) in settings {
        if !values.is_empty() {
            line(name, values.join(separator));
        }
    }
    for sentence in &track.inferred {
        let _ = writeln!(text, "    inferred: {sentence}");
    }
    for read in track.undeclared.iter().filter(|read| !read.has_default) {
        let _ = writeln!(text, "    warning: {}", undeclared_sentence(read));
    }
}

/// `[tenant] of alembic.ini`.
fn place(track: &AlembicTrack) -> String {
    let ini = track.ini.as_ref().map(|ini| format!("[{}] of {ini}", track.section));
    let pyproject = track.pyproject.as_ref().map(|path| format!("[tool.alembic] of {path}"));
    let location = track.script_location.as_ref().map(|text| format!("script_location {text}"));
    let parts: Vec<String> = [ini, pyproject, location].into_iter().flatten().collect();
    parts.join(" and ")
}

/// A value is shown if it is a placeholder: another one may contain a secret.
fn shown(name: &str, value: &str) -> String {
    let is_placeholder = value.starts_with('{') && value.find('}') == Some(value.len() - 1);
    format!("{name}={}", if is_placeholder { value } else { "…" })
}

/// The revisions that none follows, with their branch labels.
fn heads(revisions: &[Migration]) -> Vec<String> {
    let graph = RevisionGraph::new(revisions);
    let head = |head: usize| {
        let labels: Vec<&str> = graph.labels(head).collect();
        let version = &graph.migration(head).version;
        match labels.is_empty() {
            true => version.clone(),
            false => format!("{version} ({})", labels.join(", ")),
        }
    };
    graph.heads().into_iter().map(head).collect()
}

pub(super) fn as_json(track: &AlembicTrack, revisions: &[Migration]) -> Value {
    let graph = RevisionGraph::new(revisions);
    let heads = graph.heads().into_iter().map(|head| &graph.migration(head).version);
    json!({
        "ini": track.ini,
        "pyproject": track.pyproject,
        "section": track.ini.as_ref().map(|_| &track.section),
        "script_location": track.script_location,
        "revision": track.revisions,
        "heads": heads.collect::<Vec<_>>(),
        "env": track.environment.keys().collect::<Vec<_>>(),
        "options": track.options.keys().collect::<Vec<_>>(),
        "inferred": track.inferred,
        "not_set": track.undeclared.iter().map(not_set).collect::<Vec<_>>(),
    })
}

fn not_set(read: &UndeclaredRead) -> Value {
    json!({
        "kind": match read.kind {
            UndeclaredKind::Variable => "env",
            UndeclaredKind::Argument => "args",
            UndeclaredKind::MainOption => "options",
        },
        "name": read.name,
        "path": read.path,
        "line": read.line,
        "has_default": read.has_default,
    })
}
