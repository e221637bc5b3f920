//! The log file: redacted text in pieces, the first and the last bytes kept, the middle cut with a mark.
//!
//! Offsets count bytes of the log as produced, also across the cut. All functions take the log file's reader or `Tx`.

use rusqlite::{OptionalExtension, Row, named_params};

use super::sql_types::{list, read_list, text, time};
use super::{Error, Reader, Tx};
use crate::domain::{DeploymentId, Step, Timestamp};

/// Largest piece, in bytes; a longer text becomes several.
const PIECE_BYTES: usize = 64 * 1024;
pub(super) const TABLE: &str = "log_pieces";

/// How much of one log is kept, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// From the start.
    pub head: u64,
    /// From the end.
    pub tail: u64,
}

/// What is known of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes produced so far.
    pub bytes: u64,
    /// Lines begun so far.
    pub lines: u64,
    /// Bytes `cut_from..cut_to` were not kept; equal where all were.
    pub cut_from: u64,
    /// See `cut_from`.
    pub cut_to: u64,
    /// Whether nothing more will come.
    pub is_complete: bool,
}

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its first byte in the log as produced.
    pub at_byte: u64,
    /// The number of line feeds before it.
    pub at_line: u64,
    /// Whose output it is.
    pub step: Step,
    /// When it was stored.
    pub at: Timestamp,
    pub text: String,
}

impl Piece {
    /// The byte after its last.
    pub fn end(&self) -> u64 {
        self.at_byte + to_u64(self.text.len())
    }
}

/// Adds text at the end of a log and cuts its middle where it has grown past what is kept; gives the byte and the line at
/// which it begins. Those who follow are told by whoever stores it, see [`Db::show_piece`](super::Db::show_piece).
pub fn append(
    tx: &Tx<'_>,
    id: &DeploymentId,
    step: Step,
    text: &str,
    kept: Kept,
    now: Timestamp,
) -> Result<(u64, u64), Error> {
    const SQL: &str = "
        INSERT INTO log_pieces (deployment_id, at_byte, at_line, step, at_ms, text)
        VALUES (:deployment_id, :at_byte, :at_line, :step, :at_ms, :text)";
    let mut log = summary(tx, id)?;
    let begins = (log.bytes, log.lines);
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(piece_end(rest, log.bytes, kept.head));
        tx.conn().prepare_cached(SQL)?.execute(named_params! {
            ":deployment_id": id.as_str(),
            ":at_byte": to_i64(log.bytes),
            ":at_line": to_i64(log.lines),
            ":step": step.as_str(),
            ":at_ms": now.as_millis(),
            ":text": piece,
        })?;
        log.bytes += to_u64(piece.len());
        log.lines += to_u64(piece.bytes().filter(|&byte| byte == b'\n').count());
        rest = more;
    }
    cut(tx, id, &mut log, kept)?;
    store(tx, id, &log, now)?;
    Ok(begins)
}

/// Stores where the log stands in what is being followed; to be called behind the text before it, in one transaction.
pub fn set_mark(tx: &Tx<'_>, id: &DeploymentId, mark: &str) -> Result<(), Error> {
    const SQL: &str = "UPDATE logs SET mark = :mark WHERE deployment_id = :deployment_id";
    let params = named_params! { ":deployment_id": id.as_str(), ":mark": mark };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    Ok(())
}

/// Where the log stands in what is being followed, as it was stored last.
pub fn mark(reader: &Reader<'_>, id: &DeploymentId) -> Result<Option<String>, Error> {
    const SQL: &str = "SELECT mark FROM logs WHERE deployment_id = :deployment_id";
    let params = named_params! { ":deployment_id": id.as_str() };
    let found = reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0)).optional()?;
    Ok(found.flatten())
}

/// Stores which lines of a step say why it fails; to be called behind the text that they are of, in one transaction.
pub fn set_causes(tx: &Tx<'_>, id: &DeploymentId, step: Step, lines: &[String]) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE logs
           SET causes = :causes, causes_step = :step
         WHERE deployment_id = :deployment_id";
    let causes = list(lines.iter().map(String::as_str));
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":deployment_id": id.as_str(),
        ":causes": causes,
        ":step": step.as_str(),
    })?;
    Ok(())
}

/// The lines of a step that say why it fails, as far as they are known.
pub fn causes(reader: &Reader<'_>, id: &DeploymentId, step: Step) -> Result<Vec<String>, Error> {
    const SQL: &str = "
        SELECT causes
          FROM logs
         WHERE deployment_id = :deployment_id
           AND causes_step = :step
           AND causes IS NOT NULL";
    let params = named_params! { ":deployment_id": id.as_str(), ":step": step.as_str() };
    let read =
        |row: &Row<'_>| text(row, TABLE, "causes", |json| read_list(json, |line| Some(line.to_owned())));
    Ok(reader.conn().prepare_cached(SQL)?.query_row(params, read).optional()?.unwrap_or_default())
}

/// Where the next piece of `rest` ends: a piece neither outgrows its size nor straddles the end of the kept head.
fn piece_end(rest: &str, at: u64, head: u64) -> usize {
    let to_head = usize::try_from(head.saturating_sub(at)).unwrap_or(usize::MAX);
    let longest = if to_head == 0 { PIECE_BYTES } else { PIECE_BYTES.min(to_head) };
    if rest.len() <= longest {
        return rest.len();
    }
    let end = rest.floor_char_boundary(longest);
    if end == 0 { rest.ceil_char_boundary(1) } else { end }
}

