//! Errors of starting and using a server: what failed, why, and how to fix it.
//!
//! No message contains a password or the URL of `postgres.url`; the server's own messages may contain a user or a database.

use std::path::PathBuf;
use std::time::Duration;

use crate::secrets;

/// No server is available, or it does not work as required.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error(
        "no Docker engine answers at {address}: {reason}; start one (`docker info` shows whether it works), \
         or use `--provider local`, or `--provider url` with an existing server (in a container on GitHub: \
         a service container)"
    )]
    NoEngine { address: String, reason: String },
    #[error(
        "no permission to use the Docker engine at {address}; join the group that owns the socket (usually \
         `docker`), or use `--provider local`"
    )]
    EngineDenied { address: String },
    #[error(
        "`{image}` is not the name of an image: {reason}; set postgres.image to a name such as \
         `postgis/postgis:17-3.5`"
    )]
    ImageName { image: String, reason: String },
    #[error(
        "the registry has no image `{image}`, or requires a login for it: {reason}; check the spelling of \
         postgres.image (or postgres.version), and use `docker login` for a private image"
    )]
    ImageUnknown { image: String, reason: String },
    #[error(
        "the image `{image}` is not on this machine, and its registry cannot be reached: {reason}; load it \
         (`docker pull`, `docker load`), set postgres.image to an available image, or use `--provider local`"
    )]
    RegistryUnreachable { image: String, reason: String },
    #[error("Docker could not {doing}: {reason}")]
    Docker { doing: String, reason: String },
    #[error("the container of `{image}` ended before its server was ready{}", last_words(.log))]
    ContainerDied { image: String, log: String },
    #[error(
        "the server in a container of `{image}` did not answer within {} s (tried {tried}): {reason}{}",
        .within.as_secs(), last_words(.log)
    )]
    ContainerSilent { image: String, within: Duration, tried: String, reason: String, log: String },

    #[error(
        "no PostgreSQL server binaries (`initdb` and `postgres` in one folder) were found in {searched}; install them \
         (Debian: `apt-get install postgresql`), or set MIG_CI_PG_BIN to their folder"
    )]
    NoBinaries { searched: String },
    #[error(
        "MIG_CI_PG_BIN is `{}`, but {reason}; set it to a folder such as /usr/lib/postgresql/17/bin, or \
         unset it to search for one", .folder.display()
    )]
    BadBinaries { folder: PathBuf, reason: String },
    #[error(
        "PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor a user `nobody` to run \
         it as; run mig-ci as an ordinary user, or add a user `postgres`"
    )]
    NoUser,
    #[error(
        "found no folder for the server's data: {reason}; set TMPDIR to a folder with free space"
    )]
    NoPlace { reason: String },
    #[error("could not {doing} {}: {reason}", .path.display())]
    File { doing: &'static str, path: PathBuf, reason: String },
    #[error("`initdb` of {} failed{}", .folder.display(), last_words(.log))]
    Initdb { folder: PathBuf, log: String },
    #[error("`postgres` of {} ended before it was ready{}", .folder.display(), last_words(.log))]
    ServerDied { folder: PathBuf, log: String },
    #[error("`postgres` of {} did not answer within {} s: {reason}{}", .folder.display(), .within.as_secs(), last_words(.log))]
    ServerSilent { folder: PathBuf, within: Duration, reason: String, log: String },

    #[error(
        "the provider `url` needs the server's address; set postgres.url = \"${{MIG_CI_POSTGRES_URL}}\" or another variable"
    )]
    NoUrl,
    #[error(
        "postgres.url is not the URL of a PostgreSQL server: {reason}; the format is \
         postgres://user:password@host:5432/postgres"
    )]
    BadUrl { reason: String },
    #[error("cannot connect to the server of postgres.url: {reason}")]
    Unreachable { reason: String },
    #[error(
        "the user `{user}` of postgres.url may not create databases; run `ALTER ROLE … CREATEDB`, or use \
         another user"
    )]
    NoCreateDb { user: String },
    #[error("no TCP port on 127.0.0.1 can be had for the migrations' programs: {reason}")]
    NoPort { reason: String },
    #[error(
        "role = \"superuser\" is set, but the user `{user}` of postgres.url is not a superuser; use a \
         superuser, or set postgres.role = \"owner\""
    )]
    NoSuperuser { user: String },
    #[error(
        "the role that was created to run migrations cannot log in to the server of postgres.url: {reason}; \
         allow roles `mig_ci_*` in pg_hba.conf, or use a user who is not a superuser and may create \
         databases"
    )]
    RoleShutOut { reason: String },

    #[error(
        "the server refuses every session: {reason}; the cause is PGOPTIONS in the environment: unset it, \
         or fix it"
    )]
    Options { reason: String },
    #[error(
        "the server refuses sessions with the settings of postgres.settings: {reason}; fix them in \
         mig-ci.toml"
    )]
    Settings { reason: String },
    #[error(
        "the server cannot use the locale `{locale}` of postgres.locale ({provider}): {reason}; install it \
         on the server's machine (Debian: `locale-gen`), or change postgres.locale in mig-ci.toml: the \
         server supports {known}"
    )]
    Locale { locale: String, provider: String, reason: String, known: String },
    #[error("could not {doing}: {reason}")]
    Sql { doing: String, reason: String },
    #[error("no provider works. Docker: {docker}. Local binaries: {local}")]
    Neither { docker: Box<ProviderError>, local: Box<ProviderError> },
    #[error(
        "the migrations run in the image `{image}`, whose container reaches only a server in a container beside it, and the \
         provider is `{provider}`: use `--provider docker`, or leave out `image` in mig-ci.toml (or `--runner-image`), so \
         that the migrations run on this machine"
    )]
    ImageNeedsDocker { image: String, provider: String },
    #[error("interrupted while {doing}")]
    Interrupted { doing: &'static str },
}

