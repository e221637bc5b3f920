//! What one step wrote, in blocks that a browser can skip, put together line by line.

use crate::domain::{Step, Timestamp};
use crate::web::pages::format;
use crate::web::pages::log::lines::{Kind, Line, Raw, Reader};

/// Lines of a block; the stylesheet reserves the height of exactly so many.
const CHUNK: usize = 200;

/// Blocks that are held of a long log.
pub(super) const FEW: usize = 16;

/// What one step wrote.
#[derive(Debug)]
pub struct StepLog {
    /// The step.
    pub step: Step,
    /// How many of its lines come before the shown ones.
    pub earlier: u64,
    /// The shown ones.
    pub blocks: Vec<Block>,
    /// Its groups, in order.
    pub groups: Vec<Group>,
    /// The last lines, where the blocks come later.
    pub(super) end: Vec<Line>,
    is_in_group: bool,
}

/// Lines that belong together, or what begins and ends around them.
#[derive(Debug)]
pub enum Block {
    /// Lines that follow one another.
    Lines(Chunk),
    /// `::group::`: the blocks down to the next end belong to it.
    Begin(Title),
    /// Where a group ends.
    End,
    /// A place where lines were not kept, in words.
    Cut(String),
    /// Blocks that are put here when the page has begun, see `stream`.
    Later,
}

/// At most 200 lines.
#[derive(Debug, Default)]
pub struct Chunk {
    /// In order.
    pub lines: Vec<Line>,
}

/// The title of a group.
#[derive(Debug)]
pub struct Title {
    /// Number of the line that holds it.
    pub number: u64,
    /// What stands after the mark, without colours.
    pub text: String,
    /// The place of its group.
    pub group: usize,
}

/// What is known of a group once all of it was seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Group {
    lines: u64,
    /// Whether its end was seen; one that still grows is shown open.
    pub is_closed: bool,
}

impl StepLog {
    /// A step that has written nothing.
    pub fn new(step: Step) -> Self {
        Self { step, earlier: 0, blocks: Vec::new(), groups: Vec::new(), end: Vec::new(), is_in_group: false }
    }

    /// Reads a line or a cut, and puts it behind the others.
    pub(super) fn read(&mut self, raw: &Raw<'_>, reader: &mut Reader) {
        match raw {
            Raw::Line { step, number, at, text } => {
                let time = at.map(Timestamp::time_of_day);
                self.push(Line { time, ..reader.read(*step, *number, text) });
            }
            Raw::Cut { bytes, .. } => {
                self.end_group(false);
                self.blocks.push(Block::Cut(format!("… {} not kept …", format::mebibytes(*bytes))));
            }
        }
    }

    /// Puts a line behind the others.
    pub(super) fn push(&mut self, line: Line) {
        match line.kind {
            Kind::Group => {
                self.end_group(true);
                let title = Title { number: line.number, text: line.plain(), group: self.groups.len() };
                self.blocks.push(Block::Begin(title));
                self.groups.push(Group::default());
                self.is_in_group = true;
            }
            Kind::EndGroup => self.end_group(true),
            Kind::Plain | Kind::Error => {
                if let Some(group) = self.groups.last_mut().filter(|_| self.is_in_group) {
                    group.lines += 1;
                }
                match self.blocks.last_mut() {
                    Some(Block::Lines(chunk)) if !chunk.is_full() => chunk.lines.push(line),
                    _ => self.blocks.push(Block::Lines(Chunk { lines: vec![line] })),
                }
            }
        }
    }

    /// Says that nothing more comes.
    pub(super) fn finish(&mut self) {
        self.end_group(false);
    }

    /// Takes the blocks that nothing is added to any more.
    pub(super) fn take_whole(&mut self) -> Vec<Block> {
        let grows = matches!(self.blocks.last(), Some(Block::Lines(chunk)) if !chunk.is_full());
        let whole = self.blocks.len() - usize::from(grows);
        self.blocks.drain(..whole).collect()
    }

    /// Leaves the blocks for later.
    pub(super) fn put_off(&mut self) {
        if !self.blocks.is_empty() {
            self.blocks = vec![Block::Later];
        }
    }

    /// The last lines, at most `count`.
    pub fn tail(&self, count: usize) -> Vec<&Line> {
        let lines: Vec<&Line> = self.blocks.iter().flat_map(Block::lines).chain(&self.end).collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }

    fn end_group(&mut self, is_closed: bool) {
        if !std::mem::take(&mut self.is_in_group) {
            return;
        }
        self.blocks.push(Block::End);
        if let Some(group) = self.groups.last_mut() {
            group.is_closed = is_closed;
        }
    }
}

impl Block {
    fn lines(&self) -> &[Line] {
        match self {
            Self::Lines(chunk) => &chunk.lines,
            Self::Begin(_) | Self::End | Self::Cut(_) | Self::Later => &[],
        }
    }
}

impl Chunk {
    /// Tells whether it has as many lines as the stylesheet reserves height for.
    pub fn is_full(&self) -> bool {
        self.lines.len() >= CHUNK
    }
}

impl Group {
    /// How many lines it has, in words.
    pub fn size(&self) -> String {
        format::count(self.lines, "line")
    }
}
