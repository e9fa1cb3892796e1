//! Converts byte offsets of a text to lines, columns and excerpts.

use camino::Utf8Path;

use crate::model::{Excerpt, Place, Script};

/// The maximum number of characters of a line in an excerpt, including the marks at cuts.
const WIDTH: usize = 200;

/// The number of characters kept before the position in a line that is cut at its beginning.
const BEFORE: usize = 80;

/// The number of lines in an excerpt before and after the line of the position.
const AROUND: usize = 2;

/// Finds the line and column of any byte of a text, in time proportional to the length of one line.
///
/// A line ends with LF; a preceding CR is part of the line break.
#[derive(Debug, Clone)]
pub(crate) struct LineIndex<'t> {
    text: &'t str,
    /// The offset of the first byte of each line.
    starts: Vec<usize>,
}

/// A position in a text, as shown in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    pub(crate) excerpt: Excerpt,
}

impl<'t> LineIndex<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let starts =
            [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// The line, and the column in characters, of the character at or around byte `offset`; both from 1. The end of the text is
    /// a valid position, and an offset after it counts as the end.
    pub(crate) fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let column = self.text[self.starts[line - 1]..offset].chars().count() + 1;
        (line, column)
    }

    /// The text of a line, counted from 1, without its line break. `None` if there is no such line.
    pub(crate) fn line(&self, line: usize) -> Option<&'t str> {
        let start = *self.starts.get(line.checked_sub(1)?)?;
        let end = self.starts.get(line).map_or(self.text.len(), |next| next - 1);
        let text = &self.text[start..end];
        Some(text.strip_suffix('\r').unwrap_or(text))
    }

    /// Line `line` with up to `around` lines before and after it. Lines are cut at 200 characters, `line` so that `column`
    /// remains visible.
    fn excerpt(&self, line: usize, column: usize, around: usize) -> Excerpt {
        let first_line = line.saturating_sub(around).max(1);
        let mut last = line.saturating_add(around).min(self.starts.len());
        // The empty line after the last line break is included only if the position is in it.
        if last > line && last == self.starts.len() && self.text.ends_with('\n') {
            last -= 1;
        }
        let start = self.line(line).map_or(0, |text| cut_at(text, column));
        let cut = |number| Some(cut(self.line(number)?, if number == line { start } else { 0 }));
        let lines = (first_line..=last).filter_map(cut).collect();
        // The mark at the cut replaces one character.
        Excerpt { first_line, lines, shift: start.saturating_sub(1) }
    }

    /// Line, column and excerpt at byte `offset`.
    pub(crate) fn spot(&self, offset: usize) -> Spot {
        let (line, column) = self.line_column(offset);
        Spot { line, column, excerpt: self.excerpt(line, column, AROUND) }
    }
}

/// Line, column and excerpt at byte `offset` of `text`. For several positions create a [`LineIndex`].
pub(crate) fn excerpt_at(text: &str, offset: usize) -> Spot {
    LineIndex::new(text).spot(offset)
}

/// The position and excerpt at byte `offset` of a script's file.
pub(crate) fn place_in(script: &Script, offset: usize) -> Place {
    let Spot { line, column, excerpt } = excerpt_at(script.file_text(), offset);
    Place { path: script.path().to_owned(), line, column: Some(column), excerpt: Some(excerpt) }
}

/// The position of a whole line of a file, with the lines around it if the text is known.
pub(crate) fn place_of_line(path: &Utf8Path, text: Option<&str>, line: usize) -> Place {
    let excerpt = text.map(|text| LineIndex::new(text).excerpt(line, 1, AROUND));
    Place { path: path.to_owned(), line, column: None, excerpt }
}

/// The number of characters to cut at the beginning of a line (none, or more than one), so that `column` is visible.
fn cut_at(line: &str, column: usize) -> usize {
    // The position at the end of the text has no character.
    if column < WIDTH || line.chars().nth(WIDTH).is_none() { 0 } else { column - BEFORE }
}

