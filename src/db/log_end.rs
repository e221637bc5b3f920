//! The end of a log, for those who show it. Read backwards, so that what a long log costs depends on what is shown.

use rusqlite::named_params;

use super::logs::{self, Piece, Summary, from_i64, piece, to_i64, to_u64};
use super::sql_types::text;
use super::{Error, Reader};
use crate::domain::{DeploymentId, Step};

/// How much is read at most.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Whole lines; an open one behind them comes in addition.
    pub lines: u64,
    /// Bytes, to within one piece.
    pub bytes: u64,
}

/// The end of a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Its first byte. A line begins there, unless that line alone has more bytes than are wanted.
    pub from: u64,
    /// Whole lines from there on.
    pub lines: u64,
    /// Kept lines of each step that come before, in order.
    pub before: Vec<(Step, u64)>,
}

/// Finds the end of a log. Of the text that it looks at it holds one piece at a time.
pub fn find(reader: &Reader<'_>, id: &DeploymentId, most: Most) -> Result<End, Error> {
    let Some(Last { first, lines, is_whole }) = last_pieces(reader, id, most)? else {
        return Ok(End::default());
    };
    let mut before = lines_before(reader, id, &first)?;
    let surplus = lines.saturating_sub(most.lines).max(u64::from(!is_whole));
    let Some(begin) = behind_line_feed(&first.text, surplus) else {
        return Ok(End { from: first.at_byte, lines, before });
    };
    add(&mut before, first.step, surplus);
    Ok(End { from: first.at_byte + to_u64(begin), lines: lines - surplus, before })
}

/// The pieces from a byte on, in order, until they have so many bytes. The first one begins there; its text is empty where
/// that is the end of a piece.
pub fn pieces(reader: &Reader<'_>, id: &DeploymentId, from: u64, bytes: u64) -> Result<Vec<Piece>, Error> {
    const SQL: &str = "
        SELECT at_byte, at_line, step, at_ms, text
          FROM log_pieces
         WHERE deployment_id = :deployment_id
           AND at_byte >= coalesce((SELECT max(at_byte)
                                      FROM log_pieces
                                     WHERE deployment_id = :deployment_id
                                       AND at_byte <= :from), 0)
         ORDER BY at_byte";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let params = named_params! { ":deployment_id": id.as_str(), ":from": to_i64(from) };
    let mut rows = statement.query(params)?;
    let (mut pieces, mut read) = (Vec::new(), 0);
    while read < bytes
        && let Some(row) = rows.next()?
    {
        let mut piece = piece(row)?;
        skip_to(&mut piece, from);
        read += to_u64(piece.text.len());
        if !piece.text.is_empty() {
            pieces.push(piece);
        }
    }
    Ok(pieces)
}

/// Leaves out what comes before a byte.
fn skip_to(piece: &mut Piece, from: u64) {
    let skipped = usize::try_from(from.saturating_sub(piece.at_byte)).unwrap_or(usize::MAX);
    let skipped = piece.text.ceil_char_boundary(skipped.min(piece.text.len()));
    piece.at_line += line_feeds(&piece.text[..skipped]);
    piece.at_byte += to_u64(skipped);
    piece.text.drain(..skipped);
}

/// The last pieces of a log.
struct Last {
    first: Piece,
    /// Whole lines from it on.
    lines: u64,
    /// Whether these are all pieces.
    is_whole: bool,
}

/// The last pieces with more whole lines or as many bytes as are wanted.
fn last_pieces(reader: &Reader<'_>, id: &DeploymentId, most: Most) -> Result<Option<Last>, Error> {
    const SQL: &str = "
        SELECT at_byte, at_line, step, at_ms, text
          FROM log_pieces
         WHERE deployment_id = :deployment_id
         ORDER BY at_byte DESC";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let mut rows = statement.query(named_params! { ":deployment_id": id.as_str() })?;
    let (mut first, mut lines, mut bytes) = (None, 0, 0);
    while lines <= most.lines && bytes < most.bytes {
        let Some(row) = rows.next()? else {
            return Ok(first.map(|first| Last { first, lines, is_whole: true }));
        };
        let piece = piece(row)?;
        lines += line_feeds(&piece.text);
        bytes += to_u64(piece.text.len());
        first = Some(piece);
    }
    let is_whole = rows.next()?.is_none();
    Ok(first.map(|first| Last { first, lines, is_whole }))
}

