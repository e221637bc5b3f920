//! The endpoints for programs, a file a resource.

pub(super) mod audit;
pub(super) mod backup;
pub(super) mod checks;
pub(super) mod deploy_hooks;
pub(super) mod deployment_body;
pub(super) mod deployments;
pub(super) mod dry_run;
pub(super) mod health;
pub(super) mod hook_actions;
pub(super) mod hook_body;
mod hook_call;
pub(super) mod hooks;
pub(super) mod logs;
pub(super) mod operators;
pub(super) mod problems;
pub(super) mod service_body;
mod service_changes;
pub(super) mod services;
pub(super) mod tekton_body;
pub(super) mod tokens;

use poem::Response;
use poem::http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::domain::DeploymentId;

/// A JSON answer that nobody stores.
fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    json_text(status, serde_json::to_string(body).unwrap_or_default())
}

/// The same with a body that is JSON already.
fn json_text(status: StatusCode, body: String) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("cache-control", "no-store")
        .body(body)
}

/// Seconds after which a new deployment's status may have changed.
const POLL_SECONDS: u32 = 5;

/// A 202 with the five keys, and where to look for the end.
fn accepted(id: &DeploymentId, body: String) -> Response {
    let mut response = json_text(StatusCode::ACCEPTED, body);
    response.headers_mut().insert("retry-after", HeaderValue::from(POLL_SECONDS));
    if let Ok(location) = HeaderValue::from_str(&format!("/deployments/{id}")) {
        response.headers_mut().insert("location", location);
    }
    response
}

/// Done, and nothing to say about it.
fn no_content() -> Response {
    Response::builder().status(StatusCode::NO_CONTENT).finish()
}

/// Longest name of a token or operator, in characters.
const NAME_MAX: usize = 58;

/// Whether a token or an operator may be called so.
fn is_name(name: &str) -> bool {
    let has_length = (1..=NAME_MAX).contains(&name.chars().count());
    has_length && !name.chars().any(|c| c.is_control() || c == '/') && name.trim() == name
}

/// A page of a list; `next` goes into `?after=` and is null on the last page.
#[derive(Serialize)]
struct List<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> List<T> {
    /// Makes a page of at most `limit` items out of up to one more; the cursor is that of the last item shown.
    fn page(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = if has_more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}

/// Most items of one page, and how many where nothing is said.
const LIMIT_MAX: u64 = 100;
const LIMIT_DEFAULT: u32 = 50;

/// Reads `?limit=`.
fn limit(query: &super::request::Query) -> Result<u32, crate::domain::Invalid> {
    let limit = query.number("limit", 1..=LIMIT_MAX)?;
    Ok(limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(LIMIT_DEFAULT))
}
