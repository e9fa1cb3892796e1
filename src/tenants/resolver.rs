//! Resolves production's tenants from their source: a list, a file, a command's output, a query's rows, or the targets that
//! match a pattern.

use std::collections::{HashMap, HashSet};
use std::process::Stdio;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use sqlx::Row as _;
use tokio::process::Command;

use super::resolve_error::ResolveError;
use super::tenant::{Ineligible, Tenant};
use crate::model::{
    Files, ReservedSchemas, TargetError, Tenancy, TenantSource, TenantTrack, Track,
    check_identifier,
};
use crate::postgres::{Session, Url};
use crate::sql::quote_literal;

/// The source of a name from `--tenant` or a command's argument.
pub(crate) const COMMAND_LINE: &str = "the command line";

/// The time limit of a command that lists tenants.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// A name from a source, with its address if the source has one.
pub(crate) type SourceName = (String, Option<Url>);

/// What resolving the tenants of a database needs.
pub(crate) struct TenantResolver<'a> {
    pub(crate) database: &'a str,
    pub(crate) track: &'a TenantTrack,
    /// The shared track of the same database, whose schemas cannot be tenants'.
    pub(crate) shared: Option<&'a Track>,
    pub(crate) files: &'a dyn Files,
    /// The root directory of the project, in which commands run.
    pub(crate) root: &'a Utf8Path,
}

impl std::fmt::Debug for TenantResolver<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantResolver").field("database", &self.database).finish_non_exhaustive()
    }
}

impl TenantResolver<'_> {
    /// All tenants of a source, in its order.
    pub(crate) async fn read_source(
        &self,
        source: &TenantSource,
        session: Option<&mut Session>,
    ) -> Result<Vec<Tenant>, ResolveError> {
        let named: Vec<SourceName> = match source {
            TenantSource::List(names) => names.iter().map(plain).collect(),
            TenantSource::File(path) => lines(&self.read(path)?),
            TenantSource::Command(words) => lines(&self.run(words).await?),
            TenantSource::Query(query) => self.query(query, session).await?,
            TenantSource::Pattern(pattern) => {
                let targets = self.query(&self.targets_like(pattern), session).await?;
                let targets = targets.iter().map(|(target, _)| target.as_str());
                let tenants = targets.filter(|target| !self.is_reserved(target));
                let tenants = tenants.map(|target| self.at_target(target)).collect();
                return Ok(deduplicated(tenants, name_of(source)));
            }
        };
        let from = name_of(source);
        let tenants = (1..).zip(named).map(|(entry, (name, url))| match name.as_str() {
            "" => Tenant {
                name: format!("(no name, entry {entry})"),
                target: String::new(),
                url,
                ineligible: Some(Ineligible::NoName { from, entry }),
            },
            _ => self.tenant((name, url), from),
        });
        Ok(deduplicated(tenants.collect(), from))
    }

    /// The tenant of this name, which `from` returned.
    pub(crate) fn tenant(&self, (name, url): SourceName, from: &'static str) -> Tenant {
        let expanded = match name.as_str() {
            "" => Err(TargetError::Empty),
            name => self.track.target.expand(name),
        };
        match expanded {
            Ok(target) => Tenant { name, target, url, ineligible: None },
            Err(problem) => {
                // The target that the template would produce.
                let target = self.track.target.to_string().replace("{tenant}", &name);
                let ineligible = Some(Ineligible::BadName { from, problem });
                Tenant { name, target, url, ineligible }
            }
        }
    }

    /// The tenant of a target. If the template cannot produce the target, the target is also the name.
    pub(crate) fn at_target(&self, target: &str) -> Tenant {
        let name = self.track.target.tenant_at(target).unwrap_or(target).to_owned();
        let from = self.track.from.as_ref().map_or(COMMAND_LINE, name_of);
        let problem = check_identifier(target).err();
        let ineligible = problem.map(|problem| Ineligible::BadName { from, problem });
        Tenant { name, target: target.to_owned(), url: None, ineligible }
    }

    /// Whether a pattern skips this target, because a schema is reserved.
    fn is_reserved(&self, target: &str) -> bool {
        let is_schema = self.track.tenancy == Tenancy::Schema;
        let reserved = ReservedSchemas::new(self.shared, &self.track.track.search_path);
        is_schema && reserved.owner_of(target).is_some()
    }

    fn targets_like(&self, pattern: &str) -> String {
        let pattern = quote_literal(pattern);
        match self.track.tenancy {
            Tenancy::Schema => format!(
                "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname LIKE {pattern} ORDER BY 1"
            ),
            // PostgreSQL's default database, templates, and the database with the shared track are not tenants'.
            Tenancy::Database => {
                let shared =
                    self.shared.map_or("", |_| "AND datname <> pg_catalog.current_database()");
                format!(
                    "SELECT datname::text FROM pg_catalog.pg_database WHERE datname LIKE {pattern} \
                     AND datallowconn AND NOT datistemplate AND datname <> 'postgres' {shared} ORDER BY 1"
                )
            }
        }
    }

    async fn query(
        &self,
        query: &str,
        session: Option<&mut Session>,
    ) -> Result<Vec<SourceName>, ResolveError> {
        let database = || self.database.to_owned();
        // An error of the caller: see `needs_session`.
        let session = session.ok_or_else(|| ResolveError::NoSource(database()))?;
        let failed =
            |failure| ResolveError::Query { database: database(), failure: Box::new(failure) };
        let rows = session.query(query).await.map_err(failed)?;
        let named = rows.iter().map(|row| {
            // In the simple protocol all values are text, including numbers.
            let name: Option<String> = row.try_get_unchecked(0).ok().flatten();
            let url: Option<String> = row.try_get_unchecked("url").ok().flatten();
            (name.unwrap_or_default(), url.filter(|url| !url.is_empty()).map(Url::new))
        });
        Ok(named.collect())
    }

    fn read(&self, path: &Utf8PathBuf) -> Result<String, ResolveError> {
        let bytes = self.files.read(path)?.ok_or_else(|| ResolveError::NoFile(path.clone()))?;
        String::from_utf8(bytes).map_err(|_| ResolveError::NotText(path.clone()))
    }

    async fn run(&self, words: &[String]) -> Result<String, ResolveError> {
        let program = words.first().cloned().unwrap_or_default();
        let failed = |reason: String| ResolveError::Command {
            database: self.database.to_owned(),
            program: program.clone(),
            reason,
        };
        let mut command = Command::new(&program);
        command.args(&words[1..]).current_dir(self.root).stdin(Stdio::null()).kill_on_drop(true);
        let output = match tokio::time::timeout(COMMAND_WITHIN, command.output()).await {
            Ok(output) => output.map_err(|error| failed(error.to_string()))?,
            Err(_) => {
                return Err(failed(format!(
                    "it did not end within {} s",
                    COMMAND_WITHIN.as_secs()
                )));
            }
        };
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!("{}: {}", output.status, words.trim())));
        }
        String::from_utf8(output.stdout).map_err(|_| failed("its output is not UTF-8".to_owned()))
    }
}

