//! The text of a log, as stored in pieces, to numbered lines; the same for the page and for its live end.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::domain::{Step, Timestamp};
use crate::web::pages::log::ansi::{self, Segment, Style};

/// One part of a stored log, in the order in which it was produced.
#[derive(Debug, Clone, Copy)]
pub enum Piece<'a> {
    /// Output of a step, cut anywhere; `first_line` is the number of the line in which it begins, from 1, counted over
    /// all steps. `at` is when it was stored, where that is shown.
    Text { step: Step, first_line: u64, at: Option<Timestamp>, text: &'a str },
    /// That many bytes were produced here and not kept.
    Cut { step: Step, bytes: u64 },
}

/// What a line is, beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Output.
    Plain,
    /// `::error::`: output that its writer marked as an error.
    Error,
    /// `::group::`: the title of the lines down to the next mark.
    Group,
    /// `::endgroup::`: no text.
    EndGroup,
}

/// One line, ready to be shown as text nodes.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its number in the whole log.
    pub number: u64,
    /// What it is.
    pub kind: Kind,
    /// Its text in runs of one style.
    pub segments: Vec<Segment>,
    /// When it was stored, `14:30:49`, UTC; only where times are asked for.
    pub time: Option<String>,
}

impl Line {
    fn read(number: u64, text: &str, style: &mut Style) -> Self {
        let (kind, text) = mark(text);
        Self { number, kind, segments: ansi::read_line(text, style), time: None }
    }

    /// The text without its styles.
    pub fn plain(&self) -> String {
        ansi::plain(&self.segments)
    }

    /// Tells whether it is marked as an error.
    pub fn is_error(&self) -> bool {
        self.kind == Kind::Error
    }
}

/// `[number, [[classes, text], …], kind]` with the kinds `line`, `error`, `group` and `endgroup`; the script builds text
/// nodes of it.
impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = match self.kind {
            Kind::Plain => "line",
            Kind::Error => "error",
            Kind::Group => "group",
            Kind::EndGroup => "endgroup",
        };
        let segments: Vec<_> = self.segments.iter().map(|s| (&s.classes, &s.text)).collect();
        (self.number, segments, kind).serialize(serializer)
    }
}

/// Takes the marks off that CI systems share: `::group::Title`, `::endgroup::`, `::error file=a.rs,line=1::Text`.
fn mark(text: &str) -> (Kind, &str) {
    if let Some(title) = text.strip_prefix("::group::") {
        return (Kind::Group, title);
    }
    if text.trim_end() == "::endgroup::" {
        return (Kind::EndGroup, "");
    }
    let error = text.strip_prefix("::error").filter(|rest| rest.starts_with([':', ' ']));
    match error.and_then(|rest| rest.split_once("::")) {
        Some((_, message)) => (Kind::Error, message),
        None => (Kind::Plain, text),
    }
}

/// A line before it is read, or a place where something was not kept.
#[derive(Debug, PartialEq, Eq)]
pub enum Raw<'a> {
    /// One line without its line feed; `at` is that of the piece in which it begins.
    Line { step: Step, number: u64, at: Option<Timestamp>, text: Cow<'a, str> },
    /// See [`Piece::Cut`].
    Cut { step: Step, bytes: u64 },
}

impl Raw<'_> {
    /// Whose output it is.
    pub fn step(&self) -> Step {
        match self {
            Self::Line { step, .. } | Self::Cut { step, .. } => *step,
        }
    }

    /// Tells whether it is a line.
    pub fn is_line(&self) -> bool {
        matches!(self, Self::Line { .. })
    }
}

/// Parts pieces into lines. While a log `grows`, a last line without its line feed is left out and the number of its
/// bytes given back: the live end begins there.
pub fn split<'a>(pieces: &[Piece<'a>], grows: bool) -> (Vec<Raw<'a>>, usize) {
    let (mut raws, mut splitter) = (Vec::new(), Splitter::default());
    for piece in pieces {
        splitter.push(*piece, &mut |raw| raws.push(raw));
    }
    let held_back = splitter.finish(grows, &mut |raw| raws.push(raw));
    (raws, held_back)
}

/// Parts pieces into lines as they come, and holds the line that has not ended.
#[derive(Debug, Default)]
pub struct Splitter(Option<Open>);

#[derive(Debug)]
struct Open {
    step: Step,
    number: u64,
    at: Option<Timestamp>,
    text: String,
}

