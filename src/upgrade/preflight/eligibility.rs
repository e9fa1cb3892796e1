//! Which tenants cannot be worked on because of where they would live: in a schema or database that belongs to PostgreSQL,
//! to a track, or to another tenant. Each of them is refused with a reason, and the others go on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use futures::{StreamExt as _, stream};

use super::database_target::DatabaseTarget;
use super::resolved_tenant::ResolvedTenant;
use crate::model::{
    Database, Failure, FailureKind, ReservedSchemas, SchemaOwner, TargetCause, Tenancy,
    TenantSource,
};
use crate::postgres::{Address, Session};

/// Databases that `initdb` makes.
const TEMPLATES: [&str; 2] = ["template0", "template1"];
const MAINTENANCE: &str = "postgres";

/// Servers that are asked at one time who they are.
const ASKED_TOGETHER: usize = 8;
/// For that question.
const ASKED_WITHIN: &str = "10s";
/// `initdb` gives each cluster a number, which a copy of its files keeps; the start tells copies apart.
const IDENTITY: &str = "SELECT pg_catalog.format('%s/%s', (SELECT system_identifier FROM pg_catalog.pg_control_system()), \
    pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())::pg_catalog.float8::pg_catalog.numeric)";

/// Who a database belongs to, if not to a tenant.
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

/// Takes their addresses from tenants whose target is not theirs alone.
pub(crate) async fn refuse_taken_targets(site: &DatabaseTarget<'_>, seats: &mut [ResolvedTenant]) {
    match site.tenancy() {
        Tenancy::Schema => refuse_schemas(site, seats).await,
        Tenancy::Database => refuse_databases(site, seats).await,
    }
}

async fn refuse_schemas(site: &DatabaseTarget<'_>, seats: &mut [ResolvedTenant]) {
    let mut reserved = ReservedSchemas::of(site.database);
    let wanted: BTreeSet<&str> = seats.iter().map(|seat| &*seat.tenant.target).collect();
    for other in &site.others {
        let Some(track) = &other.shared else { continue };
        if wanted.contains(&*track.schema) && is_same_database(site, other).await {
            reserved.add(&track.schema, SchemaOwner::OtherTrack(other.name.clone()));
        }
    }
    for seat in seats.iter_mut().filter(|seat| seat.address.is_ok()) {
        if let Some(owner) = reserved.owner_of(&seat.tenant.target) {
            seat.address = Err(taken("schema", &seat.tenant.target, &owner));
        }
    }
    refuse_each_other(seats, |seat| seat.address.is_ok().then(|| seat.tenant.target.clone()));
}

/// Whether both lie in the same real database. Where neither has an address of its own, the flag or `DATABASE_URL` is that of
/// both.
async fn is_same_database(site: &DatabaseTarget<'_>, other: &Database) -> bool {
    let Ok(main) = site.url.address() else { return false };
    let Some(url) = crate::upgrade::preflight::database_target::configured_url(other) else {
        return site.database.url.is_none();
    };
    let Ok(address) = url.address() else { return false };
    let identities = Identities::read([&main, &address]).await;
    identities.key(&main) == identities.key(&address)
}

async fn refuse_databases(site: &DatabaseTarget<'_>, seats: &mut [ResolvedTenant]) {
    let mut owners: Vec<(Address, DatabaseOwner)> = Vec::new();
    owners.extend(main_database(site).map(|address| (address, DatabaseOwner::Main)));
    for other in &site.others {
        let url = crate::upgrade::preflight::database_target::configured_url(other);
        let address = url.and_then(|url| url.address().ok()).filter(|_| holds_a_track(other));
        owners.extend(address.map(|address| (address, DatabaseOwner::Other(other.name.clone()))));
    }
    let claims: Vec<Option<Address>> = seats.iter().map(claim).collect();
    let of_seats = claims.iter().flatten();
    let all: Vec<&Address> = of_seats.chain(owners.iter().map(|(address, _)| address)).collect();
    let identities = Identities::read(all).await;
    for seat in seats.iter_mut() {
        let Ok(address) = &seat.address else { continue };
        let key = identities.key(address);
        let owner = owners.iter().find(|(owned, _)| identities.key(owned) == key);
        let owner = owner.map(|(_, owner)| owner.clone());
        if let Some(owner) = owner.or_else(|| system_owner(seat, address)) {
            seat.address = Err(taken("database", address.database(), &owner));
        }
    }
    refuse_each_other(seats, |seat| Some(identities.key(&claim(seat)?)));
}

