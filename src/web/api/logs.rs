//! The log of a deployment: as text, followed as text, or as server-sent events. All resume at a byte.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use poem::http::HeaderValue;
use poem::web::sse::{Event, SSE};
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};
use serde::Serialize;
use tokio::sync::watch;

use crate::db::{self, Db, deployments, logs};
use crate::domain::{DeploymentId, Scope, Step, Timestamp};

use super::super::auth;
use super::super::error::Error;
use super::super::request::{Query, header, prefers};
use super::super::state::AppState;
use super::super::streams::{self, Place};
use super::deployments::{load, not_found, read_id};

/// Pieces read at a time; a piece has at most 64 KiB.
const PIECES: u32 = 16;
/// A comment goes out on a silent event stream after this, so that proxies keep it open.
pub(in crate::web) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /deployments/{id}/logs`.
#[handler]
pub(in crate::web) async fn show(
    request: &Request,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let id = read_id(&id)?;
    let caller = auth::caller(request)?;
    let found = load(&state, &id).await?;
    if !caller.may_see(&found.deployment) {
        caller.require(Scope::Read, Some(&found.deployment.service_id))?;
    }
    let query = Query::parse(request)?;
    let wants_events = prefers(request.headers(), "text/event-stream");
    let from = start(request, &query, wants_events)?;
    let own_id = id.clone();
    let log = state.db().read_logs(move |reader| logs::summary(reader, &own_id)).await?;
    if from > log.bytes {
        return Err(Error::BeyondEnd(log.bytes));
    }
    if wants_events {
        return Ok(events(&state, id, from, streams::open(&state, &caller)?));
    }
    let place = if query.flag("follow")? { Some(streams::open(&state, &caller)?) } else { None };
    Ok(text(&state, id, from, place))
}

pub(in crate::web) fn start(request: &Request, query: &Query, wants_events: bool) -> Result<u64, Error> {
    if let (true, Some(last)) = (wants_events, header(request.headers(), "last-event-id")) {
        let wrong =
            || crate::domain::Invalid::new("Last-Event-ID", "must be the byte offset that an event gave");
        return Ok(last.parse().map_err(|_| wrong())?);
    }
    let largest = u64::try_from(i64::MAX).unwrap_or(0);
    Ok(query.number("from", 0..=largest)?.unwrap_or(0))
}

/// The kept log, or with a place among the open streams all of it to its end.
fn text(state: &AppState, id: DeploymentId, from: u64, place: Option<Place>) -> Response {
    let parts = Follow::new(state, id, from, place.is_some()).into_stream();
    let bytes = parts.map(|part| part.map(|part| part.text.into_bytes()).map_err(std::io::Error::other));
    let body = match place {
        Some(place) => Body::from_bytes_stream(place.hold(bytes)),
        None => Body::from_bytes_stream(bytes),
    };
    let mut response = Response::builder().content_type("text/plain; charset=utf-8").body(body);
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The data of a `log` event.
#[derive(Serialize)]
struct LogEvent<'a> {
    /// Null for the mark of what was not kept.
    step: Option<&'a str>,
    at: Option<Timestamp>,
    text: &'a str,
}

fn events(state: &AppState, id: DeploymentId, from: u64, place: Place) -> Response {
    let parts = Follow::new(state, id.clone(), from, true).into_stream();
    let log = parts.filter_map(|part| async move {
        let part = part.ok()?;
        let data = LogEvent {
            step: (!part.is_cut_mark).then(|| part.step.as_str()),
            at: (!part.is_cut_mark).then_some(part.at),
            text: &part.text,
        };
        let data = serde_json::to_string(&data).unwrap_or_default();
        Some(Event::message(data).event_type("log").id(part.end.to_string()))
    });
    let own_state = state.clone();
    let end = stream::once(async move { end_event(own_state.db(), &id).await })
        .filter_map(|event| async move { event });
    SSE::new(place.hold(log.chain(end)).boxed()).keep_alive(KEEP_ALIVE).into_response()
}

/// The last event: the final status. None where the stream ends because the server goes down, so that the reader
/// connects again.
async fn end_event(db: &Db, id: &DeploymentId) -> Option<Event> {
    let own_id = id.clone();
    let found = db.read(move |reader| deployments::find(reader, &own_id)).await.ok().flatten()?;
    let status = found.status.is_final().then_some(found.status)?;
    let reason = found.reason.map(crate::domain::Reason::as_str);
    let data = serde_json::json!({ "status": status.as_str(), "reason": reason }).to_string();
    Some(Event::message(data).event_type("end"))
}

/// A part of a log: text of one step, or the mark of what was not kept.
pub(in crate::web) struct Part {
    pub(in crate::web) text: String,
    pub(in crate::web) step: Step,
    pub(in crate::web) at: Timestamp,
    /// Where to go on after it.
    pub(in crate::web) end: u64,
    pub(in crate::web) is_cut_mark: bool,
}

/// Reads a log from a byte on, to its present end or until nothing more can come.
pub(in crate::web) struct Follow {
    state: AppState,
    id: DeploymentId,
    from: u64,
    is_followed: bool,
    has_ticks: bool,
    ready: VecDeque<Part>,
    log_changed: watch::Receiver<u64>,
    status_changed: watch::Receiver<u64>,
}

impl Follow {
    pub(in crate::web) fn new(state: &AppState, id: DeploymentId, from: u64, follow: bool) -> Self {
        let log_changed = state.db().log_changed(&id);
        let status_changed = state.db().deployment_changed(&id);
        Self {
            state: state.clone(),
            id,
            from,
            is_followed: follow,
            has_ticks: false,
            ready: VecDeque::new(),
            log_changed,
            status_changed,
        }
    }

    /// Gives an empty part at each notice too, for a reader who also looks at the deployment.
    pub(in crate::web) fn with_ticks(self) -> Self {
        Self { has_ticks: true, ..self }
    }

    pub(in crate::web) fn into_stream(self) -> impl Stream<Item = Result<Part, Error>> + Send {
        stream::try_unfold(
            self,
            |mut follow| async move { Ok(follow.next().await?.map(|part| (part, follow))) },
        )
    }

    async fn next(&mut self) -> Result<Option<Part>, Error> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Ok(Some(part));
            }
            self.log_changed.borrow_and_update();
            self.status_changed.borrow_and_update();
            // Read before the log, so that nothing can be added between the two looks.
            let has_ended = self.is_followed && self.has_ended().await?;
            self.read().await?;
            if !self.ready.is_empty() {
                continue;
            }
            if has_ended || !self.is_followed || !self.wait().await {
                return Ok(None);
            }
            if self.has_ticks {
                return Ok(Some(tick(self.from)));
            }
        }
    }

    async fn has_ended(&self) -> Result<bool, Error> {
        let id = self.id.clone();
        let found = self.state.db().read(move |reader| deployments::find(reader, &id)).await?;
        Ok(found.ok_or_else(not_found)?.status.is_final())
    }

    async fn read(&mut self) -> Result<(), Error> {
        let (id, from) = (self.id.clone(), self.from);
        let parts = self.state.db().read_logs(move |reader| read_parts(reader, &id, from)).await?;
        self.from = parts.last().map_or(self.from, |part| part.end);
        self.ready.extend(parts);
        Ok(())
    }

    /// Waits for something new; false where the server goes down.
    async fn wait(&mut self) -> bool {
        tokio::select! {
            _ = self.log_changed.changed() => true,
            _ = self.status_changed.changed() => true,
            () = self.state.is_draining().cancelled() => false,
        }
    }
}

fn read_parts(reader: &db::Reader<'_>, id: &DeploymentId, from: u64) -> Result<Vec<Part>, db::Error> {
    let log = logs::summary(reader, id)?;
    let mut parts = Vec::new();
    let mut at = from;
    if (log.cut_from..log.cut_to).contains(&from) {
        parts.push(cut_mark(&log));
        at = log.cut_to;
    }
    for piece in logs::pieces(reader, id, at, PIECES)? {
        if piece.at_byte > at && (log.cut_from..log.cut_to).contains(&at) {
            parts.push(cut_mark(&log));
        }
        at = piece.end();
        parts.push(part(&piece, from));
    }
    Ok(parts)
}

/// The piece from byte `from` on. An offset inside a character, which no answer of ours gives, moves to its end.
fn part(piece: &logs::Piece, from: u64) -> Part {
    let skip = usize::try_from(from.saturating_sub(piece.at_byte)).unwrap_or(0);
    let end = piece.end();
    let skip = piece.text.ceil_char_boundary(skip);
    Part { text: piece.text[skip..].to_owned(), step: piece.step, at: piece.at, end, is_cut_mark: false }
}

fn tick(from: u64) -> Part {
    Part {
        text: String::new(),
        step: Step::Clone,
        at: Timestamp::from_millis(0),
        end: from,
        is_cut_mark: false,
    }
}

fn cut_mark(log: &logs::Summary) -> Part {
    let bytes = log.cut_to - log.cut_from;
    Part {
        text: format!("… {bytes} bytes not kept …\n"),
        step: Step::Build,
        at: Timestamp::from_millis(0),
        end: log.cut_to,
        is_cut_mark: true,
    }
}
