//! The letters of a line with their styles, and what the control sequences do to them.

use std::ops::Range;

use anstyle_parse::{Params, Perform};

/// Most styles that one line may have; more are not looked at.
const MAX_STYLES: usize = 4_096;
/// Longest text of a style, in bytes; a longer one begins anew.
const MAX_STYLE: usize = 200;
/// Most columns that a sequence may move the cursor beyond what is written.
const MAX_COLUMN: usize = 1_000;

/// A character and the number of its style.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) letter: char,
    style: u16,
}

/// What a terminal holds of the line.
pub(super) struct Screen {
    pub(super) cells: Vec<Cell>,
    /// Bytes of all letters.
    pub(super) bytes: usize,
    cursor: usize,
    /// The sequences that make each style, from the beginning of the line or from the last reset. The first is what the
    /// line before left.
    styles: Vec<String>,
    pub(super) pen: u16,
    /// Cells up to here were given out already.
    pub(super) given: usize,
    /// The style of what was given out last.
    pub(super) shown: u16,
    /// Whether anything was written over since something was given out.
    pub(super) is_rewritten: bool,
    /// What was given out, as it stood before something of it was written over.
    pub(super) overwritten: Option<Vec<Cell>>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            cells: Vec::new(),
            bytes: 0,
            cursor: 0,
            styles: vec![String::new()],
            pen: 0,
            given: 0,
            shown: 0,
            is_rewritten: false,
            overwritten: None,
        }
    }

    pub(super) fn copy(&self) -> Self {
        Self { cells: self.cells.clone(), styles: self.styles.clone(), overwritten: None, ..*self }
    }

    pub(super) fn render(
        &mut self,
        from: usize,
        to: usize,
        secrets: &[Range<usize>],
        mark: &str,
    ) -> (String, usize) {
        let mut out = String::new();
        let mut at: usize = self.cells[..from].iter().map(|cell| cell.letter.len_utf8()).sum();
        let (mut index, mut marked) = (from, None);
        while let Some(&cell) = self.cells.get(index).filter(|_| at < to) {
            match secrets.iter().position(|span| span.contains(&at)) {
                Some(secret) if marked == Some(secret) => {}
                Some(secret) => {
                    out.push_str(&self.turn_to(cell.style));
                    out.push_str(mark);
                    marked = Some(secret);
                }
                None => {
                    out.push_str(&self.turn_to(cell.style));
                    out.push(cell.letter);
                }
            }
            at += cell.letter.len_utf8();
            index += 1;
        }
        (out, index)
    }

    /// The sequences that lead to a style from the one that was shown last.
    pub(super) fn turn_to(&mut self, style: u16) -> String {
        if style == self.shown {
            return String::new();
        }
        let (old, new) = (&self.styles[usize::from(self.shown)], &self.styles[usize::from(style)]);
        let turn = match new.strip_prefix(old.as_str()) {
            Some(more) => more.to_owned(),
            None if is_reset(new) => new.clone(),
            None => format!("\u{1b}[0m{new}"),
        };
        self.shown = style;
        turn
    }

    /// Something at or behind this cell changes.
    fn change_from(&mut self, cell: usize) {
        self.is_rewritten |= cell < self.cells.len();
        if cell < self.given && self.overwritten.is_none() {
            self.overwritten = Some(self.cells.clone());
        }
    }

    fn put(&mut self, letter: char) {
        let cell = Cell { letter, style: self.pen };
        self.change_from(self.cursor);
        while self.cells.len() < self.cursor {
            self.cells.push(Cell { letter: ' ', style: self.pen });
            self.bytes += 1;
        }
        match self.cells.get_mut(self.cursor) {
            Some(old) => {
                self.bytes -= old.letter.len_utf8();
                *old = cell;
            }
            None => self.cells.push(cell),
        }
        self.bytes += letter.len_utf8();
        self.cursor += 1;
    }

    /// Takes cells out.
    fn remove(&mut self, from: usize, count: usize) {
        if from >= self.cells.len() {
            return;
        }
        self.change_from(from);
        let end = self.cells.len().min(from.saturating_add(count));
        self.cells.drain(from..end);
        self.count();
    }

    /// Makes cells blank.
    fn blank(&mut self, range: Range<usize>) {
        let end = range.end.min(self.cells.len());
        if range.start >= end {
            return;
        }
        self.change_from(range.start);
        for cell in &mut self.cells[range.start..end] {
            cell.letter = ' ';
        }
        self.count();
    }

    fn insert(&mut self, count: usize) {
        if self.cursor >= self.cells.len() {
            return;
        }
        self.change_from(self.cursor);
        let blank = Cell { letter: ' ', style: self.pen };
        self.cells.splice(self.cursor..self.cursor, vec![blank; count.min(MAX_COLUMN)]);
        self.count();
    }

    fn count(&mut self) {
        self.bytes = self.cells.iter().map(|cell| cell.letter.len_utf8()).sum();
    }

    fn go_to(&mut self, column: usize) {
        self.cursor = column.min(self.cells.len() + MAX_COLUMN);
    }

    fn style(&mut self, params: &Params) {
        let params: Vec<_> = params
            .iter()
            .map(|param| param.iter().map(ToString::to_string).collect::<Vec<_>>().join(":"))
            .collect();
        let sequence = format!("\u{1b}[{}m", params.join(";"));
        let before = &self.styles[usize::from(self.pen)];
        let style = if is_reset(&sequence) || before.len() + sequence.len() > MAX_STYLE {
            sequence
        } else {
            format!("{before}{sequence}")
        };
        if self.styles.len() < MAX_STYLES {
            self.pen = u16::try_from(self.styles.len()).unwrap_or(0);
            self.styles.push(style);
        }
    }
}

/// Whether a style begins by ending all others.
fn is_reset(style: &str) -> bool {
    style.starts_with("\u{1b}[0m") || style.starts_with("\u{1b}[m") || style.starts_with("\u{1b}[0;")
}

impl Perform for Screen {
    fn print(&mut self, letter: char) {
        if !letter.is_control() {
            self.put(letter);
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.cursor = 0,
            0x08 => self.cursor = self.cursor.saturating_sub(1),
            b'\t' => self.put('\t'),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if ignore || !intermediates.is_empty() {
            return;
        }
        let number = |default: u16| {
            let first = params.iter().next().and_then(|param| param.first().copied()).unwrap_or(0);
            usize::from(if first == 0 { default } else { first })
        };
        match action {
            b'm' => self.style(params),
            b'G' | b'`' => self.go_to(number(1) - 1),
            b'C' => self.go_to(self.cursor + number(1)),
            b'D' => self.cursor = self.cursor.saturating_sub(number(1)),
            b'P' => self.remove(self.cursor, number(1)),
            b'X' => self.blank(self.cursor..self.cursor + number(1)),
            b'@' => self.insert(number(1)),
            b'K' => match number(0) {
                0 => self.remove(self.cursor, usize::MAX),
                1 => self.blank(0..self.cursor + 1),
                _ => self.remove(0, usize::MAX),
            },
            _ => {}
        }
    }
}
