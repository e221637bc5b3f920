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
    /// Its last pieces, in order. The first begins where a line does, so its text may be empty; it begins inside of one
    /// where that line alone has more bytes than are read.
    pub pieces: Vec<Piece>,
    /// Kept lines of each step that come before, in order.
    pub before: Vec<(Step, u64)>,
}

/// Reads the end of a log.
pub fn read(reader: &Reader<'_>, id: &DeploymentId, most: Most) -> Result<End, Error> {
    let (mut pieces, is_whole) = last_pieces(reader, id, most)?;
    let Some(first) = pieces.first() else { return Ok(End::default()) };
    let mut before = lines_before(reader, id, first)?;
    let kept = first.text.len();
    let lines: u64 = pieces.iter().map(|piece| line_feeds(&piece.text)).sum();
    let surplus = lines.saturating_sub(most.lines).max(u64::from(!is_whole));
    let first = &mut pieces[0];
    if let Some(begin) = behind_line_feed(&first.text, surplus) {
        first.text.drain(..begin);
        first.at_byte += to_u64(kept - first.text.len());
        first.at_line += surplus;
        add(&mut before, first.step, surplus);
    }
    Ok(End { pieces, before })
}

/// The last pieces with more whole lines or as many bytes as are wanted, and whether these are all.
fn last_pieces(reader: &Reader<'_>, id: &DeploymentId, most: Most) -> Result<(Vec<Piece>, bool), Error> {
    const SQL: &str = "
        SELECT at_byte, at_line, step, at_ms, text
          FROM log_pieces
         WHERE deployment_id = :deployment_id
         ORDER BY at_byte DESC";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let mut rows = statement.query(named_params! { ":deployment_id": id.as_str() })?;
    let (mut pieces, mut lines, mut bytes) = (Vec::new(), 0, 0);
    while lines <= most.lines && bytes < most.bytes {
        let Some(row) = rows.next()? else {
            pieces.reverse();
            return Ok((pieces, true));
        };
        let piece = piece(row)?;
        lines += line_feeds(&piece.text);
        bytes += to_u64(piece.text.len());
        pieces.push(piece);
    }
    let is_whole = rows.next()?.is_none();
    pieces.reverse();
    Ok((pieces, is_whole))
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
        read(&bench.tx(), id, Most { lines, bytes }).unwrap()
    }

    fn text_of(pieces: &[Piece]) -> String {
        pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    #[test]
    fn it_begins_with_a_line_and_tells_what_comes_before_of_each_step() {
        let log = log(&[(Step::Clone, "a\nb"), (Step::Build, "c\nd"), (Step::Build, "e\nf\ng")], ALL);

        let end = end(&log, 1, u64::MAX);

        assert_eq!((text_of(&end.pieces).as_str(), end.pieces[0].at_byte), ("f\ng", 8));
        assert_eq!(end.pieces[0].at_line, 3);
        assert_eq!(end.before, [(Step::Clone, 2), (Step::Build, 2)]);
    }

    #[test]
    fn it_reaches_over_the_cut_and_counts_none_of_what_was_not_kept() {
        let texts: Vec<_> = (0..10).map(|_| (Step::Build, "x\n")).collect();
        let log = log(&texts, Kept { head: 6, tail: 4 });

        let near = end(&log, 1, u64::MAX);
        let whole = end(&log, 4, u64::MAX);

        assert_eq!((text_of(&near.pieces).as_str(), near.before), ("x\n", vec![(Step::Build, 4)]));
        assert_eq!((text_of(&whole.pieces).as_str(), whole.before), ("x\nx\nx\nx\n", vec![(Step::Build, 1)]));
    }

    #[test]
    fn no_more_bytes_are_read_than_wanted_and_a_line_begun_before_them_is_left_out() {
        let log = log(&[(Step::Build, "a\nb"), (Step::Build, "b\nc"), (Step::Build, "c\nd\n")], ALL);

        let end = end(&log, 10, 5);

        assert_eq!(text_of(&end.pieces), "cc\nd\n");
        assert_eq!(end.before, [(Step::Build, 2)]);
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

            let text = text_of(&end.pieces);
            prop_assert_eq!(line_feeds(&text), lines.min(line_feeds(&kept)));
            let earlier = kept.strip_suffix(text.as_str()).unwrap();
            prop_assert!(earlier.is_empty() || earlier.ends_with('\n'));
            let cut = logs::summary(&log.0.tx(), &log.1).unwrap().cut_from;
            let is_inside_line = |at: u64| {
                let mut before = all.iter().filter(|piece| piece.at_byte < at);
                before.next_back().is_some_and(|piece| !piece.text.ends_with('\n'))
            };
            let begin = end.pieces.first().map_or(0, |piece| piece.at_byte);
            let broken = u64::from(cut > 0 && cut < begin && is_inside_line(cut));
            let before: u64 = end.before.iter().map(|(_, lines)| lines).sum();
            prop_assert_eq!(before, line_feeds(earlier) + broken);
        }
    }
}
