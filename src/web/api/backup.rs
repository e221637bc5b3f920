//! A copy of the core file, made while the server works.

use poem::web::Data;
use poem::{Body, Request, Response, handler};
use tokio_util::io::ReaderStream;

use crate::db::audit;
use crate::domain::{Scope, random_digits};

use super::super::auth::{self, actor};
use super::super::error::Error;
use super::super::state::AppState;

/// `POST /api/v1/backup`: streams the copy. The server key and the logs are not in it.
#[handler]
pub(in crate::web) async fn create(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    caller.require(Scope::Admin, None)?;
    let (actor, now) = (actor(&caller, request), state.clock().now());
    state.db().try_write(move |tx| audit::record(tx, &actor, "server.backup", "core.db", "", now)).await?;
    let db = std::sync::Arc::clone(state.db());
    let file = tokio::task::spawn_blocking(move || db.backup(&random_digits(b"0123456789abcdef", 12)))
        .await
        .map_err(|error| Error::Internal(error.to_string()))??;
    let length = file.metadata().map_err(|error| Error::Internal(error.to_string()))?.len();
    let stream = ReaderStream::new(tokio::fs::File::from_std(file));
    Ok(Response::builder()
        .content_type("application/vnd.sqlite3")
        .header("content-length", length)
        .header("cache-control", "no-store")
        .body(Body::from_bytes_stream(stream)))
}
