//! One address: its methods, who may use it, and for whom its refusals are written. What follows from these is derived
//! here and written nowhere by hand: `Allow`, HEAD, OPTIONS, the guard, and whether a refusal is a page.

use std::time::Duration;

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoEndpoint, Request, Response, RouteMethod};

use crate::actions::{self, Caller};
use crate::domain::{Code, Invalid};
use crate::web::access::{Access, Audience};
use crate::web::auth;
use crate::web::error::Error;
use crate::web::pages::RefusedRequest;
use crate::web::request::{Query, ignored_header};
use crate::web::state::AppState;

/// Answers a method that the address lacks; gets its `Allow`.
type OtherMethod = fn(&Request, String) -> Result<Response, Error>;

/// One row of the table.
pub struct Resource {
    /// As poem spells it, `/deployments/:id`.
    pub path: &'static str,
    /// Its methods in the order of `Allow`; HEAD and OPTIONS are among them.
    pub methods: Vec<Method>,
    /// Who may use it.
    pub access: Access,
    /// Who asks there.
    pub audience: Audience,
    /// Parameters of the query that mean something, of each method that takes any.
    parameters: Vec<(Method, &'static [&'static str])>,
    handlers: RouteMethod,
    other_method: OtherMethod,
}

/// A row of the table that does not say yet who may use it.
pub(super) struct Unguarded(Resource);

/// Begins the row of an address that people open.
pub(super) fn page(path: &'static str) -> Unguarded {
    Unguarded::new(path, Audience::People)
}

/// Begins the row of an address that programs call.
pub(super) fn program(path: &'static str) -> Unguarded {
    Unguarded::new(path, Audience::Programs)
}

impl Unguarded {
    fn new(path: &'static str, audience: Audience) -> Self {
        let refuse: OtherMethod = |_, allow| Err(Error::MethodNotAllowed { allow, detail: None });
        let (methods, access, handlers) = (Vec::new(), Access::Operator, RouteMethod::new());
        let parameters = Vec::new();
        Self(Resource { path, methods, access, audience, parameters, handlers, other_method: refuse })
    }

    /// Also serves HEAD, where no handler of its own follows.
    pub(super) fn get<E: IntoEndpoint<Endpoint: 'static>>(self, handler: E) -> Self {
        let mut row = self.on(Method::GET, handler);
        row.0.methods.push(Method::HEAD);
        row
    }

    pub(super) fn head<E: IntoEndpoint<Endpoint: 'static>>(self, handler: E) -> Self {
        self.on(Method::HEAD, handler)
    }

    pub(super) fn post<E: IntoEndpoint<Endpoint: 'static>>(self, handler: E) -> Self {
        self.on(Method::POST, handler)
    }

    pub(super) fn put<E: IntoEndpoint<Endpoint: 'static>>(self, handler: E) -> Self {
        self.on(Method::PUT, handler)
    }

    pub(super) fn patch<E: IntoEndpoint<Endpoint: 'static>>(self, handler: E) -> Self {
        self.on(Method::PATCH, handler)
    }

    pub(super) fn delete<E: IntoEndpoint<Endpoint: 'static>>(self, handler: E) -> Self {
        self.on(Method::DELETE, handler)
    }

    fn on<E: IntoEndpoint<Endpoint: 'static>>(mut self, method: Method, handler: E) -> Self {
        if !self.0.methods.contains(&method) {
            self.0.methods.push(method.clone());
        }
        self.0.handlers = self.0.handlers.method(method, handler);
        self
    }

    /// Names the parameters of the query that mean something to the method that was named last.
    pub(super) fn takes(mut self, parameters: &'static [&'static str]) -> Self {
        let last = self.0.methods.iter().rfind(|method| **method != Method::HEAD).cloned();
        self.0.parameters.extend(last.map(|method| (method, parameters)));
        self
    }

    /// Answers methods that the address lacks in words of its own.
    pub(super) fn any_other(mut self, answer: OtherMethod) -> Self {
        self.0.other_method = answer;
        self
    }

    /// Ends the row of an address that anybody may use.
    pub(super) fn public(self) -> Resource {
        self.for_whom(Access::Public)
    }

    /// Ends the row of an address for holders of a hook's token, whose handler names parameters that mean nothing.
    pub(super) fn hook(self) -> Resource {
        self.for_whom(Access::Hook)
    }

    /// Ends the row of an address for operators.
    pub(super) fn operator(self) -> Resource {
        self.for_whom(Access::Operator)
    }

    fn for_whom(mut self, access: Access) -> Resource {
        self.0.methods.push(Method::OPTIONS);
        Resource { access, ..self.0 }
    }
}

impl Resource {
    /// The value of the `Allow` header.
    pub fn allow(&self) -> String {
        self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Parameters of the query that mean something to a method.
    pub fn parameters(&self, method: &Method) -> &'static [&'static str] {
        // HEAD is GET without the body.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.parameters.iter().find(|(own, _)| own == method).map_or(&[], |(_, names)| names)
    }

