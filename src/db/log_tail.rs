//! The lines of a log that say why its deployment failed.

use super::log_end::{self, Most};
use super::{Error, Reader, logs};
use crate::domain::{DeploymentId, Step, is_noise, plain_line};

/// Most lines of a failed step that are shown beside its deployment.
const TAIL_LINES: usize = 20;
/// Those of them that are its last ones, where others say more.
const TAIL_BEHIND_CAUSES: usize = 12;
/// Lines that are read for them, since some tell nothing.
const TAIL_READ: u64 = 100;
/// Bytes of the log in which these are looked for.
const TAIL_BYTES: u64 = 1024 * 1024;

/// The lines of one step that say why it failed: the first that begin like an error, a mark, and the last ones; oldest
/// first. Lines that tell nothing do not count. For the log file.
pub fn tail(reader: &Reader<'_>, id: &DeploymentId, step: Step) -> Result<Vec<String>, Error> {
    let most = Most { lines: TAIL_READ, bytes: TAIL_BYTES };
    let from = log_end::find(reader, id, most)?.from;
    let pieces = log_end::pieces(reader, id, from, u64::MAX)?;
    let text: String =
        pieces.into_iter().filter(|piece| piece.step == step).map(|piece| piece.text).collect();
    let mut lines: Vec<_> = text.lines().map(plain_line).filter(|line| !is_noise(line)).collect();
    lines.drain(..lines.len().saturating_sub(TAIL_LINES));
    let mut causes = logs::causes(reader, id, step)?;
    causes.retain(|cause| !lines.contains(cause));
    if !causes.is_empty() {
        lines.drain(..lines.len().saturating_sub(TAIL_BEHIND_CAUSES));
        causes.push("…".to_owned());
    }
    Ok(causes.into_iter().chain(lines).collect())
}
