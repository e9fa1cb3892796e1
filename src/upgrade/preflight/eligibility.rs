//! Refuses tenants whose target is not eligible: a schema or database that belongs to PostgreSQL, to a track, or to another
//! tenant. Each gets a failure with the reason, and the other tenants continue.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use futures::{StreamExt as _, stream};

use super::database_target::DatabaseTarget;
use super::database_target::ResolvedTenant;
use crate::model::{
    Database, Failure, FailureKind, ReservedSchemas, SchemaOwner, TargetCause, Tenancy,
    TenantSource,
};
use crate::postgres::{Address, Session};

/// Template databases that `initdb` creates.
const TEMPLATES: [&str; 2] = ["template0", "template1"];
const MAINTENANCE: &str = "postgres";

/// The number of servers that are queried for their identity at one time.
const CONCURRENT_QUERIES: usize = 8;
/// The time limit of that query.
const QUERY_TIMEOUT: &str = "10s";
/// The system identifier of `initdb` is kept by a copy of the cluster's files; the start time tells copies apart.
const IDENTITY: &str = "SELECT pg_catalog.format('%s/%s', (SELECT system_identifier FROM pg_catalog.pg_control_system()), \
    pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())::pg_catalog.float8::pg_catalog.numeric)";

/// The owner of a database that is not a tenant's.
#[derive(Debug, Clone, PartialEq, Eq)]
enum DatabaseOwner {
    PostgreSql,
    /// The one that `url` names.
    Main,
    Other(String),
}

impl fmt::Display for DatabaseOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PostgreSql => f.write_str("PostgreSQL's own database"),
            Self::Main => f.write_str(
                "the database of `url`, with the shared track or the list of the tenants",
            ),
            Self::Other(name) => write!(f, "the database of the named database `{name}`"),
        }
    }
}

/// Replaces the address of each tenant whose target is reserved or duplicate by a failure.
pub(crate) async fn refuse_taken_targets(
    database_target: &DatabaseTarget<'_>,
    resolved_tenants: &mut [ResolvedTenant],
) {
    match database_target.tenancy() {
        Tenancy::Schema => refuse_schemas(database_target, resolved_tenants).await,
        Tenancy::Database => refuse_databases(database_target, resolved_tenants).await,
    }
}

async fn refuse_schemas(
    database_target: &DatabaseTarget<'_>,
    resolved_tenants: &mut [ResolvedTenant],
) {
    let mut reserved = ReservedSchemas::of(database_target.database);
    let wanted: BTreeSet<&str> =
        resolved_tenants.iter().map(|resolved| &*resolved.tenant.target).collect();
    for other in &database_target.others {
        let Some(track) = &other.shared else { continue };
        if wanted.contains(&*track.schema) && is_same_database(database_target, other).await {
            reserved.add(&track.schema, SchemaOwner::OtherTrack(other.name.clone()));
        }
    }
    for resolved in resolved_tenants.iter_mut().filter(|resolved| resolved.address.is_ok()) {
        if let Some(owner) = reserved.owner_of(&resolved.tenant.target) {
            resolved.address = Err(taken("schema", &resolved.tenant.target, &owner));
        }
    }
    refuse_each_other(resolved_tenants, |resolved| {
        resolved.address.is_ok().then(|| resolved.tenant.target.clone())
    });
}

/// Whether both are in the same real database. If neither has an address of its own, the flag or `DATABASE_URL` applies to
/// both.
async fn is_same_database(database_target: &DatabaseTarget<'_>, other: &Database) -> bool {
    let Ok(main) = database_target.url.address() else { return false };
    let Some(url) = crate::upgrade::preflight::database_target::configured_url(other) else {
        return database_target.database.url.is_none();
    };
    let Ok(address) = url.address() else { return false };
    let identities = Identities::read([&main, &address]).await;
    identities.key(&main) == identities.key(&address)
}

async fn refuse_databases(
    database_target: &DatabaseTarget<'_>,
    resolved_tenants: &mut [ResolvedTenant],
) {
    let mut owners: Vec<(Address, DatabaseOwner)> = Vec::new();
    owners.extend(main_database(database_target).map(|address| (address, DatabaseOwner::Main)));
    for other in &database_target.others {
        let url = crate::upgrade::preflight::database_target::configured_url(other);
        let address = url.and_then(|url| url.address().ok()).filter(|_| holds_a_track(other));
        owners.extend(address.map(|address| (address, DatabaseOwner::Other(other.name.clone()))));
    }
    let intended: Vec<Option<Address>> = resolved_tenants.iter().map(intended_database).collect();
    let of_seats = intended.iter().flatten();
    let all: Vec<&Address> = of_seats.chain(owners.iter().map(|(address, _)| address)).collect();
    let identities = Identities::read(all).await;
    for resolved in resolved_tenants.iter_mut() {
        let Ok(address) = &resolved.address else { continue };
        let key = identities.key(address);
        let owner = owners.iter().find(|(owned, _)| identities.key(owned) == key);
        let owner = owner.map(|(_, owner)| owner.clone());
        if let Some(owner) = owner.or_else(|| system_owner(resolved, address)) {
            resolved.address = Err(taken("database", address.database(), &owner));
        }
    }
    refuse_each_other(resolved_tenants, |resolved| {
        Some(identities.key(&intended_database(resolved)?))
    });
}

