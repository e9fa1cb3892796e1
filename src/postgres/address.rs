//! The address of a real database: a URL as for libpq, which may contain a placeholder for the tenant.
//!
//! Passwords come from the URL, from `PGPASSWORD`, or from `.pgpass`. No error or description contains one.

use std::str::FromStr as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::model::MAX_IDENTIFIER_BYTES;
use crate::secrets;

/// The placeholder for the tenant's schema or database.
const TARGET: &str = "{target}";
/// The placeholder for the tenant's name.
const TENANT: &str = "{tenant}";

/// All characters except those that are unreserved everywhere in a URL, including the host: RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Settings that any role may set, and that results of reads could depend on. Source: pg_settings, context `user`.
const READING: [(&str, &str); 17] = [
    ("bytea_output", "hex"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "1"),
    ("lc_monetary", "C"),
    ("xmlbinary", "base64"),
    ("standard_conforming_strings", "on"),
    ("quote_all_identifiers", "off"),
    ("array_nulls", "on"),
    ("transform_null_equals", "off"),
    ("row_security", "on"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
];

/// A database's URL as configured.
#[derive(Clone)]
pub(crate) struct Url(String);

/// One database on one server.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    options: PgConnectOptions,
    database: String,
    /// The part of its URL after the `?`.
    parameters: Vec<(String, String)>,
}

/// Why a text is not a valid address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("it is not the URL of a PostgreSQL server: it does not begin with postgres://")]
    NoUrl,
    #[error(
        "it is not the URL of a PostgreSQL server: its host, port or parameters are invalid (special \
         characters in a password must be percent-encoded)"
    )]
    Unreadable,
    #[error("it has no database name: write postgres://user@host:5432/database")]
    NoDatabase,
    #[error("it contains {TARGET} or {TENANT}, which are valid only for tenants")]
    Template,
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Url(***)")
    }
}

impl Url {
    /// Registers the password, so that all output masks it.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        secrets::learn_address(&text);
        Self(text)
    }

    /// Whether each tenant has a URL of its own.
    pub(crate) fn is_template(&self) -> bool {
        self.0.contains(TARGET) || self.0.contains(TENANT)
    }

    /// The database that the URL names.
    pub(crate) fn address(&self) -> Result<Address, AddressError> {
        if self.is_template() {
            return Err(AddressError::Template);
        }
        Address::parse(&self.0)
    }

    /// The database of a tenant that has one of its own: by the template, or with the target instead of the URL's database
    /// name.
    pub(crate) fn of_tenant(&self, tenant: &str, target: &str) -> Result<Address, AddressError> {
        let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
        if !self.is_template() {
            Address::parse(&self.0)?;
            // As a part of the URL, since `.pgpass` can have a line for each database.
            let sign = if self.0.contains('?') { '&' } else { '?' };
            return Address::parse(&format!("{}{sign}dbname={}", self.0, encoded(target)));
        }
        let url = self.0.replace(TARGET, &encoded(target)).replace(TENANT, &encoded(tenant));
        Address::parse(&url)
    }
}

impl Address {
    fn parse(url: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = url.split_once("://").ok_or(AddressError::NoUrl)?;
        // SQLAlchemy adds the driver to the scheme: postgresql+psycopg2.
        if !matches!(scheme.split('+').next(), Some("postgres" | "postgresql")) {
            return Err(AddressError::NoUrl);
        }
        // libpq accepts a user without a host; the host is then in a parameter, or the default one.
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let host = if rest[..end].ends_with('@') { "localhost" } else { "" };
        let rest = format!("{}{host}{}", &rest[..end], &rest[end..]);
        // The driver's error quotes a part of the URL, which may be the password.
        let options = PgConnectOptions::from_str(&format!("postgres://{rest}"))
            .map_err(|_| AddressError::Unreadable)?
            .disable_statement_logging();
        let database = options.get_database().ok_or(AddressError::NoDatabase)?.to_owned();
        Ok(Self { options, database, parameters: parameters(&rest) })
    }

    /// Another database of the same server.
    pub(crate) fn with_database(self, name: &str) -> Self {
        Self { options: self.options.database(name), database: name.to_owned(), ..self }
    }

    /// The database's name, truncated as the server truncates it (`ProcessStartupPacket`).
    pub(crate) fn database(&self) -> &str {
        let bytes = self.database.floor_char_boundary(MAX_IDENTIFIER_BYTES);
        &self.database[..bytes]
    }

