//! How often something may be done by each of many, in memory.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// A bucket for each key.
pub(in crate::web) struct Rate<K: Hash + Eq + Clone>(DefaultKeyedRateLimiter<K>);

impl<K: Hash + Eq + Clone> Rate<K> {
    /// So many a minute in the long run, and so many at once.
    pub(in crate::web) fn new((a_minute, at_once): (NonZeroU32, NonZeroU32)) -> Self {
        Self(RateLimiter::keyed(Quota::per_minute(a_minute).allow_burst(at_once)))
    }

    /// Takes one.
    ///
    /// # Errors
    /// The time until there is one, where nothing is left: whole seconds, as `Retry-After` has them, and never too early.
    pub(in crate::web) fn spend(&self, key: &K) -> Result<(), Duration> {
        self.0.check_key(key).map_err(|until| {
            Duration::from_secs(until.wait_time_from(DefaultClock::default().now()).as_secs() + 1)
        })
    }

    /// Forgets the keys whose bucket is whole again.
    pub(in crate::web) fn forget_whole(&self) {
        self.0.retain_recent();
    }
}
