//! What is new in the pieces that a pod's log arrives in. Pure.
//!
//! kubelet puts the time of a line before it. The runtime keeps a long line in parts; kubelet joins them again, so the
//! line has one time however long it is. Where kubelet is asked for lines since a second and a line began before that, it
//! gives the later parts of it, without a time.

use jiff::Timestamp;

use super::log_position::{Line, Position};

/// What kubelet writes instead of lines once it has removed the container; no line of the step.
const NO_LOG: &[u8] = b"unable to retrieve container logs for ";
/// Stands where lines are missing.
const GAP: &[u8] = b"[stackblaze: the log stream broke, some lines before this one may be missing]\n";

/// Drops what is known.
pub(super) struct LogPieces {
    pub(super) position: Position,
    /// Of the line that has begun and not ended.
    rest: Option<Rest>,
}

/// What becomes of the rest of a line.
enum Rest {
    Dropped,
    /// It is new behind so many bytes more.
    New(usize),
    /// It has no time, so where it stands is not known.
    Untimed,
}

impl LogPieces {
    /// Goes on from a position.
    pub(super) const fn new(position: Position) -> Self {
        Self { position, rest: None }
    }

    /// Says that a new stream begins; since when to ask for it.
    pub(super) fn resume(&mut self) -> Option<Timestamp> {
        self.rest = None;
        self.position.resume()
    }

    /// Whether a part of a line can be taken before its end.
    pub(super) fn can_take_part(&self, piece: &[u8]) -> bool {
        self.rest.is_some() || timed(piece).is_some_and(|(_, text)| !text.is_empty())
    }

    /// Adds to `batch` what is new of a line or a part of one; the first part has its time and some text.
    pub(super) fn take(&mut self, piece: &[u8], batch: &mut Vec<u8>) {
        let (rest, text) = match self.rest.take() {
            Some(rest) => (rest, piece),
            None => self.begin(piece, batch),
        };
        let has_ended = text.ends_with(b"\n");
        let rest = match rest {
            Rest::Dropped => Rest::Dropped,
            Rest::Untimed => {
                batch.extend_from_slice(text);
                Rest::Untimed
            }
            Rest::New(known) => {
                let new = text.get(known..).unwrap_or_default();
                batch.extend_from_slice(new);
                self.position.grow(new.len(), has_ended);
                Rest::New(known.saturating_sub(text.len()))
            }
        };
        self.rest = Some(rest).filter(|_| !has_ended);
    }

    fn begin<'a>(&mut self, piece: &'a [u8], batch: &mut Vec<u8>) -> (Rest, &'a [u8]) {
        let Some((at, text)) = timed(piece) else {
            let is_known = self.position.is_resumed() || piece.starts_with(NO_LOG);
            return (if is_known { Rest::Dropped } else { Rest::Untimed }, piece);
        };
        let was_open = self.position.is_open();
        let (rest, has_gap) = match self.position.take(at) {
            Line::Known => (Rest::Dropped, false),
            Line::Again => (Rest::Dropped, true),
            Line::AfterGap => (Rest::New(0), true),
            Line::Next => (Rest::New(0), false),
            Line::Begun(known) => (Rest::New(known), false),
        };
        if has_gap {
            batch.extend_from_slice(if was_open { b"\n" } else { b"" });
            batch.extend_from_slice(GAP);
        }
        (rest, text)
    }
}

