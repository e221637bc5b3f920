//! The files of `static/`, served from the binary under names that hold their content's hash.

use std::borrow::Cow;
use std::fmt::Write;

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::web::headers::{ETag, HeaderMapExt, IfNoneMatch};
use poem::{Body, IntoResponse, Request, Response, handler};
use rust_embed::{Embed, EmbeddedFile};
use sha2::{Digest, Sha256};

/// Where the files are mounted.
const PREFIX: &str = "/static/";
/// Bytes of the SHA-256 that a name holds; 12 digits tell two versions of one file apart.
const HASH_BYTES: usize = 6;
/// Bytes of a tag; two states of one object never share one by chance.
const TAG_BYTES: usize = 12;
/// A name with a hash never changes its content.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Hook URLs and deployment ids have no place in an index.
const ROBOTS: &str = "User-agent: *\nDisallow: /\n";

#[derive(Embed)]
#[folder = "static/"]
struct Files;

/// The address of a file of `static/`, for example `/static/app.0f3a91c2d4e5.css` for `app.css`.
/// A name without a file gives an address that answers 404.
pub fn url(name: &str) -> String {
    match (Files::get(name), name.rsplit_once('.')) {
        (Some(file), Some((stem, extension))) => format!("{PREFIX}{stem}.{}.{extension}", hash(&file)),
        _ => format!("{PREFIX}{name}"),
    }
}

/// The address of one icon, for `<use href>`.
pub fn icon(name: &str) -> String {
    format!("{}#{name}", url("icons.svg"))
}

/// `GET /favicon.ico`, which browsers ask for where no page names an icon.
#[handler]
pub(in crate::web) fn favicon() -> Response {
    let icon = Files::get("favicon.svg").map(|file| Body::from(file.data.into_owned()));
    let response = Response::builder().header(header::CACHE_CONTROL, "public, max-age=86400");
    icon.map_or_else(
        || StatusCode::NOT_FOUND.into(),
        |icon| response.content_type("image/svg+xml").body(icon),
    )
}

/// `GET /robots.txt`.
#[handler]
pub(in crate::web) fn robots() -> impl IntoResponse {
    ROBOTS.with_content_type("text/plain; charset=utf-8")
}

/// `GET /static/{file}` and HEAD, which tells the length; a name without its present hash is not found.
#[handler]
pub(in crate::web) fn show(request: &Request) -> Response {
    let Some((name, file)) = request.uri().path().rsplit('/').next().and_then(find) else {
        return StatusCode::NOT_FOUND.into();
    };
    let tag = format!("\"{}\"", hash(&file));
    let mut response = Response::builder()
        .header(header::CACHE_CONTROL, FOREVER)
        .header(header::ETAG, &tag)
        .content_type(content_type(&name));
    if is_known(request, &tag) {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    if request.method() == Method::HEAD {
        response = response.header(header::CONTENT_LENGTH, file.data.len());
        return response.finish();
    }
    response.body(match file.data {
        Cow::Borrowed(bytes) => Body::from_bytes(bytes.into()),
        Cow::Owned(bytes) => Body::from(bytes),
    })
}

/// The file behind a hashed name, and its name in `static/`.
fn find(hashed: &str) -> Option<(String, EmbeddedFile)> {
    let (rest, extension) = hashed.rsplit_once('.')?;
    let (stem, given) = rest.rsplit_once('.')?;
    let name = format!("{stem}.{extension}");
    let file = Files::get(&name)?;
    (hash(&file) == given).then_some((name, file))
}

fn hash(file: &EmbeddedFile) -> String {
    hex(&file.metadata.sha256_hash()[..HASH_BYTES])
}

/// A strong tag of a text.
pub(in crate::web) fn tag(text: &str) -> String {
    format!("\"{}\"", hex(&Sha256::digest(text)[..TAG_BYTES]))
}

/// Bytes as two digits each.
pub(in crate::web) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether the client knows what this tag names.
pub(in crate::web) fn is_known(request: &Request, tag: &str) -> bool {
    let Ok(tag) = tag.parse::<ETag>() else { return false };
    request.headers().typed_get::<IfNoneMatch>().is_some_and(|condition| !condition.precondition_passes(&tag))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use poem::{Endpoint, Route, get};

    use super::*;

    async fn ask(method: Method, path: &str, known: Option<&str>) -> Response {
        let routes = Route::new().at("/static/:file", get(show).head(show)).at("/robots.txt", get(robots));
        let mut request = Request::builder().method(method).uri_str(path);
        if let Some(tag) = known {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        routes.get_response(request.finish()).await
    }

    fn value(response: &Response, name: header::HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn a_hashed_name_is_served_once_and_then_never_asked_for_again() {
        for (name, kind) in [
            ("app.css", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("icons.svg", "image/svg+xml; charset=utf-8"),
            ("favicon.svg", "image/svg+xml; charset=utf-8"),
        ] {
            let response = ask(Method::GET, &url(name), None).await;

            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(value(&response, header::CONTENT_TYPE), kind);
            assert_eq!(value(&response, header::CACHE_CONTROL), "public, max-age=31536000, immutable");
            let tag = value(&response, header::ETAG).to_owned();
            assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 14, "{tag}");
            let body = response.into_body().into_vec().await.unwrap();
            assert_eq!(body, Files::get(name).unwrap().data.into_owned());

            for known in [tag.as_str(), "*", &format!("\"other\", W/{tag}")] {
                let again = ask(Method::GET, &url(name), Some(known)).await;
                assert_eq!(
                    (again.status(), value(&again, header::ETAG)),
                    (StatusCode::NOT_MODIFIED, tag.as_str())
                );
            }
            assert_eq!(ask(Method::GET, &url(name), Some("\"other\"")).await.status(), StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn head_tells_the_length_and_sends_nothing() {
        let response = ask(Method::HEAD, &url("app.css"), None).await;

        assert_eq!(response.status(), StatusCode::OK);
        let length = Files::get("app.css").unwrap().data.len().to_string();
        assert_eq!(value(&response, header::CONTENT_LENGTH), length);
        assert!(response.into_body().into_vec().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_name_without_its_present_hash_is_not_found() {
        for path in ["app.css", "app.000000000000.css", "", "../Cargo.toml", "app..css", "%2e%2e.0.toml"] {
            let response = ask(Method::GET, &format!("/static/{path}"), None).await;

            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(url("missing.css"), "/static/missing.css");
    }

    #[tokio::test]
    async fn robots_are_asked_to_stay_away() {
        let response = ask(Method::GET, "/robots.txt", None).await;

        assert_eq!(response.into_body().into_string().await.unwrap(), ROBOTS);
    }

    #[test]
    fn nothing_comes_from_another_host() {
        for name in Files::iter() {
            let text = String::from_utf8(Files::get(&name).unwrap().data.into_owned()).unwrap();
            let text = text.replace("http://www.w3.org/2000/svg", "");

            assert!(!text.contains("http://") && !text.contains("https://"), "{name}");
            assert!(!text.contains("url(") && !text.contains("@import"), "{name}");
        }
    }
}
