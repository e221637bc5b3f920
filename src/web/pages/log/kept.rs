//! Reads as much of a stored log as a page shows. A short one is read at once; of a long one only what its page says of it
//! as a whole is, and its lines when their place on the page has come.

use std::collections::VecDeque;

use crate::db::log_end::{self, Most};
use crate::db::{Error, Reader, logs};
use crate::domain::{Deployment, DeploymentId, Step};
use crate::web::pages::log::lines::{self, Kind, Line, Raw, Splitter};
use crate::web::pages::log::place::Place;
use crate::web::pages::log::steps::FEW;
use crate::web::pages::log::stream::Section;
use crate::web::pages::log::view::{Log, TAIL, window};

/// Bytes of a log that a page shows at most, also of long lines and whatever is kept.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes that are read at a time, to within one piece.
const PART: u64 = 32 * 1024;
/// A log of so many parts and no more lines than a page shows by itself is read at once.
const PARTS: u64 = 8;

/// What of a log is asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::web::pages) struct Wanted {
    /// All lines, as far as a page shows them.
    pub(in crate::web::pages) all: bool,
    /// When each was stored.
    pub(in crate::web::pages) times: bool,
}

/// A log for its page.
pub(in crate::web::pages) struct Shown {
    pub(in crate::web::pages) log: Log,
    /// The byte from which its live end goes on, but for what is held back.
    pub(in crate::web::pages) end: u64,
    /// What of it comes later.
    pub(in crate::web::pages) later: Vec<Section>,
}

/// The end of the kept log as the page shows it.
pub(in crate::web::pages) fn read(
    reader: &Reader<'_>,
    deployment: &Deployment,
    wanted: Wanted,
) -> Result<Shown, Error> {
    read_in(reader, &deployment.id, !deployment.status.is_final(), wanted, PART)
}

/// The same with parts of so many bytes. `grows` says that the log may go on.
fn read_in(
    reader: &Reader<'_>,
    id: &DeploymentId,
    grows: bool,
    wanted: Wanted,
    bytes: u64,
) -> Result<Shown, Error> {
    let line_count = |all| u64::try_from(window(all)).unwrap_or(u64::MAX);
    let summary = logs::summary(reader, id)?;
    let found = log_end::find(reader, id, Most { lines: line_count(wanted.all), bytes: MAX_BYTES })?;
    let place = Place::new(id, found.from, &summary, bytes);
    let is_short = found.lines <= line_count(false) && place.kept(&summary) <= bytes.saturating_mul(PARTS);
    let (log, later) = if is_short {
        (whole(reader, place, grows, wanted)?, Vec::new())
    } else {
        outline(reader, place, grows, wanted)?
    };
    let mut log = log.with_earlier(&found.before, summary.bytes);
    log.has_times = wanted.times;
    Ok(Shown { log, end: summary.bytes, later })
}

fn whole(reader: &Reader<'_>, mut place: Place, grows: bool, wanted: Wanted) -> Result<Log, Error> {
    let mut parts = Vec::new();
    while !place.is_over() {
        parts.extend(place.read(reader)?);
    }
    let pieces: Vec<_> = parts.iter().map(|part| part.piece(wanted.times)).collect();
    Ok(Log::new(&pieces, grows, wanted.all))
}

/// Reads all of it once, and keeps what is said of it before its lines: how many there are, the sizes of groups, and how
/// each step ends.
fn outline(
    reader: &Reader<'_>,
    mut place: Place,
    grows: bool,
    wanted: Wanted,
) -> Result<(Log, Vec<Section>), Error> {
    let (end, mut steps) = (place.end(), Vec::<(Step, Place)>::new());
    let (mut outline, mut splitter) = (Outline::new(wanted.all), Splitter::default());
    while !place.is_over() {
        for part in place.read(reader)? {
            match steps.iter_mut().find(|(step, _)| *step == part.step()) {
                Some((_, own)) => own.extend(&part),
                None => steps.push((part.step(), place.of(&part))),
            }
            splitter.push(part.piece(false), &mut |raw| outline.see(&raw));
        }
    }
    outline.log.held_back = splitter.finish(grows, &mut |raw| outline.see(&raw));
    let log = outline.into_log();
    steps.sort_by_key(|(step, _)| *step);
    let section = |(step, own): (Step, Place)| {
        let written = log.of(step).filter(|written| !written.blocks.is_empty())?;
        let grows = grows && own.end() == end;
        Some(Section::new(step, own, written.groups.clone(), grows, wanted.times))
    };
    let later = steps.into_iter().filter_map(section).collect();
    Ok((log, later))
}

/// A log while it is looked through.
struct Outline {
    log: Log,
    reader: lines::Reader,
    /// The last lines of each step.
    ends: Vec<(Step, VecDeque<Unread>)>,
}

/// A line that is only read where it turns out to be shown.
struct Unread {
    /// As it stands before the line.
    reader: lines::Reader,
    number: u64,
    text: String,
}

impl Outline {
    fn new(is_all: bool) -> Self {
        Self { log: Log::new(&[], false, is_all), reader: lines::Reader::default(), ends: Vec::new() }
    }

    fn see(&mut self, raw: &Raw<'_>) {
        let own = self.log.step(raw.step());
        let Raw::Line { step, number, text, .. } = raw else { return own.read(raw, &mut self.reader) };
        let before = self.reader.clone();
        let kind = self.reader.skim(*step, text);
        own.push(Line { number: *number, kind, segments: Vec::new(), time: None });
        if own.blocks.len() > FEW {
            own.put_off();
        }
        self.log.shown += 1;
        self.log.total = *number;
        if matches!(kind, Kind::Plain | Kind::Error) {
            self.note_end(*step, before, *number, text);
        }
    }

