//! What every handler may use.

use std::num::NonZeroU32;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::actions::{self, By, Context};
use crate::db::{self, Db, Tx};
use crate::domain::{BASE36, Clock, Urls, random_digits};
use crate::web::error::Error;
use crate::web::front::UnbelievedProxy;
use crate::web::hook_calls::HookCalls;
use crate::web::limits::budgets::Budgets;
use crate::web::limits::rate::Rate;
use crate::web::limits::sign_ins::SignIns;
use crate::web::limits::streams::Streams;
use crate::web::recent::Recent;

/// What an operator may set of HTTP alone.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Calls that one hook URL may make: a minute in the long run, and at once.
    pub hook_calls: (NonZeroU32, NonZeroU32),
    /// Changes that one API token may ask for: a minute in the long run, and at once.
    pub token_changes: (NonZeroU32, NonZeroU32),
}

/// Digits that tell one process from another.
const START_DIGITS: usize = 8;

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    context: Context,
    budgets: Budgets,
    token_changes: Rate<String>,
    sign_ins: SignIns,
    streams: Arc<Streams>,
    recent: Recent,
    hook_calls: HookCalls,
    is_draining: CancellationToken,
    unbelieved: UnbelievedProxy,
    start: String,
}

/// What became of an operation that was only tried out.
enum Tried<T> {
    Done(T),
    Refused(actions::Error),
}

impl<T> From<db::Error> for Tried<T> {
    fn from(error: db::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl AppState {
    /// Puts together what handlers need. `is_draining` makes held calls answer as they stand; `unbelieved` is told of by
    /// readiness.
    pub fn new(
        context: Context,
        settings: Settings,
        is_draining: CancellationToken,
        unbelieved: UnbelievedProxy,
    ) -> Self {
        let budgets = Budgets::new(settings.hook_calls);
        let token_changes = Rate::new(settings.token_changes);
        let start = random_digits(BASE36, START_DIGITS);
        let (sign_ins, streams) = (SignIns::new(), Arc::new(Streams::new()));
        Self(Arc::new(Inner {
            context,
            budgets,
            token_changes,
            sign_ins,
            streams,
            recent: Recent::default(),
            hook_calls: HookCalls::default(),
            is_draining,
            unbelieved,
            start,
        }))
    }

    /// What operations need.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// The database.
    pub fn db(&self) -> &Arc<Db> {
        self.0.context.db()
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        self.0.context.clock()
    }

    /// Absolute URLs.
    pub fn urls(&self) -> &Urls {
        self.0.context.urls()
    }

    /// What an operator set, and what the server has.
    pub fn settings(&self) -> &actions::Settings {
        self.0.context.settings()
    }

    /// Calls that each hook has left.
    pub(super) fn budgets(&self) -> &Budgets {
        &self.0.budgets
    }

    /// Changes that each API token has left.
    pub(super) fn token_changes(&self) -> &Rate<String> {
        &self.0.token_changes
    }

    /// Tries of passwords, and their hashing.
    pub(super) fn sign_ins(&self) -> &SignIns {
        &self.0.sign_ins
    }

    /// Open log streams.
    pub(super) fn streams(&self) -> &Arc<Streams> {
        &self.0.streams
    }

    /// Statuses that were shown lately.
    pub(super) fn recent(&self) -> &Recent {
        &self.0.recent
    }

    /// Where calls of hooks are counted.
    pub(super) fn hook_calls(&self) -> &HookCalls {
        &self.0.hook_calls
    }

    /// Each result that calls of hooks may have, and how often it was since the start.
    pub fn hook_call_counts(&self) -> Vec<(&'static str, u64)> {
        self.0.hook_calls.read()
    }

    /// Whether calls can be accepted: with less space than acceptance needs each would be refused.
    pub fn is_writable(&self) -> bool {
        self.db().is_ready() && !self.db().is_short_of_space() && !self.db().is_damaged()
    }

    /// What tells this process from the one before and the next.
    pub(super) fn start(&self) -> &str {
        &self.0.start
    }

    /// A proxy that nobody has named as trusted, where one was met.
    pub(super) fn unbelieved(&self) -> &UnbelievedProxy {
        &self.0.unbelieved
    }

    /// Cancelled once the server is going down.
    pub fn is_draining(&self) -> &CancellationToken {
        &self.0.is_draining
    }

    /// Runs an operation in a transaction of its own.
    ///
    /// # Errors
    /// Those of the operation, and where the database does not take it.
    pub(super) async fn act<F, T>(&self, by: By, operation: F) -> Result<T, Error>
    where
        F: FnOnce(&Tx<'_>, &Context, &By) -> actions::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let done = self.0.context.run(move |tx, context| operation(tx, context, &by));
        Ok(done.await?)
    }

    /// Runs an operation and takes all of it back: what would come of it.
    ///
    /// # Errors
    /// Those of the operation, and where the database does not take it.
    pub(super) async fn try_out<F, T>(&self, by: By, operation: F) -> Result<T, Error>
    where
        F: FnOnce(&Tx<'_>, &Context, &By) -> actions::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        // An error takes the transaction's writes back; this one carries the result out.
        let tried = self.0.context.run(move |tx, context| {
            Err::<(), _>(match operation(tx, context, &by) {
                Ok(done) => Tried::Done(done),
                Err(error) => Tried::Refused(error),
            })
        });
        match tried.await {
            Err(Tried::Done(done)) => Ok(done),
            Err(Tried::Refused(error)) => Err(error.into()),
            Ok(()) => Err(Error::internal("what was only tried out was done")),
        }
    }

    /// The same for what may end somebody's credential: open log streams look at theirs again at once.
    ///
    /// # Errors
    /// Those of the operation, and where the database does not take it.
    pub(super) async fn act_on_credentials<F, T>(&self, by: By, operation: F) -> Result<T, Error>
    where
        F: FnOnce(&Tx<'_>, &Context, &By) -> actions::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let done = self.act(by, operation).await?;
        self.0.streams.check_now();
        Ok(done)
    }

    /// Reads in one consistent view of the core file.
    ///
    /// # Errors
    /// Those of the closure, and where the database cannot be read.
    pub(super) async fn read<F, T>(&self, closure: F) -> Result<T, Error>
    where
        F: FnOnce(&db::Reader<'_>, &Context) -> actions::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let context = self.0.context.clone();
        Ok(self.db().core().read(move |reader| closure(reader, &context)).await?)
    }

    /// Stores the calls that were over budget since the last time. To be called once a second.
    ///
    /// # Errors
    /// Where the database does not take them; they are dropped then.
    pub async fn flush_over_budget(&self) -> Result<(), db::Error> {
        self.0.token_changes.forget_whole();
        self.0.budgets.flush(self.db(), self.clock().now()).await
    }
}