    /// Parameters that mean nothing, for the answer that names them. A page names none; the call of a hook does it itself.
    fn ignored(&self, request: &Request) -> Option<(&'static str, HeaderValue)> {
        let is_call = self.access == Access::Hook && request.method() == Method::POST;
        if self.audience == Audience::People || is_call {
            return None;
        }
        ignored(request, self.parameters(request.method()))
    }

    /// The row as poem calls it.
    pub(super) fn serve(self, state: &AppState) -> impl Endpoint<Output = Response> + use<> {
        Served { resource: self, state: state.clone() }
    }
}

struct Served {
    resource: Resource,
    state: AppState,
}

impl Served {
    /// What an API token changes is counted, so that a loop with one neither fills the disk nor keeps others waiting.
    fn spend(&self, caller: &Caller, method: &Method) -> Result<(), Error> {
        let (Caller::Token { id, .. }, false) = (caller, auth::is_safe(method)) else { return Ok(()) };
        self.state.token_changes().spend(id).map_err(|wait| too_often(wait).into())
    }

    async fn answer(&self, mut request: Request) -> poem::Result<Response> {
        let resource = &self.resource;
        if request.method() == Method::OPTIONS {
            return Ok(options(&resource.allow()));
        }
        let caller = match resource.access {
            Access::Operator => Some(auth::require(self.state.context(), &request).await?),
            Access::Public | Access::Hook => None,
        };
        if !resource.methods.contains(request.method()) {
            return Ok((resource.other_method)(&request, resource.allow())?);
        }
        if let Some(caller) = &caller {
            self.spend(caller, request.method())?;
            request.set_data(caller.clone());
        }
        let ignored = resource.ignored(&request);
        let mut response = resource.handlers.call(request).await.map_err(|mut error| {
            // The page of a refusal has the menu of whoever was let in.
            if let Some(caller) = caller {
                error.set_data(caller);
            }
            error
        })?;
        if let Some((name, list)) = ignored {
            response.headers_mut().insert(name, list);
        }
        Ok(response)
    }
}

impl Endpoint for Served {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let is_page = self.resource.audience == Audience::People;
        let refused = is_page.then(|| RefusedRequest::new(&request));
        Ok(match (self.answer(request).await, refused) {
            (Ok(response), _) => response,
            (Err(error), Some(refused)) => page_of(refused, error, &self.state),
            (Err(error), None) => problem_of(error),
        })
    }
}

/// The names of parameters that mean nothing here, as a hook call names them.
fn ignored(request: &Request, known: &[&str]) -> Option<(&'static str, HeaderValue)> {
    let (name, list) = ignored_header(&Query::parse(request).ok()?.unknown(known))?;
    Some((name, HeaderValue::from_str(&list).ok()?))
}

/// An API token asks for changes more often than it may; the time until it may ask again.
fn too_often(wait: Duration) -> actions::Error {
    let detail = "this API token asks for changes more often than it may";
    actions::Error::new(Code::TokenBudget, detail).after(wait)
}

fn options(allow: &str) -> Response {
    Response::builder().status(StatusCode::NO_CONTENT).header(header::ALLOW, allow).finish()
}

fn page_of(refused: RefusedRequest, error: poem::Error, state: &AppState) -> Response {
    let refused = refused.of_caller(error.data(), state);
    match error.downcast::<Error>() {
        Ok(error) => refused.answer(&error),
        Err(error) => problem_of(error),
    }
}

/// What no handler answered: an address that is not there, or the refusal of one of poem's extractors.
pub(super) fn problem_of(error: poem::Error) -> Response {
    if error.is_from_response() || error.is::<Error>() {
        return error.into_response();
    }
    let error = match error.status() {
        StatusCode::NOT_FOUND => nothing_here(),
        StatusCode::INTERNAL_SERVER_ERROR => Error::internal(&error),
        _ => Invalid::new("request", error.to_string()).into(),
    };
    poem::error::ResponseError::as_response(&error)
}

pub(super) fn nothing_here() -> Error {
    Error::not_found("page or resource at this address")
}

#[cfg(test)]
mod tests {
    use poem::handler;

    use super::*;

    #[handler]
    fn nothing() {}

    #[test]
    fn allow_follows_from_the_handlers() {
        for (row, allow) in [
            (program("/").get(nothing), "GET, HEAD, OPTIONS"),
            (program("/").get(nothing).head(nothing), "GET, HEAD, OPTIONS"),
            (program("/").post(nothing), "POST, OPTIONS"),
            (page("/").get(nothing).post(nothing), "GET, HEAD, POST, OPTIONS"),
            (program("/").get(nothing).patch(nothing).delete(nothing), "GET, HEAD, PATCH, DELETE, OPTIONS"),
        ] {
            assert_eq!(row.operator().allow(), allow);
        }
    }

    #[test]
    fn a_row_says_who_may_use_it_and_who_asks_there() {
        let rows = [
            page("/").get(nothing).public(),
            program("/").post(nothing).hook(),
            program("/").get(nothing).operator(),
        ];

        assert_eq!(
            rows.map(|row| (row.access, row.audience)),
            [
                (Access::Public, Audience::People),
                (Access::Hook, Audience::Programs),
                (Access::Operator, Audience::Programs),
            ]
        );
    }
}
