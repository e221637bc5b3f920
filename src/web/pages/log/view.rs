//! A log as its page shows it: the last 2,000 or 200,000 lines, by step, in blocks that a browser can skip.

use crate::domain::{Step, Timestamp};
use crate::web::pages::format;
use crate::web::pages::log::lines::{Kind, Line, Piece, Raw, Reader, split};

/// Lines that a page shows unless all are asked for.
const WINDOW: usize = 2_000;
/// Lines that a page shows where all are asked for: a browser bears no more, and each costs memory here.
const ALL: usize = 200_000;
/// Lines of a block; the stylesheet reserves the height of exactly so many.
const CHUNK: usize = 200;

/// Lines that a page shows at most.
pub(super) fn window(all: bool) -> usize {
    if all { ALL } else { WINDOW }
}

/// A log, ready to be shown.
#[derive(Debug)]
pub struct Log {
    /// One entry for each step that has written something, in order.
    pub steps: Vec<StepLog>,
    /// Lines in the whole log.
    pub total: u64,
    /// Lines shown.
    pub shown: usize,
    /// Bytes that were produced.
    pub bytes: u64,
    /// Whether all lines were asked for.
    pub is_all: bool,
    /// Whether each line shows when it was stored.
    pub has_times: bool,
    /// Bytes at the end that belong to no shown line yet; the live end begins so many before the end.
    pub held_back: usize,
}

/// What one step wrote.
#[derive(Debug)]
pub struct StepLog {
    /// The step.
    pub step: Step,
    /// How many of its lines come before the shown ones.
    pub earlier: u64,
    /// The shown ones.
    pub blocks: Vec<Block>,
}

/// Lines that belong together.
#[derive(Debug)]
pub enum Block {
    /// Lines outside of groups.
    Lines(Chunk),
    /// Lines between `::group::` and its end.
    Group(Group),
    /// A place where lines were not kept, in words.
    Cut(String),
}

/// At most 200 lines.
#[derive(Debug, Default)]
pub struct Chunk {
    /// In order.
    pub lines: Vec<Line>,
}

/// A titled part of a log.
#[derive(Debug)]
pub struct Group {
    /// Number of the line that holds the title.
    pub number: u64,
    /// What stands after the mark, without colours.
    pub title: String,
    /// Its lines.
    pub chunks: Vec<Chunk>,
    /// Whether its end was seen; one that still grows is shown open.
    pub is_closed: bool,
}