impl ProviderError {
    /// An SQL failure of a statement of mig-ci; `doing` completes "could not …".
    pub(crate) fn sql(doing: impl Into<String>, error: &sqlx::Error) -> Self {
        Self::Sql { doing: doing.into(), reason: describe(error) }
    }

    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
        error: &std::io::Error,
    ) -> Self {
        Self::File { doing, path: path.into(), reason: error.to_string() }
    }
}

/// An sqlx error in one line, with the server's SQLSTATE, detail and hint. It contains no password: sqlx does not put
/// connection options into errors, and the server never returns one.
pub(crate) fn describe(error: &sqlx::Error) -> String {
    let sqlx::Error::Database(database) = error else {
        return one_line(&error.to_string());
    };
    let mut text = database.message().to_owned();
    if let Some(code) = database.code() {
        text.push_str(&format!(" (SQLSTATE {code})"));
    }
    if let Some(postgres) = database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        for more in [postgres.detail(), postgres.hint()].into_iter().flatten() {
            text.push_str("; ");
            text.push_str(more);
        }
    }
    one_line(&text)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The end of a log: at most `lines` lines and 4,000 bytes.
pub(crate) fn tail(log: &str, lines: usize) -> String {
    const MOST: usize = 4_000;
    let log = secrets::mask(log);
    let all: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let text = all[all.len().saturating_sub(lines)..].join("\n");
    match text.len().checked_sub(MOST) {
        Some(too_many) => {
            let start = (too_many..text.len()).find(|at| text.is_char_boundary(*at));
            format!("…{}", &text[start.unwrap_or(text.len())..])
        }
        None => text,
    }
}

fn last_words(log: &str) -> String {
    if log.trim().is_empty() {
        "; it wrote no log".to_owned()
    } else {
        format!("; the end of its log:\n{log}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_log_is_limited() {
        let log = (1..=50).map(|line| format!("line {line}\n\n")).collect::<String>();
        assert_eq!(tail(&log, 2), "line 49\nline 50");
        assert_eq!(tail("", 2), "");
        let long = tail(&"é".repeat(5_000), 3);
        assert!(long.starts_with('…') && long.len() <= 4_010, "{}", long.len());
    }

    #[test]
    fn error_messages_contain_a_solution() {
        let error = ProviderError::Neither {
            docker: Box::new(ProviderError::NoEngine {
                address: "unix:///x".into(),
                reason: "no such file".into(),
            }),
            local: Box::new(ProviderError::NoBinaries { searched: "PATH".into() }),
        };
        let text = error.to_string();
        assert!(text.contains("docker info") && text.contains("MIG_CI_PG_BIN"), "{text}");
        let died = ProviderError::ContainerDied { image: "postgres:17".into(), log: String::new() };
        assert_eq!(
            died.to_string(),
            "the container of `postgres:17` ended before its server was ready; it wrote no log"
        );
    }
}
