//! One line of output as a terminal would show it: what was written over is gone, colours stay, and all that moves the
//! cursor off the line, sets a title or asks the terminal something is dropped.
//!
//! Obeyed are CR, backspace, tab, and of the control sequences (ECMA-48) `G`, `` ` ``, `C`, `D`, `K`, `X`, `P`, `@` and `m`.

use std::fmt;
use std::ops::Range;

use anstyle_parse::{DefaultCharAccumulator, Parser};

use super::terminal_screen::Screen;

/// Reads sequences out of bytes.
type Sequences = Parser<DefaultCharAccumulator>;

/// A line that is being written.
pub(super) struct TerminalLine {
    parser: Sequences,
    screen: Screen,
    /// Whether nothing has come, and no style goes on from the line before.
    is_fresh: bool,
}

impl fmt::Debug for TerminalLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminalLine").field("cells", &self.screen.cells.len()).finish_non_exhaustive()
    }
}

impl TerminalLine {
    pub(super) fn new() -> Self {
        Self { parser: Sequences::new(), screen: Screen::new(), is_fresh: true }
    }

    /// Takes a byte. True where it wrote over what was given out: then [`take_overwritten`](Self::take_overwritten) is due.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        self.is_fresh = false;
        self.parser.advance(&mut self.screen, byte);
        self.screen.overwritten.is_some()
    }

    /// The text without styles.
    pub(super) fn text(&self) -> String {
        self.screen.cells.iter().map(|cell| cell.letter).collect()
    }

    /// Bytes of the text.
    pub(super) fn len(&self) -> usize {
        self.screen.bytes
    }

    /// Bytes of the text that were given out.
    pub(super) fn given(&self) -> usize {
        self.screen.cells[..self.screen.given].iter().map(|cell| cell.letter.len_utf8()).sum()
    }

    pub(super) fn is_rewritten(&self) -> bool {
        self.screen.is_rewritten
    }

    /// Gives out the text from what was given out up to a byte, with `mark` in place of these ascending spans.
    pub(super) fn give(&mut self, to: usize, secrets: &[Range<usize>], mark: &str) -> String {
        let screen = &mut self.screen;
        let (text, end) = screen.render(screen.given, to, secrets, mark);
        (screen.given, screen.is_rewritten) = (end, false);
        text
    }

    /// The whole line as it stands, with `mark` in place of secrets.
    pub(super) fn shown(&self, to: usize, secrets: &[Range<usize>], mark: &str) -> String {
        let mut copy = self.screen.copy();
        copy.shown = 0;
        copy.render(0, to, secrets, mark).0
    }

    /// The line as it stood before something of it was written over that was given out.
    pub(super) fn take_overwritten(&mut self) -> Option<Self> {
        let cells = self.screen.overwritten.take()?;
        let mut old = Self { parser: Sequences::new(), screen: self.screen.copy(), is_fresh: false };
        old.screen.bytes = cells.iter().map(|cell| cell.letter.len_utf8()).sum();
        old.screen.cells = cells;
        self.screen.given = 0;
        Some(old)
    }

    /// Begins behind another line, so that styles go on from there.
    pub(super) fn go_on_behind(&mut self, other: &Self) {
        (self.screen.shown, self.is_fresh) = (other.screen.shown, false);
    }

    /// Whether anything is there that was not given out.
    pub(super) fn has_news(&self) -> bool {
        self.screen.given < self.screen.cells.len()
    }

    /// The sequences from what was shown last to what holds at the line's end. An empty line follows.
    pub(super) fn end(&mut self) -> String {
        let pen = self.screen.pen;
        let rest = self.screen.turn_to(pen);
        // A sequence that has not ended ends with the line.
        *self = Self::new();
        rest
    }

    /// Whether this whole line, were it to come now, would be shown as it is.
    pub(super) fn is_shown_as_it_is(&self, line: &str) -> bool {
        // Behind 0xC2 are the controls of ISO 8859, and letters too.
        let is_plain = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f && byte != 0xc2);
        self.is_fresh && line.bytes().all(is_plain)
    }
}
