use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::db::testing::{Bench, T0};

const ALL: Kept = Kept { head: u64::MAX, tail: u64::MAX };

fn id() -> DeploymentId {
    DeploymentId::generate(T0)
}

/// A log as it was produced, and what became of it.
struct Log {
    bench: Bench,
    id: DeploymentId,
    produced: String,
}

impl Log {
    fn new() -> Self {
        Self { bench: Bench::logs(), id: id(), produced: String::new() }
    }

    fn append(&mut self, text: &str, kept: Kept) -> &mut Self {
        append(&self.bench.tx(), &self.id, Step::Build, text, kept, T0).unwrap();
        self.produced.push_str(text);
        self
    }

    fn summary(&self) -> Summary {
        summary(&self.bench.tx(), &self.id).unwrap()
    }

    fn pieces(&self, from: u64) -> Vec<Piece> {
        pieces(&self.bench.tx(), &self.id, from, u32::MAX).unwrap()
    }

    /// What a reader gets who begins at `from`: offsets and texts put together, the cut left out.
    fn read(&self, from: usize) -> Vec<u8> {
        let pieces = self.pieces(from as u64);
        let bytes = |piece: &Piece| {
            let skipped = from.saturating_sub(usize::try_from(piece.at_byte).unwrap());
            piece.text.as_bytes()[skipped..].to_vec()
        };
        pieces.iter().flat_map(bytes).collect()
    }

    /// What a reader ought to get.
    fn expected(&self, from: usize) -> Vec<u8> {
        let log = self.summary();
        let (cut_from, cut_to) =
            (usize::try_from(log.cut_from).unwrap(), usize::try_from(log.cut_to).unwrap());
        let all = self.produced.as_bytes().iter().enumerate().skip(from);
        all.filter(|(at, _)| !(cut_from..cut_to).contains(at)).map(|(_, byte)| *byte).collect()
    }
}

#[test]
fn a_log_that_has_not_begun_is_empty() {
    let log = Log::new();

    assert_eq!(log.summary(), Summary::default());
    assert!(log.pieces(0).is_empty());
}

#[test]
fn pieces_say_where_they_begin_in_bytes_and_in_lines() {
    let mut log = Log::new();

    log.append("one\ntwo", ALL).append("\nthree\n", ALL);

    let places: Vec<_> = log.pieces(0).iter().map(|piece| (piece.at_byte, piece.at_line)).collect();
    assert_eq!(places, [(0, 0), (7, 1)]);
    let wanted = Summary { bytes: 14, lines: 3, ..Summary::default() };
    assert_eq!(log.summary(), wanted);
}

#[test]
fn a_long_text_becomes_pieces_of_a_bounded_size_that_break_no_character() {
    let mut log = Log::new();

    log.append(&"ä€".repeat(50_000), ALL);

    assert!(log.pieces(0).len() > 3 && log.pieces(0).iter().all(|piece| piece.text.len() <= PIECE_BYTES));
    assert_eq!(log.read(0), log.produced.as_bytes());
}

#[test]
fn the_middle_is_cut_once_head_and_tail_are_full() {
    let mut log = Log::new();
    let kept = Kept { head: 10, tail: 10 };

    for line in 0..10 {
        log.append(&format!("line {line}---\n"), kept);
    }

    let summary = log.summary();
    assert_eq!((summary.bytes, summary.cut_from, summary.cut_to), (100, 10, 90));
    assert_eq!(log.read(0), b"line 0---\nline 9---\n");
}

#[test]
fn one_text_that_is_larger_than_all_that_is_kept_is_cut_as_well() {
    let mut log = Log::new();
    let kept = Kept { head: 1_000, tail: 100_000 };

    log.append(&"x".repeat(1_000_000), kept);

    let stored: usize = log.pieces(0).iter().map(|piece| piece.text.len()).sum();
    assert!((101_000..101_000 + PIECE_BYTES).contains(&stored), "{stored}");
    assert_eq!(log.summary().cut_from, 1_000);
}

#[test]
fn reading_inside_the_cut_begins_with_the_next_kept_byte() {
    let mut log = Log::new();
    let kept = Kept { head: 2, tail: 2 };
    for _ in 0..10 {
        log.append("ab", kept);
    }

    let pieces = log.pieces(9);

    assert_eq!(pieces.iter().map(|piece| piece.at_byte).collect::<Vec<_>>(), [18]);
}

#[test]
fn reading_at_the_end_or_beyond_gives_nothing() {
    let mut log = Log::new();
    log.append("abc", ALL);

    assert!(log.pieces(3).is_empty() && log.pieces(1_000).is_empty());
}

#[test]
fn no_more_pieces_are_read_than_asked_for() {
    let mut log = Log::new();
    log.append("a", ALL).append("b", ALL).append("c", ALL);

    let read = pieces(&log.bench.tx(), &log.id, 1, 1).unwrap();

    assert_eq!(read.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_head_that_grows_later_leaves_one_gap_that_is_told_truly() {
    let mut log = Log::new();
    for _ in 0..10 {
        log.append("12345", Kept { head: 5, tail: 20 });
    }

    for _ in 0..10 {
        log.append("12345", Kept { head: 40, tail: 5 });
    }

    assert_eq!(log.read(0), log.expected(0));
}

#[test]
fn a_complete_log_says_so_and_keeps_its_numbers() {
    let mut log = Log::new();
    log.append("abc\n", ALL);

    complete(&log.bench.tx(), &log.id, T0).unwrap();

    assert_eq!(log.summary(), Summary { bytes: 4, lines: 1, is_complete: true, ..Summary::default() });
}

#[test]
fn logs_of_two_deployments_do_not_mix() {
    let mut log = Log::new();
    log.append("abc", ALL);
    let other = id();

    append(&log.bench.tx(), &other, Step::Clone, "xyz", ALL, T0).unwrap();

    assert_eq!(log.read(0), b"abc");
    assert_eq!(pieces(&log.bench.tx(), &other, 0, 10).unwrap()[0].text, "xyz");
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec("[ab\näß€😀]{0,40}", 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn from_any_offset_exactly_the_bytes_outside_the_cut_are_read(
        texts in texts(),
        sizes in vec((0_u64..60, 0_u64..60), 12),
    ) {
        let mut log = Log::new();

        for (text, (head, tail)) in texts.iter().zip(sizes) {
            log.append(text, Kept { head, tail });
        }

        for from in 0..=log.produced.len() {
            prop_assert_eq!(log.read(from), log.expected(from), "from {}", from);
        }
        let all: u64 = log.produced.len() as u64;
        prop_assert_eq!(log.summary().bytes, all);
        prop_assert_eq!(log.summary().lines, log.produced.matches('\n').count() as u64);
    }

    #[test]
    fn head_and_tail_are_kept_to_within_one_piece(texts in texts(), head in 0_u64..60, tail in 0_u64..60) {
        let mut log = Log::new();
        let mut largest = 0;

        for text in &texts {
            log.append(text, Kept { head, tail });
            largest = largest.max(text.len() as u64);
        }

        let summary = log.summary();
        let after = summary.bytes - summary.cut_to;
        if summary.cut_from < summary.cut_to {
            // A character that straddles the end of the head belongs to it.
            prop_assert!(summary.cut_from >= head && summary.cut_from < head + 4, "{:?}", summary);
            prop_assert!(after >= tail && after < tail + largest.max(1), "{:?}", summary);
        } else {
            prop_assert!(summary.bytes <= head + tail + largest + 4, "{:?}", summary);
        }
    }
}
