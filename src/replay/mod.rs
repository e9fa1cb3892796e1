//! Replaying migrations on a server, and writing down what happened.

mod event;

pub(crate) use event::{Event, UnitName};
