//! The context of a unit: its plan, its database, its sessions. It does not change while the unit runs.

use std::sync::{Arc, OnceLock};

use super::database_gate::{OwnObjects, ScratchDatabase};
use crate::formats::Ledger;
use crate::model::{Failure, Phase, ProcessIsolation, RunEvent, UnitEnd, UnitName};
use crate::postgres::{Session, as_client};
use crate::replay::inconclusive::REPLAYED_LATER;
use crate::replay::plan::{DatabasePlan, PlannedUnit, TrackPlan};
use crate::replay::{Replay, SERVER_LOST};

/// One track on one target of a replay.
pub(crate) struct UnitContext<'a> {
    pub(super) replay: &'a Replay<'a>,
    pub(super) database: &'a DatabasePlan,
    pub(super) track: &'a TrackPlan,
    pub(super) unit: &'a PlannedUnit,
    /// Its database on the server of the run.
    pub(super) scratch: ScratchDatabase,
    /// How separate the processes of its program are from those of other units.
    pub(super) isolation: ProcessIsolation,
    /// The ledger that its program uses, known after the first run.
    pub(super) ledger_of_program: OnceLock<Ledger>,
    /// It is a copy of a unit, and sends no progress events.
    pub(super) is_copy: bool,
}

impl UnitContext<'_> {
    pub(super) fn name(&self) -> UnitName {
        UnitName {
            database: Arc::clone(&self.database.name),
            track: self.unit.track,
            name: Arc::clone(&self.unit.name),
        }
    }

    /// The span of the log for what happens in this unit.
    pub(super) fn span(&self) -> tracing::Span {
        self.name().span(&self.unit.target)
    }

    pub(super) fn enter(&self, phase: Phase) {
        tracing::debug!(%phase, "phase started");
        self.emit(RunEvent::UnitStarted { unit: self.name(), phase });
    }

    pub(super) fn emit(&self, event: RunEvent) {
        if !self.is_copy {
            self.replay.emit(event);
        }
    }

    /// The objects of the database that belong to this unit.
    pub(super) fn own(&self) -> OwnObjects<'_> {
        let schema = self.unit.search_path.first().map_or("public", String::as_str);
        OwnObjects { schema, names: &self.track.made_names }
    }

    pub(super) async fn owner_session(&self) -> Result<Session, Failure> {
        let options = self.replay.server.owner(&self.scratch.name);
        // Regardless of the settings of the project, the role or the database: checks read notices.
        let options = options.options([("client_min_messages", "notice")]);
        let client = self.track.detected.format.client();
        let options = as_client(options, client);
        let mut session = self.replay.session(options, Some(&self.unit.search_path)).await?;
        let settings = client.settings(self.replay.server.session_settings());
        if !settings.is_empty() {
            session.execute(settings.join("; ")).await?;
        }
        Ok(session)
    }

    /// The administrator's session, in which `mig_ci.tenant` and `mig_ci.target` name the tenant and its target.
    pub(super) async fn admin_session(&self) -> Result<Session, Failure> {
        let options = self
            .replay
            .server
            .admin_in(&self.scratch.name)
            .options([("mig_ci.tenant", &*self.unit.name), ("mig_ci.target", &self.unit.target)]);
        self.replay.session(options, Some(&self.unit.search_path)).await
    }

    /// Whether the unit should continue.
    pub(super) fn check_server(&self) -> Result<(), UnitEnd> {
        let reason = if self.replay.is_lost() {
            SERVER_LOST
        } else if self.replay.inconclusive.is_inconclusive(&self.database.name) {
            REPLAYED_LATER
        } else {
            return Ok(());
        };
        Err(UnitEnd::NotRun { reason: reason.to_owned() })
    }

    /// Discards the database's results if concurrent units may have caused the failure.
    pub(super) fn check_conclusive(&self, phase: Phase, failure: &Failure) {
        if self.is_copy {
            return;
        }
        // When the head runs, the first empty tenant has already applied its migrations, with all shared objects that they
        // create. Before that, a unit can need objects that another one creates.
        let others_change = phase != Phase::Head || self.track.takes_away;
        self.replay.inconclusive.consider(&self.name(), others_change, failure);
    }
}
