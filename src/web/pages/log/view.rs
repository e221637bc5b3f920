//! A log as its page shows it: the last 2,000 or 200,000 lines, by step.

use crate::domain::Step;
use crate::web::pages::format;
use crate::web::pages::log::lines::{Piece, Raw, Reader, split};
use crate::web::pages::log::steps::StepLog;

/// Lines that a page shows unless all are asked for.
const WINDOW: usize = 2_000;
/// Lines that a page shows where all are asked for: a browser bears no more.
const ALL: usize = 200_000;

/// Lines of the failing step that are shown above the log.
pub(in crate::web::pages) const TAIL: usize = 20;

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
                _ => step.read(raw, &mut reader),
            }
        }
        log.steps.iter_mut().for_each(StepLog::finish);
        log
    }

    /// Adds what was not read, before the pieces: lines of each step. The whole log has `bytes`.
    #[must_use]
    pub fn with_earlier(mut self, before: &[(Step, u64)], bytes: u64) -> Self {
        let read = std::mem::take(&mut self.steps);
        for &(step, lines) in before {
            self.step(step).earlier = lines;
        }
        for mut own in read {
            let step = self.step(own.step);
            own.earlier += step.earlier;
            *step = own;
        }
        self.bytes = bytes;
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

    pub(super) fn step(&mut self, step: Step) -> &mut StepLog {
        let at = self.steps.iter().position(|log| log.step == step).unwrap_or_else(|| {
            self.steps.push(StepLog::new(step));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::web::pages::log::steps::Block;

    #[test]
    fn a_line_has_the_time_of_the_piece_in_which_it_begins() {
        let at = |second: i64| Timestamp::from_millis(1_795_530_649_120 + 1_000 * second);

        let piece = |first_line, at, text| Piece::Text { step: Step::Build, first_line, at: Some(at), text };

        let log = Log::new(&[piece(1, at(0), "a\nb"), piece(2, at(1), "\nc\n")], false, true);

        let times: Vec<_> = log.steps[0].tail(3).into_iter().map(|line| line.time.clone().unwrap()).collect();
        assert_eq!(times, ["14:30:49", "14:30:49", "14:30:50"]);
    }

    fn numbered(count: u64) -> String {
        (1..=count).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n") + "\n"
    }

    fn log(text: &str, all: bool) -> Log {
        Log::new(&[Piece::Text { step: Step::Build, first_line: 1, at: None, text }], false, all)
    }

    fn shape(block: &Block) -> String {
        match block {
            Block::Lines(chunk) => format!("{} lines", chunk.lines.len()),
            Block::Begin(title) => format!("{} {}", title.number, title.text),
            Block::End => "end".to_owned(),
            Block::Cut(words) => words.clone(),
            Block::Later => "later".to_owned(),
        }
    }

    #[test]
    fn only_the_last_2000_lines_are_shown_unless_all_are_asked_for() {
        let clone = "a\nb\nc\nd\n";
        let build = numbered(2_401);
        let pieces = [
            Piece::Text { step: Step::Clone, first_line: 1, at: None, text: clone },
            Piece::Text { step: Step::Build, first_line: 5, at: None, text: &build },
        ];

        let window = Log::new(&pieces, false, false);
        assert_eq!((window.total, window.shown, window.is_windowed()), (2_405, 2_000, true));
        assert_eq!((window.steps[0].earlier, window.steps[0].blocks.len()), (4, 0));
        assert_eq!(window.steps[1].earlier, 401);
        assert_eq!(window.steps[1].tail(usize::MAX)[0].number, 406);

        let all = Log::new(&pieces, false, true);
        assert_eq!((all.shown, all.is_windowed()), (2_405, false));
    }

    #[test]
    fn a_page_of_all_lines_shows_the_last_200_000_and_counts_those_before_them() {
        let text = "\n".repeat(200_010);
        let pieces = [Piece::Text { step: Step::Build, first_line: 41, at: None, text: &text }];

        let log = Log::new(&pieces, false, true).with_earlier(&[(Step::Clone, 30), (Step::Build, 10)], 999);

        assert_eq!((log.total, log.shown, log.bytes), (200_050, 200_000, 999));
        let steps: Vec<_> = log.steps.iter().map(|step| (step.step, step.earlier)).collect();
        assert_eq!(steps, [(Step::Clone, 30), (Step::Build, 20)]);
        assert_eq!(log.steps[1].tail(usize::MAX)[0].number, 51);
        assert_eq!(log.window(), "The last 200,000 of 200,050 lines");
    }

    #[test]
    fn lines_come_in_blocks_of_200() {
        let log = log(&numbered(450), false);

        let sizes: Vec<_> = log.steps[0].blocks.iter().map(shape).collect();
        assert_eq!(sizes, ["200 lines", "200 lines", "50 lines"]);
    }

    #[test]
    fn groups_hold_the_lines_between_their_marks() {
        let log = log(
            "one\n::group::\x1b[1mTitle\x1b[0m\ntwo\nthree\n::endgroup::\nfour\n::group::Open\nfive\n",
            false,
        );

        let step = &log.steps[0];
        let shapes: Vec<_> = step.blocks.iter().map(shape).collect();
        assert_eq!(shapes, ["1 lines", "2 Title", "2 lines", "end", "1 lines", "7 Open", "1 lines", "end"]);
        let groups: Vec<_> = step.groups.iter().map(|group| (group.size(), group.is_closed)).collect();
        assert_eq!(groups, [("2 lines".to_owned(), true), ("1 line".to_owned(), false)]);
    }

    #[test]
    fn a_group_inside_a_group_ends_the_outer_one_and_a_stray_end_is_nothing() {
        let log = log("::endgroup::\n::group::a\n::group::b\nx\n::endgroup::\n::endgroup::\n", false);

        let shapes: Vec<_> = log.steps[0].blocks.iter().map(shape).collect();
        assert_eq!(shapes, ["2 a", "end", "3 b", "1 lines", "end"]);
        assert_eq!(log.steps[0].tail(20).len(), 1);
    }

    #[test]
    fn what_was_not_kept_is_said_where_it_was() {
        let pieces = [
            Piece::Text { step: Step::Build, first_line: 1, at: None, text: "first\n" },
            Piece::Cut { step: Step::Build, bytes: 3_250_586 },
            Piece::Text { step: Step::Build, first_line: 90_000, at: None, text: "last\n" },
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
