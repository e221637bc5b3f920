//! Settings → Deploy Hooks: every hook of a service, its making, its rules and its end. What is done here is done by the
//! functions that the API uses.

mod change;
mod forms;
mod list_view;
mod one_view;
mod test_view;
mod words;

pub(in crate::web) use change::{
    edit, end, end_form, pause, pause_form, rename, rename_form, resume, revoke, revoke_form, update,
};

use poem::http::header::{CACHE_CONTROL, HeaderValue};
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};

use super::super::api::dry_run::forecast;
use super::super::api::hook_actions::{self, By, Made, load, read_overlap, recent_usage};
use super::super::api::hooks::LAST_CALLS;
use super::super::api::services;
use super::super::auth;
use super::super::error::Error;
use super::super::request::{Query, form, read_branch};
use super::super::state::AppState;
use super::{Frame, Page, redirect};
use crate::db::{Reader, Tx, hook_calls, hooks};
use crate::domain::{Hook, Scope, Service, Timestamp};
use forms::{NewHook, Wrong};
use list_view::{IndexPage, Known};
use one_view::{CreatedPage, RotatePage, Subject};
use test_view::TestPage;

/// Hooks that are read at once.
const BATCH: u32 = 500;
/// Hooks that ended which the page shows, the newest; those that work are all shown.
const ENDED: usize = 50;
/// The entry of the menu.
const HERE: &str = "/services";

fn frame(request: &Request, state: &AppState) -> Result<Frame, Error> {
    Ok(Frame::of(&auth::caller(request)?, state, HERE))
}

async fn read_list(request: &Request, state: &AppState, name: String) -> Result<Known, Error> {
    let (caller, now) = (auth::caller(request)?, state.clock().now());
    let read = move |reader: &Reader<'_>| {
        let service = services::load(reader, &name)?;
        caller.require(Scope::Read, Some(&service.id))?;
        let (found, hidden) = without_old(read_all(reader, &service)?, now);
        let with_usage = |hook: Hook| {
            let usage = recent_usage(reader, &hook, now)?;
            let joined = hook_calls::last_joined(reader, &hook.id)?;
            Ok::<_, Error>((hook, usage, joined))
        };
        let hooks = found.into_iter().map(with_usage).collect::<Result<_, _>>()?;
        let calls = hook_calls::last_of_service(reader, &service.id, LAST_CALLS)?;
        Ok::<_, Error>(Known { service, hooks, hidden, calls, now })
    };
    state.db().read(read).await
}

/// Asks for the password again where it was given too long ago for a new secret.
fn confirm_first(request: &Request, state: &AppState, service: &str) -> Result<(), Error> {
    auth::fresh(state, &auth::caller(request)?, &hooks_path(service))
}

fn read_all(reader: &Reader<'_>, service: &Service) -> Result<Vec<Hook>, Error> {
    let mut found: Vec<Hook> = Vec::new();
    loop {
        let after = found.last().map(|hook| &hook.id);
        let more = hooks::list_for_service(reader, &service.id, after, BATCH)?;
        if more.is_empty() {
            return Ok(found);
        }
        found.extend(more);
    }
}

/// The hooks without the oldest of those that ended, and how many those are.
fn without_old(mut found: Vec<Hook>, now: Timestamp) -> (Vec<Hook>, usize) {
    let has_ended = |hook: &Hook| hook.revoked_at.is_some() || hook.rules.is_expired(now);
    let hidden = found.iter().filter(|hook| has_ended(hook)).count().saturating_sub(ENDED);
    let mut left = hidden;
    found.retain(|hook| {
        let is_hidden = left > 0 && has_ended(hook);
        left -= usize::from(is_hidden);
        !is_hidden
    });
    (found, hidden)
}

/// A hook and its service, for who may change it.
async fn read_one(
    request: &Request,
    state: &AppState,
    name: String,
    hook: String,
) -> Result<(Service, Hook), Error> {
    let caller = auth::caller(request)?;
    state.db().read(move |reader| load(reader, &caller, Scope::Admin, &name, &hook)).await
}

/// `GET /services/{name}/settings/deploy-hooks`; `?done=` and `?hook=` say what was just done.
#[handler]
pub(in crate::web) async fn index(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let query = Query::parse(request)?;
    let known = read_list(request, &state, name).await?;
    let hook = query.get("hook").and_then(|id| known.hooks.iter().find(|(hook, ..)| hook.id.as_str() == id));
    let done = query.get("done").and_then(done_word).zip(hook.map(|(hook, ..)| hook.name.to_string()));
    Ok(Page(IndexPage::new(frame(request, &state)?, &known).after(done)).into_response())
}

/// What can have been done; another word is none of ours.
fn done_word(word: &str) -> Option<&'static str> {
    ["changed", "ended", "paused", "renamed", "resumed", "revoked", "rotated"]
        .into_iter()
        .find(|own| *own == word)
}

