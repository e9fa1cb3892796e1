//! Decides whether and how a failure is retried, for `verify` and `upgrade`.
//!
//! - `upgrade` retries a batch in place if another session caused the failure and the attempt had no effect: as
//!   often as the policy [`BATCH`] allows, with growing pauses. After a catalog race the last attempt runs without other migrations of the run.
//! - `verify` never retries in place, since sequences do not roll back and a new session lacks the state of the old one. If
//!   other units may have caused a failure, the results of its database are discarded, and it is replayed from scratch, one
//!   unit at a time.

use std::time::Duration;

use super::can_come_of_concurrency;
use super::race::Race;
use crate::model::Failure;
use crate::retry::policies::BATCH;

/// Which command decides.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RetryRule {
    /// `upgrade`, after this many retries.
    InPlace { retries: u32, race: Option<Race> },
    /// `verify`. `others_change`: changes of other units can change the result of this one.
    FromNothing { others_change: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// The failure is final.
    Final,
    /// The batch is run again after a pause. `alone`: no other migration of the run executes meanwhile.
    Again { pause: Duration, alone: bool },
    /// The results of the database are discarded, and a second run decides.
    Inconclusive,
}

/// Decides how a failure is handled.
pub(crate) fn decide(rule: RetryRule, failure: &Failure) -> RetryDecision {
    match rule {
        RetryRule::FromNothing { others_change } => {
            match can_come_of_concurrency(failure, others_change) {
                true => RetryDecision::Inconclusive,
                false => RetryDecision::Final,
            }
        }
        RetryRule::InPlace { race: None, .. } => RetryDecision::Final,
        RetryRule::InPlace { retries, race: Some(race) } => {
            let pause_before = |retry: u32| BATCH.pause_before(retry as usize, fastrand::f64());
            let Some(pause) = pause_before(retries) else { return RetryDecision::Final };
            let is_last = pause_before(retries + 1).is_none();
            // The last attempt runs without other migrations of this run, so that its result is conclusive.
            let alone = match race {
                Race::SameMigration => true,
                Race::Catalog => is_last,
                Race::Lock | Race::Connection => false,
            };
            RetryDecision::Again { pause, alone }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureKind;

    const RETRIES: u32 = 5;
    const PAUSE: Duration = Duration::from_millis(200);

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
    fn the_last_attempt_after_a_catalog_race_runs_alone() {
        let alone = |retries, race| match in_place(retries, Some(race)) {
            RetryDecision::Again { alone, .. } => alone,
            other => panic!("{other:?}"),
        };
        assert!(alone(0, Race::SameMigration) && alone(RETRIES - 1, Race::Catalog));
        assert!(!alone(RETRIES - 2, Race::Catalog) && !alone(RETRIES - 1, Race::Connection));
    }

    #[test]
    fn a_replay_is_inconclusive_if_other_units_may_have_caused_the_failure() {
        let failed = |sqlstate: &str, others_change| {
            let failure = Failure::new(FailureKind::Sql { sqlstate: sqlstate.to_owned() }, "x");
            decide(RetryRule::FromNothing { others_change }, &failure)
        };
        assert_eq!(failed("40P01", false), RetryDecision::Inconclusive);
        assert_eq!(failed("42601", true), RetryDecision::Final, "a syntax error");
    }
}
