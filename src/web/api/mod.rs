//! The endpoints for programs, a file a resource.

pub(super) mod audit;
pub(super) mod backup;
pub(super) mod deploy_hooks;
pub(super) mod deployment_body;
pub(super) mod deployments;
pub(super) mod health;
mod hook_body;
mod hook_call;
pub(super) mod hooks;
pub(super) mod logs;
pub(super) mod operators;
pub(super) mod problems;
mod service_body;
pub(super) mod services;
pub(super) mod tokens;

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;

/// A JSON answer that nobody stores.
fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("cache-control", "no-store")
        .body(serde_json::to_string(body).unwrap_or_default())
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
