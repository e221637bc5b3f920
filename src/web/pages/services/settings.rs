//! `/services/new`, `/services/{name}/settings` and `/services/{name}/delete`: forms that make, change and delete.
#![expect(clippy::needless_pass_by_value, reason = "a handler is given its extractors")]

use askama::Template;
use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{IntoResponse, Response, handler};

use crate::actions::{self, By, Context, services};
use crate::db::{Reader, badges, caches};
use crate::domain::{Code, ExecutorKind, Faults, Invalid, Scope, Service};
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::pages::services::form::ServiceForm;
use crate::web::pages::services::head::ServiceHead;
use crate::web::pages::services::{HERE, path};
use crate::web::pages::{Frame, Page, format, redirect};
use crate::web::request::Query;
use crate::web::state::AppState;

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
    is_emptied: bool,
    /// The URL of its status badge, where it has one.
    badge: Option<String>,
    /// How much builds keep on this host, for people; none where they keep nothing there.
    cache: Option<String>,
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
pub(in crate::web) fn new(by: By, Data(state): Data<&AppState>) -> Result<Response, Error> {
    by.require(Scope::Admin, None)?;
    let form = ServiceForm::empty(state.settings().available);
    Ok(Page(NewPage { frame: Frame::of(&by.caller, state, HERE), form }).into_response())
}

/// `POST /services`.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    Form(sent): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    by.require(Scope::Admin, None)?;
    let mut form = ServiceForm::empty(state.settings().available).sent(sent);
    let mut faults = Faults::default();
    let body = form.body(None, &mut faults);
    let made = match faults.finish(()) {
        Ok(()) => state.act(by.clone(), move |tx, context, by| services::create(tx, context, by, body)).await,
        Err(faults) => Err(with_rest(faults, services::faults(state.context(), None, body, by.at))),
    };
    match made {
        Ok(service) => Ok(redirect(&path(service.name.as_str()))),
        Err(error) => {
            let status = form_error(error, &mut form)?;
            let page = NewPage { frame: Frame::of(&by.caller, &state, HERE), form };
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
    form.errors = match (error.invalids(), error.code()) {
        (invalids, _) if !invalids.is_empty() => invalids,
        (_, Code::NameTaken) => vec![Invalid::new("name", error.detail())],
        (_, _) => return Err(error),
    };
    Ok(status)
}

/// What could not be read of a form, and what is wrong with the rest of it.
fn with_rest(mut faults: Vec<Invalid>, rest: Vec<Invalid>) -> Error {
    // A field that could not be read is not missing.
    let whole = |one: &Invalid| one.field.split('.').next().map(str::to_owned);
    let is_new = |one: &Invalid| faults.iter().all(|fault| whole(fault) != whole(one));
    let rest: Vec<_> = rest.into_iter().filter(is_new).collect();
    faults.extend(rest);
    Error::from_faults(faults)
}

/// `GET /services/{name}/settings`.
#[handler]
pub(in crate::web) async fn edit(
    by: By,
    query: Query,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (is_saved, is_emptied) = (query.flag("saved")?, query.flag("emptied")?);
    let service = find(&state, &by, name).await?;
    let form = ServiceForm::of(&service, state.settings().available);
    let page = settings(&state, &by, &service, form).await?;
    Ok(Page(SettingsPage { is_saved, is_emptied, ..page }).into_response())
}

async fn find(state: &AppState, by: &By, name: String) -> Result<Service, Error> {
    let by = by.clone();
    state.read(move |reader, _| services::find(reader, &by, Scope::Admin, &name)).await
}

async fn settings(
    state: &AppState,
    by: &By,
    service: &Service,
    form: ServiceForm,
) -> Result<SettingsPage, Error> {
    let (head, id) = (ServiceHead::new(service, "general"), service.id.clone());
    let read = move |reader: &Reader<'_>, context: &Context| {
        let badge = badges::key(reader, &id)?.map(|key| context.urls().badge(&key));
        Ok((caches::bytes(reader, &id)?, badge))
    };
    let (bytes, badge) = state.read(read).await?;
    let cache = bytes.filter(|bytes| *bytes > 0).map(format::mebibytes);
    let frame = Frame::of(&by.caller, state, HERE);
    Ok(SettingsPage { frame, head, form, is_saved: false, is_emptied: false, badge, cache })
}

