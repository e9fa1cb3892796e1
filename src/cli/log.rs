//! The log of `MIG_CI_LOG` on stderr: text, or one object per line with `--log-format json`. docs/logging.md describes the
//! spans and the fields.

use std::fmt;
use std::io::Write as _;
use std::time::SystemTime;

use indexmap::IndexMap;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt as text};

use super::args::LogFormat;
use super::edge;
use crate::postgres;

/// The filter in `MIG_CI_LOG`: levels, and `TARGET=LEVEL`. tracing would read a single word as a target, which would hide a
/// mistyped level.
///
/// # Errors
/// If it is something else.
pub(super) fn filter() -> Result<EnvFilter, String> {
    let Some(wanted) = std::env::var("MIG_CI_LOG").ok().filter(|wanted| !wanted.is_empty()) else {
        return Ok(EnvFilter::new("off"));
    };
    let is_known = |part: &str| part.contains('=') || part.parse::<LevelFilter>().is_ok();
    match EnvFilter::try_new(&wanted) {
        Ok(filter) if wanted.split(',').all(|part| is_known(part.trim())) => Ok(filter),
        _ => Err(format!(
            "MIG_CI_LOG is {wanted:?}; possible values: off, error, warn, info, debug, trace, or TARGET=LEVEL such as \
             mig_ci=debug"
        )),
    }
}

/// Installs the process's only subscriber: the log, and the layer that passes the server's notices to their steps.
pub(super) fn to_stderr(filter: EnvFilter, format: LogFormat, colour: bool) {
    // Both write to the stream that masks known secrets.
    let log: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => {
            Box::new(text::layer().with_writer(edge::harmless_stderr).with_ansi(colour))
        }
        LogFormat::Json => Box::new(JsonLines),
    };
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .with(postgres::notice_layer())
        .init();
}

/// A log line as an object, with its own fields and those of its spans on one level. An inner span's field replaces an outer
/// one of the same name.
struct JsonLines;

#[derive(Clone, Default)]
struct Fields(IndexMap<&'static str, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Fields::default();
        line.add("timestamp", humantime::format_rfc3339_millis(SystemTime::now()).to_string());
        line.add("event", "log");
        line.add("level", event.metadata().level().as_str().to_ascii_lowercase());
        line.add("module", event.metadata().target());
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.0.extend(fields.0.clone());
            }
        }
        event.record(&mut line);
        if let Ok(line) = serde_json::to_string(&line.0) {
            // A closed stderr is no reason to stop a run.
            let _ = writeln!(edge::harmless_stderr(), "{line}");
        }
    }
}

impl Fields {
    fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.insert(name, value.into());
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format!("{value:?}"));
    }
}
