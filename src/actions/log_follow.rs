//! Reads a log from a byte on, to its present end or until nothing more can come.

use std::collections::VecDeque;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::actions::deployments::not_found;
use crate::actions::{Context, Result};
use crate::db::{self, OpenLine, deployments, logs};
use crate::domain::{DeploymentId, Step, Timestamp};

/// Pieces read at a time; a piece has at most 64 KiB.
const PIECES: u32 = 16;

/// A part of a log: text of one step, or the mark of what was not kept.
pub struct LogPart {
    pub text: String,
    /// Whose output it is.
    pub step: Step,
    /// When it was stored.
    pub at: Timestamp,
    /// Where to go on after it.
    pub end: u64,
    /// Whether it stands for what was not kept.
    pub is_cut_mark: bool,
    /// Whether it is the line that has not ended, as it stands: all of it, in place of what was shown of it before.
    pub is_open_line: bool,
}

impl LogPart {
    fn empty(end: u64) -> Self {
        Self {
            text: String::new(),
            step: Step::Clone,
            at: Timestamp::from_millis(0),
            end,
            is_cut_mark: false,
            is_open_line: false,
        }
    }

    fn open_line(line: OpenLine, end: u64) -> Self {
        Self { text: line.text, step: line.step, is_open_line: true, ..Self::empty(end) }
    }

    fn cut_mark(log: &logs::Summary) -> Self {
        let text = format!("… {} bytes not kept …\n", log.cut_to - log.cut_from);
        Self { text, step: Step::Build, is_cut_mark: true, ..Self::empty(log.cut_to) }
    }

    /// The piece from byte `from` on. An offset inside a character, which no answer of ours gives, moves to its end.
    fn of(piece: &logs::Piece, from: u64) -> Self {
        let skip = usize::try_from(from.saturating_sub(piece.at_byte)).unwrap_or(0);
        let text = piece.text[piece.text.ceil_char_boundary(skip)..].to_owned();
        Self { text, step: piece.step, at: piece.at, ..Self::empty(piece.end()) }
    }
}

/// A log on its way to a reader.
pub struct LogFollow {
    context: Context,
    /// Cancelled when the server goes down, which ends a follower.
    is_draining: CancellationToken,
    id: DeploymentId,
    from: u64,
    is_followed: bool,
    has_ticks: bool,
    /// Whether the line that has not ended is told of, and what was told last.
    has_lines: bool,
    line: Option<OpenLine>,
    ready: VecDeque<LogPart>,
    log_changed: watch::Receiver<u64>,
    status_changed: watch::Receiver<u64>,
    /// Changes of the deployment at which it was seen not to have ended.
    unended_at: Option<u64>,
}

impl LogFollow {
    /// Begins at byte `from` and reads to the present end.
    pub fn new(context: &Context, is_draining: &CancellationToken, id: DeploymentId, from: u64) -> Self {
        let log_changed = context.db().log_changed(&id);
        let status_changed = context.db().deployment_changed(&id);
        Self {
            context: context.clone(),
            is_draining: is_draining.clone(),
            id,
            from,
            is_followed: false,
            has_ticks: false,
            has_lines: false,
            line: None,
            ready: VecDeque::new(),
            log_changed,
            status_changed,
            unended_at: None,
        }
    }

    /// Goes on until nothing more can come.
    #[must_use]
    pub fn to_the_end(self) -> Self {
        Self { is_followed: true, ..self }
    }

    /// Gives an empty part at each notice too, for a reader who also looks at the deployment.
    #[must_use]
    pub fn with_ticks(self) -> Self {
        Self { has_ticks: true, ..self }
    }

    /// Tells of the line that has not ended, too.
    #[must_use]
    pub fn with_open_line(self) -> Self {
        Self { has_lines: true, ..self }
    }

    /// The parts.
    pub fn into_stream(self) -> impl Stream<Item = Result<LogPart>> + Send {
        stream::try_unfold(
            self,
            |mut follow| async move { Ok(follow.next().await?.map(|part| (part, follow))) },
        )
    }

    async fn next(&mut self) -> Result<Option<LogPart>> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Ok(Some(part));
            }
            self.log_changed.borrow_and_update();
            self.status_changed.borrow_and_update();
            // Read before the log, so that nothing can be added between the two looks.
            let has_ended = self.is_followed && self.has_ended().await?;
            self.read().await?;
            if !self.ready.is_empty() {
                continue;
            }
            if let Some(part) = self.new_line() {
                return Ok(Some(part));
            }
            if has_ended || !self.is_followed || !self.wait().await {
                return Ok(None);
            }
            if self.has_ticks {
                return Ok(Some(LogPart::empty(self.from)));
            }
        }
    }

    /// The open line, where it is another than was told of.
    fn new_line(&mut self) -> Option<LogPart> {
        let line = self.context.db().open_line(&self.id).filter(|_| self.has_lines);
        if line == self.line {
            return None;
        }
        self.line.clone_from(&line);
        line.map(|line| LogPart::open_line(line, self.from))
    }

    async fn has_ended(&mut self) -> Result<bool> {
        let changes = self.context.db().deployment_changes(&self.id);
        if self.unended_at == Some(changes) {
            return Ok(false);
        }
        let id = self.id.clone();
        let found = self.context.db().core().read(move |reader| deployments::find(reader, &id)).await?;
        let has_ended = found.ok_or_else(not_found)?.status.is_final();
        self.unended_at = (!has_ended).then_some(changes);
        Ok(has_ended)
    }

    async fn read(&mut self) -> Result<()> {
        let (id, from) = (self.id.clone(), self.from);
        let parts: Vec<_> = match self.context.db().live_pieces(&id, from) {
            Some(pieces) => pieces.iter().map(|piece| LogPart::of(piece, from)).collect(),
            None => self.context.db().logs().read(move |reader| read_parts(reader, &id, from)).await?,
        };
        self.from = parts.last().map_or(self.from, |part| part.end);
        self.ready.extend(parts);
        Ok(())
    }

    /// Waits for something new; false where the server goes down.
    async fn wait(&mut self) -> bool {
        tokio::select! {
            _ = self.log_changed.changed() => true,
            _ = self.status_changed.changed() => true,
            () = self.is_draining.cancelled() => false,
        }
    }
}

fn read_parts(
    reader: &db::Reader<'_>,
    id: &DeploymentId,
    from: u64,
) -> std::result::Result<Vec<LogPart>, db::Error> {
    let log = logs::summary(reader, id)?;
    let mut parts = Vec::new();
    let mut at = from;
    if (log.cut_from..log.cut_to).contains(&from) {
        parts.push(LogPart::cut_mark(&log));
        at = log.cut_to;
    }
    for piece in logs::pieces(reader, id, at, PIECES)? {
        if piece.at_byte > at && (log.cut_from..log.cut_to).contains(&at) {
            parts.push(LogPart::cut_mark(&log));
        }
        at = piece.end();
        parts.push(LogPart::of(&piece, from));
    }
    Ok(parts)
}
