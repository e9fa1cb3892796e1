//! What a source of tenants says: a list, a file, a command's output, a query's rows, or the names that a pattern fits.

use std::process::Stdio;
use std::time::Duration;

use camino::Utf8PathBuf;
use sqlx::Row as _;
use tokio::process::Command;

use super::who::Asking;
use super::who_error::WhoError;
use super::whom::{Tenant, Unfit};
use crate::model::{Tenancy, TenantSource};
use crate::postgres::{Session, Url};
use crate::sql::quote_literal;

/// For a program that lists tenants.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// A name as a source gives it, and what else it says.
pub(super) type Named = (String, Option<Url>);

impl Asking<'_> {
    /// All that it gives, in its order.
    pub(super) async fn given(
        &self,
        source: &TenantSource,
        session: Option<&mut Session>,
    ) -> Result<Vec<Tenant>, WhoError> {
        let named: Vec<Named> = match source {
            TenantSource::List(names) => names.iter().map(plain).collect(),
            TenantSource::File(path) => lines(&self.read(path)?),
            TenantSource::Command(words) => lines(&self.run(words).await?),
            TenantSource::Query(query) => self.query(query, session).await?,
            TenantSource::Pattern(pattern) => {
                let targets = self.query(&self.targets_like(pattern), session).await?;
                return targets.iter().map(|(target, _)| self.at_target(target)).collect();
            }
        };
        let one = |named: Named| match self.tenant(named.clone()) {
            Err(WhoError::Target { source: problem, .. }) if !named.0.is_empty() => {
                let (name, url) = named;
                let unfit = Some(Unfit::Named { from: name_of(source), problem });
                // As `target` would have it.
                let target = self.track.target.to_string().replace("{tenant}", &name);
                Ok(Tenant { name, target, url, unfit })
            }
            tenant => tenant,
        };
        named.into_iter().map(one).collect()
    }

    fn targets_like(&self, pattern: &str) -> String {
        let pattern = quote_literal(pattern);
        match self.track.tenancy {
            Tenancy::Schema => format!(
                "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname LIKE {pattern} \
                 AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' ORDER BY 1"
            ),
            Tenancy::Database => format!(
                "SELECT datname::text FROM pg_catalog.pg_database WHERE datname LIKE {pattern} \
                 AND datallowconn AND NOT datistemplate ORDER BY 1"
            ),
        }
    }

    async fn query(
        &self,
        query: &str,
        session: Option<&mut Session>,
    ) -> Result<Vec<Named>, WhoError> {
        let database = || self.database.to_owned();
        // Whoever calls without one has not asked whether it is needed.
        let session = session.ok_or_else(|| WhoError::NoSource(database()))?;
        let failed = |failure| WhoError::Query { database: database(), failure: Box::new(failure) };
        let rows = session.query(query).await.map_err(failed)?;
        let named = rows.iter().enumerate().map(|(index, row)| {
            // By the simple protocol all values are text, a number's too.
            let name: Option<String> = row.try_get_unchecked(0).ok().flatten();
            let url: Option<String> = row.try_get_unchecked("url").ok().flatten();
            let name = name.filter(|name| !name.is_empty());
            let name =
                name.ok_or_else(|| WhoError::NoName { database: database(), row: index + 1 })?;
            Ok((name, url.filter(|url| !url.is_empty()).map(Url::new)))
        });
        named.collect()
    }

    fn read(&self, path: &Utf8PathBuf) -> Result<String, WhoError> {
        let bytes = self.files.read(path)?.ok_or_else(|| WhoError::NoFile(path.clone()))?;
        String::from_utf8(bytes).map_err(|_| WhoError::NotText(path.clone()))
    }

    async fn run(&self, words: &[String]) -> Result<String, WhoError> {
        let program = words.first().cloned().unwrap_or_default();
        let failed = |reason: String| WhoError::Command {
            database: self.database.to_owned(),
            program: program.clone(),
            reason,
        };
        let mut command = Command::new(&program);
        command.args(&words[1..]).current_dir(self.root).stdin(Stdio::null()).kill_on_drop(true);
        let output = match tokio::time::timeout(COMMAND_WITHIN, command.output()).await {
            Ok(output) => output.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed(format!("no end within {} s", COMMAND_WITHIN.as_secs()))),
        };
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!("{}: {}", output.status, words.trim())));
        }
        String::from_utf8(output.stdout).map_err(|_| failed("its output is not UTF-8".to_owned()))
    }
}

/// As the configuration calls it.
pub(super) fn name_of(source: &TenantSource) -> &'static str {
    match source {
        TenantSource::Query(_) => "query",
        TenantSource::List(_) => "list",
        TenantSource::Pattern(_) => "pattern",
        TenantSource::File(_) => "file",
        TenantSource::Command(_) => "command",
    }
}

pub(super) fn plain(name: impl ToString) -> Named {
    (name.to_string(), None)
}

/// A name on each line; blank lines and those that begin with `#` are none.
fn lines(text: &str) -> Vec<Named> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let names = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    names.map(plain).collect()
}