/// The name of the source in the configuration.
pub(crate) fn name_of(source: &TenantSource) -> &'static str {
    match source {
        TenantSource::Query(_) => "`from.query`",
        TenantSource::List(_) => "`from.list`",
        TenantSource::Pattern(_) => "`from.pattern`",
        TenantSource::File(_) => "`from.file`",
        TenantSource::Command(_) => "`from.command`",
    }
}

pub(crate) fn plain(name: impl ToString) -> SourceName {
    (name.to_string(), None)
}

/// A name on each line, verbatim: spaces and `#` are part of it. Empty lines and a byte order mark are ignored.
fn lines(text: &str) -> Vec<SourceName> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().filter(|line| !line.is_empty()).map(plain).collect()
}

/// Merges entries of one name, and marks them as ineligible, because it is unclear which entry is valid; also marks tenants
/// that have the same address.
fn deduplicated(tenants: Vec<Tenant>, from: &'static str) -> Vec<Tenant> {
    let mut times: HashMap<String, usize> = HashMap::new();
    let mut by_address: HashMap<String, Vec<String>> = HashMap::new();
    for tenant in &tenants {
        *times.entry(tenant.name.clone()).or_default() += 1;
        if let Some(address) = tenant.url.as_ref().and_then(|url| url.address().ok()) {
            by_address.entry(address.key()).or_default().push(tenant.name.clone());
        }
    }
    let mut seen = HashSet::new();
    let first = tenants.into_iter().filter(|tenant| seen.insert(tenant.name.clone()));
    let deduplicated = first.map(|mut tenant| {
        let times = times.get(&tenant.name).copied().unwrap_or_default();
        let address = tenant.url.as_ref().and_then(|url| url.address().ok());
        let same = address.and_then(|address| by_address.get(&address.key()));
        let others: Vec<String> =
            same.into_iter().flatten().filter(|name| **name != tenant.name).cloned().collect();
        let problem = match (times > 1, others.is_empty()) {
            (true, _) => Some(Ineligible::Repeated { from, times }),
            (_, false) => Some(Ineligible::SameUrl { from, others }),
            _ => None,
        };
        tenant.ineligible = tenant.ineligible.or(problem);
        tenant
    });
    deduplicated.collect()
}
