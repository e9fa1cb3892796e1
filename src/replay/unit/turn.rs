//! Whose turn it is in a database: most steps run beside those of other tenants, some have the database for themselves.
//!
//! A session that keeps locks between its steps (a transaction that a script left open, an advisory lock of the session)
//! keeps its turn, too, and has had the database for itself since it took them. If it gave that back and waited for
//! another turn, those who wait for its locks in the server would hold what it waits for here, and nobody sees such a
//! circle.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::formats::{Message, Segment, rolls_back_whole};

/// A database on our server, and who may work in it.
#[derive(Debug, Clone)]
pub(in crate::replay) struct Home {
    pub(in crate::replay) name: Arc<str>,
    gate: Arc<RwLock<()>>,
}

/// The right to work in a [`Home`]; it lasts until it is dropped.
#[derive(Debug)]
pub(super) enum Turn {
    #[expect(dead_code, reason = "held, not read")]
    Beside(OwnedRwLockReadGuard<()>),
    #[expect(dead_code, reason = "held, not read")]
    Alone(OwnedRwLockWriteGuard<()>),
}

impl Home {
    pub(in crate::replay) fn new(name: &str) -> Self {
        Self { name: name.into(), gate: Arc::default() }
    }

    /// Waits for the turn of a step.
    pub(super) async fn turn(&self, messages: &[Message]) -> Turn {
        if can_run_beside_others(messages) {
            Turn::Beside(Arc::clone(&self.gate).read_owned().await)
        } else {
            self.alone().await
        }
    }

    /// Waits until nobody else works here.
    pub(super) async fn alone(&self) -> Turn {
        Turn::Alone(Arc::clone(&self.gate).write_owned().await)
    }
}

/// A script that is rolled back whole when it fails can be tried again, so nothing is lost by running it beside others.
fn can_run_beside_others(messages: &[Message]) -> bool {
    let has_script = |message: &Message| {
        message.segments().iter().any(|segment| matches!(segment, Segment::Script(_)))
    };
    let mut scripts = (0..messages.len()).filter(|index| has_script(&messages[*index]));
    scripts.all(|index| rolls_back_whole(messages, index))
}
