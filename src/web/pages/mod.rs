//! Pages.
use poem::Response;
pub(super) fn hook_takes_post_only(allow: &'static str) -> Response {
    Response::builder().status(poem::http::StatusCode::METHOD_NOT_ALLOWED).header("allow", allow).finish()
}