    fn note_end(&mut self, step: Step, reader: lines::Reader, number: u64, text: &str) {
        let at = self.ends.iter().position(|(own, _)| *own == step).unwrap_or_else(|| {
            self.ends.push((step, VecDeque::new()));
            self.ends.len() - 1
        });
        let end = &mut self.ends[at].1;
        let first = if end.len() == TAIL { end.pop_front() } else { None };
        let mut own = first.map_or_else(String::new, |first| first.text);
        own.clear();
        own.push_str(text);
        end.push_back(Unread { reader, number, text: own });
    }

    fn into_log(mut self) -> Log {
        for step in &mut self.log.steps {
            step.finish();
            step.put_off();
        }
        for (step, end) in self.ends {
            let read = |mut one: Unread| one.reader.read(step, one.number, &one.text);
            self.log.step(step).end = end.into_iter().map(read).collect();
        }
        self.log
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use tempfile::TempDir;
    use tokio::runtime::Runtime;

    use super::*;
    use crate::db::Db;
    use crate::db::logs::Kept;
    use crate::domain::Timestamp;
    use crate::web::pages::log::steps::Block;
    use crate::web::pages::log::stream;

    const WHAT: &str = "(a|b|\n|::group::|\n::group::t\n|\n::endgroup::\n|\x1b\\[3[1-3]m|é|https://x/){0,40}";

    /// A log file.
    struct Bench {
        _dir: TempDir,
        db: Db,
        runtime: Runtime,
    }

    impl Bench {
        fn new() -> Self {
            let (dir, runtime) = (TempDir::new().unwrap(), Runtime::new().unwrap());
            Self { db: Db::open(dir.path(), 0).unwrap(), _dir: dir, runtime }
        }

        fn append(&self, id: &DeploymentId, texts: Vec<(Step, String)>, kept: Kept) {
            let id = id.clone();
            let write = self.db.logs().write(move |tx| {
                for (number, (step, text)) in (0..).zip(&texts) {
                    logs::append(tx, &id, *step, text, kept, Timestamp::from_millis(number * 1_000))?;
                }
                Ok::<_, Error>(())
            });
            self.runtime.block_on(write).unwrap();
        }

        fn read<T: Send + 'static>(&self, read: impl FnOnce(&Reader<'_>) -> T + Send + 'static) -> T {
            self.runtime.block_on(self.db.logs().read(|reader| Ok::<_, Error>(read(reader)))).unwrap()
        }
    }

    /// What a page shows of a log: what it says of the whole, and of each step the HTML and the end.
    fn page(reader: &Reader<'_>, id: &DeploymentId, grows: bool, bytes: u64) -> String {
        let wanted = Wanted { all: true, times: true };
        let Shown { log, end, mut later } = read_in(reader, id, grows, wanted, bytes).unwrap();
        let mut page = format!("{} {} {} {} {end}", log.total, log.shown, log.bytes, log.held_back);
        for own in Step::ALL.into_iter().filter_map(|step| log.of(step)) {
            let tail: Vec<_> = own.tail(TAIL).into_iter().map(|line| (line.number, &line.segments)).collect();
            let html = match own.blocks.as_slice() {
                [Block::Later] => later.remove(0).html(reader),
                blocks => stream::html(blocks, &own.groups),
            };
            write!(page, "\n{} {} {tail:?}\n{html}", own.step.as_str(), own.earlier).unwrap();
        }
        assert!(later.is_empty());
        page
    }

    #[test]
    fn a_log_in_parts_is_shown_as_the_whole_is() {
        let bench = Bench::new();
        let kept = prop_oneof![Just((u64::MAX, u64::MAX)), (0_u64..200, 0_u64..200)];
        let texts = vec((0_usize..4, WHAT), 1..8);
        let strategy = (texts, kept, 1_u64..12, any::<(bool, bool)>());
        let test = |(texts, (head, tail), bytes, (in_order, grows)): (Vec<(usize, String)>, _, _, _)| {
            let id = DeploymentId::generate(Timestamp::from_millis(0));
            let mut texts: Vec<_> = texts.into_iter().map(|(step, text)| (Step::ALL[step], text)).collect();
            if in_order {
                texts.sort_by_key(|(step, _)| *step);
            }
            bench.append(&id, texts, Kept { head, tail });

            let (whole, in_parts) = bench
                .read(move |reader| (page(reader, &id, grows, u64::MAX), page(reader, &id, grows, bytes)));

            prop_assert!(!whole.contains("later"));
            prop_assert_eq!(in_parts, whole);
            Ok(())
        };
        TestRunner::new(ProptestConfig::with_cases(256)).run(&strategy, test).unwrap();
    }

    #[test]
    fn what_is_cut_while_the_page_is_made_is_said_there() {
        let (bench, id) = (Bench::new(), DeploymentId::generate(Timestamp::from_millis(0)));
        let lines = |lines: &[&str]| lines.iter().map(|&line| (Step::Build, line.to_owned())).collect();
        bench.append(&id, lines(&["one\n", "two\n", "three\n"]), Kept { head: 4, tail: 100 });
        let own = id.clone();
        let wanted = Wanted { all: true, times: false };
        let shown = bench.read(move |reader| read_in(reader, &own, true, wanted, 1).unwrap());

        bench.append(&id, lines(&["four\n"]), Kept { head: 4, tail: 5 });

        let html = bench.read(|reader| shown.later.into_iter().next().unwrap().html(reader));
        assert!(html.contains("<span>one</span>") && html.contains(" not kept …</p>"), "{html}");
        assert!(!html.contains("two") && !html.contains("four"), "{html}");
    }
}
