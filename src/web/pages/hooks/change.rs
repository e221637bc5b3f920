//! Renaming, rules, pausing and ending: a page that asks, and the POST that does it.

use askama::Template;
use poem::web::{Data, Path};
use poem::{IntoResponse, Response, handler};

use crate::actions::hooks::{self, recent_usage};
use crate::actions::{self, By, Context};
use crate::db::{Reader, Tx, deployments, hook_calls};
use crate::domain::{DeploymentId, Scope};
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::pages::hooks::forms::{Rules, Wrong};
use crate::web::pages::hooks::one_view::{EndPage, Ending, PausePage, RenamePage, RulesPage, Subject, Use};
use crate::web::pages::hooks::{done, frame, read_one, refused, subject};
use crate::web::pages::{Frame, Page, trimmed};
use crate::web::state::AppState;
use crate::wire::Change;
use crate::wire::hook::HookBody;

/// Changes a hook as the API's PATCH does, and leads back to all hooks; a form that is wrong comes back as `page` shows
/// it.
async fn change<T: Template + Send>(
    by: By,
    state: &AppState,
    (name, hook): (String, String),
    (word, body): (&str, HookBody),
    page: impl FnOnce(Frame, Subject, Wrong) -> T,
) -> Result<Response, Error> {
    let names = (name.clone(), hook.clone());
    let changed = state
        .act_on_credentials(by.clone(), move |tx, _, by| hooks::update(tx, by, &names.0, &names.1, body));
    match changed.await {
        Ok((service, hook)) => Ok(done(&service, &hook, word)),
        Err(error) => {
            let found = read_one(&by, state, name, hook).await?;
            let (frame, subject) = (frame(&by, state), subject(&found));
            refused(error, |wrong| page(frame, subject, wrong))
        }
    }
}

/// `GET …/{hook}/rename`.
#[handler]
pub(in crate::web) async fn rename_form(
    by: By,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let found = read_one(&by, &state, name, hook).await?;
    let (frame, subject) = (frame(&by, &state), subject(&found));
    let name = subject.name.clone();
    Ok(Page(RenamePage { frame, subject, name, wrong: Wrong::default() }).into_response())
}

/// `POST …/{hook}/rename`.
#[handler]
pub(in crate::web) async fn rename(
    by: By,
    Path(names): Path<(String, String)>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let name = trimmed(&form, "name");
    let body = HookBody { name: Some(name.clone()), ..HookBody::default() };
    let page = |frame, subject, wrong| RenamePage { frame, subject, name, wrong };
    change(by, &state, names, ("renamed", body), page).await
}

/// `GET …/{hook}/edit`: the rules.
#[handler]
pub(in crate::web) async fn edit(
    by: By,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let found = read_one(&by, &state, name, hook).await?;
    let (frame, subject, rules) = (frame(&by, &state), subject(&found), Rules::of(&found.1));
    Ok(Page(RulesPage { frame, subject, rules, wrong: Wrong::default() }).into_response())
}

/// `POST …/{hook}/edit`.
#[handler]
pub(in crate::web) async fn update(
    by: By,
    Path(names): Path<(String, String)>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let rules = Rules::read(&form);
    let body = rules.body();
    let page = |frame, subject, wrong| RulesPage { frame, subject, rules, wrong };
    change(by, &state, names, ("changed", body), page).await
}

/// `GET …/{hook}/pause`.
#[handler]
pub(in crate::web) async fn pause_form(
    by: By,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let found = read_one(&by, &state, name, hook).await?;
    let reason = found.1.rules.paused.clone().unwrap_or_default();
    let (frame, subject) = (frame(&by, &state), subject(&found));
    Ok(Page(PausePage { frame, subject, reason, wrong: Wrong::default() }).into_response())
}

/// `POST …/{hook}/pause`.
#[handler]
pub(in crate::web) async fn pause(
    by: By,
    Path(names): Path<(String, String)>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let reason = trimmed(&form, "reason");
    let body = HookBody { paused: Change::Set(reason.clone()), ..HookBody::default() };
    let page = |frame, subject, wrong| PausePage { frame, subject, reason, wrong };
    change(by, &state, names, ("paused", body), page).await
}

/// `POST …/{hook}/resume`.
#[handler]
pub(in crate::web) async fn resume(
    by: By,
    Path(names): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let unpause = |tx: &Tx<'_>, by: &By, service: &str, hook: &str| {
        let body = HookBody { paused: Change::Empty, ..HookBody::default() };
        hooks::update(tx, by, service, hook, body).map(drop)
    };
    act(by, &state, names, unpause, "resumed").await
}

async fn end_page(
    by: By,
    state: &AppState,
    (name, hook): (String, String),
    ending: Ending,
) -> Result<Response, Error> {
    let (frame, now) = (frame(&by, state), by.at);
    let read = move |reader: &Reader<'_>, _: &Context| {
        let (service, hook) = hooks::find(reader, &by, Scope::Admin, &name, &hook)?;
        let usage = recent_usage(reader, &hook, now)?;
        let last = match usage.last.as_ref().and_then(|(.., id)| DeploymentId::parse(id)) {
            Some(id) => deployments::find(reader, &id)?,
            None => None,
        };
        let is_running = last.is_some_and(|last| !last.status.is_final());
        let joined = hook_calls::last_joined(reader, &hook.id)?;
        Ok((service, hook, Use { usage, is_running, joined }))
    };
    let (service, hook, used) = state.read(read).await?;
    Ok(Page(EndPage::new(frame, (&service, &hook), ending, &used, now)).into_response())
}

/// `GET …/{hook}/revoke`: asks.
#[handler]
pub(in crate::web) async fn revoke_form(
    by: By,
    Path(names): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    end_page(by, &state, names, Ending::Hook).await
}

/// `POST …/{hook}/revoke`.
#[handler]
pub(in crate::web) async fn revoke(
    by: By,
    Path(names): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    act(by, &state, names, hooks::revoke, "revoked").await
}

/// `GET …/{hook}/end-old-url`: asks.
#[handler]
pub(in crate::web) async fn end_form(
    by: By,
    Path(names): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    end_page(by, &state, names, Ending::OldUrl).await
}

/// `POST …/{hook}/end-old-url`: ends the overlap of a rotation now.
#[handler]
pub(in crate::web) async fn end(
    by: By,
    Path(names): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    act(by, &state, names, hooks::end_old_url, "ended").await
}

/// Does what needs no form, and leads back to all hooks.
async fn act(
    by: By,
    state: &AppState,
    (name, hook): (String, String),
    write: fn(&Tx<'_>, &By, &str, &str) -> actions::Result<()>,
    word: &str,
) -> Result<Response, Error> {
    let (service, found) = read_one(&by, state, name, hook).await?;
    let names = (service.name.to_string(), found.id.to_string());
    state.act_on_credentials(by, move |tx, _, by| write(tx, by, &names.0, &names.1)).await?;
    Ok(done(&service, &found, word))
}
