//! Delivers notices: at least once each, with the same id at each try, those of one deployment in order. A process that is
//! killed leaves them as they were, and the next one goes on.

mod outcome;
mod prepare;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::db::{self, Db, notices, targets};
use crate::domain::{Clock, Notice, TargetId, Timestamp, Try, Urls, WebhookSecret};
use crate::notify::{self, Sender};

use prepare::Prepared;

/// Notices that are on their way to one target at a time; of one deployment it is one.
const LANES: usize = 4;
/// Those of a target that a look finds: they begin with the ones on their way.
const LOOKED_AT: u32 = 8;
/// Longest time between two looks.
const TICK: Duration = Duration::from_mins(1);
/// Pause after a look that failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Gives what the notices of a target are signed with, by the count of its secrets.
pub type SecretOf = Arc<dyn Fn(&TargetId, u32) -> WebhookSecret + Send + Sync>;

/// Delivers notices. Cheap to clone; clones are the same outbox.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    db: Arc<Db>,
    clock: Clock,
    urls: Urls,
    secret_of: SecretOf,
    sender: Sender,
    /// What was due before may have been sent by a former process.
    began: Timestamp,
    /// What is on its way, by its number.
    on_the_way: Mutex<HashMap<TargetId, HashSet<i64>>>,
    /// Told when one of them has been settled.
    has_settled: Notify,
    tasks: TaskTracker,
}

impl Outbox {
    /// An outbox that has not begun.
    pub fn new(db: Arc<Db>, clock: Clock, urls: Urls, secret_of: SecretOf, sender: Sender) -> Self {
        let began = clock.now();
        let on_the_way = Mutex::default();
        let (has_settled, tasks) = (Notify::new(), TaskTracker::new());
        Self(Arc::new(Inner { db, clock, urls, secret_of, sender, began, on_the_way, has_settled, tasks }))
    }

    /// Delivers until `stop`, and waits for what is on its way.
    pub async fn run(&self, stop: CancellationToken) {
        let mut changed = self.0.db.notices_changed();
        while !stop.is_cancelled() {
            changed.borrow_and_update();
            let wait = match self.look().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(error = %error, "the outbox could not be looked at; trying again");
                    RETRY_INTERVAL
                }
            };
            tokio::select! {
                _ = changed.changed() => {}
                () = self.0.has_settled.notified() => {}
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }
        self.idle().await;
    }

    /// Waits until nothing is on its way.
    pub async fn idle(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.tasks.reopen();
    }

    /// Sends what is due as far as there are lanes; the time until the next look.
    ///
    /// # Errors
    /// Where the database does not answer; the next look finds the same.
    pub async fn look(&self) -> Result<Duration, db::Error> {
        let now = self.0.clock.now();
        let due = self.0.db.core().read(move |reader| notices::due(reader, now, LOOKED_AT)).await?;
        for (target, notice) in due.notices {
            if self.0.take_lane(&target, notice.sequence) {
                let inner = Arc::clone(&self.0);
                self.0.tasks.spawn(async move { inner.deliver(target, notice).await });
            }
        }
        Ok(due.next_at.map_or(TICK, |at| at.since(now).min(TICK)))
    }
}

impl Inner {
    fn on_the_way(&self) -> std::sync::MutexGuard<'_, HashMap<TargetId, HashSet<i64>>> {
        self.on_the_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lane for a notice; false where it has one, or all are taken.
    fn take_lane(&self, target: &TargetId, sequence: i64) -> bool {
        let mut all = self.on_the_way();
        let lanes = all.entry(target.clone()).or_default();
        lanes.len() < LANES && lanes.insert(sequence)
    }

    fn leave_lane(&self, target: &TargetId, sequence: i64) {
        let mut all = self.on_the_way();
        if let Some(lanes) = all.get_mut(target) {
            lanes.remove(&sequence);
            if lanes.is_empty() {
                all.remove(target);
            }
        }
    }

    /// One try, and what follows from it.
    async fn deliver(&self, target: TargetId, notice: Notice) {
        let (sequence, id) = (notice.sequence, notice.id.clone());
        if let Err(error) = self.try_once(target.clone(), notice).await {
            tracing::warn!(notice.id = %id, error = %error, "a notice could not be settled; trying again");
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        self.leave_lane(&target, sequence);
        self.has_settled.notify_one();
    }

    async fn try_once(&self, id: TargetId, notice: Notice) -> Result<(), db::Error> {
        let (own, own_id, now) = (id.clone(), notice.id.clone(), self.clock.now());
        let read = move |reader: &db::Reader<'_>| {
            Ok::<_, db::Error>((targets::find(reader, &own)?, notices::find(reader, &own, &own_id)?))
        };
        let (target, present) = self.db.core().read(read).await?;
        // It may have been settled between the look that found it and the lane that it took.
        let Some(notice) = present.filter(|present| present.next_at.is_some_and(|at| at <= now)) else {
            return Ok(());
        };
        let Some(target) = target else {
            return self.write(move |tx| notices::delete_of(tx, &id)).await;
        };
        match self.prepare(target, notice.clone()).await? {
            Prepared::Off(why) => self.write(move |tx| notices::give_up_all(tx, &id, &why)).await,
            Prepared::Ended(state) => {
                self.write(move |tx| notices::end(tx, &id, &notice, state, None, None)).await
            }
            Prepared::Ready(recipient, message) => {
                let began = self.clock.steady();
                let delivery =
                    notify::deliver(&self.sender, &self.urls, &recipient, &message, self.clock.now()).await;
                let took = self.clock.steady().saturating_sub(began);
                let last = Try {
                    at: self.clock.now(),
                    took_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
                    status: delivery.status,
                    answer: delivery.answer.clone(),
                };
                tracing::debug!(
                    notice.id = %notice.id, target.id = %id, event = notice.event.as_str(), status = delivery.status,
                    outcome = ?delivery.outcome, "notice sent"
                );
                self.write(move |tx| outcome::settle(tx, &id, &notice, &delivery, &last)).await
            }
        }
    }

    async fn write<F>(&self, write: F) -> Result<(), db::Error>
    where
        F: FnOnce(&db::Tx<'_>) -> Result<(), db::Error> + Send + 'static,
    {
        self.db.core().write(write).await
    }
}