/// The database that a tenant is given. One that is refused keeps another tenant from it all the same.
fn claim(seat: &ResolvedTenant) -> Option<Address> {
    let of_source = || seat.tenant.url.as_ref()?.address().ok();
    seat.address.as_ref().ok().cloned().or_else(of_source)
}

/// The database that `url` names, where that holds more than what tenants are made from.
fn main_database(site: &DatabaseTarget<'_>) -> Option<Address> {
    let tenants = site.database.tenants.as_ref()?;
    let has_list = matches!(tenants.from, Some(TenantSource::Query(_)));
    let address = site.url.address().ok()?;
    (has_list || site.database.shared.is_some()).then_some(address)
}

fn holds_a_track(database: &Database) -> bool {
    let by_schema =
        database.tenants.as_ref().is_some_and(|tenants| tenants.tenancy == Tenancy::Schema);
    database.shared.is_some() || by_schema
}

/// A service may name each customer's only database `postgres`: an address that says so is believed, a tenant's name is not.
fn system_owner(seat: &ResolvedTenant, address: &Address) -> Option<DatabaseOwner> {
    let name = address.database();
    let is_by_name = seat.tenant.url.is_none() && name == seat.tenant.target;
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

/// Of tenants that would live in one place, none is worked on: which of them it belongs to is not known.
fn refuse_each_other(
    seats: &mut [ResolvedTenant],
    place: impl Fn(&ResolvedTenant) -> Option<String>,
) {
    let mut by_place: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, seat) in seats.iter().enumerate() {
        if let Some(place) = place(seat) {
            by_place.entry(place).or_default().push(index);
        }
    }
    for same in by_place.into_values().filter(|same| same.len() > 1) {
        let names: Vec<String> =
            same.iter().map(|index| format!("{:?}", seats[*index].tenant.name)).collect();
        for index in same {
            if seats[index].address.is_err() {
                continue;
            }
            let message = format!(
                "the tenants {} have the same target \"{}\": none of them is processed",
                names.join(", "),
                seats[index].tenant.target
            );
            let hint =
                "two tenants with one target would share one ledger: give each its own target";
            let failure = Failure::new(FailureKind::Target(TargetCause::DuplicateTarget), message);
            seats[index].address = Err(Failure { hint: Some(hint.to_owned()), ..failure });
        }
    }
}

/// Which endpoints lead to the same server, as far as that matters: where databases of one name are reached by several.
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
        let asked = stream::iter(unclear)
            .map(async |(endpoint, address)| Some((endpoint, identity(address).await?)));
        let known: Vec<Option<(String, String)>> =
            asked.buffer_unordered(ASKED_TOGETHER).collect().await;
        Self(known.into_iter().flatten().collect())
    }

    /// Equal for addresses that lead to the same database.
    fn key(&self, address: &Address) -> String {
        match self.0.get(&address.endpoint()) {
            Some(identity) => format!("{identity}/{}", address.database()),
            None => address.key(),
        }
    }
}

/// `None` where the server cannot be asked: work on that tenant will tell why.
async fn identity(address: &Address) -> Option<String> {
    let settings = [("application_name", "mig-ci"), ("statement_timeout", ASKED_WITHIN)];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut session = Session::open_plain(address.reading(&settings)).await.ok()?;
    let identity = session.fetch_one::<String>(IDENTITY).await.ok();
    session.close().await;
    identity
}
