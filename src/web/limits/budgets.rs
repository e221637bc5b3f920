//! How often each hook may be called. In memory: a flood with a genuine token ends here, before the writer.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::db::{self, Db, Tx, hook_calls};
use crate::domain::{Code, HookId, Timestamp};

/// The budgets of all hooks.
pub(in crate::web) struct Budgets {
    left: DefaultKeyedRateLimiter<HookId>,
    /// Calls that were over budget and are not stored yet: the last caller, and how many.
    over: Mutex<HashMap<HookId, (String, i64)>>,
}

impl Budgets {
    /// `rate` calls a minute in the long run, `burst` at once.
    pub(in crate::web) fn new(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_minute(rate).allow_burst(burst);
        Self { left: RateLimiter::keyed(quota), over: Mutex::default() }
    }

    /// Takes one call; where nothing is left, gives the time until there is, and counts the call for the hook's page.
    pub(in crate::web) fn spend(&self, hook: &HookId, caller: &str) -> Result<(), Duration> {
        self.left.check_key(hook).map_err(|until| {
            let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
            over.entry(hook.clone()).or_insert_with(|| (caller.to_owned(), 0)).1 += 1;
            // Whole seconds, as the header has them, and never too early.
            Duration::from_secs(until.wait_time_from(DefaultClock::default().now()).as_secs() + 1)
        })
    }

    /// Stores the calls that were over budget since the last time, and forgets hooks that have their whole budget again.
    ///
    /// # Errors
    /// Where the database does not take them; they are dropped then.
    pub(in crate::web) async fn flush(&self, db: &Db, now: Timestamp) -> Result<(), db::Error> {
        self.left.retain_recent();
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
