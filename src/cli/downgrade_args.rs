//! The flags of `mig-ci downgrade`.

use camino::Utf8PathBuf;
use clap::Args;

use super::upgrade_args::{HowArgs, SiteArgs, WhomArgs};
use crate::formats::DownTo;

#[derive(Debug, Args)]
pub(crate) struct DowngradeArgs {
    /// How far: `-1` undoes the last migration, a version all that came after it, `base` everything
    #[arg(
        value_name = "-N|VERSION|base",
        allow_negative_numbers = true,
        required_unless_present = "report",
        conflicts_with = "report",
        value_parser = down_to
    )]
    pub(crate) to: Option<DownTo>,

    /// Undo exactly what the run of this report (`upgrade --output json=PATH`) has applied, where it has applied it
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with_all = ["shared", "tenants", "all_tenants", "partition"]
    )]
    pub(crate) report: Option<Utf8PathBuf>,

    #[command(flatten)]
    pub(crate) whom: WhomArgs,

    #[command(flatten)]
    pub(crate) site: SiteArgs,

    #[command(flatten)]
    pub(crate) how: HowArgs,
}

fn down_to(text: &str) -> Result<DownTo, String> {
    match (text, text.strip_prefix('-')) {
        ("base", _) => Ok(DownTo::Base),
        (_, Some(steps)) => match steps.parse() {
            Ok(steps) if steps > 0 => Ok(DownTo::Steps(steps)),
            _ => Err("a number of migrations is written as in -1".to_owned()),
        },
        ("head", None) => Err("the head is where `mig-ci upgrade` goes".to_owned()),
        (version, None) => Ok(DownTo::Version(version.to_owned())),
    }
}
