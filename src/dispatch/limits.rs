//! Limits of time run by the steady clock: where the wall clock is set, what waits and runs is moved along with it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::db::{self, Db, waiting};
use crate::domain::{Clock, Timestamp};

/// Differences between the two clocks up to this are their own.
const SLACK_MILLIS: i64 = 2_000;
/// It is noted this often that a server is there.
const NOTE_INTERVAL: Duration = Duration::from_mins(1);

/// Both clocks as they were seen last.
#[derive(Debug, Clone, Copy)]
struct Seen {
    wall: Timestamp,
    steady: Duration,
    noted: Duration,
}

/// Watches the clocks.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<Option<Seen>>);

impl Limits {
    /// To be called once at the start: time in which no server ran counts for nothing.
    pub(super) async fn begin(&self, db: &Db, clock: &Clock) -> Result<(), db::Error> {
        let (wall, steady) = (clock.now(), clock.steady());
        db.core().write(move |tx| waiting::skip_absence(tx, wall)).await?;
        self.see(Seen { wall, steady, noted: steady });
        Ok(())
    }

    /// To be called with each tick.
    pub(super) async fn keep(&self, db: &Db, clock: &Clock) -> Result<(), db::Error> {
        let (wall, steady) = (clock.now(), clock.steady());
        let before = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = before else {
            self.see(Seen { wall, steady, noted: steady });
            return Ok(());
        };
        let expected = before.wall.plus(steady.saturating_sub(before.steady));
        let set_by = wall.as_millis() - expected.as_millis();
        if set_by.abs() > SLACK_MILLIS {
            tracing::warn!(
                set_by_ms = set_by,
                "the clock of this machine was set; limits of time go on as before"
            );
            db.core().write(move |tx| waiting::move_by(tx, set_by, expected)).await?;
        }
        let is_due = steady.saturating_sub(before.noted) >= NOTE_INTERVAL || set_by.abs() > SLACK_MILLIS;
        if is_due && db.core().read(waiting::is_anything_unfinished).await? {
            db.core().write(move |tx| waiting::note_seen(tx, wall)).await?;
        }
        self.see(Seen { wall, steady, noted: if is_due { steady } else { before.noted } });
        Ok(())
    }

    fn see(&self, seen: Seen) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }
}