/// A line's time, and its text.
fn timed(piece: &[u8]) -> Option<(Timestamp, &[u8])> {
    let blank = piece.iter().position(|byte| *byte == b' ')?;
    let at = std::str::from_utf8(&piece[..blank]).ok()?.parse().ok()?;
    Some((at, &piece[blank + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Step;

    fn taken(pieces: &mut LogPieces, parts: &[&str]) -> String {
        let mut batch = Vec::new();
        for part in parts {
            pieces.take(part.as_bytes(), &mut batch);
        }
        String::from_utf8(batch).unwrap()
    }

    fn new() -> LogPieces {
        LogPieces::new(Position::start(Step::Build))
    }

    #[test]
    fn a_line_in_parts_is_one_line_and_its_later_parts_need_no_time() {
        let mut pieces = new();

        let text = taken(&mut pieces, &["2026-01-01T00:00:01Z a", "b", "c\n", "2026-01-01T00:00:02Z d\n"]);

        assert_eq!(text, "abc\nd\n");
        assert_eq!(pieces.position.mark(), "build 2026-01-01T00:00:02Z 1");
    }

    #[test]
    fn a_line_that_was_taken_in_part_goes_on_where_it_stood() {
        let mut pieces = new();
        taken(&mut pieces, &["2026-01-01T00:00:01Z a\n", "2026-01-01T00:00:01Z b", "c"]);
        let mut pieces = LogPieces::new(Position::parse(&pieces.position.mark()).unwrap());

        assert!(pieces.resume().is_some());

        let again =
            ["2026-01-01T00:00:01Z a\n", "2026-01-01T00:00:01Z b", "c", "d\n", "2026-01-01T00:00:01Z e\n"];
        assert_eq!(taken(&mut pieces, &again), "d\ne\n");
    }

    #[test]
    fn the_end_of_a_line_that_began_before_the_stream_is_known() {
        let mut pieces = new();
        taken(&mut pieces, &["2026-01-01T00:00:01Z long\n", "2026-01-01T00:00:02Z next\n"]);

        pieces.resume();

        let again = ["ng\n", "2026-01-01T00:00:02Z next\n", "2026-01-01T00:00:02Z new\n"];
        assert_eq!(taken(&mut pieces, &again), "new\n");
    }

    #[test]
    fn a_line_that_never_ends_since_its_rest_is_gone_is_ended_before_the_mark_of_the_gap() {
        let mut pieces = new();
        taken(&mut pieces, &["2026-01-01T00:00:01Z half"]);

        pieces.resume();

        let text = taken(&mut pieces, &["2026-01-01T00:00:03Z after\n"]);
        assert_eq!(text, format!("\n{}after\n", str::from_utf8(GAP).unwrap()));
    }

    #[test]
    fn what_kubelet_says_in_the_place_of_a_log_is_no_line() {
        assert_eq!(taken(&mut new(), &["unable to retrieve container logs for containerd://x\n"]), "");
        assert_eq!(taken(&mut new(), &["anything else\n"]), "anything else\n");
    }

    proptest::proptest! {
        #[test]
        fn wherever_a_stream_breaks_every_byte_is_taken_once(
            lines in proptest::collection::vec((0_i64..4, 0_usize..40), 1..20),
            piece in 35_usize..80,
            cut: proptest::sample::Index,
        ) {
            let mut tenths = 0;
            let timed = lines.iter().enumerate().map(|(number, (gap, length))| {
                tenths += gap;
                let text = format!("{number}:{}\n", "x".repeat(*length));
                (Timestamp::from_millisecond(tenths * 100).unwrap(), text)
            });
            let timed: Vec<_> = timed.collect();
            let stream = |since: Timestamp| {
                let lines = timed.iter().filter(|(at, _)| *at >= since);
                lines.flat_map(|(at, text)| format!("{at:.9} {text}").into_bytes()).collect::<Vec<_>>()
            };
            let read = |pieces: &mut LogPieces, bytes: &[u8], batch: &mut Vec<u8>| {
                for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                    let (whole, rest) = line.split_at(line.len() / piece * piece);
                    whole.chunks(piece).for_each(|part| pieces.take(part, batch));
                    if !rest.is_empty() && (rest.ends_with(b"\n") || pieces.can_take_part(rest)) {
                        pieces.take(rest, batch);
                    }
                }
            };
            let (mut pieces, mut batch) = (new(), Vec::new());
            let all = stream(Timestamp::UNIX_EPOCH);
            read(&mut pieces, &all[..cut.index(all.len() + 1)], &mut batch);

            let mut pieces = LogPieces::new(Position::parse(&pieces.position.mark()).unwrap());
            let since = pieces.resume().unwrap_or(Timestamp::UNIX_EPOCH);
            read(&mut pieces, &stream(since), &mut batch);

            let text: String = timed.iter().map(|(_, text)| text.as_str()).collect();
            proptest::prop_assert_eq!(String::from_utf8(batch).unwrap(), text);
        }
    }
}
