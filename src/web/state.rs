//! What every handler may use.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio_util::sync::CancellationToken;

use crate::db::queue::Available;
use crate::db::{self, Db, hook_calls};
use crate::domain::{Clock, HookId, TokenKey};

use super::sign_ins::SignIns;
use super::streams::Streams;
use super::urls::Urls;

/// What an operator may set, and what the server is.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Calls a minute that one hook may make in the long run.
    pub hook_rate: std::num::NonZeroU32,
    /// Calls that one hook may make at once.
    pub hook_burst: std::num::NonZeroU32,
    /// Most queued deployments of one service.
    pub queue_limit: u32,
    /// Which executors this server has.
    pub available: Available,
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    db: Arc<Db>,
    key: TokenKey,
    clock: Clock,
    urls: Urls,
    settings: Settings,
    budgets: DefaultKeyedRateLimiter<HookId>,
    over_budget: Mutex<HashMap<HookId, (String, i64)>>,
    sign_ins: SignIns,
    streams: Streams,
    is_draining: CancellationToken,
}

impl AppState {
    /// Puts together what handlers need. `is_draining` makes held calls answer as they stand.
    pub fn new(
        db: Arc<Db>,
        key: TokenKey,
        clock: Clock,
        urls: Urls,
        settings: Settings,
        is_draining: CancellationToken,
    ) -> Self {
        let quota = Quota::per_minute(settings.hook_rate).allow_burst(settings.hook_burst);
        let budgets = RateLimiter::keyed(quota);
        let over_budget = Mutex::new(HashMap::new());
        let (sign_ins, streams) = (SignIns::new(), Streams::new());
        Self(Arc::new(Inner {
            db,
            key,
            clock,
            urls,
            settings,
            budgets,
            over_budget,
            sign_ins,
            streams,
            is_draining,
        }))
    }

    /// The database.
    pub fn db(&self) -> &Arc<Db> {
        &self.0.db
    }

    /// The server key; never shown.
    pub fn key(&self) -> &TokenKey {
        &self.0.key
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Absolute URLs.
    pub fn urls(&self) -> &Urls {
        &self.0.urls
    }

    /// What an operator set.
    pub fn settings(&self) -> Settings {
        self.0.settings
    }

    /// Tries of passwords, and their hashing.
    pub(super) fn sign_ins(&self) -> &SignIns {
        &self.0.sign_ins
    }

    /// Open log streams.
    pub(super) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    /// Writes what may end somebody's credential: open log streams look at theirs again at once.
    ///
    /// # Errors
    /// Those of the closure, and where the database does not take it.
    pub(super) async fn write_credentials<F, T, E>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&db::Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<db::Error> + Send + 'static,
    {
        let written = self.0.db.try_write(closure).await?;
        self.0.streams.check_now();
        Ok(written)
    }

    /// Cancelled once the server is going down.
    pub fn is_draining(&self) -> &CancellationToken {
        &self.0.is_draining
    }

    /// Takes one call from a hook's budget; where nothing is left, gives the seconds until there is, and counts the
    /// call for the hook's page.
    pub(super) fn spend(&self, hook: &HookId, caller: &str) -> Result<(), u32> {
        self.0.budgets.check_key(hook).map_err(|until| {
            let mut counts = self.0.over_budget.lock().unwrap_or_else(PoisonError::into_inner);
            counts.entry(hook.clone()).or_insert_with(|| (caller.to_owned(), 0)).1 += 1;
            let wait = until.wait_time_from(governor::clock::DefaultClock::default().now());
            u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
        })
    }

    /// Stores the calls that were over budget since the last time, and forgets hooks that have their whole budget
    /// again. To be called once a second.
    ///
    /// # Errors
    /// Where the database does not take them; they are dropped then.
    pub async fn flush_over_budget(&self) -> Result<(), db::Error> {
        self.0.budgets.retain_recent();
        let counts = std::mem::take(&mut *self.0.over_budget.lock().unwrap_or_else(PoisonError::into_inner));
        if counts.is_empty() {
            return Ok(());
        }
        let now = self.0.clock.now();
        let write = move |tx: &db::Tx<'_>| {
            counts.iter().try_for_each(|(hook, (caller, count))| {
                hook_calls::count(tx, hook, "hook_budget", "over the hook's budget", caller, *count, now)
            })
        };
        self.0.db.try_write(write).await
    }
}

/// Who called a hook, for people: the network of the address and the program, `140.82.112.0/24, curl/8.5.0`.
pub(super) fn describe_caller(address: Option<IpAddr>, user_agent: Option<&str>) -> String {
    const LONGEST: usize = 80;
    let network = match address {
        Some(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Some(IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
        None => "socket".to_owned(),
    };
    let program: String =
        user_agent.unwrap_or_default().chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    if program.is_empty() { network } else { format!("{network}, {program}") }
}
