//! `/metrics`, on a listener of its own. Whoever makes the endpoint says what is shown.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use poem::endpoint::make;
use poem::error::ResponseError;
use poem::http::{Method, header};
use poem::{IntoEndpoint, Request, Response};

use crate::web::error::Error;

/// The one address.
const PATH: &str = "/metrics";
/// What the text is, as Prometheus asks for it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Reads all metrics, as OpenMetrics text.
pub type ReadMetrics = Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>;

/// Answers `GET /metrics` and nothing else.
pub fn metrics(read: ReadMetrics) -> impl IntoEndpoint {
    make(move |request: Request| {
        let read = Arc::clone(&read);
        async move { Ok::<_, poem::Error>(answer(&request, &read).await) }
    })
}

async fn answer(request: &Request, read: &ReadMetrics) -> Response {
    if request.uri().path() != PATH {
        return Error::not_found("page; the metrics are at /metrics").as_response();
    }
    if request.method() != Method::GET {
        let refused = Error::MethodNotAllowed { allow: Method::GET.to_string(), detail: None };
        return refused.as_response();
    }
    Response::builder()
        .content_type(OPEN_METRICS)
        .header(header::CACHE_CONTROL, "no-store")
        .body(read().await)
}
