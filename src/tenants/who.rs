//! Who the tenants are in production, and where each lives: from a list, a pattern, a query, a file, or a command's output.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use camino::Utf8PathBuf;
use globset::GlobBuilder;
use sqlx::Row as _;
use tokio::process::Command;

use crate::model::{Failure, Files, FilesError, TargetError, Tenancy, TenantSource, TenantTrack};
use crate::postgres::{Session, Url};
use crate::sql::quote_literal;

/// For a program that lists tenants.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// A real tenant.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    /// Its schema, or its database.
    pub(crate) target: String,
    /// Where its database is, if its source says so.
    pub(crate) url: Option<Url>,
}

/// Which tenants a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    All,
    /// By their names, or by patterns of them (`acme-*`).
    Named(Vec<String>),
    /// By their schemas or databases, whether a source knows them or not.
    Targets(Vec<String>),
}

/// Why it is not known who the tenants are.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WhoError {
    #[error(
        "`{0}` does not say who its tenants are: give `from` in [databases.{0}.tenants] (a query, a list, a pattern, a file or \
         a command), or name them with --tenant"
    )]
    NoSource(String),
    #[error("the {from} of `{database}` gives no tenant")]
    Nobody { database: String, from: &'static str },
    #[error("no tenant of `{database}` is called {pattern:?}; it has {known}")]
    NoMatch { database: String, pattern: String, known: String },
    #[error("{pattern:?} is no pattern of names: {reason}")]
    Pattern { pattern: String, reason: String },
    #[error("the query for the tenants of `{database}` fails: {}", .failure.message)]
    Query { database: String, failure: Box<Failure> },
    #[error("the query for the tenants of `{database}` gives a row without a name (row {row})")]
    NoName { database: String, row: usize },
    #[error(transparent)]
    File(#[from] FilesError),
    #[error("the file {0} with the tenants is not there")]
    NoFile(Utf8PathBuf),
    #[error("the file {0} with the tenants is not UTF-8")]
    NotText(Utf8PathBuf),
    #[error("the command that lists the tenants of `{database}` ({program}) fails: {reason}")]
    Command { database: String, program: String, reason: String },
    #[error("the tenant {tenant:?} of `{database}`: {source}")]
    Target { database: String, tenant: String, source: TargetError },
    #[error("the tenants {first:?} and {second:?} of `{database}` have the same target {target:?}")]
    SameTarget { database: String, first: String, second: String, target: String },
}

/// What they are found with.
pub(crate) struct Asking<'a> {
    pub(crate) database: &'a str,
    pub(crate) track: &'a TenantTrack,
    pub(crate) files: &'a dyn Files,
}

impl std::fmt::Debug for Asking<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asking").field("database", &self.database).finish_non_exhaustive()
    }
}

/// A name as a source gives it, and what else it says.
type Named = (String, Option<Url>);