/// Says that nothing more will come.
pub fn complete(tx: &Tx<'_>, id: &DeploymentId, now: Timestamp) -> Result<(), Error> {
    let mut log = summary(tx, id)?;
    log.is_complete = true;
    store(tx, id, &log, now)?;
    tx.touch(id);
    Ok(())
}

fn cut(tx: &Tx<'_>, id: &DeploymentId, log: &mut Summary, kept: Kept) -> Result<(), Error> {
    const SQL: &str = "
        DELETE FROM log_pieces
         WHERE deployment_id = :deployment_id
           AND at_byte >= :from
           AND at_byte < :to
           AND at_byte + octet_length(text) <= :to
     RETURNING at_byte, octet_length(text)";
    let tail_begins = log.bytes.saturating_sub(kept.tail);
    if tail_begins <= kept.head {
        return Ok(());
    }
    // A cut that has begun goes on where it ends, also where more of the head is kept by now: there is one gap.
    let from = if log.cut_from < log.cut_to { log.cut_to } else { kept.head };
    let params = named_params! {
        ":deployment_id": id.as_str(),
        ":from": to_i64(from),
        ":to": to_i64(tail_begins),
    };
    let mut statement = tx.conn().prepare_cached(SQL)?;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        let (at, length): (i64, i64) = (row.get(0)?, row.get(1)?);
        if log.cut_from == log.cut_to {
            log.cut_from = from_i64(at);
            log.cut_to = from_i64(at);
        }
        log.cut_from = log.cut_from.min(from_i64(at));
        log.cut_to = log.cut_to.max(from_i64(at + length));
    }
    Ok(())
}

fn store(tx: &Tx<'_>, id: &DeploymentId, log: &Summary, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "
        INSERT INTO logs (deployment_id, bytes, lines, kept_bytes, cut_from, cut_to, is_complete, changed_at_ms)
        VALUES (:deployment_id, :bytes, :lines, :kept_bytes, :cut_from, :cut_to, :is_complete, :now)
            ON CONFLICT (deployment_id) DO UPDATE
           SET bytes = excluded.bytes, lines = excluded.lines, kept_bytes = excluded.kept_bytes,
               cut_from = excluded.cut_from, cut_to = excluded.cut_to, is_complete = excluded.is_complete,
               changed_at_ms = excluded.changed_at_ms";
    // Before the row itself, whose old number counts.
    const TOTAL: &str = "
        UPDATE log_totals
           SET kept_bytes = kept_bytes + :kept_bytes
                            - ifnull((SELECT kept_bytes FROM logs WHERE deployment_id = :deployment_id), 0)";
    let kept_bytes = to_i64(log.bytes - (log.cut_to - log.cut_from));
    let params = named_params! { ":deployment_id": id.as_str(), ":kept_bytes": kept_bytes };
    tx.conn().prepare_cached(TOTAL)?.execute(params)?;
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":deployment_id": id.as_str(),
        ":bytes": to_i64(log.bytes),
        ":lines": to_i64(log.lines),
        ":kept_bytes": kept_bytes,
        ":cut_from": to_i64(log.cut_from),
        ":cut_to": to_i64(log.cut_to),
        ":is_complete": log.is_complete,
        ":now": now.as_millis(),
    })?;
    Ok(())
}

/// What is known of a log; all zero for one that has not begun.
pub fn summary(reader: &Reader<'_>, id: &DeploymentId) -> Result<Summary, Error> {
    const SQL: &str = "
        SELECT bytes, lines, cut_from, cut_to, is_complete
          FROM logs
         WHERE deployment_id = :deployment_id";
    let found = reader.conn().prepare_cached(SQL)?.query_row(
        named_params! { ":deployment_id": id.as_str() },
        |row| {
            Ok(Summary {
                bytes: from_i64(row.get(0)?),
                lines: from_i64(row.get(1)?),
                cut_from: from_i64(row.get(2)?),
                cut_to: from_i64(row.get(3)?),
                is_complete: row.get(4)?,
            })
        },
    );
    Ok(found.optional()?.unwrap_or_default())
}

/// The kept pieces that hold or follow the byte `from`, in order, at most `limit` of them.
pub fn pieces(reader: &Reader<'_>, id: &DeploymentId, from: u64, limit: u32) -> Result<Vec<Piece>, Error> {
    const SQL: &str = "
        SELECT at_byte, at_line, step, at_ms, text
          FROM log_pieces
         WHERE deployment_id = :deployment_id
           AND at_byte >= coalesce((SELECT max(at_byte)
                                      FROM log_pieces
                                     WHERE deployment_id = :deployment_id
                                       AND at_byte <= :from), 0)
           AND at_byte + octet_length(text) > :from
         ORDER BY at_byte
         LIMIT :limit";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let params = named_params! { ":deployment_id": id.as_str(), ":from": to_i64(from), ":limit": limit };
    let rows = statement.query_map(params, piece)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Reads a row of `at_byte, at_line, step, at_ms, text`.
pub(super) fn piece(row: &Row<'_>) -> rusqlite::Result<Piece> {
    Ok(Piece {
        at_byte: from_i64(row.get(0)?),
        at_line: from_i64(row.get(1)?),
        step: text(row, TABLE, "step", Step::parse)?,
        at: time(row, "at_ms")?,
        text: row.get("text")?,
    })
}

pub(super) fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn from_i64(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn to_u64(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
