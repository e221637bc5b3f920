//! The endpoints for programs, a file a resource.

pub(super) mod audit;
pub(super) mod backup;
pub(super) mod badges;
pub(super) mod checks;
pub(super) mod deployments;
mod edit;
pub(super) mod health;
pub(super) mod hooks;
pub(super) mod logs;
pub(super) mod openapi;
pub(super) mod operators;
pub(super) mod problems;
pub(super) mod services;
pub(super) mod targets;
pub(super) mod tokens;
pub(super) mod trigger;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use poem::Response;
use poem::http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::actions::deployments::StartedDeployment;
use crate::domain::Invalid;
use crate::web::front::Accepted;
use crate::web::request::Query;

/// What a segment of a path may hold as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A JSON answer that nobody stores.
fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    json_text(status, serde_json::to_string(body).unwrap_or_default())
}

/// JSON as it goes out. It ends with a line feed, so that a shell and a CI log show all of it.
fn with_end(json: String) -> String {
    json + "\n"
}

/// The same with a body that is JSON already.
fn json_text(status: StatusCode, body: String) -> Response {
    let body = with_end(body);
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("cache-control", "no-store")
        .body(body)
}

/// Seconds after which a new deployment's status may have changed.
const POLL_SECONDS: u32 = 5;

/// A 202 with the five keys, and where to look for the end.
fn accepted(accepted: Accepted, body: String) -> Response {
    let id = &accepted.id;
    let mut response = json_text(StatusCode::ACCEPTED, body);
    response.headers_mut().insert("retry-after", HeaderValue::from(POLL_SECONDS));
    if let Ok(location) = HeaderValue::from_str(&format!("/deployments/{id}")) {
        response.headers_mut().insert("location", location);
    }
    response.set_data(accepted);
    response
}

/// The same for a deployment that somebody with an account or an API token began.
fn started(started: StartedDeployment) -> Response {
    accepted(Accepted { id: started.id, is_replay: false, is_coalesced: false }, started.body)
}

/// A 201 with what was made, and its address. `segments` are the parts of that below `/api/v1`.
fn created<T: Serialize>(segments: &[&str], body: &T) -> Response {
    let mut response = json(StatusCode::CREATED, body);
    let path: String = segments
        .iter()
        .flat_map(|part| std::iter::once("/").chain(utf8_percent_encode(part, SEGMENT)))
        .collect();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1{path}")) {
        response.headers_mut().insert("location", location);
    }
    response
}

/// Done, and nothing to say about it.
fn no_content() -> Response {
    Response::builder().status(StatusCode::NO_CONTENT).finish()
}

/// Most items of one page, and how many where nothing is said.
const LIMIT_MAX: u64 = 100;
const LIMIT_DEFAULT: u32 = 50;

/// Reads `?limit=`.
fn limit(query: &Query) -> Result<u32, Invalid> {
    let limit = query.number("limit", 1..=LIMIT_MAX)?;
    Ok(limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(LIMIT_DEFAULT))
}
