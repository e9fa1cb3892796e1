//! The binary starts and ends.

use crate::common::project;

#[test]
fn starts_and_ends_well() {
    project().mig_ci(["--version"]).run().success();
}
