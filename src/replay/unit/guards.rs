//! What `IF NOT EXISTS` skipped in a step: from the catalog before and after it if possible, since a script can disable the
//! server's notices, and the server can use another language.

use crate::formats::{Fragment, QueryBatch};
use crate::model::{Migration, NotChecked, Notice, NoticeLevel, Script, StepRecord};
use crate::postgres::{Postcondition, Session};
use crate::replay::plan::TrackPlan;
use crate::sql::{GuardedObject, Guards, first_mention, guards, place_in, quote_literal};

/// The state before a step that shows afterwards what the step skipped.
pub(crate) struct GuardWatch {
    script: Script,
    guards: Guards,
    /// The identity of each object before; `None` if the session could not read it.
    before: Option<Vec<String>>,
    /// Why notices may be missing.
    hidden: Option<String>,
}

impl GuardWatch {
    /// `None` for a script without such guards, and for a migration of the base, which cannot be changed any more.
    pub(super) async fn begin(
        track: &TrackPlan,
        session: &mut Session,
        migration: &Migration,
        messages: &[QueryBatch],
    ) -> Option<Self> {
        if !track.is_pending(migration) {
            return None;
        }
        let mut scripts = messages.iter().flat_map(QueryBatch::fragments).filter_map(script_of);
        let script = scripts.next()?.clone();
        let script = if scripts.next().is_some() { migration.up.clone() } else { script };
        let guards = guards(script.text());
        if guards == Guards::default() {
            return None;
        }
        let before = identities(session, &guards.objects).await;
        let hidden = match mentioned_setting(&script) {
            Some(setting) => Some(format!("the script sets {setting}")),
            None => hides_notices(session, guards.has_others).await,
        };
        Some(Self { script, guards, before, hidden })
    }

    /// Records what was skipped, in the words of the server, and what is unknown.
    pub(crate) async fn finish(
        self,
        session: &mut Session,
        postcondition: &Postcondition,
        search_path: &[String],
        step: &mut StepRecord,
    ) {
        let after = match postcondition.schemas == search_path {
            true => identities(session, &self.guards.objects).await,
            // Unqualified names refer to other objects there.
            false => None,
        };
        let known = self.before.zip(after);
        let is_known = known.is_some() && !self.guards.has_others;
        let skipped = known.into_iter().flat_map(|(before, after)| before.into_iter().zip(after));
        step.skipped = skipped
            .zip(&self.guards.objects)
            .filter(|((before, after), _)| !before.is_empty() && before == after)
            .map(|(_, object)| notice(&self.script, object))
            .collect();
        let hidden = match (self.hidden, is_known) {
            (_, true) => None,
            (Some(reason), _) => Some(reason),
            (None, false) => hides_notices(session, true).await,
        };
        step.not_checked = hidden.map(|reason| NotChecked {
            check: "already-exists-skipped",
            reason: format!("{reason}, so the server may not report what IF NOT EXISTS skipped"),
        });
    }
}

fn script_of(fragment: &Fragment) -> Option<&Script> {
    match fragment {
        Fragment::Script(script) => Some(script),
        Fragment::Tool(_) => None,
    }
}

fn notice(script: &Script, object: &GuardedObject) -> Notice {
    Notice {
        level: NoticeLevel::Notice,
        message: object.notice.clone(),
        place: Some(place_in(script, script.range().start + object.statement.start)),
    }
}

fn mentioned_setting(script: &Script) -> Option<&'static str> {
    let mentions =
        |setting: &&&str| first_mention(script.text(), &[(**setting).to_owned()]).is_some();
    ["client_min_messages", "lc_messages"].iter().find(mentions).copied()
}

/// The identity of each object now: empty if it does not exist.
async fn identities(session: &mut Session, objects: &[GuardedObject]) -> Option<Vec<String>> {
    if objects.is_empty() {
        return Some(Vec::new());
    }
    let one = |object: &GuardedObject| {
        let relation =
            format!("pg_catalog.to_regclass({})::pg_catalog.oid", quote_literal(&object.relation));
        match &object.column {
            None => format!("{relation}::pg_catalog.text"),
            Some(column) => format!(
                "(SELECT pg_catalog.concat(a.attrelid, '.', a.attnum) FROM pg_catalog.pg_attribute AS a \
                 WHERE a.attrelid = {relation} AND a.attname = {} AND NOT a.attisdropped)",
                quote_literal(column)
            ),
        }
    };
    let all: Vec<String> =
        objects.iter().map(|object| format!("coalesce({}, '')", one(object))).collect();
    let query =
        format!("SELECT pg_catalog.array_to_json(ARRAY[{}])::pg_catalog.text", all.join(", "));
    let text: String = session.fetch_one(&query).await.ok()?;
    serde_json::from_str(&text).ok()
}

/// Why the session may not receive notices in English; with `functions`, functions that could disable them count.
async fn hides_notices(session: &mut Session, functions: bool) -> Option<String> {
    const QUERY: &str = "SELECT pg_catalog.concat_ws(' ', pg_catalog.current_setting('client_min_messages'), \
                         pg_catalog.current_setting('lc_messages'))";
    let settings: Result<String, _> = session.fetch_one(QUERY).await;
    let Ok(settings) = settings else { return Some("the session could not be queried".to_owned()) };
    let (level, language) = settings.split_once(' ').unwrap_or((&settings, ""));
    if matches!(level, "warning" | "error") {
        return Some(format!("client_min_messages is {level}"));
    }
    if !is_english(language) {
        return Some(format!("lc_messages is {language}"));
    }
    let makes_quiet: Result<bool, _> = match functions {
        false => return None,
        true => session.fetch_one(FUNCTIONS).await,
    };
    makes_quiet
        .unwrap_or(true)
        .then(|| "a function of the database sets client_min_messages".to_owned())
}

const FUNCTIONS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc AS p WHERE p.oid >= 16384 AND \
    (p.prosrc ~* 'client_min_messages' OR p.proconfig::pg_catalog.text ~* 'client_min_messages'))";

fn is_english(language: &str) -> bool {
    matches!(language, "" | "C" | "POSIX")
        || language.starts_with("en")
        || language.starts_with("C.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_in_a_comment_switches_nothing_off() {
        let mentioned = |text: &str| mentioned_setting(&Script::whole("1.sql", text));
        assert_eq!(mentioned("-- SET client_min_messages = error\nSELECT 1;"), None);
        assert_eq!(
            mentioned("SET LOCAL Client_Min_Messages = error;"),
            Some("client_min_messages")
        );
        assert_eq!(
            mentioned("SELECT set_config('client_min_messages', 'error', true);"),
            Some("client_min_messages")
        );
        assert_eq!(mentioned("SET lc_messages = 'de_DE';"), Some("lc_messages"));
    }

    #[test]
    fn english_is_known_by_its_locale() {
        for language in ["", "C", "C.UTF-8", "en_US.utf8", "POSIX"] {
            assert!(is_english(language), "{language}");
        }
        assert!(!is_english("de_DE.UTF-8"));
    }
}
