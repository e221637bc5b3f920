//! `GET /badges/{key}.svg`: how a service stands, as a picture for a README.

use askama::Template;
use poem::http::{HeaderValue, header};
use poem::web::{Data, Path};
use poem::{IntoResponse, Response, handler};

use crate::actions::badges::{self, Badge};
use crate::domain::Status;
use crate::web::error::Error;
use crate::web::state::AppState;

/// Pixels of a letter of 11 px, and on each side of a text.
const LETTER: usize = 7;
const PADDING: usize = 6;

#[derive(Debug, Template)]
#[template(path = "badge.svg", escape = "html")]
struct BadgePicture {
    service: String,
    word: &'static str,
    colour: &'static str,
}

impl BadgePicture {
    fn new(badge: Badge) -> Self {
        let (word, colour) = match badge.last {
            None => ("never deployed", "#5b686c"),
            Some(Status::Queued | Status::Building) => ("building", "#b8420f"),
            Some(Status::Deploying) => ("deploying", "#b8420f"),
            Some(Status::Succeeded) => ("succeeded", "#1a6b40"),
            Some(Status::Failed) => ("failed", "#b3123f"),
        };
        Self { service: badge.service, word, colour }
    }

    fn left(&self) -> usize {
        width(&self.service)
    }

    fn right(&self) -> usize {
        width(self.word)
    }
}

fn width(text: &str) -> usize {
    text.chars().count() * LETTER + 2 * PADDING
}

/// `GET /badges/{key}.svg`: no credential but the key.
#[handler]
pub(super) async fn show(Path(file): Path<String>, state: Data<&AppState>) -> Result<Response, Error> {
    let missing = || Error::not_found("badge at this address");
    let key = file.strip_suffix(".svg").ok_or_else(missing)?.to_owned();
    let badge = state.read(move |reader, _| badges::find(reader, &key)).await?.ok_or_else(missing)?;
    let picture = BadgePicture::new(badge).render().map_err(Error::internal)?;
    let mut response = picture.with_content_type("image/svg+xml; charset=utf-8").into_response();
    // Image proxies of forges keep what they are not told to look at again.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
    Ok(response)
}
