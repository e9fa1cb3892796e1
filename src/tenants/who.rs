//! Who the tenants are in production, and where each lives: from a list, a pattern, a query, a file, or a command's output.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use globset::GlobBuilder;
use sqlx::Row as _;
use tokio::process::Command;

use super::who_error::WhoError;
use super::whom::{Tenant, Whom};
use crate::model::{Files, TargetError, Tenancy, TenantSource, TenantTrack};
use crate::postgres::{Session, Url};
use crate::sql::quote_literal;

/// For a program that lists tenants.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// What they are found with.
pub(crate) struct Asking<'a> {
    pub(crate) database: &'a str,
    pub(crate) track: &'a TenantTrack,
    pub(crate) files: &'a dyn Files,
    /// The project's folder, for commands.
    pub(crate) root: &'a Utf8Path,
}

impl std::fmt::Debug for Asking<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asking").field("database", &self.database).finish_non_exhaustive()
    }
}

/// A name as a source gives it, and what else it says.
type Named = (String, Option<Url>);

impl Asking<'_> {
    /// Whether the database has to be asked.
    pub(crate) fn needs_session(&self, whom: &Whom) -> bool {
        let from = &self.track.from;
        let asks = matches!(from, Some(TenantSource::Query(_) | TenantSource::Pattern(_)));
        let all = match whom {
            Whom::All => true,
            Whom::Named(names) => names.iter().any(|name| is_pattern(name)),
            Whom::Targets(_) => false,
        };
        asks && (all || self.tells_addresses())
    }

    /// Where a tenant lives is in the query's answer, for those who are named as well.
    fn tells_addresses(&self) -> bool {
        let is_query = matches!(self.track.from, Some(TenantSource::Query(_)));
        is_query && self.track.tenancy == Tenancy::Database
    }

    /// The tenants in question, in the order of their source. `session` is one in the database that the query is for, if
    /// [`Asking::needs_session`].
    pub(crate) async fn tenants(
        &self,
        whom: &Whom,
        session: Option<&mut Session>,
    ) -> Result<Vec<Tenant>, WhoError> {
        let tenants = match whom {
            Whom::Targets(targets) if self.tells_addresses() => {
                let all = self.all(session).await?;
                self.each(targets, &all, |tenant| &tenant.target)?
            }
            Whom::Targets(targets) => {
                targets.iter().map(|target| self.at_target(target)).collect::<Result<_, _>>()?
            }
            Whom::Named(names) if !names.iter().any(|name| is_pattern(name)) => {
                let mut names = names.clone();
                names.dedup();
                if self.tells_addresses() {
                    let all = self.all(session).await?;
                    self.each(&names, &all, |tenant| &tenant.name)?
                } else {
                    let named = names.into_iter().map(|name| self.tenant((name, None)));
                    named.collect::<Result<_, _>>()?
                }
            }
            Whom::Named(patterns) => self.matching(patterns, self.all(session).await?)?,
            Whom::All => self.all(session).await?,
        };
        self.check_targets(&tenants)?;
        Ok(tenants)
    }

    /// Those that the source knows by these names, or targets.
    fn each(
        &self,
        wanted: &[String],
        all: &[Tenant],
        of: impl Fn(&Tenant) -> &String,
    ) -> Result<Vec<Tenant>, WhoError> {
        let one = |name: &String| {
            let found = all.iter().find(|tenant| of(tenant) == name).cloned();
            found.ok_or_else(|| self.no_match(name, all))
        };
        wanted.iter().map(one).collect()
    }

    fn no_match(&self, pattern: &str, all: &[Tenant]) -> WhoError {
        const SHOWN: usize = 20;
        let names = all.iter().take(SHOWN).map(|tenant| tenant.name.as_str());
        WhoError::NoMatch {
            database: self.database.to_owned(),
            pattern: pattern.to_owned(),
            known: names.collect::<Vec<_>>().join(", "),
        }
    }

    async fn all(&self, session: Option<&mut Session>) -> Result<Vec<Tenant>, WhoError> {
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
        let expanded = match name.as_str() {
            "" => Err(TargetError::Empty),
            name => self.track.target.expand(name),
        };
        match expanded {
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
                return Err(self.no_match(pattern, &all));
            }
            wanted.push(glob);
        }
        let is_wanted =
            |tenant: &Tenant| wanted.iter().any(|pattern| pattern.is_match(&tenant.name));
        Ok(all.into_iter().filter(is_wanted).collect())
    }

    fn check_targets(&self, tenants: &[Tenant]) -> Result<(), WhoError> {
        let mut seen: BTreeMap<&str, &Tenant> = BTreeMap::new();
        let is_schema = self.track.tenancy == Tenancy::Schema;
        if is_schema && tenants.iter().any(|tenant| tenant.url.is_some()) {
            return Err(WhoError::UrlOfSchema(self.database.to_owned()));
        }
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
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let names = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    names.map(plain).collect()
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}
