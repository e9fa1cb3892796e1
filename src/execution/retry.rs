//! Whether what failed is run again, and how. The one place that decides it, for `verify` and `upgrade`.
//!
//! - `upgrade` runs a batch again in place, where the failure comes from another session and the try had no effect: a number
//!   of times, with growing pauses, and at last with no other migration of the run beside it.
//! - `verify` never runs a step again in place, since sequences do not roll back, and a new session lacks what the old one
//!   had. Where other units may have caused a failure, the results of its database do not count, and it is replayed again
//!   from nothing, one unit at a time.

use std::time::Duration;

use super::can_come_of_concurrency;
use super::race::Race;
use crate::model::Failure;

/// Tries after the first one.
pub(crate) const RETRIES: u32 = 5;
/// Before the first of them; each next one waits twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// Who decides.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RetryRule {
    /// `upgrade`, after so many retries.
    InPlace { retries: u32, race: Option<Race> },
    /// `verify`. `others_change`: what other units do can change the result of this one.
    FromNothing { others_change: bool },
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// The failure counts.
    Final,
    /// The batch is run again after a pause; with `alone`, no other migration of the run executes meanwhile.
    Again { pause: Duration, alone: bool },
    /// The results of the database do not count, and a second run decides.
    Inconclusive,
}

/// Decides what is done about a failure.
pub(crate) fn decide(rule: RetryRule, failure: &Failure) -> RetryDecision {
    match rule {
        RetryRule::FromNothing { others_change } => {
            match can_come_of_concurrency(failure, others_change) {
                true => RetryDecision::Inconclusive,
                false => RetryDecision::Final,
            }
        }
        RetryRule::InPlace { race: None, .. } => RetryDecision::Final,
        RetryRule::InPlace { retries, .. } if retries >= RETRIES => RetryDecision::Final,
        RetryRule::InPlace { retries, race: Some(race) } => {
            let pause = PAUSE * 2_u32.pow(retries);
            RetryDecision::Again {
                pause: pause.mul_f64(0.5 + fastrand::f64()),
                // The last one has no other migration of this run beside it, so that only its own outcome counts.
                alone: match race {
                    Race::SameMigration => true,
                    Race::Catalog => retries + 1 == RETRIES,
                    Race::Lock | Race::Connection => false,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureKind;

    fn in_place(retries: u32, race: Option<Race>) -> RetryDecision {
        let failure = Failure::new(FailureKind::Sql { sqlstate: "55P03".to_owned() }, "x");
        decide(RetryRule::InPlace { retries, race }, &failure)
    }

    #[test]
    fn pauses_double_and_end_after_five_retries() {
        for retries in 0..RETRIES {
            let RetryDecision::Again { pause, alone } = in_place(retries, Some(Race::Lock)) else {
                panic!("retry {retries} was refused");
            };
            let mean = PAUSE * 2_u32.pow(retries);
            assert!(pause >= mean / 2 && pause <= mean * 3 / 2, "{pause:?} of {mean:?}");
            assert!(!alone);
        }
        assert_eq!(in_place(RETRIES, Some(Race::Lock)), RetryDecision::Final);
        assert_eq!(in_place(0, None), RetryDecision::Final);
    }

    #[test]
    fn the_last_try_after_a_catalog_race_runs_alone() {
        let alone = |retries, race| match in_place(retries, Some(race)) {
            RetryDecision::Again { alone, .. } => alone,
            other => panic!("{other:?}"),
        };
        assert!(alone(0, Race::SameMigration) && alone(RETRIES - 1, Race::Catalog));
        assert!(!alone(RETRIES - 2, Race::Catalog) && !alone(RETRIES - 1, Race::Connection));
    }

    #[test]
    fn a_replay_is_inconclusive_where_other_units_may_have_a_part() {
        let failed = |sqlstate: &str, others_change| {
            let failure = Failure::new(FailureKind::Sql { sqlstate: sqlstate.to_owned() }, "x");
            decide(RetryRule::FromNothing { others_change }, &failure)
        };
        assert_eq!(failed("40P01", false), RetryDecision::Inconclusive);
        assert_eq!(failed("42601", true), RetryDecision::Final, "a syntax error");
    }
}
