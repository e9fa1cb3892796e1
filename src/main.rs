//! The `mig-ci` binary: everything is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mig_ci::main()
}
