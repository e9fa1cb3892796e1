//! A problem of one unit. Its constructors require a position, or a reason why there is none.

use std::borrow::Cow;

use camino::Utf8Path;

use crate::model::{Failure, Phase, Place};

/// One problem of one unit. It borrows from the evidence, because there are thousands of units and few causes.
#[derive(Debug)]
pub(crate) struct UnitProblem<'a> {
    pub(super) phase: Phase,
    pub(super) message: Cow<'a, str>,
    pub(super) at: Location<'a>,
    pub(super) failure: Option<&'a Failure>,
    pub(super) help: Option<Cow<'static, str>>,
}

/// A position, or the reason why there is none.
#[derive(Debug)]
pub(super) enum Location<'a> {
    Place(Cow<'a, Place>),
    /// Displayed after "no place:".
    Nowhere(&'static str),
}

impl<'a> UnitProblem<'a> {
    /// At a known position.
    pub(crate) fn at(place: &'a Place, phase: Phase, message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Location::Place(Cow::Borrowed(place)), phase, message.into())
    }

    /// For a file as a whole: at its first line.
    pub(crate) fn in_file(path: &Utf8Path, phase: Phase, message: impl Into<Cow<'a, str>>) -> Self {
        let place = Place { path: path.to_owned(), line: 1, column: None, excerpt: None };
        Self::new(Location::Place(Cow::Owned(place)), phase, message.into())
    }

    /// Without a position. `why` is displayed after "no place:".
    pub(crate) fn nowhere(
        why: &'static str,
        phase: Phase,
        message: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self::new(Location::Nowhere(why), phase, message.into())
    }

    /// Adds the failure that caused it.
    pub(crate) fn with_failure(self, failure: &'a Failure) -> Self {
        Self { failure: Some(failure), ..self }
    }

    /// Adds how to fix it.
    pub(crate) fn with_help(self, help: Option<impl Into<Cow<'static, str>>>) -> Self {
        Self { help: help.map(Into::into), ..self }
    }

    pub(super) fn place(&self) -> Option<&Place> {
        match &self.at {
            Location::Place(place) => Some(place),
            Location::Nowhere(_) => None,
        }
    }

    fn new(at: Location<'a>, phase: Phase, message: Cow<'a, str>) -> Self {
        Self { phase, message, at, failure: None, help: None }
    }
}
