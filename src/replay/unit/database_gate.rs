//! Whose turn it is: most steps run beside those of other tenants, some have their database for themselves, and what changes
//! the server as a whole runs one at a time, over all databases.
//!
//! The server gives no order to two sessions that change the same row of a system catalog: the second one fails ("tuple
//! concurrently updated", a duplicate key in an index of a catalog), although it has waited. So a script that changes what a
//! database has once (a schema, an extension) has the database for itself, and one that changes what a server has once (a
//! role, a membership) holds a lock that all databases have together. An object outside of the unit's own schema is one that
//! all units of the database have, so a script that defines, changes or drops one has the database for itself, too. What the
//! text does not show (a function that it calls) runs beside others; if that fails, a second run judges.
//!
//! The turn in the database always comes first, then that of the server. A session that waits for either has no transaction
//! and no lock in the server. A session that has the turn of the server waits for locks in the server alone, and these belong
//! to steps that run, or to sessions that wait for nothing here (see below). So there is no circle.
//!
//! A session that keeps locks between its steps (a transaction that a script left open, an advisory lock of the session)
//! keeps its turn, too, and has had the database for itself since it took them. If it gave that back and waited for
//! another turn, those who wait for its locks in the server would hold what it waits for here, and nobody sees such a
//! circle. So it keeps the turn of the server, too, if it has it; if not, its later steps run without.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::formats::{Fragment, QueryBatch, rolls_back_completely};
use crate::sql::{Certainty, Effects, ObjectPlaces, effects};

/// A database on our server, and who may work in it.
#[derive(Debug, Clone)]
pub(crate) struct ScratchDatabase {
    pub(crate) name: Arc<str>,
    gate: Arc<RwLock<()>>,
    /// One for all databases of the server.
    cluster: Arc<Mutex<()>>,
}

/// How far a piece of work reaches beyond its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reach {
    /// Nothing else may work in the database.
    database: bool,
    /// Nothing else may change the server as a whole.
    cluster: bool,
}

/// What of a database is a unit's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnObjects<'a> {
    /// The schema that comes first in its search path.
    pub(crate) schema: &'a str,
    /// Names of objects that its track makes there.
    pub(crate) names: &'a BTreeSet<String>,
}

/// The right to work in a [`ScratchDatabase`]; it lasts until it is dropped.
#[derive(Debug)]
pub(crate) struct GatePermit {
    #[expect(dead_code, reason = "held, not read")]
    cluster: Option<OwnedMutexGuard<()>>,
    #[expect(dead_code, reason = "held, not read")]
    gate: Gate,
}

#[derive(Debug)]
enum Gate {
    #[expect(dead_code, reason = "held, not read")]
    Beside(OwnedRwLockReadGuard<()>),
    #[expect(dead_code, reason = "held, not read")]
    Alone(OwnedRwLockWriteGuard<()>),
}

impl ScratchDatabase {
    pub(crate) fn new(name: &str, cluster: &Arc<Mutex<()>>) -> Self {
        Self { name: name.into(), gate: Arc::default(), cluster: Arc::clone(cluster) }
    }

    /// Waits until work that reaches so far can begin.
    pub(crate) async fn acquire(&self, reach: Reach) -> GatePermit {
        let gate = Arc::clone(&self.gate);
        let gate = match reach.database {
            true => Gate::Alone(gate.write_owned().await),
            false => Gate::Beside(gate.read_owned().await),
        };
        let cluster = match reach.cluster {
            true => Some(Arc::clone(&self.cluster).lock_owned().await),
            false => None,
        };
        GatePermit { cluster, gate }
    }

    /// The same for work that needs no turn where it stays within its unit.
    pub(crate) async fn acquire_if_needed(&self, reach: Reach) -> Option<GatePermit> {
        if reach == Reach::default() { None } else { Some(self.acquire(reach).await) }
    }
}

impl Reach {
    pub(crate) const WHOLE_SERVER: Self = Self { database: true, cluster: true };

    /// Of scripts that run one after the other.
    pub(crate) fn of(
        scripts: impl IntoIterator<Item = impl Borrow<Effects>>,
        own: OwnObjects<'_>,
    ) -> Self {
        let mut all = Self::default();
        let mut places = ObjectPlaces::default();
        for effects in scripts {
            let effects = effects.borrow();
            all.database |= effects.changes_database() == Certainty::Yes;
            all.cluster |= effects.changes_cluster() == Certainty::Yes;
            places.join(&effects.places());
        }
        Self { database: all.database || places.may_be_outside(own.schema, own.names), ..all }
    }

    /// Of a step. What cannot be rolled back whole has the database for itself.
    pub(crate) fn of_step(messages: &[QueryBatch], own: OwnObjects<'_>) -> Self {
        let scripts =
            messages.iter().flat_map(QueryBatch::fragments).filter_map(|part| match part {
                Fragment::Script(script) => Some(effects(script)),
                Fragment::Tool(_) => None,
            });
        let reach = Self::of(scripts, own);
        if rolls_back(messages) { reach } else { reach.alone() }
    }

    /// The same, with the database for itself.
    pub(crate) fn alone(self) -> Self {
        Self { database: true, ..self }
    }
}

/// Whether all scripts of a step are rolled back whole when they fail.
fn rolls_back(messages: &[QueryBatch]) -> bool {
    let has_script = |message: &QueryBatch| {
        message.fragments().iter().any(|fragment| matches!(fragment, Fragment::Script(_)))
    };
    let mut scripts = (0..messages.len()).filter(|index| has_script(&messages[*index]));
    scripts.all(|index| rolls_back_completely(messages, index))
}
