//! `/services` and `/services/{name}`: the list, the page of one, and what can be done from its head.

mod form;
mod form_lines;
pub mod head;
pub mod list_view;
pub mod one_view;
mod overview;
mod picture;
pub(in crate::web) mod settings;
mod ticks;

use std::collections::HashMap;

use poem::web::{Data, Path};
use poem::{IntoResponse, Request, Response, handler};

use crate::actions::{By, Context, deployments, services};
use crate::db::Reader;
use crate::domain::{Class, ExecutorKind, Scope, Urls};
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::pages::follow::Moment;
use crate::web::pages::services::head::{ServiceHead, Typed};
use crate::web::pages::services::list_view::ServicesPage;
use crate::web::pages::services::one_view::{ServicePage, Wanted};
use crate::web::pages::{Frame, Page, chosen, format, redirect, trimmed};
use crate::web::request::Query;
use crate::web::state::AppState;
use crate::wire::deploy::DeployBody;

/// The entry of the menu.
pub(super) const HERE: &str = "/services";

/// `GET /services`.
#[handler]
pub(in crate::web) async fn index(
    request: &Request,
    by: By,
    query: Query,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    by.require(Scope::Read, None)?;
    let moment = Moment::of(request, &state, Some(&by.caller));
    if let Some(unchanged) = moment.unchanged(request) {
        return Ok(unchanged);
    }
    let wanted = overview::Wanted::parse(request.uri().query().unwrap_or_default());
    let was_deleted = query.flag("deleted")?;
    let own = wanted.clone();
    let overview = state.read(move |reader, _| Ok(overview::Overview::read(reader, &own)?)).await?;
    let frame = Frame::of(&by.caller, &state, HERE);
    let has_cluster = state.settings().available.has(ExecutorKind::Tekton);
    Ok(moment.tag(Page(ServicesPage::new(frame, overview, &wanted, has_cluster, was_deleted, by.at))))
}

/// `GET /services/{name}`.
#[handler]
pub(in crate::web) async fn show(
    request: &Request,
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let wanted = Wanted::parse(request.uri().query().unwrap_or_default());
    let moment = Moment::of(request, &state, Some(&by.caller));
    if let Some(unchanged) = moment.unchanged(request) {
        return Ok(unchanged);
    }
    Ok(moment.tag(Page(page(&state, name, by, wanted, None).await?)))
}

/// The page, with what was typed into its head where a form comes back.
async fn page(
    state: &AppState,
    name: String,
    by: By,
    wanted: Wanted,
    typed: Option<Typed>,
) -> Result<ServicePage, Error> {
    let (frame, now) = (Frame::of(&by.caller, state, HERE), by.at);
    let own = wanted.clone();
    let read = move |reader: &Reader<'_>, _: &Context| {
        let service = services::find(reader, &by, Scope::Read, &name)?;
        one_view::Known::read(reader, service, &own)
    };
    let known = state.read(read).await?;
    let mut head = ServiceHead::new(&known.service, "deployments");
    head.typed = typed.unwrap_or(head.typed);
    Ok(ServicePage::new(frame, head, known, &wanted, now))
}

fn deploy_body(form: &HashMap<String, String>) -> DeployBody {
    let clear_cache = trimmed(form, "clear_cache") == "true";
    let [branch, tag, commit, image, note] =
        ["branch", "tag", "commit", "image", "note"].map(|field| chosen(form, field));
    // The form's branch is filled in before anybody types a tag.
    let branch = branch.filter(|_| tag.is_none());
    DeployBody { branch, tag, commit, clear_cache, image, from: None, note }
}

/// `POST /services/{name}/deploy`: without a branch the default one.
#[handler]
pub(in crate::web) async fn deploy(
    by: By,
    Path(name): Path<String>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (wanted, own) = (deploy_body(&form), name.clone());
    let started = state
        .act(by.clone(), move |tx, context, by| deployments::deploy(tx, context, by, &own, &wanted))
        .await;
    match started {
        Ok(started) => Ok(redirect(&Urls::page_path(&started.id))),
        Err(error) => {
            let [branch, tag, commit, image, note] =
                ["branch", "tag", "commit", "image", "note"].map(|field| trimmed(&form, field));
            let clear_cache = trimmed(&form, "clear_cache") == "true";
            let typed = Typed { branch, tag, commit, image, note, clear_cache, ..Typed::default() };
            once_more(&state, name, by, typed, error).await
        }
    }
}

/// `POST /services/{name}/freeze`.
#[handler]
pub(in crate::web) async fn freeze(
    by: By,
    Path(name): Path<String>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (reason, own) = (trimmed(&form, "reason"), name.clone());
    let given = Some(reason.clone());
    let frozen = state.act(by.clone(), move |tx, _, by| services::set_frozen(tx, by, &own, given)).await;
    match frozen {
        Ok(_) => Ok(redirect(&path(&name))),
        Err(error) => once_more(&state, name, by, Typed { reason, ..Typed::default() }, error).await,
    }
}

/// `POST /services/{name}/unfreeze`.
#[handler]
pub(in crate::web) async fn unfreeze(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let own = name.clone();
    state.act(by, move |tx, _, by| services::set_frozen(tx, by, &own, None)).await?;
    Ok(redirect(&path(&name)))
}

/// The page again with what was typed and why it was not done, where the caller can do something about it.
async fn once_more(
    state: &AppState,
    name: String,
    by: By,
    mut typed: Typed,
    error: Error,
) -> Result<Response, Error> {
    let status = error.status();
    typed.errors = error.invalids();
    let problem = match error.class() {
        _ if !typed.errors.is_empty() => None,
        Class::Conflict | Class::Locked | Class::TooMany | Class::Unavailable => {
            Some(format::sentence(&error.detail()))
        }
        _ => return Err(error),
    };
    let mut page = page(state, name, by, Wanted::default(), Some(typed)).await?;
    page.problem = problem;
    Ok(Page(page).with_status(status).into_response())
}

/// The address of a service's page; the service is there, so its name is one.
pub(super) fn path(name: &str) -> String {
    format!("/services/{name}")
}