/// The database that is assigned to a tenant. A refused tenant still reserves its database.
fn intended_database(resolved: &ResolvedTenant) -> Option<Address> {
    let of_source = || resolved.tenant.url.as_ref()?.address().ok();
    resolved.address.as_ref().ok().cloned().or_else(of_source)
}

/// The database that `url` names, if it contains more than the data that tenants are listed from.
fn main_database(database_target: &DatabaseTarget<'_>) -> Option<Address> {
    let tenants = database_target.database.tenants.as_ref()?;
    let has_list = matches!(tenants.from, Some(TenantSource::Query(_)));
    let address = database_target.url.address().ok()?;
    (has_list || database_target.database.shared.is_some()).then_some(address)
}

fn holds_a_track(database: &Database) -> bool {
    let by_schema =
        database.tenants.as_ref().is_some_and(|tenants| tenants.tenancy == Tenancy::Schema);
    database.shared.is_some() || by_schema
}

/// A service may name each customer's only database `postgres`: this is accepted from an address, but not from a tenant's
/// name.
fn system_owner(resolved: &ResolvedTenant, address: &Address) -> Option<DatabaseOwner> {
    let name = address.database();
    let is_by_name = resolved.tenant.url.is_none() && name == resolved.tenant.target;
    let is_systems = TEMPLATES.contains(&name) || (name == MAINTENANCE && is_by_name);
    is_systems.then_some(DatabaseOwner::PostgreSql)
}

fn taken(kind: &str, name: &str, owner: &dyn fmt::Display) -> Failure {
    let message = format!("the {kind} \"{name}\" does not belong to a tenant: it is {owner}");
    let hint = "correct the tenant's name in its source, or set a `target` that cannot produce this name, such as \
                `tenant_{tenant}`; nothing was changed there";
    Failure {
        hint: Some(hint.to_owned()),
        ..Failure::new(FailureKind::Target(TargetCause::ReservedTarget), message)
    }
}

/// Refuses all tenants that have the same target, because it is unknown which of them owns it.
fn refuse_each_other(
    resolved_tenants: &mut [ResolvedTenant],
    target: impl Fn(&ResolvedTenant) -> Option<String>,
) {
    let mut by_target: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, resolved) in resolved_tenants.iter().enumerate() {
        if let Some(target) = target(resolved) {
            by_target.entry(target).or_default().push(index);
        }
    }
    for same in by_target.into_values().filter(|same| same.len() > 1) {
        let names: Vec<String> = same
            .iter()
            .map(|index| format!("{:?}", resolved_tenants[*index].tenant.name))
            .collect();
        for index in same {
            if resolved_tenants[index].address.is_err() {
                continue;
            }
            let message = format!(
                "the tenants {} have the same target \"{}\": none of them is processed",
                names.join(", "),
                resolved_tenants[index].tenant.target
            );
            let hint =
                "two tenants with one target would share one ledger: give each its own target";
            let failure = Failure::new(FailureKind::Target(TargetCause::DuplicateTarget), message);
            resolved_tenants[index].address =
                Err(Failure { hint: Some(hint.to_owned()), ..failure });
        }
    }
}

/// The identities of servers, as far as needed: for databases of one name that are reached by several endpoints.
struct Identities(HashMap<String, String>);

impl Identities {
    async fn read<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> Self {
        let mut by_name: BTreeMap<String, BTreeMap<String, &Address>> = BTreeMap::new();
        for address in addresses {
            let of_name = by_name.entry(address.database().to_owned()).or_default();
            of_name.entry(address.endpoint()).or_insert(address);
        }
        let unclear = by_name.into_values().filter(|endpoints| endpoints.len() > 1);
        let unclear: BTreeMap<String, &Address> = unclear.flatten().collect();
        let queried = stream::iter(unclear)
            .map(async |(endpoint, address)| Some((endpoint, identity(address).await?)));
        let identities: Vec<Option<(String, String)>> =
            queried.buffer_unordered(CONCURRENT_QUERIES).collect().await;
        Self(identities.into_iter().flatten().collect())
    }

    /// Equal for addresses of the same database.
    fn key(&self, address: &Address) -> String {
        match self.0.get(&address.endpoint()) {
            Some(identity) => format!("{identity}/{}", address.database()),
            None => address.key(),
        }
    }
}

/// `None` if the server cannot be queried: processing that tenant reports why.
async fn identity(address: &Address) -> Option<String> {
    let settings = [("application_name", "mig-ci"), ("statement_timeout", QUERY_TIMEOUT)];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut session = Session::open_plain(address.reading(&settings)).await.ok()?;
    let identity = session.fetch_one::<String>(IDENTITY).await.ok();
    session.close().await;
    identity
}
