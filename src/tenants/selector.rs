//! Selects the tenants of a command.

use std::collections::{HashMap, HashSet};

use globset::GlobBuilder;

use super::resolve_error::ResolveError;
use super::resolver::{COMMAND_LINE, TenantResolver, name_of, plain};
use super::tenant::{Ineligible, Tenant};
use crate::model::{Tenancy, TenantSource};
use crate::postgres::Session;

/// A tenant of a saved report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedTenant {
    pub(crate) name: String,
    /// The name of its schema or database.
    pub(crate) target: String,
}

/// The tenants that a command selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TenantSelector {
    All,
    /// By name, or by pattern (`acme-*`).
    Named(Vec<String>),
    /// New tenants by name; no patterns.
    New(Vec<String>),
    /// The unfinished tenants of a saved report.
    Saved(Vec<SavedTenant>),
    /// By schema (`TENANT_SCHEMA`) or database (`TENANT_DB`), whether or not a source has it.
    Target {
        schema: Option<String>,
        database: Option<String>,
    },
}

impl TenantResolver<'_> {
    /// Whether a query is needed.
    pub(crate) fn needs_session(&self, selector: &TenantSelector) -> bool {
        let from = &self.track.from;
        let queries = matches!(from, Some(TenantSource::Query(_) | TenantSource::Pattern(_)));
        let all = match selector {
            // A tenant of a saved report may no longer exist.
            TenantSelector::All | TenantSelector::Saved(_) => true,
            TenantSelector::Named(names) => names.iter().any(|name| is_pattern(name)),
            TenantSelector::New(_) | TenantSelector::Target { .. } => false,
        };
        queries && (all || self.may_return_addresses())
    }

    /// Whether the query may return addresses, which are needed for named tenants as well.
    fn may_return_addresses(&self) -> bool {
        let is_query = matches!(self.track.from, Some(TenantSource::Query(_)));
        is_query && self.track.tenancy == Tenancy::Database
    }

    /// All tenants of the source, if only the source has their addresses.
    async fn all_with_addresses(
        &self,
        session: Option<&mut Session>,
    ) -> Result<Option<Vec<Tenant>>, ResolveError> {
        let Some(source) = self.track.from.as_ref().filter(|_| self.may_return_addresses()) else {
            return Ok(None);
        };
        let all = self.read_source(source, session).await?;
        Ok(Some(all).filter(|all| all.iter().any(|tenant| tenant.url.is_some())))
    }

    /// The selected tenants, in the order of their source. `session` is in the query's database, if
    /// [`TenantResolver::needs_session`].
    pub(crate) async fn tenants(
        &self,
        selector: &TenantSelector,
        session: Option<&mut Session>,
    ) -> Result<Vec<Tenant>, ResolveError> {
        let tenants = match selector {
            TenantSelector::Target { schema, database } => {
                let target = self.target_of_tenancy(schema.as_ref(), database.as_ref())?;
                match self.all_with_addresses(session).await? {
                    Some(all) => self.select(&[target], &all, |tenant| &tenant.target)?,
                    None => vec![self.tenant_of_target(target)?],
                }
            }
            TenantSelector::Named(patterns) if patterns.iter().any(|name| is_pattern(name)) => {
                self.matching(patterns, self.all(session).await?)?
            }
            TenantSelector::Named(names) | TenantSelector::New(names) => {
                let names = unique(names);
                match self.all_with_addresses(session).await? {
                    Some(all) => self.select(&names, &all, |tenant| &tenant.name)?,
                    None => {
                        let named = names.into_iter();
                        named.map(|name| self.tenant(plain(name), COMMAND_LINE)).collect()
                    }
                }
            }
            TenantSelector::Saved(saved_tenants) => self.saved(saved_tenants, session).await?,
            TenantSelector::All => self.all(session).await?,
        };
        let is_schema = self.track.tenancy == Tenancy::Schema;
        if is_schema && tenants.iter().any(|tenant| tenant.url.is_some()) {
            return Err(ResolveError::UrlOfSchema(self.database.to_owned()));
        }
        Ok(tenants)
    }

    /// The tenants of the source with these names or targets.
    fn select(
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
        // A name may contain a line break.
        let names = all.iter().take(SHOWN).map(|tenant| tenant.name.replace('\n', "␊"));
        ResolveError::NoMatch {
            database: self.database.to_owned(),
            pattern: pattern.to_owned(),
            known: names.collect::<Vec<_>>().join(", "),
        }
    }

    /// The tenants of a saved report, with the source's current data, if there is a source.
    async fn saved(
        &self,
        saved_tenants: &[SavedTenant],
        session: Option<&mut Session>,
    ) -> Result<Vec<Tenant>, ResolveError> {
        let Some(source) = &self.track.from else {
            let named = saved_tenants
                .iter()
                .map(|one| Tenant { name: one.name.clone(), ..self.at_target(&one.target) });
            return Ok(named.collect());
        };
        let all = self.read_source(source, session).await?;
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
        Ok(saved_tenants.iter().map(one).collect())
    }

    /// All tenants of the source. An empty list is an error.
    async fn all(&self, session: Option<&mut Session>) -> Result<Vec<Tenant>, ResolveError> {
        let database = || self.database.to_owned();
        let source = self.track.from.as_ref().ok_or_else(|| ResolveError::NoSource(database()))?;
        let tenants = self.read_source(source, session).await?;
        if tenants.is_empty() {
            return Err(ResolveError::NoTenants { database: database(), from: name_of(source) });
        }
        Ok(tenants)
    }

    /// The variable that applies to this database's tenancy.
    fn target_of_tenancy<'v>(
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

    /// The tenant of a target that the template can produce. Any other schema or database may belong to someone else.
    fn tenant_of_target(&self, target: &str) -> Result<Tenant, ResolveError> {
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

/// The names without duplicates, in their order.
fn unique(names: &[String]) -> Vec<&String> {
    let mut seen = HashSet::new();
    names.iter().filter(|name| seen.insert(*name)).collect()
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}