impl Splitter {
    /// Takes the next piece; gives what it completes.
    pub fn push<'a>(&mut self, piece: Piece<'a>, each: &mut impl FnMut(Raw<'a>)) {
        let (step, first_line, at, text) = match piece {
            Piece::Cut { step, bytes } => {
                self.close(each);
                return each(Raw::Cut { step, bytes });
            }
            Piece::Text { step, first_line, at, text } => (step, first_line, at, text),
        };
        if self.0.as_ref().is_some_and(|open| open.step != step) {
            self.close(each);
        }
        let mut number = self.0.as_ref().map_or(first_line, |open| open.number);
        for part in text.split_inclusive('\n') {
            match (self.0.take(), part.strip_suffix('\n')) {
                (None, Some(line)) => each(Raw::Line { step, number, at, text: Cow::Borrowed(line) }),
                (Some(open), Some(rest)) => {
                    let text = Cow::Owned(open.text + rest);
                    each(Raw::Line { step, number, at: open.at, text });
                }
                (None, None) => self.0 = Some(Open { step, number, at, text: part.to_owned() }),
                (Some(open), None) => self.0 = Some(Open { text: open.text + part, ..open }),
            }
            number += u64::from(part.ends_with('\n'));
        }
    }

    /// Gives the last line where nothing more comes; where the log `grows`, says how many bytes are held of it.
    pub fn finish<'a>(mut self, grows: bool, each: &mut impl FnMut(Raw<'a>)) -> usize {
        if grows {
            return self.0.map_or(0, |open| open.text.len());
        }
        self.close(each);
        0
    }

    fn close<'a>(&mut self, each: &mut impl FnMut(Raw<'a>)) {
        if let Some(Open { step, number, at, text }) = self.0.take() {
            each(Raw::Line { step, number, at, text: Cow::Owned(text) });
        }
    }
}

/// Reads raw lines one after the other; the style starts anew with each step.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    step: Option<Step>,
    style: Style,
}

impl Reader {
    /// Reads one line of a step.
    pub fn read(&mut self, step: Step, number: u64, text: &str) -> Line {
        self.enter(step);
        Line::read(number, text, &mut self.style)
    }

    /// Looks at a line that is not shown: what it is. The style goes on as if it were read.
    pub fn skim(&mut self, step: Step, text: &str) -> Kind {
        self.enter(step);
        let (kind, text) = mark(text);
        // Nothing else changes the style.
        if text.contains('\x1b') {
            ansi::read_line(text, &mut self.style);
        }
        kind
    }

    fn enter(&mut self, step: Step) {
        if self.step.replace(step) != Some(step) {
            self.style = Style::default();
        }
    }
}

/// Lines of one step that an event of the live log carries.
#[derive(Debug, Serialize)]
pub struct Batch {
    /// The step's word.
    pub step: &'static str,
    /// In order.
    pub lines: Vec<Line>,
}

/// The live end of a log: takes text as it comes and gives whole lines.
#[derive(Debug)]
pub struct LiveLog {
    reader: Reader,
    next_line: u64,
    open: Option<(Step, String)>,
}

impl LiveLog {
    /// Begins at the start of the line with this number.
    pub fn new(next_line: u64) -> Self {
        Self { reader: Reader::default(), next_line, open: None }
    }

    /// Takes the next text of a step; gives what it completes, at most one batch a step.
    pub fn push(&mut self, step: Step, text: &str) -> Vec<Batch> {
        let mut batches = Vec::new();
        if self.open.as_ref().is_some_and(|(other, _)| *other != step) {
            batches.extend(self.finish());
        }
        let mut lines = Vec::new();
        for part in text.split_inclusive('\n') {
            let (_, mut whole) = self.open.take().unwrap_or((step, String::new()));
            whole.push_str(part);
            match whole.strip_suffix('\n') {
                Some(line) => lines.push(self.line(step, line)),
                None => self.open = Some((step, whole)),
            }
        }
        if !lines.is_empty() {
            batches.push(Batch { step: step.as_str(), lines });
        }
        batches
    }

    /// Gives the last line, where the log ended without a line feed.
    pub fn finish(&mut self) -> Option<Batch> {
        let (step, text) = self.open.take()?;
        Some(Batch { step: step.as_str(), lines: vec![self.line(step, &text)] })
    }

    /// Bytes taken that belong to no given line yet. An event's id is the offset less these, so that whoever comes
    /// back with it begins at the start of a line.
    pub fn held_back(&self) -> usize {
        self.open.as_ref().map_or(0, |(_, text)| text.len())
    }

