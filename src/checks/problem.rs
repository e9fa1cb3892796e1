//! What a check says about one unit. It cannot be said without a place, or a reason why there is none.

use std::borrow::Cow;

use camino::Utf8Path;

use crate::model::{Failure, Phase, Place};

/// One thing that is wrong with one unit. It borrows from the evidence: there are thousands of units, and few causes.
#[derive(Debug)]
pub(crate) struct UnitProblem<'a> {
    pub(super) phase: Phase,
    pub(super) message: Cow<'a, str>,
    pub(super) at: Location<'a>,
    pub(super) failure: Option<&'a Failure>,
    pub(super) help: Option<Cow<'static, str>>,
}

/// A place, or why there is none.
#[derive(Debug)]
pub(super) enum Location<'a> {
    Place(Cow<'a, Place>),
    /// Reads after "no place:".
    Nowhere(&'static str),
}

impl<'a> UnitProblem<'a> {
    /// At a place that is known.
    pub(crate) fn at(place: &'a Place, phase: Phase, message: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Location::Place(Cow::Borrowed(place)), phase, message.into())
    }

    /// About a file as a whole: its first line stands for it.
    pub(crate) fn in_file(path: &Utf8Path, phase: Phase, message: impl Into<Cow<'a, str>>) -> Self {
        let place = Place { path: path.to_owned(), line: 1, column: None, excerpt: None };
        Self::new(Location::Place(Cow::Owned(place)), phase, message.into())
    }

    /// At no place. `why` reads after "no place:".
    pub(crate) fn nowhere(
        why: &'static str,
        phase: Phase,
        message: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self::new(Location::Nowhere(why), phase, message.into())
    }

    /// The failure that it is about.
    pub(crate) fn with_failure(self, failure: &'a Failure) -> Self {
        Self { failure: Some(failure), ..self }
    }

    /// What to do about it.
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
