//! The route table: every address, its methods, and who may use it.

use poem::endpoint::{BoxEndpoint, EndpointExt};
use poem::http::{HeaderValue, Method, StatusCode};
use poem::{Endpoint, IntoResponse, Request, Response, Route, RouteMethod};

use super::api::{
    audit, backup, checks, deploy_hooks, deployments, health, hooks, logs, operators, problems, services,
    tokens,
};
use super::assets;
use super::auth;
use super::error::Error;
use super::pages::{self, deployments as deployment_pages, session};
use super::pages::{
    account, audit as audit_page, confirm, operators as operator_pages, setup, tokens as token_pages,
};
use super::state::AppState;

/// Who may use an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody; the handler decides how much is shown.
    Public,
    /// Whoever holds the hook's token.
    Hook,
    /// A session, the socket, or an API token; a guard refuses others before the handler runs.
    Operator,
}

/// One address.
pub struct Resource {
    /// As poem spells it, `/deployments/:id`.
    pub path: &'static str,
    /// Its methods, as the `Allow` header lists them.
    pub allow: &'static str,
    /// Who may use it.
    pub access: Access,
    endpoint: BoxEndpoint<'static>,
}

/// Every address of the server.
pub fn resources(state: &AppState) -> Vec<Resource> {
    let mut all = public_resources();
    all.extend(page_resources(state));
    all.extend(hook_resources());
    all.extend(operator_resources(state));
    all
}

/// All routes as one endpoint.
pub fn app(state: AppState) -> impl Endpoint<Output = Response> {
    let routes = resources(&state)
        .into_iter()
        .fold(Route::new(), |route, resource| route.at(resource.path, resource.endpoint));
    routes.data(state).catch_all_error(|error: poem::Error| async move { outermost(error) })
}

/// What no handler answered: an address that is not there, or an extractor's refusal.
fn outermost(error: poem::Error) -> Response {
    if error.is_from_response() || error.is::<Error>() {
        return error.into_response();
    }
    let error = match error.status() {
        StatusCode::NOT_FOUND => Error::NotFound("page or resource at this address".to_owned()),
        StatusCode::INTERNAL_SERVER_ERROR => Error::Internal(error.to_string()),
        _ => crate::domain::Invalid::new("request", error.to_string()).into(),
    };
    poem::error::ResponseError::as_response(&error)
}

fn resource(path: &'static str, allow: &'static str, access: Access, methods: RouteMethod) -> Resource {
    let endpoint = methods.around(move |endpoint, request| answer_method(endpoint, request, allow));
    Resource { path, allow, access, endpoint: endpoint.map_to_response().boxed() }
}

/// OPTIONS is answered here, and a method that the resource lacks gets its `Allow`.
async fn answer_method<E: Endpoint>(
    endpoint: std::sync::Arc<E>,
    request: Request,
    allow: &'static str,
) -> poem::Result<Response> {
    if request.method() == Method::OPTIONS {
        let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
        response.headers_mut().insert("allow", HeaderValue::from_static(allow));
        return Ok(response);
    }
    match endpoint.call(request).await {
        Err(error) if error.is::<poem::error::MethodNotAllowedError>() => {
            Err(Error::MethodNotAllowed { allow, detail: None }.into())
        }
        other => other.map(IntoResponse::into_response),
    }
}

const GET: &str = "GET, HEAD, OPTIONS";
const POST: &str = "POST, OPTIONS";
const GET_POST: &str = "GET, HEAD, POST, OPTIONS";

fn public_resources() -> Vec<Resource> {
    let public = |path, allow, methods| resource(path, allow, Access::Public, methods);
    vec![
        public("/healthz", GET, poem::get(health::healthz)),
        public("/readyz", GET, poem::get(health::readyz)),
        public("/problems/:code", GET, poem::get(problems::show)),
        public("/deployments/:id", GET, poem::get(deployments::show)),
        public("/deployments/:id/wait", GET, poem::get(deployments::wait)),
    ]
}

/// What people open: errors are pages too.
fn page_resources(state: &AppState) -> Vec<Resource> {
    let public = |path, allow, methods| as_page(resource(path, allow, Access::Public, methods));
    let operator = |path, allow, methods| as_page(guarded(state, path, allow, methods));
    vec![
        public("/", GET, poem::get(session::home)),
        public("/login", GET_POST, poem::get(session::new).post(session::create)),
        public("/setup", GET_POST, poem::get(setup::show).post(setup::create)),
        operator("/logout", POST, poem::post(session::delete)),
        operator("/confirm", GET_POST, poem::get(confirm::show).post(confirm::create)),
        operator("/account", GET, poem::get(account::show)),
        operator("/account/password", POST, poem::post(account::update_password)),
        operator("/account/sign-out", POST, poem::post(account::sign_out)),
        operator("/account/sessions/:id/revoke", POST, poem::post(account::revoke_session)),
        operator("/account/operators", POST, poem::post(operator_pages::create)),
        operator("/account/operators/link", POST, poem::post(operator_pages::link)),
        operator(
            "/account/operators/remove",
            GET_POST,
            poem::get(operator_pages::confirm_removal).post(operator_pages::remove),
        ),
        operator("/audit", GET, poem::get(audit_page::index)),
        operator("/tokens", GET_POST, poem::get(token_pages::index).post(token_pages::create)),
        operator(
            "/tokens/:id/revoke",
            GET_POST,
            poem::get(token_pages::confirm_revocation).post(token_pages::revoke),
        ),
        public("/deploys/:id", GET, poem::get(deployment_pages::show)),
        operator("/deploys/:id/events", GET, poem::get(deployment_pages::events)),
        operator("/deploys/:id/cancel", POST, poem::post(deployment_pages::cancel)),
        operator("/deploys/:id/redeploy", POST, poem::post(deployment_pages::redeploy)),
        operator("/deploys/:id/rollback", POST, poem::post(deployment_pages::rollback)),
        public("/static/:file", GET, assets::endpoint()),
        public("/robots.txt", GET, assets::robots()),
    ]
}

