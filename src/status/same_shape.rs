//! Fingerprints take texts as they are, so a tenant whose functions, defaults or comments hold its own name has one of its
//! own. Here tenants that differ in nothing but that get one shape.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};

use super::tenant_status::{Look, TenantPlace, ledgers, options};
use crate::catalog::CatalogReader;
use crate::model::{Catalog, EnvironmentCause, Failure, FailureKind, Fingerprint, Tenancy};
use crate::report::status::Unit;

/// Catalogs in memory at one time.
const TOGETHER: usize = 100;

/// The units that have one shape, by index.
type Group = Vec<usize>;

impl Look<'_> {
    /// Gives the units of each ledger state that hold the same, but for their own names, the most frequent of their shapes.
    /// `places` are those of the units from index `first` on.
    pub(crate) async fn merge_equal_shapes(
        &self,
        units: &mut [Unit],
        places: &[TenantPlace],
        first: usize,
    ) {
        for groups in groups(units) {
            if groups.len() < 2 {
                continue;
            }
            let of_group =
                |group: &Group| group.iter().map(|index| &places[index - first]).collect();
            let members: Vec<Vec<&TenantPlace>> = groups.iter().map(of_group).collect();
            let read = self.nameless(&members).await;
            let shared = of_several(&read);
            let mut nameless: BTreeMap<Fingerprint, Vec<Group>> = BTreeMap::new();
            let mut others = Vec::new();
            for (fingerprints, group) in read.into_iter().zip(groups) {
                match fingerprints {
                    Ok(fingerprints) if fingerprints.iter().any(|one| shared.contains(one)) => {
                        for (fingerprint, part) in divided(units, &fingerprints, group) {
                            nameless.entry(fingerprint).or_default().push(part);
                        }
                    }
                    // The names that these texts hold are data to all of them.
                    Ok(_) | Err(_) => others.push(vec![group]),
                }
            }
            let mut merged: Vec<Group> =
                nameless.into_values().chain(others).map(|same| give_one(units, same)).collect();
            merged.sort_by_key(|group| std::cmp::Reverse(group.len()));
            let [most, rest @ ..] = merged.as_slice() else { continue };
            for group in rest {
                let place = |index: usize| &places[index - first];
                if self.differing_from(place(group[0]), most, place).await.1.is_empty() {
                    give_one(units, vec![most.clone(), group.clone()]);
                }
            }
        }
    }

    /// How a unit differs from a group of equal ones, and from which of them. A text that names one of the group equals that
    /// one's own text, where each of the others has its own name: so a second one is asked.
    pub(crate) async fn differing_from<'p>(
        &self,
        odd: &TenantPlace,
        group: &[usize],
        place: impl Fn(usize) -> &'p TenantPlace,
    ) -> (usize, Vec<String>) {
        let mut asked = (group[0], Vec::new());
        for index in group.iter().take(2) {
            asked = (*index, self.differing(odd, place(*index)).await);
            if !asked.1.is_empty() {
                break;
            }
        }
        asked
    }

    /// For each group of units that hold the same texts, what these are to each of its members: the catalog of one is read.
    async fn nameless(
        &self,
        groups: &[Vec<&TenantPlace>],
    ) -> Vec<Result<Vec<Fingerprint>, Failure>> {
        if self.tenancy() == Some(Tenancy::Database) {
            let one = async |group: &Vec<&TenantPlace>| {
                let catalog = self.read_catalog(group[0]).await?;
                let names =
                    group.iter().filter_map(|place| Some(place.address.as_ref().ok()?.database()));
                Ok(to_each(&catalog, names))
            };
            let jobs = self.jobs();
            return stream::iter(groups).map(one).buffered(jobs).collect().await;
        }
        let mut found = Vec::new();
        for part in groups.chunks(TOGETHER) {
            found.extend(self.nameless_schemas(part).await);
        }
        found
    }

    async fn nameless_schemas(
        &self,
        groups: &[Vec<&TenantPlace>],
    ) -> Vec<Result<Vec<Fingerprint>, Failure>> {
        let schemas: Vec<String> =
            groups.iter().map(|group| group[0].target.search_path[0].clone()).collect();
        let targets: Vec<_> = groups.iter().map(|group| &group[0].target).collect();
        let read = async {
            let address = groups[0][0].address.as_ref().map_err(Failure::clone)?;
            let mut reader = CatalogReader::open(&options(address)).await?;
            let read = reader.catalogs(&schemas, &ledgers(targets)).await;
            reader.close().await;
            Ok::<_, Failure>(read)
        };
        match read.await {
            Err(failure) => groups.iter().map(|_| Err(failure.clone())).collect(),
            Ok(read) => {
                let read: BTreeMap<String, Result<Catalog, Failure>> = read.into_iter().collect();
                let absent = || {
                    Failure::new(
                        FailureKind::Environment(EnvironmentCause::MissingSchema),
                        "it no longer exists",
                    )
                };
                let one = |(schema, group): (&String, &Vec<&TenantPlace>)| match read.get(schema) {
                    Some(Ok(catalog)) => {
                        let names = group.iter().map(|place| place.target.search_path[0].as_str());
                        Ok(to_each(catalog, names))
                    }
                    Some(Err(failure)) => Err(failure.clone()),
                    None => Err(absent()),
                };
                schemas.iter().zip(groups).map(one).collect()
            }
        }
    }
}

