//! Where real databases stand: versions, what is pending, and, of many tenants, who is not like the others. Its own schema.

mod shapes;
pub(super) mod terminal;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::{count, grouped};
use super::upgrade::{Versions, is_false, is_none};
use super::verify::v1::{Failure, Tool, TrackKind};

use super::verify::convert::{ENVIRONMENT, SERVER_LOST};
pub(crate) use super::verify::convert::{failure_of, track_kind};
pub(crate) use shapes::differing_shapes;

/// The value of [`Report::schema`].
pub(crate) const SCHEMA: &str = "mig-ci.status/1";

/// Where the tracks of one database, and its tenants', stand.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "mig-ci status report, version 1")]
pub(crate) struct Report {
    /// Always `mig-ci.status/1`.
    pub(crate) schema: String,
    pub(crate) tool: Tool,
    pub(crate) database: String,
    /// A summary in one sentence.
    pub(crate) summary: String,
    pub(crate) counts: Counts,
    /// The migrations of the shared track, or of a database without tenants, in their order.
    pub(crate) history: Vec<Entry>,
    /// Tenants by the version in their ledgers, the newest first.
    pub(crate) versions: Vec<Version>,
    /// Notes about the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// The shared track first, then the tenants in the order of their source.
    pub(crate) units: Vec<Unit>,
    /// How drifted tenants differ from the others with the same ledger; one entry for each shape, as far as it was read.
    pub(crate) differences: Vec<Difference>,
}

/// Units by where they stand, shared tracks included; and by what is wrong with their shape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    pub(crate) at_head: usize,
    pub(crate) behind: usize,
    pub(crate) refused: usize,
    pub(crate) absent: usize,
    pub(crate) unreadable: usize,
    /// The server or the machine failed: they have no result.
    pub(crate) environment_failed: usize,
    /// Their shape could not be read.
    pub(crate) shape_unknown: usize,
    pub(crate) drifted: usize,
    pub(crate) ledger_mismatch: usize,
}

/// A migration that the ledger shows, or a file has, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) version: String,
    pub(crate) applied: bool,
    /// From the project's root; absent if no file has this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
}

/// Tenants whose ledgers show the same.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    /// The newest version; absent if nothing has been applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// How many migrations.
    pub(crate) applied: usize,
    pub(crate) pending: Vec<Arc<str>>,
    /// The migration tool refuses this ledger, so that nothing is pending.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) refused: bool,
    pub(crate) tenants: usize,
}

/// One track of a database, or of a tenant.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unit {
    pub(crate) track: TrackKind,
    /// The tenant's, or the database's for a shared track.
    pub(crate) name: String,
    /// The schema or database.
    pub(crate) target: String,
    pub(crate) standing: Standing,
    /// The newest in its ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// How many migrations its ledger shows.
    pub(crate) applied: usize,
    /// What an upgrade would apply, in its order.
    #[serde(default, skip_serializing_if = "is_none")]
    #[schemars(with = "Vec<String>")]
    pub(crate) pending: Versions,
    /// Why it cannot be read, or would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    /// The fingerprint of its catalog, the ledger left out: equal shapes have equal ones, also if their schemas have different names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shape: Option<String>,
    /// The result of the comparison of shapes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agreement: Option<Agreement>,
    /// The version that most tenants with this shape have, if it is not the tenant's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) looks_like: Option<String>,
    /// Equal for equal ledgers; internal.
    #[serde(skip)]
    pub(crate) state: Arc<[String]>,
}

/// Where a unit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Standing {
    AtHead,
    Behind,
    /// An upgrade would not start, or would stop: the migration tool refuses.
    Refused,
    /// The schema does not exist.
    Absent,
    Unreadable,
    /// The server or the machine failed, and `failure` says how: it has no result.
    EnvironmentFailed,
}

/// A tenant's shape beside those of the tenants with the same ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Agreement {
    /// Equal to most of the others.
    Same,
    /// No other tenant has this ledger: there is nothing to compare it with.
    Alone,
    /// Different from the others; or there is no majority.
    Drifted,
    /// Different from the others with this ledger, and equal to most of those with another one.
    LedgerMismatch,
    /// It could not be read.
    Unknown,
}

/// What a shape has that the rule has not.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    /// The tenants with this shape.
    pub(crate) tenants: Vec<String>,
    /// The tenant that it was compared with.
    pub(crate) expected: String,
    /// The differences, one sentence each.
    pub(crate) items: Vec<String>,
    /// The number of omitted differences.
    pub(crate) left_out: usize,
}

/// Builds the report; `units` have been compared.
pub(crate) fn build(
    database: &str,
    history: Vec<Entry>,
    units: Vec<Unit>,
    differences: Vec<Difference>,
) -> Report {
    let mut counts = Counts::default();
    for unit in &units {
        *match unit.standing {
            Standing::AtHead => &mut counts.at_head,
            Standing::Behind => &mut counts.behind,
            Standing::Refused => &mut counts.refused,
            Standing::Absent => &mut counts.absent,
            Standing::Unreadable => &mut counts.unreadable,
            Standing::EnvironmentFailed => &mut counts.environment_failed,
        } += 1;
        counts.drifted += usize::from(unit.agreement == Some(Agreement::Drifted));
        counts.shape_unknown += usize::from(unit.agreement == Some(Agreement::Unknown));
        counts.ledger_mismatch += usize::from(unit.agreement == Some(Agreement::LedgerMismatch));
    }
    Report {
        schema: SCHEMA.to_owned(),
        tool: Tool { name: "mig-ci".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        database: database.to_owned(),
        summary: headline(&counts),
        counts,
        history,
        notes: Vec::new(),
        versions: shapes::versions(&units),
        units,
        differences,
    }
}

impl Report {
    /// Whether something could not be read because the server or the machine failed.
    pub(crate) fn environment_failed(&self) -> bool {
        self.units.iter().any(is_struck)
    }

    /// Whether there is another problem.
    pub(crate) fn has_other_problems(&self) -> bool {
        let counts = Counts { at_head: 0, environment_failed: 0, shape_unknown: 0, ..self.counts };
        let is_unknown =
            |unit: &Unit| unit.agreement == Some(Agreement::Unknown) && !is_struck(unit);
        counts != Counts::default() || self.units.iter().any(is_unknown)
    }
}

fn is_struck(unit: &Unit) -> bool {
    let kind = unit.failure.as_ref().map(|failure| failure.kind.as_str());
    kind.is_some_and(|kind| [ENVIRONMENT, SERVER_LOST].contains(&kind))
}

fn headline(counts: &Counts) -> String {
    let Counts { at_head, behind, refused, absent, unreadable, .. } = *counts;
    let Counts { environment_failed, shape_unknown, drifted, ledger_mismatch, .. } = *counts;
    let all = at_head + behind + refused + absent + unreadable + environment_failed;
    let parts = [
        (at_head, "at head"),
        (behind, "behind"),
        (refused, "refused"),
        (absent, "absent"),
        (unreadable, "unreadable"),
        (environment_failed, "without a result (environment failure)"),
        (shape_unknown, "with an unreadable schema"),
        (drifted, "drifted"),
        (ledger_mismatch, "with a ledger that does not match the schema"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<_> =
        parts.map(|(number, words)| format!("{} {words}", grouped(*number))).collect();
    format!("{}: {}", count(all, "target"), parts.join(", "))
}
