//! A file's documents as pieces of text.

use crate::raw::Place;

/// One document's text, with its marker and comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice<'t> {
    pub(super) text: &'t str,
    /// Lines of the file before it.
    pub(super) line_offset: usize,
}

impl Slice<'_> {
    /// The first line that has content, in the whole file.
    pub(super) fn first_content(&self) -> Place {
        let content = |line: &str| !is_bare_marker(line) && has_content(line);
        let before = self.text.lines().take_while(|line| !content(line)).count();
        Place {
            line: self.line_offset + before + 1,
            column: 1,
        }
    }
}

/// The documents that have any content.
///
/// A line that begins with `---` or `...` and then ends or goes on with white space separates
/// documents wherever it stands: YAML forbids such a line within quoted and plain text, and a block
/// of text at the left margin ends there (YAML 1.2.2 §9.1.2).
pub(super) struct Documents<'t> {
    rest: &'t str,
    line_offset: usize,
}

impl<'t> Documents<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self {
            rest: text.strip_prefix('\u{feff}').unwrap_or(text),
            line_offset: 0,
        }
    }

    /// The text up to the next separator.
    fn next_piece(&mut self) -> Slice<'t> {
        let mut end = 0;
        let mut lines = 0;
        let mut content = false;
        for line in self.rest.split_inclusive('\n') {
            if content && is_marker(line, "---") {
                break;
            }
            end += line.len();
            lines += 1;
            if is_marker(line, "...") {
                break;
            }
            content |= is_marker(line, "---") || has_content(line);
        }
        let (text, rest) = self.rest.split_at(end);
        let piece = Slice {
            text,
            line_offset: self.line_offset,
        };
        self.rest = rest;
        self.line_offset += lines;
        piece
    }
}

impl<'t> Iterator for Documents<'t> {
    type Item = Slice<'t>;

    fn next(&mut self) -> Option<Slice<'t>> {
        while !self.rest.is_empty() {
            let piece = self.next_piece();
            if piece
                .text
                .lines()
                .any(|line| !is_bare_marker(line) && has_content(line))
            {
                return Some(piece);
            }
        }
        None
    }
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// A separator with nothing but a comment behind.
fn is_bare_marker(line: &str) -> bool {
    (is_marker(line, "---") || is_marker(line, "...")) && !has_content(line.get(3..).unwrap_or(""))
}

/// Whether a line has more than white space and a comment. A directive belongs to the document
/// that follows.
fn has_content(line: &str) -> bool {
    let text = line.trim();
    !text.is_empty() && !text.starts_with('#') && !line.starts_with('%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(usize, &str)> {
        Documents::of(text)
            .map(|slice| (slice.line_offset, slice.text))
            .collect()
    }

    #[test]
    fn documents_keep_their_line_numbers_and_empty_ones_are_dropped() {
        let text = "# head\n---\na: 1\n---\n# nothing\n--- # c\nb: 2\n...\n%YAML 1.2\n---\nc: 3\n";
        let expected = [
            (0, "# head\n---\na: 1\n"),
            (5, "--- # c\nb: 2\n...\n"),
            (8, "%YAML 1.2\n---\nc: 3\n"),
        ];
        assert_eq!(pieces(text), expected);
    }

    #[test]
    fn only_a_marker_at_the_margin_separates() {
        for text in [
            "a: |\n  ---\n  x\n",
            "a: 1 # ---\n",
            "----\n",
            "---x: 1\n",
            "- ---\n",
        ] {
            assert_eq!(pieces(text), [(0, text)], "{text:?}");
        }
        assert_eq!(
            pieces("a: 1\r\n---\r\nb: 2\r\n"),
            [(0, "a: 1\r\n"), (1, "---\r\nb: 2\r\n")]
        );
        assert_eq!(
            pieces("--- {a: 1}\n--- {b: 2}"),
            [(0, "--- {a: 1}\n"), (1, "--- {b: 2}")]
        );
    }

    #[test]
    fn nothing_but_comments_and_markers_is_no_document() {
        for text in [
            "",
            "\n\n",
            "---\n",
            "---\n---\n...\n",
            "# only words\n",
            "\u{feff}",
        ] {
            assert_eq!(pieces(text), [], "{text:?}");
        }
    }
}
