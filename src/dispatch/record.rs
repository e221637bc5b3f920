//! Records what a run tells: steps, status, log.

mod pending;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::{Db, Error as DbError, OpenLine, Tx, deployments, logs, runs, steps};
use crate::dispatch::Inner;
use crate::dispatch::persist::{RETRY_INTERVAL, complete_log, persist};
use crate::domain::{
    BuiltImage, Clock, DeploymentId, ImageDigest, ImageRepository, LogCauses, LogLines, Redactor, Service,
    Step, plain_text,
};
use crate::executor::Event;

use pending::Pending;

/// Text is stored at the latest after this, and then shown to those who follow.
const FLUSH_INTERVAL: Duration = Duration::from_millis(25);
/// Text is stored at once from this many bytes on.
const FLUSH_BYTES: usize = 32 * 1024;
/// How long the last lines are tried again.
const END_PATIENCE: Duration = Duration::from_mins(1);
/// The line that has not ended is shown at most once in this time.
const SHOW_INTERVAL: Duration = Duration::from_secs(1);
/// Longest message about what is waited for, in characters.
const MAX_MESSAGE: usize = 500;

/// Nobody writes this log any more.
impl Drop for Record<'_> {
    fn drop(&mut self) {
        self.db.forget_live_log(self.id);
    }
}

/// What is being recorded of one run.
pub(super) struct Record<'a> {
    db: &'a Db,
    clock: &'a Clock,
    is_draining: &'a CancellationToken,
    id: &'a DeploymentId,
    kept: logs::Kept,
    lines: LogLines,
    redactor: Redactor,
    causes: LogCauses,
    step: Step,
    pending: Pending,
    /// When the open line is shown again to those who follow, and as what it was shown last.
    show_at: Option<Instant>,
    shown: Option<String>,
    /// Where the log stands once what is pending is stored.
    mark: Option<String>,
    /// Where it stands within the line that has not ended; of use only if that never does.
    mark_within_line: Option<String>,
    /// Where images of the service are pushed.
    image: Option<ImageRepository>,
}

impl<'a> Record<'a> {
    pub(super) fn new<E>(inner: &'a Inner<E>, id: &'a DeploymentId, service: &Service) -> Self {
        let secrets = service.local.env.values().cloned().collect::<Vec<_>>();
        let redactor = Redactor::new(secrets);
        Self {
            db: &inner.db,
            clock: &inner.clock,
            is_draining: &inner.is_draining,
            id,
            kept: inner.settings.logs,
            lines: LogLines::new(redactor.clone()),
            redactor,
            causes: LogCauses::default(),
            step: Step::Clone,
            pending: Pending::default(),
            show_at: None,
            shown: None,
            mark: None,
            mark_within_line: None,
            image: service.tekton.as_ref().map(|tekton| tekton.image.clone()),
        }
    }

    /// Records until the executor has told everything.
    pub(super) async fn events(&mut self, mut inbox: mpsc::Receiver<Event>) {
        let mut flush_at = None;
        loop {
            let hangs_at = self.lines.hangs_at().map(Instant::from_std);
            let next = [flush_at, hangs_at, self.show_at].into_iter().flatten().min();
            let event = match next {
                None => Ok(inbox.recv().await),
                Some(at) => tokio::time::timeout_at(at, inbox.recv()).await,
            };
            match event {
                Ok(Some(event)) => self.event(event).await,
                Ok(None) => return,
                Err(_) => self.wake(flush_at).await,
            }
            let pending = !self.pending.is_empty();
            flush_at = pending.then(|| flush_at.unwrap_or_else(|| Instant::now() + FLUSH_INTERVAL));
        }
    }

    /// Does what is due.
    async fn wake(&mut self, flush_at: Option<Instant>) {
        let now = Instant::now();
        let hanging = self.lines.hang(now.into_std());
        if !hanging.is_empty() {
            self.keep(&hanging);
        }
        if !hanging.is_empty() || flush_at.is_some_and(|at| at <= now) {
            self.flush().await;
        }
        if self.show_at.is_some_and(|at| at <= now) {
            self.show_at = None;
            self.show();
        }
    }

    /// Shows the open line to those who follow, or that there is none any more.
    fn show(&mut self) {
        let line = self.lines.open_line();
        if line != self.shown {
            let (step, own) = (self.step, line.clone());
            self.db.show_open_line(self.id, own.map(|text| OpenLine { step, text }));
            self.shown = line;
        }
    }

    /// Takes text that is to be stored.
    fn keep(&mut self, text: &str) {
        self.causes.take(text);
        self.pending.push(text);
    }

