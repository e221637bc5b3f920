//! `/deploys/{id}`: the page and its three forms.

mod advice;
pub mod around;
mod facts;
pub mod fuse;
mod live;
mod log_section;
mod outlook;
mod receipt;
pub(super) mod row;
mod steps;
mod told;
pub(super) mod verdict;
pub mod view;

pub(in crate::web) use live::events;

use poem::http::{StatusCode, header};
use poem::web::{Data, Path};
use poem::{IntoResponse, Request, Response, handler};

use crate::actions::again::Again;
use crate::actions::{self, By};
use crate::db::Reader;
use crate::domain::{Class, Urls};
use crate::web::auth;
use crate::web::deployment::{self, load, read_id};
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::front::RequestId;
use crate::web::pages::deployments::around::Around;
use crate::web::pages::deployments::view::{DeploymentPage, Known};
use crate::web::pages::errors::ErrorPage;
use crate::web::pages::follow::Moment;
use crate::web::pages::log::kept::{self, Shown, Wanted};
use crate::web::pages::log::stream;
use crate::web::pages::{Frame, Page, redirect};
use crate::web::request::Query;
use crate::web::state::AppState;
use crate::wire::deploy::DeployBody;
use crate::wire::deployment::FoundDeployment;

/// `GET /deploys/{id}`: the minimum for everybody, the log for an operator.
#[handler]
pub(in crate::web) async fn show(
    request: &Request,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let query = Query::parse(request)?;
    let (all, times) = (query.flag("all")?, query.flag("times")?);
    let caller = auth::find(state.context(), request).await.ok().flatten();
    let moment = Moment::of(request, &state, caller.as_ref());
    if let Some(unchanged) = moment.unchanged(request) {
        return Ok(unchanged);
    }
    let frame = Frame::for_anyone(caller.as_ref(), &state, "/services");
    let found = match read_id(&id) {
        Ok(id) => load(&state, &id).await,
        Err(error) => Err(error),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) if error.class() == Class::NotFound => {
            let request_id = RequestId::of(request);
            let page = ErrorPage { request_id, ..ErrorPage::deployment_not_found(frame, &id) };
            return Ok(Page(page).with_status(StatusCode::NOT_FOUND).into_response());
        }
        Err(error) => return Err(error),
    };
    // Whoever follows has the log, and hears its end by itself.
    let reads_log = frame.operator.is_some() && !moment.is_followed();
    let wanted = reads_log.then_some(Wanted { all, times });
    let mut response = moment.tag(page(&state, frame, found, wanted).await?);
    let caching = if moment.is_followed() { "no-store" } else { "private, no-cache" };
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static(caching));
    Ok(response)
}

/// The page with or without the log. Made by the reading thread, since a log is work; of a long one the lines are made as
/// they are taken.
async fn page(
    state: &AppState,
    frame: Frame,
    found: FoundDeployment,
    wanted: Option<Wanted>,
) -> Result<Response, Error> {
    let now = state.clock().now();
    let around = if frame.operator.is_some() {
        let deployment = found.deployment.clone();
        state.read(move |reader, _| Around::read(reader, &deployment)).await?
    } else {
        Around::default()
    };
    let render = move |found: &FoundDeployment, log, log_end| {
        let known = Known {
            deployment: &found.deployment,
            steps: &found.steps,
            queue_position: found.queue_position.and_then(|place| u64::try_from(place).ok()),
            log,
            log_end,
            around: &around,
            now,
        };
        Page(DeploymentPage::new(frame, known)).render()
    };
    let Some(wanted) = wanted else { return Ok(render(&found, None, 0).into_response()) };
    let read = move |reader: &Reader<'_>| {
        let Shown { log, end, later } = kept::read(reader, &found.deployment, wanted)?;
        Ok::<_, Error>((render(&found, Some(log), end), later))
    };
    let (page, later) = state.db().logs().read(read).await?;
    Ok(stream::respond(state, page, later))
}

/// `POST /deploys/{id}/cancel`.
#[handler]
pub(in crate::web) async fn cancel(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    Ok(redirect(&Urls::page_path(&deployment::cancel(by, &id, &state).await?)))
}

/// `POST /deploys/{id}/redeploy`.
#[handler]
pub(in crate::web) async fn redeploy(
    by: By,
    Path(id): Path<String>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let clear_cache = form.get("clear_cache").is_some_and(|value| value == "true");
    let started = deployment::again(by, &id, &state, Again::Redeploy { clear_cache }).await?;
    Ok(redirect(&Urls::page_path(&started.id)))
}

/// `POST /deploys/{id}/promote`: its image for the service that the form names.
#[handler]
pub(in crate::web) async fn promote(
    by: By,
    Path(id): Path<String>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let service = form.get("service").cloned().unwrap_or_default();
    let wanted = DeployBody { from: Some(read_id(&id)?.to_string()), ..DeployBody::default() };
    let deploy = state
        .act(by, move |tx, context, by| actions::deployments::deploy(tx, context, by, &service, &wanted));
    Ok(redirect(&Urls::page_path(&deploy.await?.id)))
}

/// `POST /deploys/{id}/rollback`: to what the form names, else to this one.
#[handler]
pub(in crate::web) async fn rollback(
    by: By,
    Path(id): Path<String>,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let freeze = form.get("freeze").is_some_and(|value| value == "true");
    let to = form.get("to").filter(|to| !to.is_empty()).unwrap_or(&id);
    let started = deployment::again(by, to, &state, Again::Rollback { freeze }).await?;
    Ok(redirect(&Urls::page_path(&started.id)))
}
