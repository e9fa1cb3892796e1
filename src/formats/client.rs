//! The client library of a tool, and the settings for dates, times and numbers that it sends when it connects. Under other
//! settings, a migration reads `'2020-01-01'` as another moment and `'01/02/2020'` as another day.
//!
//! mig-ci's own driver (sqlx) always sends `DateStyle`, `TimeZone` and `extra_float_digits`, so defaults of the role and the
//! database do not apply. For tools with another client, they are read from the catalog and set.

use crate::sql::quote_literal;

/// The client library of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientLibrary {
    /// Sends `DateStyle = 'ISO, MDY'`, `TimeZone = 'UTC'`, `extra_float_digits = 2` (sqlx 0.9.0,
    /// `sqlx-postgres/src/connection/establish.rs`).
    Sqlx,
    /// Sends only `DateStyle = 'ISO, MDY'` (`lib/pq` 1.12.3 in dbmate 2.36.0).
    LibPq,
    /// Sends none of them.
    Psql,
}

impl ClientLibrary {
    /// Whether it keeps the server's default of `extra_float_digits`.
    pub(crate) fn keeps_float_digits(self) -> bool {
        self != Self::Sqlx
    }

    /// Settings that this client leaves at the session's defaults.
    fn follows(self) -> &'static [&'static str] {
        match self {
            Self::Sqlx => &[],
            Self::LibPq => &["timezone"],
            Self::Psql => &["timezone", "datestyle"],
        }
    }

    /// SQL that gives a session of mig-ci's driver the settings that it would have with this client: those of the role and the
    /// database, then those in `configured` that the driver overrides. Empty if there is nothing to set.
    pub(crate) fn settings<'c>(
        self,
        configured: impl Iterator<Item = (&'c str, &'c str)>,
    ) -> Vec<String> {
        let mut statements: Vec<String> =
            (!self.follows().is_empty()).then(|| self.of_role()).into_iter().collect();
        let overridden = ["timezone", "datestyle", "extra_float_digits"];
        let of_configuration = configured
            .filter(|(name, _)| overridden.contains(&name.to_lowercase().as_str()))
            .map(|(name, value)| set(&quote_literal(name), &quote_literal(value)));
        statements.extend(of_configuration);
        statements
    }

    /// Like [`ClientLibrary::settings`], for a real server, whose configuration file may also set a time zone.
    pub(crate) fn settings_on_real_server(self, configured: &[(String, String)]) -> Vec<String> {
        let pairs = configured.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let has_zone = configured.iter().any(|(name, _)| name.eq_ignore_ascii_case("timezone"));
        let asks = self.follows().contains(&"timezone") && !has_zone;
        let server = asks.then(|| ZONE_OF_SERVER.replace("ROLE_SETTINGS", ROLE_SETTINGS));
        server.into_iter().chain(self.settings(pairs)).collect()
    }

    /// `ApplySetting` in PostgreSQL's `postinit.c` defines the precedence.
    fn of_role(self) -> String {
        let names: Vec<String> = self.follows().iter().map(|name| quote_literal(name)).collect();
        format!(
            "SELECT {} FROM (SELECT DISTINCT ON (s.name) s.name, s.value FROM ({ROLE_SETTINGS}) AS s \
             WHERE s.name IN ({}) ORDER BY s.name, s.rank DESC) AS s",
            set("s.name", "s.value"),
            names.join(", ")
        )
    }
}

fn set(name: &str, value: &str) -> String {
    let call = format!("pg_catalog.set_config({name}, {value}, false)");
    if name.starts_with("s.") { call } else { format!("SELECT {call}") }
}

/// The settings of `ALTER ROLE … SET` and `ALTER DATABASE … SET` that apply to this session.
const ROLE_SETTINGS: &str = "SELECT pg_catalog.lower(pg_catalog.split_part(c.entry, '=', 1)) AS name, \
    pg_catalog.substr(c.entry, pg_catalog.strpos(c.entry, '=') + 1) AS value, \
    CASE WHEN r.setrole <> 0 THEN 2 ELSE 0 END + CASE WHEN r.setdatabase <> 0 THEN 1 ELSE 0 END AS rank \
    FROM pg_catalog.pg_db_role_setting AS r, pg_catalog.unnest(r.setconfig) AS c(entry) \
    WHERE r.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())) \
    AND r.setrole IN (0, (SELECT u.oid FROM pg_catalog.pg_roles AS u WHERE u.rolname = SESSION_USER))";

/// The server does not show its own time zone to a session whose client has sent one. A superuser can read it from the server's
/// files. Others use the zone of the server's log: `initdb` writes the same zone for both (`initdb.c`, `setup_config`).
const ZONE_OF_SERVER: &str = r"DO LANGUAGE plpgsql $mig_ci$
DECLARE
    zone pg_catalog.text;
    started pg_catalog.text;
BEGIN
    IF EXISTS (SELECT FROM (ROLE_SETTINGS) AS s WHERE s.name = 'timezone') THEN
        RETURN;
    END IF;
    IF pg_catalog.current_setting('is_superuser') = 'on' THEN
        started := pg_catalog.pg_read_file('postmaster.opts', 0, 100000, true);
        IF coalesce(started, 'timezone') !~* 'timezone' THEN
            SELECT f.setting INTO zone FROM pg_catalog.pg_file_settings AS f
                WHERE pg_catalog.lower(f.name) = 'timezone' AND f.applied ORDER BY f.seqno DESC LIMIT 1;
            PERFORM pg_catalog.set_config('TimeZone', zone, false) WHERE zone IS NOT NULL;
            RETURN;
        END IF;
    END IF;
    PERFORM pg_catalog.set_config('TimeZone', pg_catalog.current_setting('log_timezone'), false);
END
$mig_ci$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_sends_all_settings_follows_only_the_configuration() {
        let none = || std::iter::empty();
        assert!(ClientLibrary::Sqlx.settings(none()).is_empty());
        assert!(ClientLibrary::Sqlx.settings_on_real_server(&[]).is_empty());
        let zone =
            ClientLibrary::Sqlx.settings([("timezone", "Asia/Tokyo"), ("a.b", "1")].into_iter());
        assert_eq!(zone, ["SELECT pg_catalog.set_config('timezone', 'Asia/Tokyo', false)"]);
        assert_eq!(ClientLibrary::LibPq.settings(none()).len(), 1);
        assert_eq!(ClientLibrary::LibPq.settings_on_real_server(&[]).len(), 2);
        let configured = [("TimeZone".to_owned(), "UTC".to_owned())];
        assert_eq!(ClientLibrary::LibPq.settings_on_real_server(&configured).len(), 2);
    }
}