    /// The line that has not ended: as it stands by `text`, or as far as it was taken. Its number comes again when it ends.
    pub fn open_line(&self, step: Step, text: Option<&str>) -> Option<Batch> {
        let (step, text) = match (text, &self.open) {
            (Some(text), _) => (step, text),
            (None, Some((step, text))) => (*step, text.as_str()),
            (None, None) => return None,
        };
        let line = self.reader.clone().read(step, self.next_line, text);
        Some(Batch { step: step.as_str(), lines: vec![line] })
    }

    fn line(&mut self, step: Step, text: &str) -> Line {
        let line = self.reader.read(step, self.next_line, text);
        self.next_line += 1;
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(step: Step, first_line: u64, text: &str) -> Piece<'_> {
        Piece::Text { step, first_line, at: None, text }
    }

    fn shown(raws: &[Raw<'_>]) -> Vec<String> {
        let show = |raw: &Raw<'_>| match raw {
            Raw::Line { step, number, text, .. } => format!("{} {number} {text}", step.as_str()),
            Raw::Cut { step, bytes } => format!("{} cut {bytes}", step.as_str()),
        };
        raws.iter().map(show).collect()
    }

    #[test]
    fn pieces_cut_anywhere_give_whole_lines_with_their_numbers() {
        let pieces = [
            text(Step::Clone, 1, "one\ntw"),
            text(Step::Clone, 2, "o\nlast"),
            text(Step::Build, 4, "four\n\n"),
            Piece::Cut { step: Step::Build, bytes: 99 },
            text(Step::Build, 70, "seventy\nopen"),
        ];

        let (raws, held_back) = split(&pieces, false);

        assert_eq!(
            shown(&raws),
            [
                "clone 1 one",
                "clone 2 two",
                "clone 3 last",
                "build 4 four",
                "build 5 ",
                "build cut 99",
                "build 70 seventy",
                "build 71 open",
            ]
        );
        assert_eq!(held_back, 0);
    }

    #[test]
    fn a_growing_log_leaves_its_open_line_to_the_live_end() {
        let (raws, held_back) = split(&[text(Step::Build, 1, "one\ntwo so f")], true);

        assert_eq!(shown(&raws), ["build 1 one"]);
        assert_eq!(held_back, 8);
    }

    #[test]
    fn marks_of_groups_and_errors_are_taken_off() {
        for (line, kind, rest) in [
            ("::group::Install", Kind::Group, "Install"),
            ("::endgroup::", Kind::EndGroup, ""),
            ("::endgroup::\r", Kind::EndGroup, ""),
            ("::error::no such file", Kind::Error, "no such file"),
            ("::error file=a.rs,line=1::no such file", Kind::Error, "no such file"),
            ("::errors::", Kind::Plain, "::errors::"),
            ("::error without end", Kind::Plain, "::error without end"),
            ("a ::group::b", Kind::Plain, "a ::group::b"),
        ] {
            assert_eq!(mark(line), (kind, rest), "{line}");
        }
    }

    #[test]
    fn a_line_in_json_is_its_number_its_runs_and_its_kind() {
        let line = Reader::default().read(Step::Build, 7, "a \x1b[1;31m<b>");

        assert_eq!(serde_json::to_string(&line).unwrap(), r#"[7,[["","a "],["r b","<b>"]],"line"]"#);
    }

    #[test]
    fn the_live_end_gives_the_same_lines_as_the_page() {
        let whole = "one\n\x1b[31mtwo\nthree\n";
        for cut in 0..whole.len() {
            let mut live = LiveLog::new(1);
            let mut batches = live.push(Step::Build, &whole[..cut]);
            let held_back = live.held_back();
            batches.extend(live.push(Step::Build, &whole[cut..]));

            let lines: Vec<_> = batches.iter().flat_map(|batch| &batch.lines).collect();
            assert_eq!(serde_json::to_string(&lines).unwrap(), LIVE, "{cut}");
            assert_eq!(held_back, cut - whole[..cut].rfind('\n').map_or(0, |at| at + 1));
            assert!(live.finish().is_none());
        }
    }

    const LIVE: &str = r#"[[1,[["","one"]],"line"],[2,[["r","two"]],"line"],[3,[["r","three"]],"line"]]"#;

    #[test]
    fn a_new_step_ends_the_open_line_of_the_one_before_and_its_style() {
        let mut live = LiveLog::new(5);
        live.push(Step::Clone, "\x1b[31mopen");

        let batches = live.push(Step::Build, "next\n");

        assert_eq!(
            serde_json::to_string(&batches).unwrap(),
            r#"[{"step":"clone","lines":[[5,[["r","open"]],"line"]]},{"step":"build","lines":[[6,[["","next"]],"line"]]}]"#
        );
    }
}
