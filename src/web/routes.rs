//! The route table: every address, its methods, and who may use it.

use poem::endpoint::{BoxEndpoint, EndpointExt};
use poem::http::{HeaderValue, Method, StatusCode};
use poem::{Endpoint, IntoResponse, Request, Response, Route, RouteMethod};

use crate::web::access::RequestId;
use crate::web::api::{
    audit, backup, checks, deployments, health, hooks, logs, operators, problems, services, tokens, trigger,
};
use crate::web::auth;
use crate::web::error::Error;
use crate::web::page_routes;
use crate::web::pages::{Asked, Frame};
use crate::web::request::prefers;
use crate::web::state::AppState;

/// What begins the addresses that programs call; their errors are never pages.
const PROGRAMS: [&str; 5] = ["/api/", "/deploy-hooks", "/deployments/", "/static/", "/problems/"];

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
    all.extend(page_routes::all(state));
    all.extend(hook_resources());
    all.extend(operator_resources(state));
    all
}

/// All routes as one endpoint.
pub fn app(state: AppState) -> impl Endpoint<Output = Response> {
    let routes = resources(&state)
        .into_iter()
        .fold(Route::new(), |route, resource| route.at(resource.path, resource.endpoint));
    routes.data(state).around(answer_error)
}

/// An error that no handler answered is a page for whoever looks at pages, unless a program's address was called.
async fn answer_error<E: Endpoint>(endpoint: std::sync::Arc<E>, request: Request) -> poem::Result<Response> {
    let is_program = PROGRAMS.iter().any(|prefix| request.uri().path().starts_with(prefix));
    let is_page = !is_program && prefers(request.headers(), "text/html");
    let request_id = RequestId::of(&request);
    Ok(match endpoint.call(request).await {
        Ok(answer) => answer.into_response(),
        Err(error) if is_page && error.status() == StatusCode::NOT_FOUND => {
            Asked { request_id, ..Asked::default() }.refused(&nothing_here())
        }
        Err(error) => outermost(error),
    })
}

fn nothing_here() -> Error {
    Error::not_found("page or resource at this address")
}

/// What no handler answered: an address that is not there, or an extractor's refusal.
fn outermost(error: poem::Error) -> Response {
    if error.is_from_response() || error.is::<Error>() {
        return error.into_response();
    }
    let error = match error.status() {
        StatusCode::NOT_FOUND => nothing_here(),
        StatusCode::INTERNAL_SERVER_ERROR => Error::internal(&error),
        _ => crate::domain::Invalid::new("request", error.to_string()).into(),
    };
    poem::error::ResponseError::as_response(&error)
}

pub(super) fn resource(
    path: &'static str,
    allow: &'static str,
    access: Access,
    methods: RouteMethod,
) -> Resource {
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

pub(super) const GET: &str = "GET, HEAD, OPTIONS";
pub(super) const POST: &str = "POST, OPTIONS";
pub(super) const GET_POST: &str = "GET, HEAD, POST, OPTIONS";

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

/// The same with its errors as pages, which have the menu where the guard let an operator in.
pub(super) fn as_page(state: &AppState, resource: Resource) -> Resource {
    let state = state.clone();
    let endpoint = resource.endpoint.around(move |endpoint, request| {
        let state = state.clone();
        async move {
            let path = (request.method() == Method::GET).then(|| request.original_uri().to_string());
            let mut asked = Asked { path, request_id: RequestId::of(&request), ..Asked::default() };
            let answer = endpoint.call(request).await;
            Ok(answer.unwrap_or_else(|error| {
                asked.frame = error.data().map(|caller| Frame::of(caller, &state, "")).unwrap_or_default();
                match error.downcast::<Error>() {
                    Ok(error) => asked.refused(&error),
                    Err(error) => outermost(error),
                }
            }))
        }
    });
    Resource { endpoint: endpoint.boxed(), ..resource }
}

/// One handler takes all methods, since a hook's own checks begin with the method.
fn hook_resources() -> Vec<Resource> {
    let hook = |path| Resource {
        path,
        allow: "POST, DELETE, OPTIONS",
        access: Access::Hook,
        endpoint: trigger::deploy_hook.map_to_response().boxed(),
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

pub(super) fn guarded(
    state: &AppState,
    path: &'static str,
    allow: &'static str,
    methods: RouteMethod,
) -> Resource {
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
    let caller = auth::require(state.context(), &request).await?;
    request.set_data(caller.clone());
    endpoint.call(request).await.map(IntoResponse::into_response).map_err(|mut error| {
        error.set_data(caller);
        error
    })
}
