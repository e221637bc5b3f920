//! Reads a stored log on from a byte, and says where something of it is not kept.

use crate::db::{Error, Reader, log_end, logs};
use crate::domain::{DeploymentId, Step};
use crate::web::pages::log::lines::Piece;

/// How far a log is read.
#[derive(Debug, Clone)]
pub(super) struct Place {
    id: DeploymentId,
    at: u64,
    to: u64,
    /// The step of what was read last.
    step: Option<Step>,
    /// Read at a time.
    bytes: u64,
}

impl Place {
    pub(super) fn new(id: &DeploymentId, from: u64, log: &logs::Summary, bytes: u64) -> Self {
        // What was not kept right before the first piece is said too.
        let at = if from == log.cut_to { log.cut_from } else { from };
        Self { id: id.clone(), at, to: log.bytes, step: None, bytes }
    }

    /// Bytes that are to be read.
    pub(super) fn kept(&self, log: &logs::Summary) -> u64 {
        let cut = if self.at <= log.cut_from { log.cut_to - log.cut_from } else { 0 };
        self.to.saturating_sub(self.at + cut)
    }

    /// The place at which a part begins, up to its end.
    pub(super) fn of(&self, part: &Part) -> Self {
        Self { at: part.from(), to: part.to(), step: None, ..self.clone() }
    }

    /// Goes on to the end of a part.
    pub(super) fn extend(&mut self, part: &Part) {
        self.to = part.to();
    }

    pub(super) fn end(&self) -> u64 {
        self.to
    }

    pub(super) fn is_over(&self) -> bool {
        self.at >= self.to
    }

    /// The next pieces, and a mark where there are none: the log was cut there, before or since the page has begun.
    pub(super) fn read(&mut self, reader: &Reader<'_>) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        for piece in log_end::pieces(reader, &self.id, self.at, self.bytes)? {
            if piece.at_byte >= self.to {
                break;
            }
            parts.extend(self.cut(piece.at_byte, piece.step));
            (self.at, self.step) = (piece.end(), Some(piece.step));
            parts.push(Part::Text(piece));
        }
        if parts.is_empty() {
            parts.extend(self.cut(self.to, Step::Build));
        }
        Ok(parts)
    }

    fn cut(&mut self, to: u64, next: Step) -> Option<Part> {
        let from = std::mem::replace(&mut self.at, to);
        (from < to).then(|| Part::Cut { step: self.step.unwrap_or(next), from, to })
    }
}

/// A piece as stored, or what lay between two.
pub(super) enum Part {
    Text(logs::Piece),
    Cut { step: Step, from: u64, to: u64 },
}

impl Part {
    pub(super) fn step(&self) -> Step {
        match self {
            Self::Text(logs::Piece { step, .. }) | Self::Cut { step, .. } => *step,
        }
    }

    fn from(&self) -> u64 {
        match self {
            Self::Text(piece) => piece.at_byte,
            Self::Cut { from, .. } => *from,
        }
    }

    fn to(&self) -> u64 {
        match self {
            Self::Text(piece) => piece.end(),
            Self::Cut { to, .. } => *to,
        }
    }

    /// With the time where that is shown.
    pub(super) fn piece(&self, has_times: bool) -> Piece<'_> {
        match self {
            Self::Text(logs::Piece { step, at_line, at, text, .. }) => {
                let at = has_times.then_some(*at);
                Piece::Text { step: *step, first_line: at_line + 1, at, text }
            }
            Self::Cut { step, from, to } => Piece::Cut { step: *step, bytes: to - from },
        }
    }
}
