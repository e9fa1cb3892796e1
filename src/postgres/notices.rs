//! Assigns the server's NOTICEs and WARNINGs to the step that caused them.
//!
//! sqlx 0.9 exposes them only as tracing events of the target `sqlx::postgres::notice`, emitted in the task that reads the
//! connection. A layer moves them into a collector of that task.

use std::cell::RefCell;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, filter::LevelFilter};

use crate::model::{Notice, NoticeLevel, Place};
use crate::secrets;

const TARGET: &str = "sqlx::postgres::notice";
/// A `RAISE NOTICE` in a loop over rows must not fill the report.
const MAX_NOTICES: usize = 100;
/// Characters of one message.
const MAX_MESSAGE: usize = 1_000;

tokio::task_local! {
    static COLLECTOR: RefCell<Collected>;
}

#[derive(Default)]
struct Collected {
    notices: Vec<Notice>,
    /// For each notice of the current message: the number of statements completed before it.
    statements: Vec<usize>,
    completed: usize,
    left_out: usize,
}

/// The layer that fills the collectors, with its filter. It must be part of the process's only subscriber, without a global
/// filter: an `EnvFilter` that is not a `with_filter` of its own layer would suppress the notices.
pub(crate) fn layer<S>() -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    NoticeLayer.with_filter(OnlyNotices)
}

/// Runs `future`. Returns its output and the notices of all connections that it read from, in their order.
///
/// At most 100 notices, of at most 1,000 characters; a last one counts the omitted ones. Tasks that the future spawns are
/// not included. In nested collections the innermost receives the notice.
pub(crate) async fn collecting<F: Future>(future: F) -> (F::Output, Vec<Notice>) {
    COLLECTOR
        .scope(RefCell::default(), async {
            let output = future.await;
            (output, COLLECTOR.with(|collected| collected.take().finish()))
        })
        .await
}

/// A statement of the current message was completed.
pub(crate) fn statement_completed() {
    with_collector(|collected| collected.completed += 1);
}

/// The current message has ended. `place` returns the location of the statement after a number of completed ones.
pub(crate) fn message_over(place: impl Fn(usize) -> Option<Place>) {
    with_collector(|collected| {
        let first = collected.notices.len() - collected.statements.len();
        let mut last: Option<(usize, Option<Place>)> = None;
        for (index, statement) in std::mem::take(&mut collected.statements).into_iter().enumerate()
        {
            // A statement can raise a hundred notices.
            let place = match &last {
                Some((before, place)) if *before == statement => place.clone(),
                _ => place(statement),
            };
            last = Some((statement, place.clone()));
            collected.notices[first + index].place = place;
        }
        collected.completed = 0;
    });
}

fn with_collector(act: impl FnOnce(&mut Collected)) {
    // Notices outside of a collection are dropped.
    let _ = COLLECTOR.try_with(|collected| {
        if let Ok(mut collected) = collected.try_borrow_mut() {
            act(&mut collected);
        }
    });
}

impl Collected {
    fn push(&mut self, level: NoticeLevel, message: &str) {
        // Checks read these, so other notices must not displace them.
        let most = if is_skip(message) { 10 * MAX_NOTICES } else { MAX_NOTICES };
        if self.notices.len() >= most {
            self.left_out += 1;
            return;
        }
        self.notices.push(Notice { level, message: shorten(message), place: None });
        self.statements.push(self.completed);
    }

    fn finish(mut self) -> Vec<Notice> {
        if self.left_out > 0 {
            let message = format!("{} more notices omitted", self.left_out);
            self.notices.push(Notice { level: NoticeLevel::Notice, message, place: None });
        }
        self.notices
    }
}

/// The server's message for `IF NOT EXISTS` on an existing object.
fn is_skip(message: &str) -> bool {
    message.ends_with("already exists, skipping")
}

fn shorten(message: &str) -> String {
    let message = secrets::mask(message);
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.into_owned(),
    }
}

