//! The driver's Python files. They are part of the binary and are sent to the interpreter; nothing is written to disk.

use std::collections::BTreeMap;

/// What `python -c` executes: it reads the sources from its input.
pub(crate) const BOOTSTRAP: &str = include_str!("python/bootstrap.py");

/// The modules of the package `mig_ci_driver`.
const MODULES: &[(&str, &str)] = &[
    ("bootstrap", BOOTSTRAP),
    ("alembic_run", include_str!("python/alembic_run.py")),
    ("audit", include_str!("python/audit.py")),
    ("capture", include_str!("python/capture.py")),
    ("channel", include_str!("python/channel.py")),
    ("describe", include_str!("python/describe.py")),
    ("descriptors", include_str!("python/descriptors.py")),
    ("drivers", include_str!("python/drivers.py")),
    ("errors", include_str!("python/errors.py")),
    ("facts", include_str!("python/facts.py")),
    ("guard", include_str!("python/guard.py")),
    ("imports", include_str!("python/imports.py")),
    ("libpq", include_str!("python/libpq.py")),
    ("places", include_str!("python/places.py")),
    ("processes", include_str!("python/processes.py")),
    ("recorder", include_str!("python/recorder.py")),
    ("runs", include_str!("python/runs.py")),
    ("session", include_str!("python/session.py")),
    ("setup", include_str!("python/setup.py")),
    ("streams", include_str!("python/streams.py")),
    ("supervisor", include_str!("python/supervisor.py")),
    ("target", include_str!("python/target.py")),
    ("template", include_str!("python/template.py")),
    ("templates", include_str!("python/templates.py")),
    ("transactions", include_str!("python/transactions.py")),
    ("urls", include_str!("python/urls.py")),
];

/// The first bytes of the driver's input: their length in decimal, a line end, and the sources as JSON.
pub(crate) fn framed() -> Vec<u8> {
    let sources: BTreeMap<&str, &str> = MODULES.iter().copied().collect();
    let json = serde_json::json!({ "sources": sources }).to_string();
    format!("{}\n{json}", json.len()).into_bytes()
}