/// A piece without its text.
struct Place {
    at_byte: u64,
    at_line: u64,
    step: Step,
}

/// Kept lines of each step before a piece. Told by where the pieces begin; their text is only read next to a border.
fn lines_before(reader: &Reader<'_>, id: &DeploymentId, first: &Piece) -> Result<Vec<(Step, u64)>, Error> {
    const SQL: &str = "
        SELECT at_byte, at_line, step
          FROM log_pieces
         WHERE deployment_id = :deployment_id
           AND at_byte < :to
         ORDER BY at_byte";
    let log = logs::summary(reader, id)?;
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let params = named_params! { ":deployment_id": id.as_str(), ":to": to_i64(first.at_byte) };
    let places = statement.query_map(params, |row| {
        Ok(Place {
            at_byte: from_i64(row.get(0)?),
            at_line: from_i64(row.get(1)?),
            step: text(row, logs::TABLE, "step", Step::parse)?,
        })
    })?;
    let end = Place { at_byte: first.at_byte, at_line: first.at_line, step: first.step };
    let mut before = Vec::new();
    let mut last: Option<Place> = None;
    for place in places.chain([Ok(end)]) {
        let next = place?;
        if let Some(place) = &last {
            add(&mut before, place.step, lines_of(reader, id, place, &next, &log)?);
        }
        last = Some(next);
    }
    Ok(before)
}

/// The lines that end in a piece: with a line feed, or where the next piece is of another step or behind the cut.
fn lines_of(
    reader: &Reader<'_>,
    id: &DeploymentId,
    place: &Place,
    next: &Place,
    log: &Summary,
) -> Result<u64, Error> {
    let is_cut = log.cut_from < log.cut_to && next.at_byte == log.cut_to;
    if place.step == next.step && !is_cut {
        return Ok(next.at_line.saturating_sub(place.at_line));
    }
    let piece = logs::pieces(reader, id, place.at_byte, 1)?;
    Ok(piece.first().map_or(0, |piece| to_u64(piece.text.split_inclusive('\n').count())))
}

fn add(before: &mut Vec<(Step, u64)>, step: Step, lines: u64) {
    match before.iter_mut().find(|(known, _)| *known == step) {
        Some((_, known)) => *known += lines,
        None => before.push((step, lines)),
    }
}

fn line_feeds(text: &str) -> u64 {
    to_u64(text.bytes().filter(|&byte| byte == b'\n').count())
}

