//! The log of a deployment: as text, followed as text, or as server-sent events. All resume at a byte.

use futures_util::{StreamExt, stream};
use poem::http::HeaderValue;
use poem::web::sse::{Event, SSE};
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};

use crate::actions::By;
use crate::actions::log_follow::LogFollow;
use crate::db::{Db, deployments, logs};
use crate::domain::{DeploymentId, Reason, Scope};
use crate::web::deployment::{load, read_id};
use crate::web::error::Error;
use crate::web::limits::streams::{self, KEEP_ALIVE, StreamPlace};
use crate::web::request::{Query, first_byte, prefers};
use crate::web::state::AppState;
use crate::wire::log::{EndEvent, LogEvent};

/// `GET /deployments/{id}/logs`.
#[handler]
pub(in crate::web) async fn show(
    request: &Request,
    by: By,
    query: Query,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let id = read_id(&id)?;
    let found = load(&state, &id).await?;
    if !by.caller.may_see(&found.deployment) {
        by.require(Scope::Read, Some(&found.deployment.service_id))?;
    }
    let wants_events = prefers(request.headers(), "text/event-stream");
    let from = first_byte(request, &query, wants_events)?;
    let own_id = id.clone();
    let log = state.db().logs().read(move |reader| logs::summary(reader, &own_id)).await?;
    if from > log.bytes {
        return Err(Error::BeyondEnd(log.bytes));
    }
    let open = || streams::open(state.streams(), state.context(), &by.caller);
    if wants_events {
        return Ok(events(&state, id, from, open()?));
    }
    let place = if query.flag("follow")? { Some(open()?) } else { None };
    Ok(text(&state, id, from, place))
}

/// The kept log, or with a place among the open streams all of it to its end.
fn text(state: &AppState, id: DeploymentId, from: u64, place: Option<StreamPlace>) -> Response {
    let follow = LogFollow::new(state.context(), state.is_draining(), id, from);
    let follow = if place.is_some() { follow.to_the_end() } else { follow };
    let bytes = follow
        .into_stream()
        .map(|part| part.map(|part| part.text.into_bytes()).map_err(std::io::Error::other));
    let body = match place {
        Some(place) => Body::from_bytes_stream(place.hold(bytes)),
        None => Body::from_bytes_stream(bytes),
    };
    let mut response = Response::builder().content_type("text/plain; charset=utf-8").body(body);
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn events(state: &AppState, id: DeploymentId, from: u64, place: StreamPlace) -> Response {
    let follow = LogFollow::new(state.context(), state.is_draining(), id.clone(), from).to_the_end();
    let follow = follow.with_open_line();
    let parts = follow.into_stream();
    let log = parts.filter_map(|part| async move {
        let part = part.ok()?;
        if part.is_open_line {
            // Not a byte of the log yet, so no place to resume at.
            return Some(Event::message(part.text).event_type("line"));
        }
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
    let found = db.core().read(move |reader| deployments::find(reader, &own_id)).await.ok().flatten()?;
    let status = found.status.is_final().then_some(found.status)?;
    let reason = found.reason.map(Reason::as_str);
    let data = serde_json::to_string(&EndEvent { status: status.as_str(), reason }).unwrap_or_default();
    Some(Event::message(data).event_type("end"))
}