/// The line from character `start` on, cut at its end.
fn cut(line: &str, start: usize) -> String {
    let (mark, rest) = match line.char_indices().nth(start) {
        Some((at, _)) if start > 0 => ("…", &line[at..]),
        _ => ("", line),
    };
    let room = WIDTH - mark.chars().count();
    match rest.char_indices().nth(room) {
        Some(_) => {
            let end = rest.char_indices().nth(room - 1).map_or(rest.len(), |(end, _)| end);
            format!("{mark}{}…", &rest[..end])
        }
        None => format!("{mark}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "é\r\nab\n";
        let index = LineIndex::new(text);
        assert_eq!(index.line_column(0), (1, 1));
        assert_eq!(index.line_column(2), (1, 2), "behind the é");
        assert_eq!(index.line_column(1), (1, 1), "in the middle of it");
        assert_eq!(index.line_column(5), (2, 2));
        assert_eq!(index.line_column(text.len()), (3, 1));
        assert_eq!(index.line_column(99), (3, 1));
        assert_eq!(LineIndex::new("").line_column(0), (1, 1));
    }

    #[test]
    fn an_excerpt_stays_within_the_text() {
        let text = "1\r\n2\n3\n4\n5\n";
        assert_eq!(
            LineIndex::new(text).excerpt(1, 1, 1),
            Excerpt { first_line: 1, lines: vec!["1".into(), "2".into()], shift: 0 }
        );
        assert_eq!(LineIndex::new(text).excerpt(4, 1, 9).lines, ["1", "2", "3", "4", "5"]);
        assert_eq!(LineIndex::new(text).excerpt(6, 1, 1).lines, ["5", ""]);
        assert_eq!(LineIndex::new("").excerpt(1, 1, 2).lines, [""]);
    }

    #[test]
    fn long_lines_are_cut() {
        let spot = excerpt_at(&"é".repeat(1000), 4);
        assert_eq!((spot.line, spot.column), (1, 3));
        assert_eq!(spot.excerpt.lines[0].chars().count(), WIDTH);
    }

    #[test]
    fn a_long_line_is_cut_around_its_position() {
        for (before, behind) in [(198, 1), (199, 0), (199, 9), (200, 0), (2041, 0), (2041, 900)] {
            let text = format!("{}X{}", "é".repeat(before), "é".repeat(behind));
            let spot = excerpt_at(&format!("first\n{text}\nlast"), 6 + 2 * before);
            assert_eq!((spot.line, spot.column), (2, before + 1));
            let line = &spot.excerpt.lines[1];
            assert!(line.chars().count() <= WIDTH, "{before}: {}", line.chars().count());
            let at = spot.column - spot.excerpt.shift - 1;
            assert_eq!(line.chars().nth(at), Some('X'), "{before}, {behind}");
        }
        let end = excerpt_at(&"é".repeat(1000), 2000);
        assert_eq!(end.column, 1001);
        assert_eq!(end.excerpt.lines[0].chars().count(), end.column - end.excerpt.shift - 1);
    }

    proptest! {
        #[test]
        fn every_position_equals_the_counted_one(text in "[aé𐐷\r\n]{0,40}") {
            let index = LineIndex::new(&text);
            let (mut line, mut column) = (1, 1);
            for (at, character) in text.char_indices() {
                prop_assert_eq!(index.line_column(at), (line, column));
                if character == '\n' {
                    (line, column) = (line + 1, 1);
                } else {
                    column += 1;
                }
            }
            prop_assert_eq!(index.line_column(text.len()), (line, column));
            prop_assert_eq!(index.line(line + 1), None);
            for (number, naive) in text.split('\n').enumerate() {
                let naive = naive.strip_suffix('\r').unwrap_or(naive);
                prop_assert_eq!(index.line(number + 1), Some(naive));
            }
        }
    }
}