/// The byte behind the line feed of that number, from 1; none where there is no such line feed.
fn behind_line_feed(text: &str, number: u64) -> Option<usize> {
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    text.match_indices('\n').nth(index).map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::db::logs::Kept;
    use crate::db::testing::{Bench, T0};

    const ALL: Kept = Kept { head: u64::MAX, tail: u64::MAX };

    /// A log of these texts.
    fn log(texts: &[(Step, &str)], kept: Kept) -> (Bench, DeploymentId) {
        let (bench, id) = (Bench::logs(), DeploymentId::generate(T0));
        for (step, text) in texts {
            logs::append(&bench.tx(), &id, *step, text, kept, T0).unwrap();
        }
        (bench, id)
    }

    fn end((bench, id): &(Bench, DeploymentId), lines: u64, bytes: u64) -> End {
        find(&bench.tx(), id, Most { lines, bytes }).unwrap()
    }

    fn from((bench, id): &(Bench, DeploymentId), from: u64) -> Vec<Piece> {
        pieces(&bench.tx(), id, from, u64::MAX).unwrap()
    }

    fn text_of(pieces: &[Piece]) -> String {
        pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    #[test]
    fn it_begins_with_a_line_and_tells_what_comes_before_of_each_step() {
        let log = log(&[(Step::Clone, "a\nb"), (Step::Build, "c\nd"), (Step::Build, "e\nf\ng")], ALL);

        let end = end(&log, 1, u64::MAX);

        let pieces = from(&log, end.from);
        assert_eq!((text_of(&pieces).as_str(), pieces[0].at_byte), ("f\ng", 8));
        assert_eq!(pieces[0].at_line, 3);
        assert_eq!(end.before, [(Step::Clone, 2), (Step::Build, 2)]);
    }

    #[test]
    fn it_reaches_over_the_cut_and_counts_none_of_what_was_not_kept() {
        let texts: Vec<_> = (0..10).map(|_| (Step::Build, "x\n")).collect();
        let log = log(&texts, Kept { head: 6, tail: 4 });

        let near = end(&log, 1, u64::MAX);
        let whole = end(&log, 4, u64::MAX);

        assert_eq!((text_of(&from(&log, near.from)).as_str(), near.before), ("x\n", vec![(Step::Build, 4)]));
        assert_eq!(
            (text_of(&from(&log, whole.from)).as_str(), whole.before),
            ("x\nx\nx\nx\n", vec![(Step::Build, 1)])
        );
    }

    #[test]
    fn no_more_bytes_are_read_than_wanted_and_a_line_begun_before_them_is_left_out() {
        let log = log(&[(Step::Build, "a\nb"), (Step::Build, "b\nc"), (Step::Build, "c\nd\n")], ALL);

        let end = end(&log, 10, 5);

        assert_eq!(text_of(&from(&log, end.from)), "cc\nd\n");
        assert_eq!(end.before, [(Step::Build, 2)]);
    }

    #[test]
    fn pieces_begin_at_a_byte_and_end_with_so_many_bytes() {
        let log = log(&[(Step::Clone, "a\nb\n"), (Step::Build, "cé\n"), (Step::Deploy, "d\n")], ALL);
        let read = |from, bytes| -> Vec<_> {
            let pieces = pieces(&log.0.tx(), &log.1, from, bytes).unwrap();
            pieces.into_iter().map(|piece| (piece.at_byte, piece.at_line, piece.text)).collect()
        };

        assert_eq!(read(2, 3), [(2, 1, "b\n".to_owned()), (4, 2, "cé\n".to_owned())]);
        assert_eq!(read(4, 1), [(4, 2, "cé\n".to_owned())]);
        assert_eq!(read(6, 1), [(7, 2, "\n".to_owned())]);
        assert_eq!(read(10, 1), []);
    }

    #[test]
    fn a_log_without_text_has_no_end() {
        assert_eq!(end(&log(&[], ALL), 5, 5), End::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_last_lines_and_those_before_them_are_all_that_is_kept(
            texts in vec("[ab\né]{0,30}", 0..12),
            (head, tail) in (0_u64..90, 0_u64..90),
            lines in 0_u64..30,
        ) {
            let texts: Vec<_> = texts.iter().map(|text| (Step::Build, text.as_str())).collect();
            let log = log(&texts, Kept { head, tail });
            let all = logs::pieces(&log.0.tx(), &log.1, 0, u32::MAX).unwrap();
            let kept = text_of(&all);

            let end = end(&log, lines, u64::MAX);

            let text = text_of(&from(&log, end.from));
            prop_assert_eq!(line_feeds(&text), lines.min(line_feeds(&kept)));
            prop_assert_eq!(end.lines, line_feeds(&text));
            let earlier = kept.strip_suffix(text.as_str()).unwrap();
            prop_assert!(earlier.is_empty() || earlier.ends_with('\n'));
            let cut = logs::summary(&log.0.tx(), &log.1).unwrap().cut_from;
            let is_inside_line = |at: u64| {
                let mut before = all.iter().filter(|piece| piece.at_byte < at);
                before.next_back().is_some_and(|piece| !piece.text.ends_with('\n'))
            };
            let broken = u64::from(cut > 0 && cut < end.from && is_inside_line(cut));
            let before: u64 = end.before.iter().map(|(_, lines)| lines).sum();
            prop_assert_eq!(before, line_feeds(earlier) + broken);
        }
    }
}
