//! Which of the real tenants a command is about.

use std::collections::{HashMap, HashSet};

use globset::GlobBuilder;

use super::resolve_error::ResolveError;
use super::resolver::{COMMAND_LINE, TenantResolver, name_of, plain};
use super::tenant::{Ineligible, Tenant};
use crate::model::{Tenancy, TenantSource};
use crate::postgres::Session;

/// A tenant as a saved report knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedTenant {
    pub(crate) name: String,
    /// Its schema, or its database.
    pub(crate) target: String,
}

/// Which tenants a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TenantSelector {
    All,
    /// By their names, or by patterns of them (`acme-*`).
    Named(Vec<String>),
    /// By their names, and no name is a pattern: those that are new.
    New(Vec<String>),
    /// Those that a saved report has left.
    Recorded(Vec<SavedTenant>),
    /// By its schema (`TENANT_SCHEMA`) or its database (`TENANT_DB`), whether a source knows it or not.
    Target {
        schema: Option<String>,
        database: Option<String>,
    },
}

impl TenantResolver<'_> {
    /// Whether the database has to be asked.
    pub(crate) fn needs_session(&self, whom: &TenantSelector) -> bool {
        let from = &self.track.from;
        let asks = matches!(from, Some(TenantSource::Query(_) | TenantSource::Pattern(_)));
        let all = match whom {
            // Whom a report has left may be gone since.
            TenantSelector::All | TenantSelector::Recorded(_) => true,
            TenantSelector::Named(names) => names.iter().any(|name| is_pattern(name)),
            TenantSelector::New(_) | TenantSelector::Target { .. } => false,
        };
        asks && (all || self.may_tell_addresses())
    }

    /// Where a tenant lives can be in the query's answer, for those who are named as well.
    fn may_tell_addresses(&self) -> bool {
        let is_query = matches!(self.track.from, Some(TenantSource::Query(_)));
        is_query && self.track.tenancy == Tenancy::Database
    }

    /// All that the source knows, if where they live is known from there alone.
    async fn known(
        &self,
        session: Option<&mut Session>,
    ) -> Result<Option<Vec<Tenant>>, ResolveError> {
        let Some(source) = self.track.from.as_ref().filter(|_| self.may_tell_addresses()) else {
            return Ok(None);
        };
        let all = self.given(source, session).await?;
        Ok(Some(all).filter(|all| all.iter().any(|tenant| tenant.url.is_some())))
    }

    /// The tenants in question, in the order of their source. `session` is one in the database that the query is for, if
    /// [`TenantResolver::needs_session`].
    pub(crate) async fn tenants(
        &self,
        whom: &TenantSelector,
        session: Option<&mut Session>,
    ) -> Result<Vec<Tenant>, ResolveError> {
        let tenants = match whom {
            TenantSelector::Target { schema, database } => {
                let target = self.of_tenancy(schema.as_ref(), database.as_ref())?;
                match self.known(session).await? {
                    Some(all) => self.each(&[target], &all, |tenant| &tenant.target)?,
                    None => vec![self.made_target(target)?],
                }
            }
            TenantSelector::Named(patterns) if patterns.iter().any(|name| is_pattern(name)) => {
                self.matching(patterns, self.all(session).await?)?
            }
            TenantSelector::Named(names) | TenantSelector::New(names) => {
                let names = once(names);
                match self.known(session).await? {
                    Some(all) => self.each(&names, &all, |tenant| &tenant.name)?,
                    None => {
                        let named = names.into_iter();
                        named.map(|name| self.tenant(plain(name), COMMAND_LINE)).collect()
                    }
                }
            }
            TenantSelector::Recorded(recorded) => self.still(recorded, session).await?,
            TenantSelector::All => self.all(session).await?,
        };
        let is_schema = self.track.tenancy == Tenancy::Schema;
        if is_schema && tenants.iter().any(|tenant| tenant.url.is_some()) {
            return Err(ResolveError::UrlOfSchema(self.database.to_owned()));
        }
        Ok(tenants)
    }

    /// Those that the source knows by these names, or targets.
    fn each(
        &self,
        wanted: &[&String],
        all: &[Tenant],
        of: impl Fn(&Tenant) -> &String,
    ) -> Result<Vec<Tenant>, ResolveError> {
        let one = |name: &&String| {
            let found = all.iter().find(|tenant| of(tenant) == *name).cloned();
            found.ok_or_else(|| self.no_match(name, all))
        };
        wanted.iter().map(one).collect()
    }

    fn no_match(&self, pattern: &str, all: &[Tenant]) -> ResolveError {
        const SHOWN: usize = 20;
        // A name may hold a line end.
        let names = all.iter().take(SHOWN).map(|tenant| tenant.name.replace('\n', "␊"));
        ResolveError::NoMatch {
            database: self.database.to_owned(),
            pattern: pattern.to_owned(),
            known: names.collect::<Vec<_>>().join(", "),
        }
    }

    /// Those that a report has left: as the source has them now, if there is one.
    async fn still(
        &self,
        recorded: &[SavedTenant],
        session: Option<&mut Session>,
    ) -> Result<Vec<Tenant>, ResolveError> {
        let Some(source) = &self.track.from else {
            let named = recorded
                .iter()
                .map(|one| Tenant { name: one.name.clone(), ..self.at_target(&one.target) });
            return Ok(named.collect());
        };
        let all = self.given(source, session).await?;
        let all: HashMap<&str, &Tenant> = all.iter().map(|one| (one.name.as_str(), one)).collect();
        let gone = |SavedTenant { name, target }: &SavedTenant| Tenant {
            name: name.clone(),
            target: target.clone(),
            url: None,
            ineligible: Some(Ineligible::Gone { from: name_of(source) }),
        };
        let one = |one: &SavedTenant| match all.get(one.name.as_str()) {
            Some(known) => (*known).clone(),
            None => gone(one),
        };
        Ok(recorded.iter().map(one).collect())
    }

    /// All of them, and there has to be one.
    async fn all(&self, session: Option<&mut Session>) -> Result<Vec<Tenant>, ResolveError> {
        let database = || self.database.to_owned();
        let source = self.track.from.as_ref().ok_or_else(|| ResolveError::NoSource(database()))?;
        let tenants = self.given(source, session).await?;
        if tenants.is_empty() {
            return Err(ResolveError::Nobody { database: database(), from: name_of(source) });
        }
        Ok(tenants)
    }

    /// The variable that this database's tenants go by.
    fn of_tenancy<'v>(
        &self,
        schema: Option<&'v String>,
        database: Option<&'v String>,
    ) -> Result<&'v String, ResolveError> {
        let (own, other) = match self.track.tenancy {
            Tenancy::Schema => (schema, "TENANT_DB"),
            Tenancy::Database => (database, "TENANT_SCHEMA"),
        };
        own.ok_or_else(|| ResolveError::OtherTenancy {
            database: self.database.to_owned(),
            tenancy: self.track.tenancy,
            variable: other,
        })
    }

    /// A target that a tenant's name makes: any other schema or database is somebody else's.
    fn made_target(&self, target: &str) -> Result<Tenant, ResolveError> {
        if self.track.target.tenant_at(target).is_none() {
            return Err(ResolveError::NoTarget {
                database: self.database.to_owned(),
                tenancy: self.track.tenancy,
                target: target.to_owned(),
                template: self.track.target.to_string(),
            });
        }
        Ok(self.at_target(target))
    }

    fn matching(&self, patterns: &[String], all: Vec<Tenant>) -> Result<Vec<Tenant>, ResolveError> {
        let mut wanted = Vec::new();
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern).literal_separator(false).build();
            let glob = glob.map_err(|error| ResolveError::Pattern {
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
}

/// Each of them once, in their order.
fn once(names: &[String]) -> Vec<&String> {
    let mut seen = HashSet::new();
    names.iter().filter(|name| seen.insert(*name)).collect()
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}