/// The page of all hooks, which says what was done to this one.
fn done(service: &Service, hook: &Hook, word: &str) -> Response {
    redirect(&format!("{}?done={word}&hook={}", hooks_path(service.name.as_str()), hook.id))
}

/// The page of all hooks of a service.
fn hooks_path(service: &str) -> String {
    format!("{}/settings/deploy-hooks", super::services::path(service))
}

/// `POST /services/{name}/settings/deploy-hooks`: the answer shows the new URL, and nothing else ever does.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    Path(name): Path<String>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    confirm_first(request, &state, &name)?;
    let typed = NewHook::read(&form(body).await?);
    let (own, by, body, service) = ((*state).clone(), By::of(request, &state)?, typed.body(), name.clone());
    let write = move |tx: &Tx<'_>| hook_actions::create(tx, &own, &by, &service, body);
    match state.db().try_write(write).await {
        Ok(made) => shown_once(request, &state, made),
        Err(error) => {
            let known = read_list(request, &state, name).await?;
            let page = IndexPage::new(frame(request, &state)?, &known);
            refused(error, |wrong| page.refused(typed, wrong))
        }
    }
}

fn shown_once(request: &Request, state: &AppState, made: Made) -> Result<Response, Error> {
    let now = state.clock().now();
    let page = CreatedPage::new(frame(request, state)?, made, state.urls().public(), now);
    let mut response = Page(page).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `GET …/{hook}/rotate`: asks how long the old URL is to work.
#[handler]
pub(in crate::web) async fn rotate_form(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (service, hook) = read_one(request, &state, name, hook).await?;
    Ok(Page(RotatePage::new(frame(request, &state)?, &service, &hook, state.clock().now())).into_response())
}

/// `POST …/{hook}/rotate`: the answer shows the new URL. Sent again, as by a reload, it rotates nothing: a second
/// rotation would end the URL that CI still holds.
#[handler]
pub(in crate::web) async fn rotate(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    confirm_first(request, &state, &name)?;
    let typed = form(body).await?;
    let (service, found) = read_one(request, &state, name.clone(), hook.clone()).await?;
    let overlap = match read_overlap(typed.get("overlap").map(String::as_str)) {
        Ok(overlap) => overlap,
        Err(invalid) => {
            let page = RotatePage::new(frame(request, &state)?, &service, &found, state.clock().now());
            return refused(invalid.into(), |wrong| page.refused(wrong));
        }
    };
    let replaces = typed.get("generation").and_then(|text| text.parse::<i64>().ok());
    let (own, by) = ((*state).clone(), By::of(request, &state)?);
    let write = move |tx: &Tx<'_>| {
        let (_, now) = by.load(tx, &name, &hook)?;
        if replaces.is_some_and(|generation| generation != now.generation) {
            return Ok(None);
        }
        hook_actions::rotate(tx, &own, &by, (&name, &hook), overlap).map(Some)
    };
    match state.db().try_write(write).await? {
        Some(made) => shown_once(request, &state, made),
        None => Ok(done(&service, &found, "rotated")),
    }
}

/// `GET …/{hook}/test?branch=`: what a call would come to. Looks at the database alone and writes nothing.
#[handler]
pub(in crate::web) async fn test(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let query = Query::parse(request)?;
    let typed = query.get("branch").unwrap_or_default().trim().to_owned();
    let asked = read_branch(Some(typed.as_str()).filter(|text| !text.is_empty()));
    let (caller, own, now) = (auth::caller(request)?, (*state).clone(), state.clock().now());
    let branch = asked.as_ref().ok().cloned().flatten();
    let read = move |reader: &Reader<'_>| {
        let (service, hook) = load(reader, &caller, Scope::Read, &name, &hook)?;
        let branch = branch.unwrap_or_else(|| service.default_branch.clone());
        let found = forecast(reader, &own, &service, &hook, &branch)?;
        Ok::<_, Error>((service, hook, branch, found))
    };
    let (service, hook, branch, found) = state.db().read(read).await?;
    let page = TestPage::new(frame(request, &state)?, (&service, &hook), &branch, &found, now);
    match asked {
        Ok(_) => Ok(Page(page).into_response()),
        Err(invalid) => refused(invalid.into(), |wrong| page.refused(typed, wrong)),
    }
}

/// The page that a form came from, with what is wrong with it.
fn refused<T: askama::Template + Send>(
    error: Error,
    page: impl FnOnce(Wrong) -> T,
) -> Result<Response, Error> {
    let status = error.status();
    Ok(Page(page(Wrong::of(error)?)).with_status(status).into_response())
}

fn subject((service, hook): &(Service, Hook)) -> Subject {
    Subject::new(service, hook)
}
