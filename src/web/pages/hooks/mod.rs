//! Settings → Deploy Hooks: every hook of a service, its making, its rules and its end. What is done here is done by the
//! functions that the API uses.

mod change;
mod forms;
mod list_view;
mod one_view;
pub mod snippets;
mod test_view;
mod words;

pub(in crate::web) use change::{
    edit, end, end_form, pause, pause_form, rename, rename_form, resume, revoke, revoke_form, update,
};

use poem::http::header::{CACHE_CONTROL, HeaderValue};
use poem::web::{Data, Path};
use poem::{IntoResponse, Response, handler};

use crate::actions::deployments::read_branch;
use crate::actions::hooks::{self, LAST_CALLS, MintedHook, read_overlap, recent_usage};
use crate::actions::{self, By, Context, forecast, services};
use crate::db::hooks as rows;
use crate::db::{Reader, hook_calls};
use crate::domain::{Hook, Scope, Service, Timestamp};
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::pages::{Frame, Page, held, redirect};
use crate::web::request::Query;
use crate::web::state::AppState;

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

fn frame(by: &By, state: &AppState) -> Frame {
    Frame::of(&by.caller, state, HERE)
}

async fn read_list(by: &By, state: &AppState, name: String) -> Result<Known, Error> {
    let (by, now) = (by.clone(), by.at);
    let read = move |reader: &Reader<'_>, _: &Context| {
        let service = services::find(reader, &by, Scope::Read, &name)?;
        let (found, hidden) = without_old(read_all(reader, &service)?, now);
        let with_usage = |hook: Hook| {
            let usage = recent_usage(reader, &hook, now)?;
            let joined = hook_calls::last_joined(reader, &hook.id)?;
            Ok((hook, usage, joined))
        };
        let hooks = found.into_iter().map(with_usage).collect::<actions::Result<_>>()?;
        let calls = hook_calls::last_of_service(reader, &service.id, LAST_CALLS)?;
        Ok(Known { service, hooks, hidden, calls, now })
    };
    state.read(read).await
}

fn read_all(reader: &Reader<'_>, service: &Service) -> actions::Result<Vec<Hook>> {
    let mut found: Vec<Hook> = Vec::new();
    loop {
        let after = found.last().map(|hook| &hook.id);
        let more = rows::list_for_service(reader, &service.id, after, BATCH)?;
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
async fn read_one(by: &By, state: &AppState, name: String, hook: String) -> Result<(Service, Hook), Error> {
    let by = by.clone();
    state.read(move |reader, _| hooks::find(reader, &by, Scope::Admin, &name, &hook)).await
}

/// `GET /services/{name}/settings/deploy-hooks`; `?done=` and `?hook=` say what was just done.
#[handler]
pub(in crate::web) async fn index(
    by: By,
    query: Query,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let known = read_list(&by, &state, name).await?;
    let hook = query.get("hook").and_then(|id| known.hooks.iter().find(|(hook, ..)| hook.id.as_str() == id));
    let done = query.get("done").and_then(done_word).zip(hook.map(|(hook, ..)| hook.name.to_string()));
    Ok(Page(IndexPage::new(frame(&by, &state), &known, state.urls().public()).after(done)).into_response())
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
    format!("{}/settings/deploy-hooks", crate::web::pages::services::path(service))
}

/// `POST /services/{name}/settings/deploy-hooks`: the answer shows the new URL, and nothing else ever does.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    Path(name): Path<String>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let typed = NewHook::read(&form);
    let (body, service) = (typed.body(), name.clone());
    let made =
        state.act(by.clone(), move |tx, context, by| hooks::create(tx, context, by, &service, body)).await;
    match made {
        Ok(made) => Ok(shown_once(&by, &state, made)),
        Err(error) => {
            let error = error.holding(held(&hooks_path(&name), &hooks_path(&name), &form));
            let known = read_list(&by, &state, name).await?;
            refused(error, |wrong| {
                IndexPage::new(frame(&by, &state), &known, state.urls().public()).refused(typed, wrong)
            })
        }
    }
}

fn shown_once(by: &By, state: &AppState, made: MintedHook) -> Response {
    let page = CreatedPage::new(frame(by, state), made, state.urls().public(), by.at);
    let mut response = Page(page).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET …/{hook}/rotate`: asks how long the old URL is to work.
#[handler]
pub(in crate::web) async fn rotate_form(
    by: By,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (service, hook) = read_one(&by, &state, name, hook).await?;
    Ok(Page(RotatePage::new(frame(&by, &state), &service, &hook, by.at)).into_response())
}

/// `POST …/{hook}/rotate`: the answer shows the new URL. Sent again, as by a reload, it rotates nothing: a second
/// rotation would end the URL that CI still holds.
#[handler]
pub(in crate::web) async fn rotate(
    by: By,
    Path((name, hook)): Path<(String, String)>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (service, found) = read_one(&by, &state, name.clone(), hook.clone()).await?;
    let overlap = match read_overlap(form.get("overlap").map(String::as_str)) {
        Ok(overlap) => overlap,
        Err(invalid) => {
            let page = RotatePage::new(frame(&by, &state), &service, &found, by.at);
            return refused(invalid.into(), |wrong| page.refused(wrong));
        }
    };
    let replaces = form.get("generation").and_then(|text| text.parse::<i64>().ok());
    let back = hooks_path(&name);
    let held = held(&back, &format!("{back}/{hook}/rotate"), &form);
    let rotated = state.act(by.clone(), move |tx, context, by| {
        let (_, now) = hooks::find(tx, by, Scope::Admin, &name, &hook)?;
        if replaces.is_some_and(|generation| generation != now.generation) {
            return Ok(None);
        }
        hooks::rotate(tx, context, by, &name, &hook, overlap).map(Some)
    });
    Ok(match rotated.await.map_err(|error| error.holding(held))? {
        Some(made) => shown_once(&by, &state, made),
        None => done(&service, &found, "rotated"),
    })
}

/// `GET …/{hook}/test?branch=`: what a call would come to. Looks at the database alone and writes nothing.
#[handler]
pub(in crate::web) async fn test(
    by: By,
    query: Query,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let typed = query.get("branch").unwrap_or_default().trim().to_owned();
    let asked = read_branch(Some(typed.as_str()).filter(|text| !text.is_empty()));
    let branch = asked.as_ref().ok().cloned().flatten();
    let own = by.clone();
    let read = move |reader: &Reader<'_>, context: &Context| {
        let (service, hook) = hooks::find(reader, &own, Scope::Read, &name, &hook)?;
        let branch = branch.unwrap_or_else(|| service.default_branch.clone());
        let found = forecast::of_hook(reader, context, &service, &hook, &branch)?;
        Ok((service, hook, branch, found))
    };
    let (service, hook, branch, found) = state.read(read).await?;
    let page = TestPage::new(frame(&by, &state), (&service, &hook), &branch, &found, by.at);
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