    /// Host and port. Different endpoints may be aliases of one server.
    pub(crate) fn endpoint(&self) -> String {
        let port = self.options.get_port();
        match self.options.get_socket() {
            Some(socket) => format!("{}:{port}", socket.display()),
            None => {
                format!("{}:{port}", self.options.get_host().trim_end_matches('.').to_lowercase())
            }
        }
    }

    /// Equal only for addresses of the same database.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.endpoint(), self.database())
    }

    /// Options for a session with these settings, as `-c name=value`.
    pub(crate) fn options(&self, settings: &[(String, String)]) -> PgConnectOptions {
        let settings = settings.iter().map(|(name, value)| (name, value));
        self.options.clone().options(settings)
    }

    /// Options for a session in which mig-ci itself reads: results do not depend on defaults of the role or the database. No
    /// migration runs in it. `settings` override these defaults.
    pub(crate) fn reading(&self, settings: &[(String, String)]) -> PgConnectOptions {
        let settings = settings.iter().map(|(name, value)| (name, value));
        self.options.clone().options(READING).options(settings)
    }

    /// The parameters of its URL, decoded.
    pub(crate) fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// Whether the server is on this machine, so that no confirmation is needed.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.options.get_host();
        self.options.get_socket().is_some()
            || host.starts_with('/')
            || matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]")
    }

    /// `db.example:5432/users`.
    pub(crate) fn describe(&self) -> String {
        let port = self.options.get_port();
        match self.options.get_socket() {
            Some(socket) => format!("{}:{port}/{}", socket.display(), self.database),
            None => format!("{}:{port}/{}", self.options.get_host(), self.database),
        }
    }
}

/// The parameters of a URL. `options[search_path]=a` is the same as `options=-c search_path=a`.
fn parameters(url: &str) -> Vec<(String, String)> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let decode =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let pair = |(name, value): (&str, &str)| {
        let (name, value) = (decode(name), decode(value));
        match name.strip_prefix("options[").and_then(|name| name.strip_suffix(']')) {
            Some(setting) => ("options".to_owned(), format!("-c {setting}={value}")),
            None => (name, value),
        }
    };
    pairs.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<Address, AddressError> {
        Url::new(url).address()
    }

    #[test]
    fn urls_are_parsed_and_invalid_ones_are_rejected() {
        let found = address("postgresql+psycopg2://u:p%40ss@db.example:6543/users?sslmode=require");
        let found = found.unwrap();
        assert_eq!(found.describe(), "db.example:6543/users");
        assert!(!found.is_local());
        assert!(address("postgres://u@localhost/d").unwrap().is_local());
        assert!(address("postgres://u@/d?host=/run/postgresql").unwrap().is_local());
        assert_eq!(address("mysql://u@h/d").unwrap_err(), AddressError::NoUrl);
        assert_eq!(address("users").unwrap_err(), AddressError::NoUrl);
        assert_eq!(address("postgres://u@h:port/d").unwrap_err(), AddressError::Unreadable);
        assert_eq!(address("postgres://u@h").unwrap_err(), AddressError::NoDatabase);
        assert_eq!(address("postgres://h/{target}").unwrap_err(), AddressError::Template);
    }

    #[test]
    fn a_tenants_database_replaces_the_urls_or_comes_from_the_template() {
        let of = |url: &str| Url::new(url).of_tenant("We'ird/Ténant", "c_We'ird/Ténant").unwrap();
        let replaced = of("postgres://u@h:1/base?application_name=x");
        assert_eq!(replaced.describe(), "h:1/c_We'ird/Ténant");
        assert_eq!(of("postgres://u@h:1/{target}").describe(), replaced.describe());
        assert_eq!(of("postgres://u@h:1/x_{tenant}?sslmode=disable").database(), "x_We'ird/Ténant");
        let host = Url::new("postgres://u@{tenant}.db.internal:1/{target}");
        let host = host.of_tenant("acme-corp", "c_1").unwrap();
        assert_eq!(host.describe(), "acme-corp.db.internal:1/c_1");
    }

    #[test]
    fn descriptions_and_errors_contain_no_password() {
        let url = Url::new("postgres://u:hunter2@h:port/d");
        assert!(!format!("{url:?} {}", url.address().unwrap_err()).contains("hunter2"));
        let valid = address("postgres://u:hunter2@h/d").unwrap();
        assert!(!valid.describe().contains("hunter2"));
    }
}