    async fn event(&mut self, event: Event) {
        let now = self.clock.now();
        match event {
            Event::Log { step, bytes } => self.log(step, &bytes).await,
            Event::StepStarted(step) => {
                self.turn_to(step).await;
                self.persist(move |tx, id| {
                    if step == Step::Deploy {
                        deployments::begin_deploying(tx, id)?;
                    }
                    steps::start(tx, id, step, now)
                })
                .await;
            }
            Event::StepFinished { step, succeeded, exit_code } => {
                self.end_lines().await;
                self.persist(move |tx, id| steps::finish(tx, id, step, succeeded, exit_code, now)).await;
            }
            Event::LogMark(mark) if self.lines.is_within_line() => self.mark_within_line = Some(mark),
            Event::LogMark(mark) => (self.mark, self.mark_within_line) = (Some(mark), None),
            Event::Created { uid } => self.persist(move |tx, id| runs::set_uid(tx, id, &uid)).await,
            Event::Image(digest) => self.image(digest).await,
            Event::Workloads(workloads) => {
                self.persist(move |tx, id| runs::set_workloads(tx, id, &workloads)).await;
            }
            Event::Waiting(wait) => {
                let cut = |text: String| text.chars().take(MAX_MESSAGE).collect::<String>();
                let (message, detail) = wait.map(|wait| (wait.message, wait.detail)).unzip();
                let (message, detail) = (message.map(cut), detail.flatten().map(cut));
                let detail = detail.map(|detail| self.redactor.redact_line(&plain_text(&detail)));
                self.persist(move |tx, id| runs::set_waiting(tx, id, message.as_deref(), detail.as_deref()))
                    .await;
            }
            Event::Commit { commit, subject } => {
                let subject = self.redactor.redact_line(&plain_text(&subject));
                self.persist(move |tx, id| deployments::set_commit(tx, id, &commit, &subject)).await;
            }
        }
    }

    async fn image(&self, digest: ImageDigest) {
        let Some(repository) = self.image.clone() else { return };
        let image = BuiltImage { repository, built_by: self.id.clone(), digest };
        self.persist(move |tx, id| runs::set_image(tx, id, &image)).await;
    }

    async fn persist<F>(&self, write: F)
    where
        F: Fn(&Tx<'_>, &DeploymentId) -> Result<(), DbError> + Clone + Send + 'static,
    {
        persist(self.db, self.is_draining, write, self.id).await;
    }

    async fn log(&mut self, step: Step, bytes: &[u8]) {
        self.turn_to(step).await;
        let now = Instant::now();
        let text = self.lines.push(bytes, now.into_std());
        self.keep(&text);
        if self.lines.hangs_at().is_some() || self.shown.is_some() {
            self.show_at.get_or_insert(now + SHOW_INTERVAL);
        }
        if self.pending.len() >= FLUSH_BYTES {
            self.flush().await;
        }
    }

    async fn turn_to(&mut self, step: Step) {
        if step != self.step {
            self.end_lines().await;
            self.step = step;
            self.causes = LogCauses::after(self.causes_of(step).await);
        }
    }

    /// What a former process found.
    async fn causes_of(&self, step: Step) -> Vec<String> {
        let id = self.id.clone();
        let found = self.db.logs().read(move |reader| logs::causes(reader, &id, step)).await;
        found.unwrap_or_else(|error: DbError| {
            tracing::warn!(deployment.id = %self.id, error = %error, "what a former process found in a log cannot be read");
            Vec::new()
        })
    }

    async fn end_lines(&mut self) {
        self.end_open_line();
        self.flush().await;
    }

    fn end_open_line(&mut self) {
        let text = self.lines.finish();
        self.keep(&text);
        self.causes.end_line();
        self.mark = self.mark_within_line.take().or_else(|| self.mark.take());
        self.show_at = None;
        self.show();
    }

    async fn flush(&mut self) {
        if let Err(error) = self.store(false).await {
            tracing::warn!(deployment.id = %self.id, error = %error, "some lines of a log were not stored");
        }
    }

    /// Stores what is pending; where that fails it stays, as far as there is room for it. The last lines are stored where
    /// the disk has less space than acceptance needs, too.
    async fn store(&mut self, is_end: bool) -> Result<(), DbError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (step, kept, id) = (self.step, self.kept, self.id.clone());
        let text = self.pending.to_store();
        let (now, mark, causes) = (self.clock.now(), self.mark.clone(), self.causes.changed());
        let found = causes.clone();
        let stored = self.db.logs().write(move |tx| {
            if tx.is_short_of_space() && !is_end {
                return Err(DbError::Unavailable("the disk is nearly full"));
            }
            let (at_byte, at_line) = logs::append(tx, &id, step, &text, kept, now)?;
            causes.map_or(Ok(()), |causes| logs::set_causes(tx, &id, step, &causes))?;
            mark.map_or(Ok(()), |mark| logs::set_mark(tx, &id, &mark))?;
            Ok(logs::Piece { at_byte, at_line, step, at: now, text })
        });
        match stored.await {
            Ok(piece) => {
                self.mark = None;
                self.pending.clear();
                self.db.show_piece(self.id, piece);
                Ok(())
            }
            Err(error) => {
                if let Some(found) = found {
                    self.causes = LogCauses::again(found);
                }
                self.pending.shrink();
                Err(error)
            }
        }
    }

    /// Stores the lines that have ended. The next process takes the last one again, so that no secret is cut in two.
    pub(super) async fn detach(&mut self) {
        self.flush().await;
    }

    /// Stores the last bytes and says that no more will come, before the status becomes final.
    pub(super) async fn end(&mut self) {
        self.end_open_line();
        let began = Instant::now();
        while let Err(error) = self.store(true).await {
            let is_given_up = self.is_draining.is_cancelled() || began.elapsed() > END_PATIENCE;
            tracing::warn!(deployment.id = %self.id, error = %error, is_given_up, "the last lines of a log were not stored");
            if is_given_up {
                break;
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        complete_log(self.db, self.id, self.clock.now()).await;
    }
}