impl Asking<'_> {
    /// The tenants in question, in the order of their source. `session` is one in the database that the query is for.
    pub(crate) async fn tenants(
        &self,
        whom: &Whom,
        session: &mut Session,
    ) -> Result<Vec<Tenant>, WhoError> {
        let tenants = match whom {
            Whom::Targets(targets) => {
                targets.iter().map(|target| self.at_target(target)).collect::<Result<_, _>>()?
            }
            Whom::Named(names) if !names.iter().any(|name| is_pattern(name)) => {
                let named = names.iter().map(|name| self.tenant((name.clone(), None)));
                let known = match &self.track.from {
                    // Their addresses are in its answer.
                    Some(TenantSource::Query(_)) if self.track.tenancy == Tenancy::Database => {
                        self.all(session).await?
                    }
                    _ => Vec::new(),
                };
                let with_url = |tenant: Tenant| {
                    let same = known.iter().find(|known| known.name == tenant.name);
                    Tenant { url: same.and_then(|same| same.url.clone()), ..tenant }
                };
                named.map(|tenant| tenant.map(with_url)).collect::<Result<_, _>>()?
            }
            Whom::Named(patterns) => self.matching(patterns, self.all(session).await?)?,
            Whom::All => self.all(session).await?,
        };
        self.check_targets(&tenants)?;
        Ok(tenants)
    }

    async fn all(&self, session: &mut Session) -> Result<Vec<Tenant>, WhoError> {
        let database = || self.database.to_owned();
        let source = self.track.from.as_ref().ok_or_else(|| WhoError::NoSource(database()))?;
        let (from, named): (_, Vec<Named>) = match source {
            TenantSource::List(names) => ("list", names.iter().map(|name| plain(name)).collect()),
            TenantSource::File(path) => ("file", lines(&self.read(path)?)),
            TenantSource::Command(words) => ("command", lines(&self.run(words).await?)),
            TenantSource::Query(query) => ("query", self.query(query, session).await?),
            TenantSource::Pattern(pattern) => {
                let targets = self.query(&self.targets_like(pattern), session).await?;
                let of = |(target, _): Named| self.at_target(&target);
                let tenants: Vec<_> = targets.into_iter().map(of).collect::<Result<_, _>>()?;
                return somebody(tenants, || WhoError::Nobody {
                    database: database(),
                    from: "pattern",
                });
            }
        };
        let tenants: Vec<_> =
            named.into_iter().map(|named| self.tenant(named)).collect::<Result<_, _>>()?;
        somebody(tenants, || WhoError::Nobody { database: database(), from })
    }

    fn tenant(&self, (name, url): Named) -> Result<Tenant, WhoError> {
        match self.track.target.expand(&name) {
            Ok(target) => Ok(Tenant { name, target, url }),
            Err(source) => {
                Err(WhoError::Target { database: self.database.to_owned(), tenant: name, source })
            }
        }
    }

    /// The tenant that lives there. One whose target the template would not make has the target's name.
    fn at_target(&self, target: &str) -> Result<Tenant, WhoError> {
        crate::model::check_identifier(target).map_err(|source| WhoError::Target {
            database: self.database.to_owned(),
            tenant: target.to_owned(),
            source,
        })?;
        let name = self.track.target.tenant_at(target).unwrap_or(target).to_owned();
        Ok(Tenant { name, target: target.to_owned(), url: None })
    }

    fn matching(&self, patterns: &[String], all: Vec<Tenant>) -> Result<Vec<Tenant>, WhoError> {
        let mut wanted = Vec::new();
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern).literal_separator(false).build();
            let glob = glob.map_err(|error| WhoError::Pattern {
                pattern: pattern.clone(),
                reason: error.kind().to_string(),
            })?;
            let glob = glob.compile_matcher();
            if !all.iter().any(|tenant| glob.is_match(&tenant.name)) {
                const SHOWN: usize = 20;
                let names = all.iter().take(SHOWN).map(|tenant| tenant.name.as_str());
                let known = names.collect::<Vec<_>>().join(", ");
                let database = self.database.to_owned();
                return Err(WhoError::NoMatch { database, pattern: pattern.clone(), known });
            }
            wanted.push(glob);
        }
        let is_wanted =
            |tenant: &Tenant| wanted.iter().any(|pattern| pattern.is_match(&tenant.name));
        Ok(all.into_iter().filter(is_wanted).collect())
    }

    fn check_targets(&self, tenants: &[Tenant]) -> Result<(), WhoError> {
        let mut seen: BTreeMap<&str, &Tenant> = BTreeMap::new();
        for tenant in tenants.iter().filter(|tenant| tenant.url.is_none()) {
            if let Some(first) = seen.insert(&tenant.target, tenant) {
                return Err(WhoError::SameTarget {
                    database: self.database.to_owned(),
                    first: first.name.clone(),
                    second: tenant.name.clone(),
                    target: tenant.target.clone(),
                });
            }
        }
        Ok(())
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

    async fn query(&self, query: &str, session: &mut Session) -> Result<Vec<Named>, WhoError> {
        let database = || self.database.to_owned();
        let failed = |failure| WhoError::Query { database: database(), failure: Box::new(failure) };
        let rows = session.query(query).await.map_err(failed)?;
        let named = rows.iter().enumerate().map(|(index, row)| {
            // By the simple protocol all values are text, a number's too.
            let name: Option<String> = row.try_get_unchecked(0).ok().flatten();
            let url: Option<String> = row.try_get_unchecked("url").ok().flatten();
            let name =
                name.ok_or_else(|| WhoError::NoName { database: database(), row: index + 1 })?;
            Ok((name, url.map(Url::new)))
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
        command.args(&words[1..]).stdin(Stdio::null()).kill_on_drop(true);
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

fn somebody(
    tenants: Vec<Tenant>,
    nobody: impl FnOnce() -> WhoError,
) -> Result<Vec<Tenant>, WhoError> {
    if tenants.is_empty() { Err(nobody()) } else { Ok(tenants) }
}

fn plain(name: &str) -> Named {
    (name.to_owned(), None)
}

/// A name on each line; blank lines and those that begin with `#` are none.
fn lines(text: &str) -> Vec<Named> {
    let lines = text.lines().map(str::trim);
    let names = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    names.map(plain).collect()
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}
