//! The report of `upgrade`, `downgrade` and `create`, `mig-ci.upgrade/1`: written from the documented schema, not from the
//! source, so that an added, renamed or removed field breaks the tests.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpgradeReport {
    pub(crate) schema: String,
    pub(crate) tool: ToolVersion,
    pub(crate) direction: UpgradeDirection,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dry_run: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    pub(crate) verdict: UpgradeVerdict,
    pub(crate) summary: String,
    pub(crate) started_at: String,
    pub(crate) duration_ms: u64,
    pub(crate) interrupted: bool,
    pub(crate) counts: UpgradeCounts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) notes: Option<Vec<String>>,
    pub(crate) units: Vec<UnitReport>,
    pub(crate) findings: Vec<FindingReport>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolVersion {
    pub(crate) name: String,
    pub(crate) version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UpgradeDirection {
    Up,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UpgradeVerdict {
    Passed,
    Failed,
    NotRun,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpgradeCounts {
    pub(crate) upgraded: u64,
    pub(crate) downgraded: u64,
    pub(crate) pending: u64,
    pub(crate) up_to_date: u64,
    pub(crate) failed: u64,
    pub(crate) environment_failed: u64,
    pub(crate) not_run: u64,
}

/// A tenant, or the shared track of a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnitReport {
    pub(crate) database: String,
    pub(crate) track: TrackName,
    pub(crate) name: String,
    pub(crate) target: String,
    pub(crate) outcome: UnitOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rows_before: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) applied: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undone: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<FailureReport>,
    /// Absent, not zero, without retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retries: Option<u64>,
    pub(crate) duration_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TrackName {
    Shared,
    Tenant,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum UnitOutcome {
    Upgraded,
    Downgraded,
    Pending,
    UpToDate,
    Failed,
    EnvironmentFailed,
    NotRun,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailureReport {
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sqlstate: Option<String>,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) statement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<FilePlace>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilePlace {
    pub(crate) path: String,
    pub(crate) line: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) excerpt: Option<FileExcerpt>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileExcerpt {
    pub(crate) first_line: u64,
    pub(crate) lines: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shift: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindingReport {
    pub(crate) code: String,
    pub(crate) severity: String,
    pub(crate) message: String,
    pub(crate) database: String,
    pub(crate) track: TrackName,
    pub(crate) units: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fails_run: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<FailureReport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<FilePlace>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unplaced: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reproduce: Option<String>,
}

impl UpgradeReport {
    /// Parses the report. Unknown or missing fields are an error.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let report: Self =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let written: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&report).unwrap(), written, "it is read in whole");
        report
    }

    /// The only unit of this name.
    #[track_caller]
    pub(crate) fn unit(&self, name: &str) -> &UnitReport {
        let mut found = self.units.iter().filter(|unit| unit.name == name);
        let unit = found.next().unwrap_or_else(|| panic!("no {name}: {self}"));
        assert_eq!(found.next(), None, "several {name}");
        unit
    }

    /// The number of retries of all units.
    pub(crate) fn retries(&self) -> u64 {
        self.units.iter().filter_map(|unit| unit.retries).sum()
    }
}

impl UnitReport {
    #[track_caller]
    pub(crate) fn failure(&self) -> &FailureReport {
        self.failure.as_ref().unwrap_or_else(|| panic!("no failure: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_else(|| panic!("no reason: {self:?}"))
    }

    /// The versions; none if the field is absent.
    pub(crate) fn applied(&self) -> &[String] {
        self.applied.as_deref().unwrap_or_default()
    }

    pub(crate) fn undone(&self) -> &[String] {
        self.undone.as_deref().unwrap_or_default()
    }

    pub(crate) fn pending(&self) -> &[String] {
        self.pending.as_deref().unwrap_or_default()
    }
}

impl FailureReport {
    #[track_caller]
    pub(crate) fn sqlstate(&self) -> &str {
        self.sqlstate.as_deref().unwrap_or_else(|| panic!("no SQLSTATE: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn hint(&self) -> &str {
        self.hint.as_deref().unwrap_or_else(|| panic!("no hint: {self:?}"))
    }
}

/// As JSON, for messages.
impl fmt::Display for UpgradeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?)
    }
}