/// One catalog, as that of each of these tenants.
fn to_each<'n>(catalog: &Catalog, names: impl Iterator<Item = &'n str>) -> Vec<Fingerprint> {
    names.map(|name| catalog.clone().named(name).nameless_fingerprint()).collect()
}

/// The fingerprints that units of more than one group have.
fn of_several(groups: &[Result<Vec<Fingerprint>, Failure>]) -> BTreeSet<Fingerprint> {
    let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
    for fingerprints in groups.iter().flatten() {
        let of_group: BTreeSet<Fingerprint> = fingerprints.iter().copied().collect();
        found.extend(of_group.intersection(&seen).copied());
        seen.extend(of_group);
    }
    found
}

/// The units of a group by what the texts that they share are to each of them: a name in these is one's own, and another
/// tenant's to the others. Each part gets a shape of its own: the one that they shared is that of a part whose own name is not
/// in the texts.
fn divided(
    units: &mut [Unit],
    fingerprints: &[Fingerprint],
    group: Group,
) -> BTreeMap<Fingerprint, Group> {
    let mut parts: BTreeMap<Fingerprint, Group> = BTreeMap::new();
    for (index, fingerprint) in group.into_iter().zip(fingerprints) {
        parts.entry(*fingerprint).or_default().push(index);
    }
    if parts.len() > 1 {
        for (fingerprint, part) in &parts {
            part.iter().for_each(|index| units[*index].shape = Some(fingerprint.to_string()));
        }
    }
    parts
}

/// The units of each ledger state by shape.
fn groups(units: &[Unit]) -> Vec<Vec<Group>> {
    let mut states: BTreeMap<&[String], BTreeMap<&str, Group>> = BTreeMap::new();
    for (index, unit) in units.iter().enumerate() {
        if let (true, None, Some(shape)) =
            (unit.has_state(), unit.agreement.as_ref(), unit.shape.as_deref())
        {
            states.entry(&unit.state).or_default().entry(shape).or_default().push(index);
        }
    }
    states.into_values().map(|shapes| shapes.into_values().collect()).collect()
}

/// The shape of the largest group for all of them.
fn give_one(units: &mut [Unit], mut groups: Vec<Group>) -> Group {
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let all: Group = groups.concat();
    let shape = all.first().and_then(|index| units[*index].shape.clone());
    for index in &all {
        units[*index].shape.clone_from(&shape);
    }
    all
}
