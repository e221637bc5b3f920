//! How a refusal looks in HTTP: the status of its class, and its body.

use poem::http::StatusCode;

use crate::domain::{Class, Code, Invalid};
use crate::wire::problem::Problem;

/// A refusal as `application/problem+json`, with a line feed at its end, so that a CI log shows its last line.
pub(super) fn problem(code: Code, detail: &str, parameter: Option<&str>, faults: &[Invalid]) -> String {
    let status = status_of(code.class());
    let title = (status.as_u16(), status.canonical_reason().unwrap_or("Error"));
    let body = serde_json::to_string(&Problem::new(code, title, detail).of(parameter, faults));
    body.unwrap_or_default() + "\n"
}

/// The status of each class of refusals.
pub(super) const fn status_of(class: Class) -> StatusCode {
    match class {
        Class::Credential => StatusCode::UNAUTHORIZED,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::Invalid => StatusCode::BAD_REQUEST,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::Method => StatusCode::METHOD_NOT_ALLOWED,
        Class::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Class::Conflict => StatusCode::CONFLICT,
        Class::Precondition => StatusCode::PRECONDITION_FAILED,
        Class::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Class::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Class::TargetTooLong => StatusCode::URI_TOO_LONG,
        Class::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Class::Range => StatusCode::RANGE_NOT_SATISFIABLE,
        Class::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Class::Locked => StatusCode::LOCKED,
        Class::Dependency => StatusCode::FAILED_DEPENDENCY,
        Class::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Class::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
    }
}
