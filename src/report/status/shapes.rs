//! Compares tenants by their ledgers and by their shapes: finds tenants that have drifted, and those whose ledger does not
//! match their schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Agreement, Standing, Unit, Version};
use crate::report::verify::v1::TrackKind;

/// A shape that differs from the majority, with the indices of its units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DifferingShape {
    /// The units with this shape.
    pub(crate) units: Vec<usize>,
    /// A unit with the majority shape of the same ledger; `None` if there is no majority.
    pub(crate) rule: Option<usize>,
}

/// The majority shape of each ledger, and the number of its units.
type Rules<'u> = BTreeMap<&'u [String], Rule<'u>>;

#[derive(Debug)]
struct Rule<'u> {
    shape: Option<&'u str>,
    /// The number of units with the ledger.
    all: usize,
    /// A unit with the shape.
    example: usize,
}

/// Sets the agreement of each tenant, and returns the differing shapes, the most frequent first.
pub(crate) fn differing_shapes(units: &mut [Unit]) -> Vec<DifferingShape> {
    let rules = rules(units);
    let mut odd: BTreeMap<(&[String], &str), DifferingShape> = BTreeMap::new();
    let mut verdicts = Vec::new();
    for (index, unit) in units.iter().enumerate() {
        if !is_known(unit) || unit.agreement.is_some() {
            continue;
        }
        let (Some(shape), Some(own)) = (unit.shape.as_deref(), rules.get(&*unit.state)) else {
            continue;
        };
        let like = rules.iter().find(|(state, rule)| {
            **state != &*unit.state && rule.all > 1 && rule.shape == Some(shape)
        });
        let looks_like = like.and_then(|(state, _)| state.last().cloned());
        let agreement = match own.shape {
            Some(rule) if rule == shape && own.all > 1 => Agreement::Same,
            _ if own.all == 1 => Agreement::Alone,
            Some(_) if looks_like.is_some() => Agreement::LedgerMismatch,
            _ => Agreement::Drifted,
        };
        let is_odd = matches!(agreement, Agreement::Drifted | Agreement::LedgerMismatch);
        if is_odd {
            let rule = own.shape.map(|_| own.example);
            let entry = odd.entry((&unit.state, shape));
            entry.or_insert(DifferingShape { units: Vec::new(), rule }).units.push(index);
        }
        let looks_like = looks_like.filter(|_| agreement != Agreement::Same);
        verdicts.push((index, agreement, looks_like));
    }
    let mut odd: Vec<DifferingShape> = odd.into_values().collect();
    odd.sort_by_key(|odd| std::cmp::Reverse(odd.units.len()));
    for (index, agreement, looks_like) in verdicts {
        (units[index].agreement, units[index].looks_like) = (Some(agreement), looks_like);
    }
    odd
}

fn rules(units: &[Unit]) -> Rules<'_> {
    let mut shapes: BTreeMap<&[String], BTreeMap<&str, (usize, usize)>> = BTreeMap::new();
    for (index, unit) in units.iter().enumerate() {
        if let (true, Some(shape)) = (is_known(unit), unit.shape.as_deref()) {
            shapes.entry(&unit.state).or_default().entry(shape).or_insert((0, index)).0 += 1;
        }
    }
    shapes.into_iter().map(|(state, shapes)| (state, rule(&shapes))).collect()
}

fn rule<'u>(shapes: &BTreeMap<&'u str, (usize, usize)>) -> Rule<'u> {
    let most = shapes.values().map(|(number, _)| *number).max().unwrap_or(0);
    let mut leading = shapes.iter().filter(|(_, (number, _))| *number == most);
    let first = leading.next().map(|(shape, (_, example))| (*shape, *example));
    let is_clear = leading.next().is_none();
    Rule {
        shape: first.map(|(shape, _)| shape).filter(|_| is_clear),
        all: shapes.values().map(|(number, _)| number).sum(),
        example: first.map_or(0, |(_, example)| example),
    }
}

/// Groups tenants by their ledgers, the most migrations first.
pub(crate) fn versions(units: &[Unit]) -> Vec<Version> {
    let mut found: BTreeMap<_, Vec<&Unit>> = BTreeMap::new();
    for unit in units.iter().filter(|unit| is_known(unit)) {
        let is_refused = unit.standing == Standing::Refused;
        found.entry((&*unit.state, &*unit.pending, is_refused)).or_default().push(unit);
    }
    let version = |((_, pending, refused), units): ((_, &[Arc<str>], bool), Vec<&Unit>)| Version {
        version: units[0].version.clone(),
        applied: units[0].applied,
        pending: pending.to_vec(),
        refused,
        tenants: units.len(),
    };
    let mut versions: Vec<Version> = found.into_iter().map(version).collect();
    versions.sort_by_key(|version| (version.pending.len(), std::cmp::Reverse(version.tenants)));
    versions
}

fn is_known(unit: &Unit) -> bool {
    unit.has_state()
}

impl Unit {
    /// A tenant whose ledger could be read: it can be compared with others of the same state.
    pub(crate) fn has_state(&self) -> bool {
        use super::Standing::{AtHead, Behind, Refused};
        self.track == TrackKind::Tenant && matches!(self.standing, AtHead | Behind | Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, state: &[&str], shape: &str) -> Unit {
        Unit {
            track: TrackKind::Tenant,
            name: name.to_owned(),
            target: name.to_owned(),
            standing: Standing::AtHead,
            version: None,
            applied: state.len(),
            pending: Arc::default(),
            failure: None,
            shape: Some(shape.to_owned()),
            agreement: None,
            looks_like: None,
            state: state.iter().map(|version| (*version).to_owned()).collect(),
        }
    }

    #[test]
    fn drifted_tenants_are_found() {
        let mut units = [
            unit("a", &["1", "2"], "two"),
            unit("b", &["1", "2"], "two"),
            unit("drifted", &["1", "2"], "odd"),
            unit("liar", &["1", "2"], "one"),
            unit("c", &["1"], "one"),
            unit("d", &["1"], "one"),
            unit("alone", &[], "none"),
        ];
        let odd = differing_shapes(&mut units);
        let results: Vec<_> = units.iter().map(|unit| unit.agreement.unwrap()).collect();
        use Agreement::{Alone, Drifted, LedgerMismatch, Same};
        assert_eq!(results, [Same, Same, Drifted, LedgerMismatch, Same, Same, Alone]);
        assert_eq!(units[3].looks_like.as_deref(), Some("1"));
        assert_eq!(odd.len(), 2);
        assert!(odd.contains(&DifferingShape { units: vec![2], rule: Some(0) }), "{odd:?}");
    }

    /// One of two may have drifted, and it is unknown which.
    #[test]
    fn without_a_majority_there_is_no_expected_shape() {
        let mut units = [unit("a", &["1"], "x"), unit("b", &["1"], "y")];
        let odd = differing_shapes(&mut units);
        assert!(units.iter().all(|unit| unit.agreement == Some(Agreement::Drifted)));
        assert!(odd.iter().all(|odd| odd.rule.is_none()));
    }

    /// A migration that only changes data has the shape of the previous one.
    #[test]
    fn two_versions_may_have_the_same_shape() {
        let mut units = [
            unit("a", &["1"], "x"),
            unit("b", &["1"], "x"),
            unit("c", &["1", "2"], "x"),
            unit("d", &["1", "2"], "x"),
            unit("canary", &["1", "2", "3"], "x"),
        ];
        assert_eq!(differing_shapes(&mut units), []);
        assert_eq!(units[4].agreement, Some(Agreement::Alone));
        assert_eq!(versions(&units)[0].tenants, 2);
    }
}
