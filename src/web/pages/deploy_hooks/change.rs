//! Renaming, rules, pausing and ending: a page that asks, and the POST that does it.

use askama::Template;
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};

use super::super::super::api::hook_actions::{self, By, load, recent_usage};
use super::super::super::api::hook_body::HookBody;
use super::super::super::auth;
use super::super::super::error::Error;
use super::super::super::request::{Change, form};
use super::super::super::state::AppState;
use super::super::{Frame, Page, trimmed};
use super::forms::{Rules, Wrong};
use super::one_view::{EndPage, Ending, PausePage, RenamePage, RulesPage, Subject, Use};
use super::{done, frame, read_one, refused, subject};
use crate::db::{Reader, Tx, deployments, hook_calls};
use crate::domain::{DeploymentId, Scope};

/// Changes a hook as the API's PATCH does, and leads back to all hooks; a form that is wrong comes back as `page` shows
/// it.
async fn change<T: Template + Send>(
    request: &Request,
    state: &AppState,
    (name, hook): (String, String),
    (word, body): (&str, HookBody),
    page: impl FnOnce(Frame, Subject, Wrong) -> T,
) -> Result<Response, Error> {
    let (by, names) = (By::of(request, state)?, (name.clone(), hook.clone()));
    let write = move |tx: &Tx<'_>| hook_actions::update(tx, &by, &names.0, &names.1, body);
    match state.write_credentials(write).await {
        Ok((service, hook)) => Ok(done(&service, &hook, word)),
        Err(error) => {
            let found = read_one(request, state, name, hook).await?;
            let (frame, subject) = (frame(request, state)?, subject(&found));
            refused(error, |wrong| page(frame, subject, wrong))
        }
    }
}

/// `GET …/{hook}/rename`.
#[handler]
pub(in crate::web) async fn rename_form(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let found = read_one(request, &state, name, hook).await?;
    let (frame, subject) = (frame(request, &state)?, subject(&found));
    let name = subject.name.clone();
    Ok(Page(RenamePage { frame, subject, name, wrong: Wrong::default() }).into_response())
}

/// `POST …/{hook}/rename`.
#[handler]
pub(in crate::web) async fn rename(
    request: &Request,
    Path(names): Path<(String, String)>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let name = trimmed(&form(body).await?, "name");
    let mut body = HookBody::default();
    body.name = Some(name.clone());
    let page = |frame, subject, wrong| RenamePage { frame, subject, name, wrong };
    change(request, &state, names, ("renamed", body), page).await
}

/// `GET …/{hook}/edit`: the rules.
#[handler]
pub(in crate::web) async fn edit(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let found = read_one(request, &state, name, hook).await?;
    let (frame, subject, rules) = (frame(request, &state)?, subject(&found), Rules::of(&found.1));
    Ok(Page(RulesPage { frame, subject, rules, wrong: Wrong::default() }).into_response())
}

/// `POST …/{hook}/edit`.
#[handler]
pub(in crate::web) async fn update(
    request: &Request,
    Path(names): Path<(String, String)>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let rules = Rules::read(&form(body).await?);
    let body = rules.body();
    let page = |frame, subject, wrong| RulesPage { frame, subject, rules, wrong };
    change(request, &state, names, ("changed", body), page).await
}

/// `GET …/{hook}/pause`.
#[handler]
pub(in crate::web) async fn pause_form(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let found = read_one(request, &state, name, hook).await?;
    let reason = found.1.rules.paused.clone().unwrap_or_default();
    let (frame, subject) = (frame(request, &state)?, subject(&found));
    Ok(Page(PausePage { frame, subject, reason, wrong: Wrong::default() }).into_response())
}

/// `POST …/{hook}/pause`.
#[handler]
pub(in crate::web) async fn pause(
    request: &Request,
    Path(names): Path<(String, String)>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let reason = trimmed(&form(body).await?, "reason");
    let mut body = HookBody::default();
    body.paused = Change::Set(reason.clone());
    let page = |frame, subject, wrong| PausePage { frame, subject, reason, wrong };
    change(request, &state, names, ("paused", body), page).await
}

/// `POST …/{hook}/resume`.
#[handler]
pub(in crate::web) async fn resume(
    request: &Request,
    Path(names): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let unpause = |tx: &Tx<'_>, by: &By, service: &str, hook: &str| {
        let mut body = HookBody::default();
        body.paused = Change::Empty;
        hook_actions::update(tx, by, service, hook, body).map(drop)
    };
    act(request, &state, names, unpause, "resumed").await
}

async fn end_page(
    request: &Request,
    state: &AppState,
    (name, hook): (String, String),
    ending: Ending,
) -> Result<Response, Error> {
    let (caller, now) = (auth::caller(request)?, state.clock().now());
    let read = move |reader: &Reader<'_>| {
        let (service, hook) = load(reader, &caller, Scope::Admin, &name, &hook)?;
        let usage = recent_usage(reader, &hook, now)?;
        let last = match usage.last.as_ref().and_then(|(.., id)| DeploymentId::parse(id)) {
            Some(id) => deployments::find(reader, &id)?,
            None => None,
        };
        let is_running = last.is_some_and(|last| !last.status.is_final());
        let joined = hook_calls::last_joined(reader, &hook.id)?;
        Ok::<_, Error>((service, hook, Use { usage, is_running, joined }))
    };
    let (service, hook, used) = state.db().read(read).await?;
    let page = EndPage::new(frame(request, state)?, (&service, &hook), ending, &used, now);
    Ok(Page(page).into_response())
}

/// `GET …/{hook}/revoke`: asks.
#[handler]
pub(in crate::web) async fn revoke_form(
    request: &Request,
    Path(names): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    end_page(request, &state, names, Ending::Hook).await
}

/// `POST …/{hook}/revoke`.
#[handler]
pub(in crate::web) async fn revoke(
    request: &Request,
    Path(names): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    act(request, &state, names, hook_actions::revoke, "revoked").await
}

/// `GET …/{hook}/end-old-url`: asks.
#[handler]
pub(in crate::web) async fn end_form(
    request: &Request,
    Path(names): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    end_page(request, &state, names, Ending::OldUrl).await
}

/// `POST …/{hook}/end-old-url`: ends the overlap of a rotation now.
#[handler]
pub(in crate::web) async fn end(
    request: &Request,
    Path(names): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    act(request, &state, names, hook_actions::end_old_url, "ended").await
}

/// Does what needs no form, and leads back to all hooks.
async fn act(
    request: &Request,
    state: &AppState,
    (name, hook): (String, String),
    write: fn(&Tx<'_>, &By, &str, &str) -> Result<(), Error>,
    word: &str,
) -> Result<Response, Error> {
    let (service, found) = read_one(request, state, name, hook).await?;
    let (by, names) = (By::of(request, state)?, (service.name.to_string(), found.id.to_string()));
    state.write_credentials(move |tx: &Tx<'_>| write(tx, &by, &names.0, &names.1)).await?;
    Ok(done(&service, &found, word))
}
