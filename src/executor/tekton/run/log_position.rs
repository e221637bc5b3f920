//! Where the log of a step stands, so that a broken stream goes on without a line twice or a line less. Pure.
//!
//! kubelet can be asked for lines since a second; the lines of that second that are known are dropped again: older ones
//! by their time, and of those with the last time as many as have been taken.
//!
//! A kubelet that was held up while it changed files twice leaves out the one between, and then begins the present one
//! again for the second change. So a time that goes back is dropped like the lines of a new stream, and says that lines
//! are missing.

use jiff::{SignedDuration, Timestamp};

use crate::domain::Step;

/// How far the times of one stream may go back: the runtime writes output and error output side by side.
const DISORDER: SignedDuration = SignedDuration::from_secs(1);

/// Where the log of a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    step: Step,
    /// Time of the last line and how many lines with this time were taken.
    last: Option<(Timestamp, usize)>,
    /// Bytes of the last line that were taken before its end; zero once it has ended.
    open: usize,
    /// Of a new stream: known lines with the last time that still have to come.
    expected: usize,
    is_resumed: bool,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// It is known already.
    Known,
    /// It is the next one.
    Next,
    /// It is new, and the line that should have come before it did not come again.
    AfterGap,
    /// It is known already and comes again, since kubelet has left out lines before it.
    Again,
    /// So many bytes of it are known, and the rest is next.
    Begun(usize),
}

impl Position {
    /// The start of a step's log.
    pub(super) const fn start(step: Step) -> Self {
        Self { step, last: None, open: 0, expected: 0, is_resumed: false }
    }

    /// Reads a mark.
    pub(super) fn parse(mark: &str) -> Option<Self> {
        let mut words = mark.split(' ');
        let step = Step::parse(words.next()?)?;
        let last = match (words.next(), words.next()) {
            (Some(at), Some(count)) => Some((at.parse().ok()?, count.parse().ok()?)),
            _ => None,
        };
        let open = words.next().map_or(Some(0), |open| open.parse().ok())?;
        Some(Self { last, open, ..Self::start(step) })
    }

    /// The mark of this position.
    pub(super) fn mark(&self) -> String {
        match self.last {
            Some((at, count)) if self.open > 0 => {
                format!("{} {at} {count} {}", self.step.as_str(), self.open)
            }
            Some((at, count)) => format!("{} {at} {count}", self.step.as_str()),
            None => self.step.as_str().to_owned(),
        }
    }

    /// Whose log it is.
    pub(super) const fn step(&self) -> Step {
        self.step
    }

    /// Says that the next line is the first one of a new stream, and from when that has to be asked for: a whole second,
    /// never after the last line. The client library sends the nearest one, which may leave out half a second of lines.
    pub(super) fn resume(&mut self) -> Option<Timestamp> {
        let (at, count) = self.last?;
        (self.expected, self.is_resumed) = (count, true);
        Timestamp::new(at.as_second(), 0).ok()
    }

    /// Whether no line of a new stream was new so far.
    pub(super) const fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Whether the last line has not ended.
    pub(super) const fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Says how many bytes more of the last line were taken, and whether it has ended.
    pub(super) const fn grow(&mut self, bytes: usize, has_ended: bool) {
        self.open = if has_ended { 0 } else { self.open + bytes };
    }

