//! The number of rounds of random tests: few with a fixed seed by default, many with a new seed in `.ci/full`.

use fastrand::Rng;

/// With `whole`, random tests run all of their rounds.
const VARIABLE: &str = "MIG_CI_TEST_ROUNDS";

/// A random number generator, and the number of rounds.
///
/// The seed is printed, so that a failure shows it. `MIG_CI_TEST_SEED` sets it.
///
/// # Panics
/// If one of the two variables has an invalid value.
#[expect(clippy::print_stdout, reason = "a failure has to show its seed")]
pub(crate) fn random_rounds(seed: u64, slice: usize, whole: usize) -> (Rng, usize) {
    let is_whole = match std::env::var(VARIABLE).as_deref() {
        Ok("whole") => true,
        Ok("slice") | Err(_) => false,
        Ok(other) => panic!("{VARIABLE} is `{other}`; it can be `slice` or `whole`"),
    };
    let seed = match std::env::var("MIG_CI_TEST_SEED") {
        Ok(seed) => seed.parse().expect("MIG_CI_TEST_SEED is a number"),
        Err(_) if is_whole => fastrand::u64(..),
        Err(_) => seed,
    };
    let rounds = if is_whole { whole } else { slice };
    println!("{rounds} rounds with MIG_CI_TEST_SEED={seed}");
    (Rng::with_seed(seed), rounds)
}
