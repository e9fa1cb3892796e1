//! The address of a database for the project's own programs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use super::protocol::ProgramServer;

/// RFC 3986, unreserved characters.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl ProgramServer {
    /// The server and the role of these options, and this database. If `port` is set, the server is reached by this port of
    /// 127.0.0.1 instead.
    pub(crate) fn of(options: &PgConnectOptions, database: &str, port: Option<u16>) -> Self {
        let encoded = |text: &str| utf8_percent_encode(text, &RESERVED).to_string();
        // The only way to read the password of options.
        let password = options.to_url_lossy().password().map(decoded).unwrap_or_default();
        let socket_dir = options.get_socket().filter(|_| port.is_none());
        let socket_dir = socket_dir.map(|folder| folder.display().to_string());
        let host = if port.is_some() { "127.0.0.1" } else { options.get_host() };
        let (user, port) = (options.get_username().to_owned(), port.unwrap_or(options.get_port()));
        let account = format!("{}:{}", encoded(&user), encoded(&password));
        let url = match &socket_dir {
            Some(folder) => format!(
                "postgresql://{account}@/{}?host={}&port={port}",
                encoded(database),
                encoded(folder)
            ),
            None => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
                format!("postgresql://{account}@{host}:{port}/{}", encoded(database))
            }
        };
        let plain_url = url.clone();
        Self {
            plain_url,
            host: socket_dir.clone().unwrap_or_else(|| host.to_owned()),
            port,
            socket_dir,
            database: database.to_owned(),
            user,
            password,
            url,
        }
    }

    /// Adds session settings, as libpq's parameter `options` has them: blanks and backslashes are escaped.
    pub(crate) fn with_settings<'s>(
        mut self,
        settings: impl Iterator<Item = (&'s str, &'s str)>,
    ) -> Self {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace(' ', "\\ ");
        let options: Vec<String> =
            settings.map(|(name, value)| format!("-c {name}={}", escaped(value))).collect();
        if !options.is_empty() {
            let separator = if self.url.contains('?') { '&' } else { '?' };
            let options = utf8_percent_encode(&options.join(" "), &RESERVED).to_string();
            self.url.push_str(&format!("{separator}options={options}"));
        }
        self
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_encoded_in_the_url() {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(5433)
            .username("o'wner")
            .password("p@ss/w:rd%");
        let address = ProgramServer::of(&options, "We'ird-Ténant/1", None);
        assert_eq!((address.user.as_str(), address.password.as_str()), ("o'wner", "p@ss/w:rd%"));
        assert_eq!(
            address.url,
            "postgresql://o%27wner:p%40ss%2Fw%3Ard%25@127.0.0.1:5433/We%27ird-T%C3%A9nant%2F1"
        );
        assert!(!format!("{address:?}").contains("p@ss"));
        let six = ProgramServer::of(&options.host("::1"), "d", None);
        assert!(six.url.contains("@[::1]:5433/d"), "{}", six.url);
    }

    #[test]
    fn a_socket_is_a_parameter() {
        let options = PgConnectOptions::new_without_pgpass().socket("/run/pg").username("o");
        let address = ProgramServer::of(&options, "d", None);
        assert_eq!(address.url, "postgresql://o:@/d?host=%2Frun%2Fpg&port=5432");
        assert_eq!(address.host, "/run/pg");
        let by_port = ProgramServer::of(&options, "d", Some(5));
        assert_eq!(by_port.url, "postgresql://o:@127.0.0.1:5/d");
        assert_eq!(by_port.socket_dir, None);
        let settings = [("statement_timeout", "5s"), ("app.name", "a b")].into_iter();
        let with_settings = by_port.with_settings(settings);
        assert!(
            with_settings
                .url
                .ends_with("/d?options=-c%20statement_timeout%3D5s%20-c%20app.name%3Da%5C%20b")
        );
        assert_eq!(with_settings.plain_url, "postgresql://o:@127.0.0.1:5/d");
    }
}