fn as_page(resource: Resource) -> Resource {
    let endpoint = resource.endpoint.around(|endpoint, request| async move {
        let asked = (request.method() == Method::GET).then(|| request.original_uri().to_string());
        let answer = endpoint.call(request).await;
        Ok(answer.unwrap_or_else(|error| match error.downcast::<Error>() {
            Ok(error) => pages::error_page(&error, asked.as_deref()),
            Err(error) => outermost(error),
        }))
    });
    Resource { endpoint: endpoint.boxed(), ..resource }
}

/// One handler takes all methods, since a hook's own checks begin with the method.
fn hook_resources() -> Vec<Resource> {
    let hook = |path| Resource {
        path,
        allow: "POST, DELETE, OPTIONS",
        access: Access::Hook,
        endpoint: deploy_hooks::deploy_hook.map_to_response().boxed(),
    };
    vec![hook("/deploy-hooks"), hook("/deploy-hooks/*token")]
}

/// Each is behind the guard, so that a new route cannot forget it.
fn operator_resources(state: &AppState) -> Vec<Resource> {
    let guarded = |path, allow, methods| guarded(state, path, allow, methods);
    let mut all = vec![
        guarded("/deployments/:id/logs", GET, poem::get(logs::show)),
        guarded("/deployments/:id/cancel", POST, poem::post(deployments::cancel)),
        guarded("/deployments/:id/redeploy", POST, poem::post(deployments::redeploy)),
        guarded("/deployments/:id/rollback", POST, poem::post(deployments::rollback)),
        guarded("/api/v1/tokens", GET_POST, poem::get(tokens::index).post(tokens::create)),
        guarded("/api/v1/tokens/:token", "DELETE, OPTIONS", poem::delete(tokens::revoke)),
        guarded("/api/v1/audit", GET, poem::get(audit::index)),
        guarded("/api/v1/backup", POST, poem::post(backup::create)),
        guarded("/api/v1/operators", GET_POST, poem::get(operators::index).post(operators::create)),
        guarded("/api/v1/operators/:name/login-link", POST, poem::post(operators::login_link)),
        guarded("/api/v1/operators/:name/reset", POST, poem::post(operators::reset)),
    ];
    let one = "GET, HEAD, PATCH, DELETE, OPTIONS";
    all.extend([
        guarded("/api/v1/services", GET_POST, poem::get(services::index).post(services::create)),
        guarded(
            "/api/v1/services/:name",
            one,
            poem::get(services::show).patch(services::update).delete(services::delete),
        ),
        guarded(
            "/api/v1/services/:name/freeze",
            "PUT, DELETE, OPTIONS",
            poem::put(services::freeze).delete(services::unfreeze),
        ),
        guarded(
            "/api/v1/services/:name/deployments",
            GET_POST,
            poem::get(services::deployments_of).post(services::deploy),
        ),
        guarded("/api/v1/services/:name/checks", GET, poem::get(checks::show)),
        guarded("/api/v1/services/:name/hooks", GET_POST, poem::get(hooks::index).post(hooks::create)),
        guarded(
            "/api/v1/services/:name/hooks/:hook",
            one,
            poem::get(hooks::show).patch(hooks::update).delete(hooks::revoke),
        ),
        guarded("/api/v1/services/:name/hooks/:hook/rotate", POST, poem::post(hooks::rotate)),
        guarded("/api/v1/services/:name/hooks/:hook/calls", GET, poem::get(hooks::calls)),
    ]);
    all
}

fn guarded(state: &AppState, path: &'static str, allow: &'static str, methods: RouteMethod) -> Resource {
    let state = state.clone();
    let endpoint = methods.around(move |endpoint, request| guard(endpoint, request, state.clone()));
    let endpoint = endpoint.around(move |endpoint, request| answer_method(endpoint, request, allow));
    Resource { path, allow, access: Access::Operator, endpoint: endpoint.boxed() }
}

async fn guard<E: Endpoint>(
    endpoint: std::sync::Arc<E>,
    mut request: Request,
    state: AppState,
) -> poem::Result<Response> {
    let caller = auth::require(&state, &request).await?;
    request.set_data(caller);
    endpoint.call(request).await.map(IntoResponse::into_response)
}