impl Log {
    /// Reads the pieces. `grows` says that more may come, `all` that all lines are asked for.
    pub fn new(pieces: &[Piece<'_>], grows: bool, all: bool) -> Self {
        let (raws, held_back) = split(pieces, grows);
        let lines = raws.iter().filter(|raw| raw.is_line()).count();
        let mut skip = lines.saturating_sub(window(all));
        let mut log = Self {
            steps: Vec::new(),
            total: last_number(&raws),
            shown: lines - skip,
            bytes: pieces.iter().map(bytes_of).sum(),
            is_all: all,
            has_times: false,
            held_back,
        };
        let mut reader = Reader::default();
        for raw in &raws {
            let step = log.step(raw.step());
            match raw {
                Raw::Line { .. } if skip > 0 => {
                    skip -= 1;
                    step.earlier += 1;
                }
                Raw::Cut { .. } if skip > 0 => {}
                Raw::Line { number, text, .. } => step.push(reader.read(raw.step(), *number, text)),
                Raw::Cut { bytes, .. } => {
                    step.blocks.push(Block::Cut(format!("… {} not kept …", format::mebibytes(*bytes))));
                }
            }
        }
        log
    }

    /// Adds what was not read, before the pieces: lines of each step. The whole log has `bytes`.
    #[must_use]
    pub fn with_earlier(mut self, before: &[(Step, u64)], bytes: u64) -> Self {
        let mut read = std::mem::take(&mut self.steps);
        for &(step, lines) in before {
            self.step(step).earlier = lines;
        }
        for own in &mut read {
            let step = self.step(own.step);
            step.earlier += own.earlier;
            step.blocks.append(&mut own.blocks);
        }
        self.bytes = bytes;
        self
    }

    /// Shows the time of each line: that of the piece in which it begins, given by the number of its first line. In order.
    #[must_use]
    pub fn with_times(mut self, pieces: &[(u64, Timestamp)]) -> Self {
        self.has_times = true;
        for line in self.steps.iter_mut().flat_map(|step| &mut step.blocks).flat_map(Block::lines_mut) {
            let behind = pieces.partition_point(|(first, _)| *first <= line.number);
            line.time = behind.checked_sub(1).map(|at| pieces[at].1.time_of_day());
        }
        self
    }

    /// Tells whether lines come before the shown ones.
    pub fn is_windowed(&self) -> bool {
        self.steps.iter().any(|step| step.earlier > 0)
    }

    /// `The last 2,000 of 2,405 lines`.
    pub fn window(&self) -> String {
        format!("The last {} of {}", format::thousands(self.shown as u64), format::count(self.total, "line"))
    }

    /// `4 lines, earlier than the last 2,000`, for a step of this log.
    pub fn before(&self, step: &StepLog) -> String {
        let earlier = format::count(step.earlier, "line");
        format!("{earlier}, earlier than the last {}", format::thousands(self.shown as u64))
    }

    /// What a step wrote, where it wrote anything.
    pub fn of(&self, step: Step) -> Option<&StepLog> {
        self.steps.iter().find(|log| log.step == step)
    }

    fn step(&mut self, step: Step) -> &mut StepLog {
        let at = self.steps.iter().position(|log| log.step == step).unwrap_or_else(|| {
            self.steps.push(StepLog { step, earlier: 0, blocks: Vec::new() });
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }
}

fn last_number(raws: &[Raw<'_>]) -> u64 {
    let number = |raw: &Raw<'_>| match raw {
        Raw::Line { number, .. } => Some(*number),
        Raw::Cut { .. } => None,
    };
    raws.iter().rev().find_map(number).unwrap_or(0)
}

fn bytes_of(piece: &Piece<'_>) -> u64 {
    match piece {
        Piece::Text { text, .. } => text.len() as u64,
        Piece::Cut { bytes, .. } => *bytes,
    }
}

impl StepLog {
    /// The last lines, at most `count`.
    pub fn tail(&self, count: usize) -> Vec<&Line> {
        let lines: Vec<&Line> = self.blocks.iter().flat_map(Block::lines).collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }

    fn push(&mut self, line: Line) {
        match line.kind {
            Kind::Group => {
                self.close_group();
                let (number, title) = (line.number, line.plain());
                self.blocks.push(Block::Group(Group { number, title, chunks: Vec::new(), is_closed: false }));
            }
            Kind::EndGroup => self.close_group(),
            Kind::Plain | Kind::Error => match self.blocks.last_mut() {
                Some(Block::Group(group)) if !group.is_closed => group.push(line),
                Some(Block::Lines(chunk)) if !chunk.is_full() => chunk.lines.push(line),
                _ => self.blocks.push(Block::Lines(Chunk { lines: vec![line] })),
            },
        }
    }

    fn close_group(&mut self) {
        if let Some(Block::Group(group)) = self.blocks.last_mut() {
            group.is_closed = true;
        }
    }
}

impl Block {
    fn lines(&self) -> Vec<&Line> {
        match self {
            Self::Lines(chunk) => chunk.lines.iter().collect(),
            Self::Group(group) => group.chunks.iter().flat_map(|chunk| &chunk.lines).collect(),
            Self::Cut(_) => Vec::new(),
        }
    }
}

impl Block {
    fn lines_mut(&mut self) -> Vec<&mut Line> {
        match self {
            Self::Lines(chunk) => chunk.lines.iter_mut().collect(),
            Self::Group(group) => group.chunks.iter_mut().flat_map(|chunk| &mut chunk.lines).collect(),
            Self::Cut(_) => Vec::new(),
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
        format::count(self.chunks.iter().map(|chunk| chunk.lines.len()).sum::<usize>() as u64, "line")
    }

    fn push(&mut self, line: Line) {
        match self.chunks.last_mut() {
            Some(chunk) if !chunk.is_full() => chunk.lines.push(line),
            _ => self.chunks.push(Chunk { lines: vec![line] }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_of_the_piece_in_which_it_begins() {
        let at = |second: i64| Timestamp::from_millis(1_795_530_649_120 + 1_000 * second);

        let log = log("a\nb\nc\n", true).with_times(&[(1, at(0)), (3, at(1))]);

        let times: Vec<_> = log.steps[0].tail(3).into_iter().map(|line| line.time.clone().unwrap()).collect();
        assert_eq!(times, ["14:30:49", "14:30:49", "14:30:50"]);
    }

    fn numbered(count: u64) -> String {
        (1..=count).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n") + "\n"
    }

    fn log(text: &str, all: bool) -> Log {
        Log::new(&[Piece::Text { step: Step::Build, first_line: 1, text }], false, all)
    }

    #[test]
    fn only_the_last_2000_lines_are_shown_unless_all_are_asked_for() {
        let clone = "a\nb\nc\nd\n";
        let build = numbered(2_401);
        let pieces = [
            Piece::Text { step: Step::Clone, first_line: 1, text: clone },
            Piece::Text { step: Step::Build, first_line: 5, text: &build },
        ];

        let window = Log::new(&pieces, false, false);
        assert_eq!((window.total, window.shown, window.is_windowed()), (2_405, 2_000, true));
        assert_eq!((window.steps[0].earlier, window.steps[0].blocks.len()), (4, 0));
        assert_eq!(window.steps[1].earlier, 401);
        assert_eq!(window.steps[1].blocks[0].lines()[0].number, 406);

        let all = Log::new(&pieces, false, true);
        assert_eq!((all.shown, all.is_windowed()), (2_405, false));
    }

    #[test]
    fn a_page_of_all_lines_shows_the_last_200_000_and_counts_those_before_them() {
        let text = "\n".repeat(200_010);
        let pieces = [Piece::Text { step: Step::Build, first_line: 41, text: &text }];

        let log = Log::new(&pieces, false, true).with_earlier(&[(Step::Clone, 30), (Step::Build, 10)], 999);

        assert_eq!((log.total, log.shown, log.bytes), (200_050, 200_000, 999));
        let steps: Vec<_> = log.steps.iter().map(|step| (step.step, step.earlier)).collect();
        assert_eq!(steps, [(Step::Clone, 30), (Step::Build, 20)]);
        assert_eq!(log.steps[1].blocks[0].lines()[0].number, 51);
        assert_eq!(log.window(), "The last 200,000 of 200,050 lines");
    }

    #[test]
    fn lines_come_in_blocks_of_200() {
        let log = log(&numbered(450), false);

        let sizes: Vec<_> = log.steps[0].blocks.iter().map(|block| block.lines().len()).collect();
        assert_eq!(sizes, [200, 200, 50]);
    }

    #[test]
    fn groups_hold_the_lines_between_their_marks() {
        let log = log(
            "one\n::group::\x1b[1mTitle\x1b[0m\ntwo\nthree\n::endgroup::\nfour\n::group::Open\nfive\n",
            false,
        );

        let [Block::Lines(before), Block::Group(group), Block::Lines(after), Block::Group(open)] =
            log.steps[0].blocks.as_slice()
        else {
            panic!("{:?}", log.steps[0].blocks)
        };
        assert_eq!((before.lines.len(), after.lines[0].number), (1, 6));
        assert_eq!((group.title.as_str(), group.number, group.size().as_str()), ("Title", 2, "2 lines"));
        assert!(group.is_closed && !open.is_closed);
    }

    #[test]
    fn a_group_inside_a_group_ends_the_outer_one_and_a_stray_end_is_nothing() {
        let log = log("::endgroup::\n::group::a\n::group::b\nx\n::endgroup::\n::endgroup::\n", false);

        assert_eq!(log.steps[0].blocks.len(), 2);
        assert_eq!(log.steps[0].tail(20).len(), 1);
    }

    #[test]
    fn what_was_not_kept_is_said_where_it_was() {
        let pieces = [
            Piece::Text { step: Step::Build, first_line: 1, text: "first\n" },
            Piece::Cut { step: Step::Build, bytes: 3_250_586 },
            Piece::Text { step: Step::Build, first_line: 90_000, text: "last\n" },
        ];

        let log = Log::new(&pieces, false, false);

        assert!(matches!(&log.steps[0].blocks[1], Block::Cut(words) if words == "… 3.1 MiB not kept …"));
        assert_eq!((log.total, log.shown), (90_000, 2));
    }

    #[test]
    fn the_tail_is_the_last_lines_of_one_step() {
        let log = log(&numbered(30), false);

        let numbers: Vec<_> = log.of(Step::Build).unwrap().tail(20).iter().map(|line| line.number).collect();
        assert_eq!((numbers.len(), numbers[0], numbers[19]), (20, 11, 30));
        assert!(log.of(Step::Clone).is_none());
    }
}
