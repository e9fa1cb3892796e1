//! Which steps run concurrently. Most steps run concurrently with those of other tenants, some are alone in their database, and
//! steps that change the whole server run one at a time, over all databases.
//!
//! PostgreSQL does not serialise two sessions that change the same row of a system catalog: the second one fails ("tuple
//! concurrently updated", a duplicate key in an index of a catalog) after it has waited. So a script that changes an object of
//! the whole database (a schema, an extension) is alone in the database, and one that changes an object of the whole server (a
//! role, a membership) holds a lock that all databases share. An object outside of the unit's own schema belongs to all units of
//! the database, so a script that defines, changes or drops one is alone in the database, too. Effects that the text does not
//! show (a function that it calls) run concurrently; if they fail, the second run decides.
//!
//! Lock order, so that there is no deadlock: a session always acquires the gate of the database first, then that of the server.
//! A session that waits for a gate has no transaction and no lock in PostgreSQL. A session with the gate of the server only
//! waits for locks in PostgreSQL, which belong to running steps, or to sessions that do not wait for a gate (see below).
//!
//! A session that keeps locks between its steps (an open transaction of a script, an advisory lock of the session) also keeps
//! its gates, and has been alone in the database since it acquired the locks. If it released the gate and waited for it again, a
//! session that waits for its locks in PostgreSQL could hold the gate, and neither side would detect that deadlock. For the same
//! reason it keeps the gate of the server, if it has it; if not, its later steps run without it.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::formats::{Fragment, QueryBatch, rolls_back_completely};
use crate::sql::{Certainty, Effects, ObjectPlaces, effects};

/// A database on the server of the run, and the gate to it.
#[derive(Debug, Clone)]
pub(crate) struct ScratchDatabase {
    pub(crate) name: Arc<str>,
    gate: Arc<RwLock<()>>,
    /// Shared by all databases of the server.
    cluster: Arc<Mutex<()>>,
}

/// The effects of some work outside of its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reach {
    /// No other work may run in the database.
    database: bool,
    /// No other work may change the whole server.
    cluster: bool,
}

/// The objects of a database that belong to one unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnObjects<'a> {
    /// The first schema of its search path.
    pub(crate) schema: &'a str,
    /// Names of objects that its track creates there.
    pub(crate) names: &'a BTreeSet<String>,
}

/// The permit to work in a [`ScratchDatabase`], until it is dropped.
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

    /// Waits until work with these effects can start.
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

    /// As [`Self::acquire`], for work that needs no permit if it has no effect outside of its unit.
    pub(crate) async fn acquire_if_needed(&self, reach: Reach) -> Option<GatePermit> {
        if reach == Reach::default() { None } else { Some(self.acquire(reach).await) }
    }
}

impl Reach {
    pub(crate) const WHOLE_SERVER: Self = Self { database: true, cluster: true };

    /// The reach of scripts that run one after the other.
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

    /// The reach of a step. A step that cannot be rolled back completely is alone in the database.
    pub(crate) fn of_step(messages: &[QueryBatch], own: OwnObjects<'_>) -> Self {
        let scripts =
            messages.iter().flat_map(QueryBatch::fragments).filter_map(|part| match part {
                Fragment::Script(script) => Some(effects(script)),
                Fragment::Tool(_) => None,
            });
        let reach = Self::of(scripts, own);
        if rolls_back(messages) { reach } else { reach.alone() }
    }

    /// The same, alone in the database.
    pub(crate) fn alone(self) -> Self {
        Self { database: true, ..self }
    }
}

/// Whether all scripts of a step are rolled back completely if they fail.
fn rolls_back(messages: &[QueryBatch]) -> bool {
    let has_script = |message: &QueryBatch| {
        message.fragments().iter().any(|fragment| matches!(fragment, Fragment::Script(_)))
    };
    let mut scripts = (0..messages.len()).filter(|index| has_script(&messages[*index]));
    scripts.all(|index| rolls_back_completely(messages, index))
}
