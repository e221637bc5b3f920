//! Reads as much of a stored log as a page shows.

use crate::db::log_end::{self, Most};
use crate::db::{Error, Reader, logs};
use crate::domain::{Deployment, Step};
use crate::web::pages::log::lines::Piece;
use crate::web::pages::log::view::{Log, window};

/// Bytes of a log that a page shows at most, also of long lines and whatever is kept.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What of a log is asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::web::pages) struct Wanted {
    /// All lines, as far as a page shows them.
    pub(in crate::web::pages) all: bool,
    /// When each was stored.
    pub(in crate::web::pages) times: bool,
}

/// The end of the kept log as the page shows it, and the byte from which its live end goes on.
pub(in crate::web::pages) fn read(
    reader: &Reader<'_>,
    deployment: &Deployment,
    wanted: Wanted,
) -> Result<(Log, u64), Error> {
    let lines = u64::try_from(window(wanted.all)).unwrap_or(u64::MAX);
    let summary = logs::summary(reader, &deployment.id)?;
    let end = log_end::read(reader, &deployment.id, Most { lines, bytes: MAX_BYTES })?;
    let pieces = with_cut(&end.pieces, &summary);
    let log = Log::new(&pieces, !deployment.status.is_final(), wanted.all);
    let log = log.with_earlier(&end.before, summary.bytes);
    if !wanted.times {
        return Ok((log, summary.bytes));
    }
    let at: Vec<_> = end.pieces.iter().map(|piece| (piece.at_line + 1, piece.at)).collect();
    Ok((log.with_times(&at), summary.bytes))
}

/// The pieces, and the cut where it lies between them.
fn with_cut<'a>(stored: &'a [logs::Piece], log: &logs::Summary) -> Vec<Piece<'a>> {
    let cut = Piece::Cut { step: cut_step(stored, log.cut_from), bytes: log.cut_to - log.cut_from };
    let mut pieces = Vec::with_capacity(stored.len() + 1);
    for piece in stored {
        if log.cut_to > log.cut_from && piece.at_byte == log.cut_to {
            pieces.push(cut);
        }
        pieces.push(Piece::Text { step: piece.step, first_line: piece.at_line + 1, text: &piece.text });
    }
    if stored.is_empty() && log.cut_to > 0 {
        pieces.push(cut);
    }
    pieces
}

/// The step in whose output the cut begins.
fn cut_step(stored: &[logs::Piece], cut_from: u64) -> Step {
    let before = stored.iter().take_while(|piece| piece.at_byte < cut_from).last();
    before.or(stored.first()).map_or(Step::Build, |piece| piece.step)
}
