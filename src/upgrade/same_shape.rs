//! Fingerprints take texts as they are, so a tenant whose functions, defaults or comments hold its own name has one of its
//! own. Here tenants that differ in nothing but that get one shape.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};

use super::status::{Look, Place, ledgers, options};
use crate::model::{Catalog, Failure, Fingerprint, Tenancy};
use crate::postgres::CatalogReader;
use crate::report::status::Unit;

/// Catalogs in memory at one time.
const TOGETHER: usize = 100;

/// The units that have one shape, by index.
type Group = Vec<usize>;

impl Look<'_> {
    /// Gives the units of each ledger state that hold the same, but for their own names, the most frequent of their shapes.
    /// `places` are those of the units from index `first` on.
    pub(super) async fn merge_equal_shapes(
        &self,
        units: &mut [Unit],
        places: &[Place],
        first: usize,
    ) {
        for groups in groups(units) {
            if groups.len() < 2 {
                continue;
            }
            let examples: Vec<&Place> =
                groups.iter().map(|group| &places[group[0] - first]).collect();
            let mut nameless: BTreeMap<Fingerprint, Vec<Group>> = BTreeMap::new();
            let mut others = Vec::new();
            for (fingerprint, group) in self.nameless(&examples).await.into_iter().zip(groups) {
                match fingerprint {
                    Ok(fingerprint) => nameless.entry(fingerprint).or_default().push(group),
                    Err(_) => others.push(vec![group]),
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
    pub(super) async fn differing_from<'p>(
        &self,
        odd: &Place,
        group: &[usize],
        place: impl Fn(usize) -> &'p Place,
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

    async fn nameless(&self, places: &[&Place]) -> Vec<Result<Fingerprint, Failure>> {
        if self.tenancy() == Some(Tenancy::Database) {
            let one = async |place: &&Place| {
                self.read_catalog(place).await.map(|catalog| catalog.nameless_fingerprint())
            };
            let jobs = self.jobs();
            return stream::iter(places).map(one).buffered(jobs).collect().await;
        }
        let mut found = Vec::new();
        for part in places.chunks(TOGETHER) {
            found.extend(self.nameless_schemas(part).await);
        }
        found
    }

    async fn nameless_schemas(&self, places: &[&Place]) -> Vec<Result<Fingerprint, Failure>> {
        let schema = |place: &&Place| place.target.search_path[0].clone();
        let schemas: Vec<String> = places.iter().map(schema).collect();
        let targets: Vec<_> = places.iter().map(|place| &place.target).collect();
        let read = async {
            let address = places[0].address.as_ref().map_err(Failure::clone)?;
            let mut reader = CatalogReader::open(&options(address)).await?;
            let read = reader.catalogs(&schemas, &ledgers(targets)).await;
            reader.close().await;
            Ok::<_, Failure>(read)
        };
        match read.await {
            Err(failure) => places.iter().map(|_| Err(failure.clone())).collect(),
            Ok(read) => {
                let read: BTreeMap<String, Result<Catalog, Failure>> = read.into_iter().collect();
                let absent = || Failure::new(crate::model::FailureKind::Environment, "it is gone");
                let one = |schema: &String| match read.get(schema) {
                    Some(Ok(catalog)) => Ok(catalog.nameless_fingerprint()),
                    Some(Err(failure)) => Err(failure.clone()),
                    None => Err(absent()),
                };
                schemas.iter().map(one).collect()
            }
        }
    }
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
