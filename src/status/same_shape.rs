//! Merges shapes that differ only in the tenant's own name. Fingerprints use texts verbatim, so a tenant whose functions,
//! defaults or comments contain its name has a fingerprint of its own.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};

use super::tenant_status::{StatusReader, TenantEndpoint, ledgers, options};
use crate::catalog::CatalogReader;
use crate::model::{Catalog, EnvironmentCause, Failure, FailureKind, Fingerprint, Tenancy};
use crate::report::status::Unit;

/// The maximum number of catalogs in memory.
const TOGETHER: usize = 100;

/// The indices of units that have the same shape.
type Group = Vec<usize>;

impl StatusReader<'_> {
    /// Gives units of one ledger state that differ only in their own names the most frequent of their shapes. `endpoints` are
    /// those of the units from index `first` on.
    pub(crate) async fn merge_equal_shapes(
        &self,
        units: &mut [Unit],
        endpoints: &[TenantEndpoint],
        first: usize,
    ) {
        for groups in groups(units) {
            if groups.len() < 2 {
                continue;
            }
            let of_group =
                |group: &Group| group.iter().map(|index| &endpoints[index - first]).collect();
            let members: Vec<Vec<&TenantEndpoint>> = groups.iter().map(of_group).collect();
            let read = self.nameless(&members).await;
            let common = in_several_groups(&read);
            let mut nameless: BTreeMap<Fingerprint, Vec<Group>> = BTreeMap::new();
            let mut others = Vec::new();
            for (fingerprints, group) in read.into_iter().zip(groups) {
                match fingerprints {
                    Ok(fingerprints) if fingerprints.iter().any(|one| common.contains(one)) => {
                        for (fingerprint, part) in split_by_fingerprint(units, &fingerprints, group)
                        {
                            nameless.entry(fingerprint).or_default().push(part);
                        }
                    }
                    // These texts contain names that are the same data for all of them.
                    Ok(_) | Err(_) => others.push(vec![group]),
                }
            }
            let mut merged: Vec<Group> = nameless
                .into_values()
                .chain(others)
                .map(|same| assign_one_shape(units, same))
                .collect();
            merged.sort_by_key(|group| std::cmp::Reverse(group.len()));
            let [most, rest @ ..] = merged.as_slice() else { continue };
            for group in rest {
                let endpoint = |index: usize| &endpoints[index - first];
                if self.differing_from(endpoint(group[0]), most, endpoint).await.1.is_empty() {
                    assign_one_shape(units, vec![most.clone(), group.clone()]);
                }
            }
        }
    }

    /// How a unit differs from a group of equal units, and from which of them. A text that names one member of the group
    /// equals that member's own text, while the other members use their own names. Therefore a second member is compared if
    /// the first shows no difference.
    pub(crate) async fn differing_from<'p>(
        &self,
        odd: &TenantEndpoint,
        group: &[usize],
        endpoint: impl Fn(usize) -> &'p TenantEndpoint,
    ) -> (usize, Vec<String>) {
        let mut compared = (group[0], Vec::new());
        for index in group.iter().take(2) {
            compared = (*index, self.differing(odd, endpoint(*index)).await);
            if !compared.1.is_empty() {
                break;
            }
        }
        compared
    }

    /// For each group of units with equal texts: the name-independent fingerprint for each member. Only one catalog of the
    /// group is read.
    async fn nameless(
        &self,
        groups: &[Vec<&TenantEndpoint>],
    ) -> Vec<Result<Vec<Fingerprint>, Failure>> {
        if self.tenancy() == Some(Tenancy::Database) {
            let one = async |group: &Vec<&TenantEndpoint>| {
                let catalog = self.read_catalog(group[0]).await?;
                let names = group
                    .iter()
                    .filter_map(|endpoint| Some(endpoint.address.as_ref().ok()?.database()));
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
        groups: &[Vec<&TenantEndpoint>],
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
                let one = |(schema, group): (&String, &Vec<&TenantEndpoint>)| match read.get(schema)
                {
                    Some(Ok(catalog)) => {
                        let names =
                            group.iter().map(|endpoint| endpoint.target.search_path[0].as_str());
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

/// The fingerprint of one catalog for each of these tenant names.
fn to_each<'n>(catalog: &Catalog, names: impl Iterator<Item = &'n str>) -> Vec<Fingerprint> {
    names.map(|name| catalog.clone().named(name).nameless_fingerprint()).collect()
}

/// The fingerprints that occur in more than one group.
fn in_several_groups(groups: &[Result<Vec<Fingerprint>, Failure>]) -> BTreeSet<Fingerprint> {
    let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
    for fingerprints in groups.iter().flatten() {
        let of_group: BTreeSet<Fingerprint> = fingerprints.iter().copied().collect();
        found.extend(of_group.intersection(&seen).copied());
        seen.extend(of_group);
    }
    found
}

/// Splits a group by the name-independent fingerprints of its units: a name in their common texts is the own name of one
/// unit, and another tenant's for the others. Each part gets a shape of its own, because the common shape is that of the
/// part whose own name is not in the texts.
fn split_by_fingerprint(
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

/// Groups the units of each ledger state by shape.
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

/// Assigns the shape of the largest group to all groups.
fn assign_one_shape(units: &mut [Unit], mut groups: Vec<Group>) -> Group {
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let all: Group = groups.concat();
    let shape = all.first().and_then(|index| units[*index].shape.clone());
    for index in &all {
        units[*index].shape.clone_from(&shape);
    }
    all
}
