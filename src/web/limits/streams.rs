//! Open log streams: how many there may be, and that one ends soon after its credential does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::watch;

use crate::actions::{self, Caller, Context};
use crate::domain::Code;
use crate::web::auth;
use crate::web::error::Error;

/// Streams open at once.
const IN_ALL: usize = 200;
/// Streams of one credential open at once.
const PER_CREDENTIAL: usize = 10;
/// A credential is looked at again after this, also where nothing told that one ended: it may have expired.
const CHECK_EVERY: Duration = Duration::from_mins(1);
/// Time to wait where there are too many.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// A comment goes out on a silent event stream after this, so that proxies keep it open.
pub(in crate::web) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Shared by all requests.
pub(in crate::web) struct Streams {
    open: Mutex<HashMap<String, usize>>,
    credentials_changed: watch::Sender<u64>,
}

impl Streams {
    pub(in crate::web) fn new() -> Self {
        Self { open: Mutex::default(), credentials_changed: watch::Sender::new(0) }
    }

    /// Makes every open stream look at its credential now.
    pub(in crate::web) fn check_now(&self) {
        self.credentials_changed.send_modify(|count| *count += 1);
    }
}

/// Takes a place for one more stream of the caller.
///
/// # Errors
/// 429 where the credential has as many as it may, 503 where all together have.
pub(in crate::web) fn open(
    streams: &Arc<Streams>,
    context: &Context,
    caller: &Caller,
) -> Result<StreamPlace, Error> {
    let key = caller.credential();
    let mut open = streams.open.lock().unwrap_or_else(PoisonError::into_inner);
    if open.get(&key).is_some_and(|own| *own >= PER_CREDENTIAL) {
        let detail = format!("this credential has {PER_CREDENTIAL} open log streams, as many as it may");
        return Err(actions::Error::new(Code::TooManyStreams, detail).after(RETRY_AFTER).into());
    }
    if open.values().sum::<usize>() >= IN_ALL {
        let detail = format!("the server has {IN_ALL} open log streams, as many as it may");
        return Err(actions::Error::new(Code::NoStreamLeft, detail).after(RETRY_AFTER).into());
    }
    *open.entry(key.clone()).or_default() += 1;
    drop(open);
    let (streams, context) = (Arc::clone(streams), context.clone());
    Ok(StreamPlace { streams, context, key, caller: caller.clone() })
}

/// The place of one open stream; given back when it is dropped.
pub(in crate::web) struct StreamPlace {
    streams: Arc<Streams>,
    context: Context,
    key: String,
    caller: Caller,
}

impl StreamPlace {
    /// The stream, for as long as the credential is good.
    pub(in crate::web) fn hold<S: Stream + Send>(self, stream: S) -> impl Stream<Item = S::Item> + Send {
        let mut changed = self.streams.credentials_changed.subscribe();
        stream.take_until(async move {
            loop {
                tokio::select! {
                    _ = changed.changed() => {}
                    () = tokio::time::sleep(CHECK_EVERY) => {}
                }
                if !auth::is_good(&self.context, &self.caller).await {
                    break;
                }
            }
        })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.key) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.key);
            }
        }
    }
}
