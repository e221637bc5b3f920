//! `/services/new`, `/services/{name}/settings` and `/services/{name}/delete`: forms that make, change and delete.

use askama::Template;
use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};

use crate::db::deployments::{self, Filter};
use crate::db::{Reader, hooks};
use crate::domain::{ExecutorKind, Invalid, Scope, Service, Status};

use super::super::api::services::{create_as, delete_as, load, update_as};
use super::super::auth::{self, Caller, actor};
use super::super::error::Error;
use super::super::request::{Query, form};
use super::super::state::AppState;
use super::service_form::ServiceForm;
use super::service_head::ServiceHead;
use super::services::{HERE, path};
use super::{Frame, Page, format, redirect};

/// The form for a new service.
#[derive(Debug, Template)]
#[template(path = "pages/services/new.html")]
struct NewPage {
    frame: Frame,
    form: ServiceForm,
}

/// The form for one that is there.
#[derive(Debug, Template)]
#[template(path = "pages/services/settings.html")]
struct SettingsPage {
    frame: Frame,
    head: ServiceHead,
    form: ServiceForm,
    is_saved: bool,
}

/// The question before the deletion.
#[derive(Debug, Template)]
#[template(path = "pages/services/delete.html")]
struct DeletePage {
    frame: Frame,
    head: ServiceHead,
    /// What it takes with it, for people.
    hooks: Option<String>,
    queued: Option<String>,
    running: Option<String>,
    in_cluster: bool,
    is_wrong: bool,
}

/// `GET /services/new`.
#[handler]
pub(in crate::web) fn new(request: &Request, Data(state): Data<&AppState>) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    caller.require(Scope::Admin, None)?;
    let form = ServiceForm::empty(state.settings().available);
    Ok(Page(NewPage { frame: Frame::of(&caller, state, HERE), form }).into_response())
}

/// `POST /services`.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    caller.require(Scope::Admin, None)?;
    let mut form = ServiceForm::empty(state.settings().available).sent(form(body).await?);
    let made = match form.body(None) {
        Ok(body) => create_as(&state, body, &caller, actor(&caller, request)).await,
        Err(invalid) => Err(invalid.into()),
    };
    match made {
        Ok(service) => Ok(redirect(&path(service.name.as_str()))),
        Err(error) => {
            let status = form_error(error, &mut form)?;
            let page = NewPage { frame: Frame::of(&caller, &state, HERE), form };
            Ok(Page(page).with_status(status).into_response())
        }
    }
}

/// Notes in the form what was wrong with it and gives the answer's status.
///
/// # Errors
/// What is not the form's fault.
fn form_error(error: Error, form: &mut ServiceForm) -> Result<StatusCode, Error> {
    let status = error.status();
    form.error = Some(match error {
        Error::Invalid(invalid) => invalid,
        Error::Conflict { code: "name_taken", detail } => Invalid::new("name", detail),
        other => return Err(other),
    });
    Ok(status)
}

/// `GET /services/{name}/settings`.
#[handler]
pub(in crate::web) async fn edit(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let is_saved = Query::parse(request)?.flag("saved")?;
    let service = find(&state, name, &caller).await?;
    let form = ServiceForm::of(&service, state.settings().available);
    Ok(Page(settings(&state, &caller, &service, form, is_saved)).into_response())
}

async fn find(state: &AppState, name: String, caller: &Caller) -> Result<Service, Error> {
    let service = state.db().read(move |reader| load(reader, &name)).await?;
    caller.require(Scope::Admin, Some(&service.id))?;
    Ok(service)
}

fn settings(
    state: &AppState,
    caller: &Caller,
    service: &Service,
    form: ServiceForm,
    is_saved: bool,
) -> SettingsPage {
    let head = ServiceHead::new(service, "general");
    SettingsPage { frame: Frame::of(caller, state, HERE), head, form, is_saved }
}

/// `POST /services/{name}/settings`.
#[handler]
pub(in crate::web) async fn update(
    request: &Request,
    Path(name): Path<String>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let service = find(&state, name.clone(), &caller).await?;
    let mut form = ServiceForm::of(&service, state.settings().available).sent(form(body).await?);
    let changed = match form.body(Some(&service)) {
        Ok(changes) => update_as(&state, name, changes, caller.clone(), actor(&caller, request)).await,
        Err(invalid) => Err(invalid.into()),
    };
    match changed {
        Ok(after) => Ok(redirect(&format!("{}/settings?saved", path(after.name.as_str())))),
        Err(error) => {
            let status = form_error(error, &mut form)?;
            Ok(Page(settings(&state, &caller, &service, form, false)).with_status(status).into_response())
        }
    }
}

/// `GET /services/{name}/delete`: says what it will do.
#[handler]
pub(in crate::web) async fn confirm(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let service = find(&state, name, &caller).await?;
    Ok(Page(question(&state, &caller, service, false).await?).into_response())
}

async fn question(
    state: &AppState,
    caller: &Caller,
    service: Service,
    is_wrong: bool,
) -> Result<DeletePage, Error> {
    let head = ServiceHead::new(&service, "general");
    let in_cluster = service.executor == ExecutorKind::Tekton;
    let read = move |reader: &Reader<'_>| {
        let count = |statuses: &[Status]| {
            let filter = Filter { statuses: statuses.to_vec(), limit: u32::MAX, ..Filter::default() };
            Ok::<_, Error>(deployments::list_for_service(reader, &service.id, &filter)?.len())
        };
        let hooks = hooks::list_for_service(reader, &service.id, None, u32::MAX)?.len();
        Ok::<_, Error>((hooks, count(&[Status::Queued])?, count(&[Status::Building, Status::Deploying])?))
    };
    let (hooks, queued, running) = state.db().read(read).await?;
    let words = |count: usize, noun| (count > 0).then(|| format::count(count as u64, noun));
    let (hooks, queued, running) =
        (words(hooks, "hook"), words(queued, "deployment"), words(running, "deployment"));
    let frame = Frame::of(caller, state, HERE);
    Ok(DeletePage { frame, head, hooks, queued, running, in_cluster, is_wrong })
}

/// `POST /services/{name}/delete`, with the name typed once more.
#[handler]
pub(in crate::web) async fn delete(
    request: &Request,
    Path(name): Path<String>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let service = find(&state, name.clone(), &caller).await?;
    if form(body).await?.get("confirm").is_none_or(|typed| typed.trim() != service.name.as_str()) {
        let page = question(&state, &caller, service, true).await?;
        return Ok(Page(page).with_status(StatusCode::BAD_REQUEST).into_response());
    }
    delete_as(&state, name, caller.clone(), actor(&caller, request)).await?;
    Ok(redirect("/services?deleted"))
}