/// `POST /services/{name}/cache`: empties what its builds keep.
#[handler]
pub(in crate::web) async fn empty_cache(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let to = format!("{}/settings?emptied", path(&name));
    state.act(by, move |tx, _, by| services::empty_cache(tx, by, &name)).await?;
    Ok(redirect(&to))
}

/// `POST /services/{name}/badge`: a status badge under a new URL.
#[handler]
pub(in crate::web) async fn make_badge(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let to = format!("{}/settings#badge", path(&name));
    state.act(by, move |tx, context, by| actions::badges::create(tx, context, by, &name)).await?;
    Ok(redirect(&to))
}

/// `POST /services/{name}/badge/delete`.
#[handler]
pub(in crate::web) async fn delete_badge(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let to = format!("{}/settings#badge", path(&name));
    state.act(by, move |tx, _, by| actions::badges::delete(tx, by, &name)).await?;
    Ok(redirect(&to))
}

/// `POST /services/{name}/settings`.
#[handler]
pub(in crate::web) async fn update(
    by: By,
    Path(name): Path<String>,
    Form(sent): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let service = find(&state, &by, name.clone()).await?;
    let mut form = ServiceForm::of(&service, state.settings().available).sent(sent);
    let mut faults = Faults::default();
    let changes = form.body(Some(&service), &mut faults);
    let updated = match faults.finish(()) {
        Ok(()) => {
            let update = state
                .act(by.clone(), move |tx, context, by| services::update(tx, context, by, &name, changes));
            update.await
        }
        Err(faults) => {
            Err(with_rest(faults, services::faults(state.context(), Some(service.clone()), changes, by.at)))
        }
    };
    match updated {
        Ok(after) => Ok(redirect(&format!("{}/settings?saved", path(after.name.as_str())))),
        Err(error) => {
            let status = form_error(error, &mut form)?;
            let page = settings(&state, &by, &service, form).await?;
            Ok(Page(page).with_status(status).into_response())
        }
    }
}

/// `GET /services/{name}/delete`: says what it will do.
#[handler]
pub(in crate::web) async fn confirm(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let service = find(&state, &by, name).await?;
    Ok(Page(question(&state, &by, service, false).await?).into_response())
}

async fn question(state: &AppState, by: &By, service: Service, is_wrong: bool) -> Result<DeletePage, Error> {
    let head = ServiceHead::new(&service, "general");
    let in_cluster = service.executor == ExecutorKind::Tekton;
    let own = state.read(move |reader, _| services::belongings(reader, &service)).await?;
    let words = |count: usize, noun| (count > 0).then(|| format::count(count as u64, noun));
    Ok(DeletePage {
        frame: Frame::of(&by.caller, state, HERE),
        head,
        hooks: words(own.hooks, "hook"),
        queued: words(own.queued, "deployment"),
        running: words(own.running, "deployment"),
        in_cluster,
        is_wrong,
    })
}

/// `POST /services/{name}/delete`, with the name typed once more.
#[handler]
pub(in crate::web) async fn delete(
    by: By,
    Path(name): Path<String>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let service = find(&state, &by, name.clone()).await?;
    if form.get("confirm").is_none_or(|typed| typed.trim() != service.name.as_str()) {
        let page = question(&state, &by, service, true).await?;
        return Ok(Page(page).with_status(StatusCode::BAD_REQUEST).into_response());
    }
    state.act_on_credentials(by, move |tx, _, by| services::delete(tx, by, &name)).await?;
    Ok(redirect("/services?deleted"))
}