struct NoticeLayer;

impl<S: Subscriber> Layer<S> for NoticeLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::INFO => NoticeLevel::Notice,
            // Severities above WARNING arrive as errors, not as notices; any other event is treated as a warning.
            _ => NoticeLevel::Warning,
        };
        let mut message = NoticeText(String::new());
        event.record(&mut message);
        with_collector(|collected| collected.push(level, &message.0));
    }
}

/// Passes NOTICE and above, of sqlx's notices only.
struct OnlyNotices;

fn is_notice(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET && *metadata.level() <= Level::INFO
}

impl<S> Filter<S> for OnlyNotices {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        is_notice(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_notice(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

struct NoticeText(String);

impl Visit for NoticeText {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{EnvFilter, Registry};

    use super::*;

    fn notice(level: NoticeLevel, message: &str) -> Notice {
        Notice { level, message: message.to_owned(), place: None }
    }

    #[tokio::test]
    async fn notices_reach_the_open_collection() {
        let _guard = tracing::subscriber::set_default(Registry::default().with(layer()));
        tracing::info!(target: "sqlx::postgres::notice", message = "to nobody");
        let (output, notices) = collecting(async {
            tracing::info!(target: "sqlx::postgres::notice", message = "already exists, skipping");
            tokio::task::yield_now().await;
            tracing::warn!(target: "sqlx::postgres::notice", message = "careful");
            tracing::debug!(target: "sqlx::postgres::notice", message = "chatter");
            tracing::warn!(target: "elsewhere", message = "not the server's");
            7
        })
        .await;
        assert_eq!(output, 7);
        assert_eq!(
            notices,
            [
                notice(NoticeLevel::Notice, "already exists, skipping"),
                notice(NoticeLevel::Warning, "careful")
            ]
        );
    }

    #[tokio::test]
    async fn notices_are_collected_while_the_log_is_off() {
        let log = tracing_subscriber::fmt::layer().with_filter(EnvFilter::new("off"));
        let _guard = tracing::subscriber::set_default(Registry::default().with(log).with(layer()));
        let ((), notices) = collecting(async {
            assert!(tracing::enabled!(target: "sqlx::postgres::notice", tracing::Level::INFO));
            assert!(!tracing::enabled!(target: "elsewhere", tracing::Level::INFO));
            tracing::info!(target: "sqlx::postgres::notice", message = "heard");
        })
        .await;
        assert_eq!(notices, [notice(NoticeLevel::Notice, "heard")]);
    }

    #[tokio::test]
    async fn a_notice_has_the_location_of_its_statement() {
        let _guard = tracing::subscriber::set_default(Registry::default().with(layer()));
        let ((), notices) = collecting(async {
            for said in ["a", "b"] {
                statement_completed();
                tracing::info!(target: "sqlx::postgres::notice", message = said);
                statement_completed();
                tracing::info!(target: "sqlx::postgres::notice", message = said);
                message_over(|completed| {
                    let path = said.into();
                    (completed < 2).then_some(Place {
                        path,
                        line: completed,
                        column: None,
                        excerpt: None,
                    })
                });
            }
        })
        .await;
        let places: Vec<_> = notices
            .iter()
            .map(|notice| {
                notice.place.as_ref().map(|place| format!("{}:{}", place.path, place.line))
            })
            .collect();
        assert_eq!(places, [Some("a:1".into()), None, Some("b:1".into()), None]);
    }

    #[test]
    fn notices_are_limited_and_omitted_ones_are_counted() {
        let mut collected = Collected::default();
        for _ in 0..150 {
            collected.push(NoticeLevel::Notice, &"é".repeat(2_000));
        }
        let notices = collected.finish();
        assert_eq!(notices.len(), MAX_NOTICES + 1);
        assert_eq!(notices[0].message.chars().count(), MAX_MESSAGE + 1);
        assert_eq!(notices[100].message, "50 more notices omitted");
    }
}
