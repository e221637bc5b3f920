//! Services: the user's applications.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};

use crate::actions::deployments::FoundPage;
use crate::actions::{By, Context, deployments, services, status};
use crate::db::deployments::Filter;
use crate::db::{Reader, caches};
use crate::domain::{DeploymentId, Invalid, Scope, ServiceName, Source, Status};
use crate::web::api::edit::{Edit, tagged};
use crate::web::api::{created, json, limit, no_content, started};
use crate::web::error::Error;
use crate::web::extract::Input;
use crate::web::request::Query;
use crate::web::state::AppState;
use crate::wire::deploy::DeployBody;
use crate::wire::deployment::{DeploymentJson, Seen};
use crate::wire::list::List;
use crate::wire::service::{CacheJson, FreezeBody, ServiceBody, ServiceJson};

/// `GET /api/v1/services`.
#[handler]
pub(in crate::web) async fn index(by: By, query: Query, state: Data<&AppState>) -> Result<Response, Error> {
    let (after, limit) = (after_service(&query)?, limit(&query)?);
    let read =
        move |reader: &Reader<'_>, _: &Context| services::list(reader, &by, after.as_deref(), limit + 1);
    let found = state.read(read).await?.iter().map(ServiceJson::new).collect();
    Ok(json(StatusCode::OK, &List::page(found, limit, ServiceJson::name)))
}

/// Where a list by names goes on.
fn after_service(query: &Query) -> Result<Option<String>, Invalid> {
    let Some(text) = query.get("after") else { return Ok(None) };
    let wrong = |_| Invalid::new("after", "must be the name of a service, as `next` gave it");
    ServiceName::parse(text).map(|name| Some(name.to_string())).map_err(wrong)
}

/// `GET /api/v1/status`: what serves, runs and waits, by name.
#[handler]
pub(in crate::web) async fn statuses(
    by: By,
    query: Query,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (after, limit) = (after_service(&query)?, limit(&query)?);
    let read = move |reader: &Reader<'_>, _: &Context| status::list(reader, &by, after.as_deref(), limit + 1);
    let found = state.read(read).await?;
    Ok(json(StatusCode::OK, &List::page(found, limit, |own| own.service.clone())))
}

/// `GET /api/v1/deployments`, newest first, of all services.
#[handler]
pub(in crate::web) async fn all_deployments(
    by: By,
    query: Query,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let filter = filter(&query)?;
    let found = state.read(move |reader, _| deployments::list_all(reader, &by, &filter)).await?;
    Ok(page_of(found, &state))
}

/// `POST /api/v1/services`.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    edit: Edit,
    Input(body): Input<ServiceBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let is_try = edit.is_try();
    let made =
        edit.run(&state, by, move |tx, context, by, _| services::create(tx, context, by, body)).await?;
    let body = ServiceJson::new(&made);
    Ok(if is_try { json(StatusCode::OK, &body) } else { created(&["services", made.name.as_str()], &body) })
}

/// `GET /api/v1/services/{name}`.
#[handler]
pub(in crate::web) async fn show(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let found = state.read(move |reader, _| services::find(reader, &by, Scope::Read, &name)).await?;
    Ok(tagged(&ServiceJson::new(&found)))
}

/// `PATCH /api/v1/services/{name}`.
#[handler]
pub(in crate::web) async fn update(
    by: By,
    edit: Edit,
    Path(name): Path<String>,
    Input(changes): Input<ServiceBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let after = edit.run(&state, by, move |tx, context, by, edit| {
        edit.check(&ServiceJson::new(&services::find(tx, by, Scope::Admin, &name)?))?;
        services::update(tx, context, by, &name, changes)
    });
    Ok(tagged(&ServiceJson::new(&after.await?)))
}

/// `DELETE /api/v1/services/{name}`: its queued deployments end, the running one is cancelled, its hooks are revoked.
#[handler]
pub(in crate::web) async fn delete(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    state.act_on_credentials(by, move |tx, _, by| services::delete(tx, by, &name)).await?;
    Ok(no_content())
}

/// `PUT /api/v1/services/{name}/freeze`.
#[handler]
pub(in crate::web) async fn freeze(
    by: By,
    Path(name): Path<String>,
    Input(body): Input<FreezeBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let reason = Some(body.reason.unwrap_or_default());
    let frozen = state.act(by, move |tx, _, by| services::set_frozen(tx, by, &name, reason)).await?;
    Ok(json(StatusCode::OK, &ServiceJson::new(&frozen)))
}

/// `DELETE /api/v1/services/{name}/freeze`.
#[handler]
pub(in crate::web) async fn unfreeze(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let free = state.act(by, move |tx, _, by| services::set_frozen(tx, by, &name, None)).await?;
    Ok(json(StatusCode::OK, &ServiceJson::new(&free)))
}

/// `GET /api/v1/services/{name}/deployments`, newest first.
#[handler]
pub(in crate::web) async fn deployments_of(
    by: By,
    query: Query,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let filter = filter(&query)?;
    let found = state.read(move |reader, _| deployments::list(reader, &by, &name, &filter)).await?;
    Ok(page_of(found, &state))
}

fn page_of(found: FoundPage, state: &AppState) -> Response {
    let shown = found.deployments.into_iter();
    let items = shown.map(|found| DeploymentJson::new(found, state.urls(), Seen::InList)).collect();
    json(StatusCode::OK, &List { items, next: found.more.map(|more| more.to_string()) })
}

fn filter(query: &Query) -> Result<Filter, Invalid> {
    let status = query.get("status").map(|word| {
        Status::parse(word)
            .ok_or_else(|| Invalid::new("status", "must be queued, building, deploying, succeeded or failed"))
    });
    let source = query.get("source").map(|word| {
        Source::parse(word).ok_or_else(|| Invalid::new("source", "must be build, image, promoted or kept"))
    });
    let before = query.get("after").map(|text| {
        DeploymentId::parse(text).ok_or_else(|| Invalid::new("after", "must be the id of a deployment"))
    });
    Ok(Filter {
        statuses: status.transpose()?.into_iter().collect(),
        text: None,
        branch: deployments::read_ref(query.get("branch"))?,
        source: source.transpose()?,
        before: before.transpose()?,
        limit: limit(query)?,
    })
}

/// `POST /api/v1/services/{name}/deployments`: deploy now.
#[handler]
pub(in crate::web) async fn deploy(
    by: By,
    Path(name): Path<String>,
    Input(wanted): Input<DeployBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let deploy = state.act(by, move |tx, context, by| deployments::deploy(tx, context, by, &name, &wanted));
    Ok(started(deploy.await?))
}

/// `GET /api/v1/services/{name}/cache`.
#[handler]
pub(in crate::web) async fn cache(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let read = move |reader: &Reader<'_>, _: &Context| {
        let service = services::find(reader, &by, Scope::Read, &name)?;
        Ok(caches::bytes(reader, &service.id)?)
    };
    Ok(json(StatusCode::OK, &CacheJson { bytes: state.read(read).await? }))
}

/// `DELETE /api/v1/services/{name}/cache`: empties it, once no run uses it.
#[handler]
pub(in crate::web) async fn empty_cache(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    state.act(by, move |tx, _, by| services::empty_cache(tx, by, &name)).await?;
    Ok(no_content())
}
