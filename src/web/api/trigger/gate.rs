//! Calls without a genuine token end here, before the router: a flood of them costs a hash each.

use hyper::body::Bytes;
use poem::error::ResponseError;
use poem::http::request::Parts;
use poem::http::{HeaderMap, Method, StatusCode};
use poem::{PathPattern, Response};

use crate::actions;
use crate::domain::{Code, HookToken};
use crate::web::error::Error;
use crate::web::front::Gate;
use crate::web::state::AppState;

/// What begins the address of a hook, and how its route is named.
const PREFIX: &str = "/deploy-hooks/";
const ROUTE: &str = "/deploy-hooks/:token";

/// The gate of hook URLs. A token that passes goes with its request, so that its MAC is checked once.
pub fn gate(state: &AppState) -> Gate {
    let (state, refusal) = (state.clone(), Refusal::new());
    Gate::new(move |parts| {
        let given = given(parts)?;
        if let Some(token) = HookToken::parse(state.context().key(), given) {
            parts.extensions.insert(token);
            return None;
        }
        state.hook_calls().count_refusal(Code::UnknownHook);
        Some(refusal.response())
    })
}

/// The token of a call as it is spelled by whoever means well; other spellings are left to the handler.
fn given(parts: &Parts) -> Option<&str> {
    let given = parts.uri.path().strip_prefix(PREFIX).filter(|_| parts.method == Method::POST)?;
    (!given.is_empty() && !given.contains(['%', '/'])).then_some(given)
}

/// The answer of the handler to a token that is none of ours, made once.
struct Refusal {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    route: PathPattern,
}

impl Refusal {
    fn new() -> Self {
        let error = Error::from(actions::Error::unknown_hook());
        let answer = error.as_response();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Self { status, headers, body: error.problem().into(), route: PathPattern(ROUTE.into()) }
    }

    fn response(&self) -> Response {
        let mut response = Response::builder().status(self.status).body(self.body.clone());
        response.headers_mut().clone_from(&self.headers);
        response.set_data(self.route.clone());
        response
    }
}
