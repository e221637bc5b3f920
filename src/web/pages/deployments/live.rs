//! The live end of a deployment's page: lines, steps and status while they come.

use std::collections::VecDeque;

use futures_util::{Stream, StreamExt, stream};
use poem::web::sse::{Event, SSE};
use poem::web::{Data, Path};
use poem::{IntoResponse, Request, Response, handler};
use serde_json::json;

use crate::actions::deployments::find;
use crate::actions::log_follow::{LogFollow, LogPart};
use crate::actions::{self, By};
use crate::db::{Reader, logs};
use crate::domain::{DeploymentId, Scope, Status, Step};
use crate::web::deployment::{load, read_id};
use crate::web::error::Error;
use crate::web::limits::streams::{self, KEEP_ALIVE};
use crate::web::pages::deployments::view::heading;
use crate::web::pages::format;
use crate::web::pages::log::lines::LiveLog;
use crate::web::request::{Query, first_byte};
use crate::web::state::AppState;

/// `GET /deploys/{id}/events?from=`: lines, steps and status as they come; an event's id is the byte to go on from.
#[handler]
pub(in crate::web) async fn events(
    request: &Request,
    by: By,
    query: Query,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let id = read_id(&id)?;
    let found = load(&state, &id).await?;
    by.require(Scope::Read, Some(&found.deployment.service_id))?;
    let from = first_byte(request, &query, true)?;
    let line = line_at(&state, &id, from).await?;
    let place = streams::open(state.streams(), state.context(), &by.caller)?;
    let events = place.hold(Live::new(&state, id, from, line).into_stream()).boxed();
    Ok(SSE::new(events).keep_alive(KEEP_ALIVE).into_response())
}

/// The number of the line in which a byte lies, from 1.
async fn line_at(state: &AppState, id: &DeploymentId, from: u64) -> Result<u64, Error> {
    let own_id = id.clone();
    let read = move |reader: &Reader<'_>| {
        let summary = logs::summary(reader, &own_id)?;
        let pieces = logs::pieces(reader, &own_id, from.min(summary.bytes), 1)?;
        Ok::<_, Error>(match pieces.first() {
            Some(piece) => {
                let skip = usize::try_from(from.saturating_sub(piece.at_byte)).unwrap_or(0);
                let before = piece.text.get(..skip).map_or(0, |text| text.matches('\n').count());
                piece.at_line + u64::try_from(before).unwrap_or(0) + 1
            }
            None => summary.lines + 1,
        })
    };
    state.db().logs().read(read).await
}

/// What the live end of a page has told so far.
struct Live {
    parts: std::pin::Pin<Box<dyn Stream<Item = actions::Result<LogPart>> + Send>>,
    state: AppState,
    id: DeploymentId,
    log: LiveLog,
    told: Option<String>,
    /// How it stood when the deployment had had so many changes.
    known: Option<(u64, Status)>,
    ready: VecDeque<Event>,
    has_ended: bool,
}

impl Live {
    fn new(state: &AppState, id: DeploymentId, from: u64, line: u64) -> Self {
        let follow = LogFollow::new(state.context(), state.is_draining(), id.clone(), from);
        let parts = Box::pin(follow.to_the_end().with_ticks().with_open_line().into_stream());
        let (state, log) = (state.clone(), LiveLog::new(line));
        Self { parts, state, id, log, told: None, known: None, ready: VecDeque::new(), has_ended: false }
    }

    fn into_stream(self) -> impl Stream<Item = Event> + Send {
        stream::unfold(self, |mut live| async move { live.next().await.map(|event| (event, live)) })
    }

    async fn next(&mut self) -> Option<Event> {
        if self.told.is_none() && !self.has_ended {
            self.tell_state().await;
        }
        while self.ready.is_empty() && !self.has_ended {
            match self.parts.next().await {
                Some(Ok(part)) => self.tell(&part).await,
                Some(Err(_)) => return None,
                None => self.finish().await,
            }
        }
        self.ready.pop_front()
    }

    async fn tell(&mut self, part: &LogPart) {
        if part.is_open_line {
            self.tell_open_line(part.step, Some(&part.text));
            return;
        }
        let mut batches = Vec::new();
        if part.is_cut_mark {
            batches.extend(self.log.finish());
        } else if !part.text.is_empty() {
            batches = self.log.push(part.step, &part.text);
        }
        let id = part.end - u64::try_from(self.log.held_back()).unwrap_or(0);
        for batch in batches {
            let data = serde_json::to_string(&batch).unwrap_or_default();
            self.ready.push_back(Event::message(data).event_type("log").id(id.to_string()));
        }
        if !part.text.is_empty() {
            self.tell_open_line(part.step, None);
        }
        self.tell_state().await;
    }

    /// Tells of a line that has not ended. It has no place to go on from.
    fn tell_open_line(&mut self, step: Step, text: Option<&str>) {
        if let Some(batch) = self.log.open_line(step, text) {
            let data = serde_json::to_string(&batch).unwrap_or_default();
            self.ready.push_back(Event::message(data).event_type("line"));
        }
    }

    /// Tells steps and status where they differ from what was told last; the status, where it could be read.
    async fn tell_state(&mut self) -> Option<Status> {
        let (id, changes) = (self.id.clone(), self.state.db().deployment_changes(&self.id));
        if let Some((_, status)) = self.known.filter(|known| known.0 == changes && self.told.is_some()) {
            return Some(status);
        }
        let found = self.state.read(move |reader, _| find(reader, &id)).await.ok()?;
        let steps = found.steps.iter().map(|step| {
            let span = step.started_at.zip(step.finished_at).map(|(from, to)| to.since(from));
            let took = span.map(format::duration);
            json!({ "step": step.step.as_str(), "status": step.status.as_str(), "took": took }).to_string()
        });
        let status = found.deployment.status;
        self.known = Some((changes, status));
        let mut told: Vec<(&str, String)> = steps.map(|data| ("step", data)).collect();
        let heading = heading(&found.deployment);
        told.push(("status", json!({ "status": status.as_str(), "heading": heading }).to_string()));
        let now = told.iter().map(|(_, data)| data.as_str()).collect::<String>();
        if self.told.as_ref() == Some(&now) {
            return Some(status);
        }
        // What is final is told by `finish` alone, behind the last line.
        told.retain(|(kind, _)| *kind == "step" || !status.is_final());
        self.ready.extend(told.into_iter().map(|(kind, data)| Event::message(data).event_type(kind)));
        self.told = Some(now);
        Some(status)
    }

    async fn finish(&mut self) {
        self.has_ended = true;
        if let Some(batch) = self.log.finish() {
            let data = serde_json::to_string(&batch).unwrap_or_default();
            self.ready.push_back(Event::message(data).event_type("log"));
        }
        self.told = None;
        if let Some(status) = self.tell_state().await.filter(|status| status.is_final()) {
            let data = json!({ "status": status.as_str() }).to_string();
            self.ready.push_back(Event::message(data).event_type("status"));
        }
    }
}
