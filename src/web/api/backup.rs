//! A copy of the core file, made while the server works.

use std::sync::Arc;

use poem::web::Data;
use poem::{Body, Response, handler};
use tokio_util::io::ReaderStream;

use crate::actions::{By, server};
use crate::domain::random_digits;
use crate::web::error::Error;
use crate::web::state::AppState;

/// `POST /api/v1/backup`: streams the copy. The server key and the logs are not in it.
#[handler]
pub(in crate::web) async fn create(by: By, state: Data<&AppState>) -> Result<Response, Error> {
    state.act(by, |tx, _, by| server::begin_backup(tx, by)).await?;
    let db = Arc::clone(state.db());
    let file = tokio::task::spawn_blocking(move || db.backup(&random_digits(b"0123456789abcdef", 12)))
        .await
        .map_err(Error::internal)??;
    let length = file.metadata().map_err(Error::internal)?.len();
    let stream = ReaderStream::new(tokio::fs::File::from_std(file));
    Ok(Response::builder()
        .content_type("application/vnd.sqlite3")
        .header("content-length", length)
        .header("cache-control", "no-store")
        .body(Body::from_bytes_stream(stream)))
}
