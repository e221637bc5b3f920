//! What whoever watches the server is told: counted since the start, or read when asked; on a listener of its own.

mod text;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::socket;
use crate::db::gauges::{Gauges, gauges};
use crate::db::meters::{Observed, RunResult};
use crate::db::notices::{self, Counts};
use crate::db::{self, Copies, Reader};
use crate::domain::{ExecutorKind, ExecutorSet, Reason, Step};
use crate::web::{AppState, ReadMetrics, front, metrics};

/// Most connections at a time: a few that watch, and somebody who looks.
const CONNECTIONS: usize = 64;

/// Listens for those who watch; the addresses, with the ports that were given out, and what answers there until `stop`.
pub(super) async fn serve(
    addresses: &[SocketAddr],
    state: &AppState,
    limits: front::Limits,
    stop: &CancellationToken,
) -> Result<(Vec<SocketAddr>, Vec<JoinHandle<()>>)> {
    let listeners = socket::bind(addresses).await?;
    let bound = listeners.iter().map(tokio::net::TcpListener::local_addr).collect::<Result<_, _>>()?;
    let limits = front::Limits { connections: CONNECTIONS, per_peer: CONNECTIONS, ..limits };
    let is_draining = state.is_draining().clone();
    let settings = front::Settings { limits, is_draining, ..front::Settings::default() };
    let own = state.clone();
    let read: ReadMetrics = Arc::new(move || {
        let state = own.clone();
        async move { text::open_metrics(Metrics::read(&state).await) }.boxed()
    });
    let front = front::Front::new(metrics(read), settings);
    let serve = |listener| tokio::spawn(Arc::clone(&front).serve_tcp(listener, stop.clone()));
    Ok((bound, listeners.into_iter().map(serve).collect()))
}

/// All metrics at one moment.
#[derive(Debug)]
struct Metrics {
    hook_calls: Vec<(&'static str, u64)>,
    ends: Vec<(Option<Reason>, u64)>,
    runs: Vec<(RunResult, Observed)>,
    /// Each step, and whether it has succeeded.
    steps: Vec<(Step, bool, Observed)>,
    /// By the name of the file.
    batches: Vec<(&'static str, Observed)>,
    is_ready: bool,
    free_bytes: u64,
    /// None where the database cannot be read now.
    rows: Option<Rows>,
    /// How long the oldest queued deployment has waited, and how old the newest copy of the database is.
    ages: (Duration, Option<Duration>),
}

/// What the tables say.
#[derive(Debug)]
struct Rows {
    gauges: Gauges,
    notices: Counts,
    copies: Option<Copies>,
    /// Each executor, and whether it can begin runs.
    executors: Vec<(ExecutorKind, bool)>,
}

impl Metrics {
    async fn read(state: &AppState) -> Self {
        let (db, available, now) = (state.db(), state.settings().available, state.clock().now());
        let rows = db.core().read(move |reader| Rows::read(reader, available)).await;
        let rows = rows.inspect_err(|error: &db::Error| {
            tracing::warn!(error = %error, "metrics are left out that are read from the database");
        });
        let rows = rows.ok();
        let waits_since = rows.as_ref().and_then(|rows| rows.gauges.waits_since);
        let newest = rows.as_ref().and_then(|rows| rows.copies.as_ref()?.newest);
        let meters = db.core().meters();
        let step = |step, has_succeeded| (step, has_succeeded, meters.steps(step, has_succeeded));
        Self {
            hook_calls: state.hook_call_counts(),
            ends: meters.ends(),
            runs: RunResult::ALL.into_iter().map(|result| (result, meters.runs(result))).collect(),
            steps: Step::ALL.into_iter().flat_map(|one| [step(one, true), step(one, false)]).collect(),
            batches: vec![("core", meters.batches()), ("logs", db.logs().meters().batches())],
            is_ready: state.is_writable() && !state.is_draining().is_cancelled(),
            free_bytes: db.free_bytes(),
            rows,
            ages: (
                waits_since.map_or(Duration::ZERO, |since| now.since(since)),
                newest.map(|at| now.since(at)),
            ),
        }
    }
}

impl Rows {
    fn read(reader: &Reader<'_>, available: ExecutorSet) -> Result<Self, db::Error> {
        let is_ready = |kind| Ok((kind, db::executor_problem(reader, kind)?.is_none()));
        Ok(Self {
            gauges: gauges(reader)?,
            notices: notices::counts(reader)?,
            copies: db::copies(reader)?,
            executors: available.iter().map(is_ready).collect::<Result<_, db::Error>>()?,
        })
    }
}
