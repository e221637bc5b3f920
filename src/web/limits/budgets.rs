//! How often each hook URL may be called. In memory: a flood with a genuine token ends here, before the writer. A budget
//! belongs to the hash of the token that was sent, so that an old URL takes nothing from the new one, and only a URL that is
//! good is told of it: to a dead one the answer is the same however often it calls.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::db::{self, Db, Tx, hook_calls};
use crate::domain::{Code, HookId, Timestamp};
use crate::web::limits::rate::Rate;

/// The SHA-256 of a token.
type Key = [u8; 32];
/// Most URLs whose standing is remembered; the memory is emptied beyond.
const MAX_KNOWN: usize = 10_000;

/// What the database last said of a hook URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Standing {
    /// It opens its hook, and nothing but a change of hooks or this moment ends that.
    GoodUntil(Option<Timestamp>),
    /// It opens nothing.
    Dead,
}

/// A standing, and how many changes of hooks there had been when it was asked for.
#[derive(Debug, Clone, Copy)]
struct Known {
    standing: Standing,
    changes: u64,
}

impl Known {
    fn at(self, changes: u64, now: Timestamp) -> Option<Standing> {
        let has_passed = matches!(self.standing, Standing::GoodUntil(Some(until)) if until <= now);
        (self.changes == changes && !has_passed).then_some(self.standing)
    }
}

/// What is known of one URL. Who holds it is the one who asks.
type Place = Arc<tokio::sync::Mutex<Option<Known>>>;

/// The budgets of all hook URLs.
pub(in crate::web) struct Budgets {
    left: Rate<Key>,
    known: Mutex<HashMap<Key, Place>>,
    /// Calls that were over budget and are not stored yet: the last caller, and how many.
    over: Mutex<HashMap<HookId, (String, i64)>>,
}

impl Budgets {
    /// So many calls a minute in the long run, and so many at once.
    pub(in crate::web) fn new(calls: (NonZeroU32, NonZeroU32)) -> Self {
        Self { left: Rate::new(calls), known: Mutex::default(), over: Mutex::default() }
    }

    /// Takes one call; where nothing is left, gives the time until there is.
    pub(in crate::web) fn spend(&self, key: &Key) -> Result<(), Duration> {
        self.left.spend(key)
    }

    /// The standing of a URL as it is remembered, or as `ask` gives it: one caller asks, and the others of that URL wait
    /// for the answer.
    pub(in crate::web) async fn standing<E>(
        &self,
        key: &Key,
        changes: u64,
        now: Timestamp,
        ask: impl AsyncFnOnce() -> Result<Standing, E>,
    ) -> Result<Standing, E> {
        let place = self.place(key);
        let mut known = place.lock().await;
        if let Some(standing) = known.and_then(|known| known.at(changes, now)) {
            return Ok(standing);
        }
        let standing = ask().await?;
        *known = Some(Known { standing, changes });
        Ok(standing)
    }

    /// Whether a URL is remembered as dead. Asks nobody.
    pub(in crate::web) fn is_known_dead(&self, key: &Key, changes: u64, now: Timestamp) -> bool {
        let places = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = places.get(key).and_then(|place| *place.try_lock().ok()?);
        known.and_then(|known| known.at(changes, now)) == Some(Standing::Dead)
    }

    fn place(&self, key: &Key) -> Place {
        let mut places = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MAX_KNOWN && !places.contains_key(key) {
            places.clear();
        }
        places.entry(*key).or_default().clone()
    }

    /// Counts a call over budget for the hook's page.
    pub(in crate::web) fn count(&self, hook: &HookId, caller: &str) {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        over.entry(hook.clone()).or_insert_with(|| (caller.to_owned(), 0)).1 += 1;
    }

    /// Stores the calls that were over budget since the last time, and forgets URLs that have their whole budget again.
    ///
    /// # Errors
    /// Where the database does not take them; they are dropped then.
    pub(in crate::web) async fn flush(&self, db: &Db, now: Timestamp) -> Result<(), db::Error> {
        self.left.forget_whole();
        let over = std::mem::take(&mut *self.over.lock().unwrap_or_else(PoisonError::into_inner));
        if over.is_empty() {
            return Ok(());
        }
        let result = Code::HookBudget.as_str();
        let write = move |tx: &Tx<'_>| {
            over.iter().try_for_each(|(hook, (caller, count))| {
                hook_calls::count(tx, hook, result, "over the hook's budget", caller, *count, now)
            })
        };
        db.core().try_write(write).await
    }
}