    /// Takes a line by its time.
    pub(super) fn take(&mut self, at: Timestamp) -> Line {
        let Some((last, count)) = self.last else {
            self.last = Some((at, 1));
            return Line::Next;
        };
        if !self.is_resumed && last.duration_since(at) > DISORDER {
            self.resume();
            return Line::Again;
        }
        if self.is_resumed && at < last {
            return Line::Known;
        }
        if self.is_resumed && at == last && self.expected > 0 {
            self.expected -= 1;
            if self.expected > 0 || self.open == 0 {
                return Line::Known;
            }
            self.is_resumed = false;
            return Line::Begun(self.open);
        }
        let has_gap = self.is_resumed && self.expected == count;
        (self.is_resumed, self.open) = (false, 0);
        self.last = Some(if at == last { (last, count + 1) } else { (at.max(last), 1) });
        if has_gap { Line::AfterGap } else { Line::Next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn after(times: &[i64]) -> Position {
        let mut position = Position::start(Step::Build);
        for time in times {
            assert_eq!(position.take(at(*time)), Line::Next);
        }
        position
    }

    #[test]
    fn a_resumed_stream_drops_exactly_what_is_known() {
        let mut position = after(&[1, 2, 2]);

        assert_eq!(position.resume(), Some(at(2)));

        let lines = [1, 2, 2, 2, 3].map(|time| position.take(at(time)));
        assert_eq!(lines, [Line::Known, Line::Known, Line::Known, Line::Next, Line::Next]);
    }

    #[test]
    fn a_new_stream_is_asked_for_from_the_second_that_the_last_line_is_of() {
        let mut position = after(&[1]);
        position.take("1970-01-01T00:00:02.9Z".parse().unwrap());

        assert_eq!(position.resume(), Some(at(2)));
    }

    #[test]
    fn a_stream_that_begins_later_than_it_should_shows_a_gap_once() {
        let mut position = after(&[1, 2]);
        position.resume();

        assert_eq!([3, 4].map(|time| position.take(at(time))), [Line::AfterGap, Line::Next]);
    }

    #[test]
    fn a_file_that_kubelet_begins_again_is_taken_once_and_shows_that_lines_are_missing() {
        let mut position = after(&[1, 7, 8, 9, 9]);

        let lines = [7, 8, 9, 9, 9, 10].map(|time| position.take(at(time)));

        let known = [Line::Again, Line::Known, Line::Known, Line::Known];
        assert_eq!(lines[..4], known);
        assert_eq!(lines[4..], [Line::Next, Line::Next]);
    }

    #[test]
    fn lines_of_two_outputs_may_be_a_little_out_of_order() {
        let mut position = after(&[1, 2]);
        let before = at(2) - SignedDuration::from_millis(900);

        assert_eq!(position.take(before), Line::Next);
    }

    #[test]
    fn a_mark_is_read_back_and_another_server_goes_on_at_the_same_line() {
        let position = after(&[1, 2, 2]);
        let mut next = Position::parse(&position.mark()).unwrap();

        next.resume();

        assert_eq!(next.step(), Step::Build);
        assert_eq!([2, 2, 2].map(|time| next.take(at(time))), [Line::Known, Line::Known, Line::Next]);
        assert_eq!(Position::parse("build 1970-01-01T00:00:02Z 2"), Some(position));
        assert_eq!(Position::parse("clone"), Some(Position::start(Step::Clone)));
        assert_eq!(Position::parse("compile 1"), None);
    }

    proptest::proptest! {
        #[test]
        fn wherever_a_stream_breaks_every_line_is_taken_once(
            gaps in proptest::collection::vec(0_i64..4, 1..40), cut in 0_usize..40,
        ) {
            let tenths = |tenths: i64| Timestamp::from_millisecond(tenths * 100).unwrap();
            let times = gaps.iter().scan(0, |time, gap| { *time += gap; Some(tenths(*time)) });
            let times: Vec<_> = times.collect();
            let cut = cut.min(times.len());
            let mut position = Position::start(Step::Clone);
            let mut taken = times[..cut].iter().filter(|time| position.take(**time) == Line::Next).count();
            let since = position.resume().unwrap_or(Timestamp::UNIX_EPOCH);
            // As the library sends it.
            let since = since.round(jiff::Unit::Second).unwrap();
            let again = times.iter().filter(|time| **time >= since);

            taken += again.filter(|time| position.take(**time) != Line::Known).count();

            proptest::prop_assert_eq!(taken, times.len());
        }
    }
}
