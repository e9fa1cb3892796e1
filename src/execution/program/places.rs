//! Places in Python files, as places in files of the project.

use std::path::Path;

use camino::Utf8Path;

use crate::driver::SourcePlace;
use crate::model::{Files, Place};
use crate::sql::place_of_line;

/// The files that a program was run from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramFiles<'a> {
    /// The folder that they were run from; absolute.
    pub(crate) root: &'a Utf8Path,
    pub(crate) files: &'a dyn Files,
}

impl ProgramFiles<'_> {
    /// The place in the project, with the lines around it; `None` for a file outside of it, such as a library.
    pub(crate) fn place(&self, place: &SourcePlace) -> Option<Place> {
        let path = Path::new(&place.file).strip_prefix(self.root).ok()?;
        let path = Utf8Path::from_path(path)?;
        let text =
            self.files.read(path).ok().flatten().and_then(|text| String::from_utf8(text).ok());
        Some(place_of_line(path, text.as_deref(), place.line))
    }

    /// The first of these places that is in the project.
    pub(crate) fn first<'p>(
        &self,
        places: impl IntoIterator<Item = &'p SourcePlace>,
    ) -> Option<Place> {
        places.into_iter().find_map(|place| self.place(place))
    }
}
