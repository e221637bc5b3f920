//! `/services` and `/services/{name}`: the list, the page of one, and what can be done from its head.

use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};

use crate::db::{Reader, services};
use crate::domain::Scope;

use super::super::api::services::{DeployBody, deploy_as, load, set_frozen_as};
use super::super::auth::{self, Caller, actor};
use super::super::error::Error;
use super::super::request::{Query, form};
use super::super::state::AppState;
use super::super::urls::page_path;
use super::service_head::{ServiceHead, Typed};
use super::service_view::{self, ServicePage, Wanted};
use super::services_view::{self, ServicesPage};
use super::{Frame, Page, chosen, format, redirect, trimmed};

/// The entry of the menu.
pub(super) const HERE: &str = "/services";

/// `GET /services`.
#[handler]
pub(in crate::web) async fn index(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    caller.require(Scope::Read, None)?;
    let was_deleted = Query::parse(request)?.flag("deleted")?;
    let read = |reader: &Reader<'_>| {
        let all = services::list(reader, None, u32::MAX)?;
        all.into_iter()
            .map(|service| services_view::Known::read(reader, service))
            .collect::<Result<Vec<_>, _>>()
    };
    let known = state.db().read(read).await?;
    let frame = Frame::of(&caller, &state, HERE);
    let has_cluster = state.settings().available.tekton;
    Ok(Page(ServicesPage::new(frame, known, has_cluster, was_deleted, state.clock().now())).into_response())
}

/// `GET /services/{name}`.
#[handler]
pub(in crate::web) async fn show(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let wanted = Wanted::parse(request.uri().query().unwrap_or_default());
    Ok(Page(page(&state, name, auth::caller(request)?, wanted, None).await?).into_response())
}

/// The page, with what was typed into its head where a form comes back.
async fn page(
    state: &AppState,
    name: String,
    caller: Caller,
    wanted: Wanted,
    typed: Option<Typed>,
) -> Result<ServicePage, Error> {
    let frame = Frame::of(&caller, state, HERE);
    let (own, now) = (wanted.clone(), state.clock().now());
    let read = move |reader: &Reader<'_>| {
        let service = load(reader, &name)?;
        caller.require(Scope::Read, Some(&service.id))?;
        Ok::<_, Error>(service_view::Known::read(reader, service, &own)?)
    };
    let known = state.db().read(read).await?;
    let mut head = ServiceHead::new(&known.service, "deployments");
    head.typed = typed.unwrap_or(head.typed);
    Ok(ServicePage::new(frame, head, known, &wanted, now))
}

/// `POST /services/{name}/deploy`: without a branch the default one.
#[handler]
pub(in crate::web) async fn deploy(
    request: &Request,
    Path(name): Path<String>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (caller, form) = (auth::caller(request)?, form(body).await?);
    let clear_cache = trimmed(&form, "clear_cache") == "true";
    let wanted = DeployBody { branch: chosen(&form, "branch"), commit: chosen(&form, "commit"), clear_cache };
    match deploy_as(&state, name.clone(), wanted, caller.clone(), actor(&caller, request)).await {
        Ok(started) => Ok(redirect(&page_path(&started.id))),
        Err(error) => {
            let typed = Typed {
                branch: trimmed(&form, "branch"),
                commit: trimmed(&form, "commit"),
                clear_cache,
                ..Typed::default()
            };
            once_more(&state, name, caller, typed, error).await
        }
    }
}

/// `POST /services/{name}/freeze`.
#[handler]
pub(in crate::web) async fn freeze(
    request: &Request,
    Path(name): Path<String>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (caller, form) = (auth::caller(request)?, form(body).await?);
    let reason = trimmed(&form, "reason");
    let actor = actor(&caller, request);
    match set_frozen_as(&state, name.clone(), Some(reason.clone()), caller.clone(), actor).await {
        Ok(_) => Ok(redirect(&path(&name))),
        Err(error) => once_more(&state, name, caller, Typed { reason, ..Typed::default() }, error).await,
    }
}

/// `POST /services/{name}/unfreeze`.
#[handler]
pub(in crate::web) async fn unfreeze(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    set_frozen_as(&state, name.clone(), None, caller.clone(), actor(&caller, request)).await?;
    Ok(redirect(&path(&name)))
}

/// The page again with what was typed and why it was not done, where the caller can do something about it.
async fn once_more(
    state: &AppState,
    name: String,
    caller: Caller,
    mut typed: Typed,
    error: Error,
) -> Result<Response, Error> {
    let status = error.status();
    let problem = match error {
        Error::Invalid(invalid) => {
            let problem =
                format!("{}: {}", format::capital(&invalid.field), format::sentence(&invalid.detail));
            typed.error = Some(invalid);
            problem
        }
        Error::Conflict { .. } | Error::Locked { .. } | Error::TooMany { .. } | Error::Unavailable { .. } => {
            format::sentence(&error.detail())
        }
        other => return Err(other),
    };
    let mut page = page(state, name, caller, Wanted::default(), Some(typed)).await?;
    page.problem = Some(problem);
    Ok(Page(page).with_status(status).into_response())
}

/// The address of a service's page; the service is there, so its name is one.
pub(super) fn path(name: &str) -> String {
    format!("/services/{name}")
}
