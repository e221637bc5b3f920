//! The one type with an HTTP status: a stable code and a text for the caller; what went wrong inside stays inside.

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::db;
use crate::domain::{ExecutorKind, Invalid, Service};

use super::front::BodyError;

/// The one text of every refused hook token, so that nobody learns more from it.
const UNKNOWN_HOOK: &str = "unknown, cut, revoked or expired hook URL";
/// Seconds to wait where the disk or the database has to recover.
const RECOVERY_SECONDS: u32 = 60;
/// Seconds to wait where a service's queue is full.
const QUEUE_SECONDS: u32 = 30;
/// Seconds to wait where the writer's list is full.
const BUSY_SECONDS: u32 = 2;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A hook token that opens nothing.
    #[error("{UNKNOWN_HOOK}")]
    UnknownHook,
    /// No credential, or one that is not good.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// A credential that does not reach so far, or a rule of the hook.
    #[error("{detail}")]
    Forbidden { code: &'static str, detail: String },
    /// A secret is to be made, and the last sign-in is too long ago. Pages lead to `/confirm` and from there to `back`.
    #[error("this makes a secret and needs your password: give it at /confirm, then send this again")]
    Unconfirmed { back: String },
    /// A parameter, header or field is wrong.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// There is nothing by that name.
    #[error("there is no {0}")]
    NotFound(String),
    /// The resource has no such method.
    #[error("this address takes {allow}")]
    MethodNotAllowed { allow: &'static str, detail: Option<&'static str> },
    /// The present state does not allow it.
    #[error("{detail}")]
    Conflict { code: &'static str, detail: String },
    /// The body is too large, too slow or broken.
    #[error("{0}")]
    Body(#[from] BodyError),
    /// A position behind the end of a log.
    #[error("the log has {0} bytes")]
    BeyondEnd(u64),
    /// The same key with other parameters.
    #[error("this Idempotency-Key was used with other parameters")]
    KeyReused,
    /// Frozen or paused by an operator.
    #[error("{detail}")]
    Locked { code: &'static str, detail: String },
    /// Over a budget.
    #[error("{detail}")]
    TooMany { code: &'static str, detail: String, retry_after: u32 },
    /// Not now.
    #[error("{detail}")]
    Unavailable { code: &'static str, detail: String, retry_after: u32 },
    /// An error of ours; the text is for our log alone.
    #[error("{0}")]
    Internal(String),
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Unavailable(why) => {
                let retry_after = if why.starts_with("too many") { BUSY_SECONDS } else { RECOVERY_SECONDS };
                Self::Unavailable { code: "database_unavailable", detail: why.to_owned(), retry_after }
            }
            other => Self::Internal(other.to_string()),
        }
    }
}

/// The body of an error, as RFC 9457 has it.
#[derive(Debug, Serialize)]
pub(super) struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: String,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
}

impl Error {
    /// The service is frozen by an operator.
    pub(super) fn frozen(reason: &str) -> Self {
        Self::Locked { code: "service_frozen", detail: format!("the service is frozen: {reason}") }
    }

    /// The service has as many queued deployments as it may.
    pub(super) fn queue_full(service: &Service) -> Self {
        let detail = format!("{} has as many queued deployments as it may", service.name);
        Self::TooMany { code: "queue_full", detail, retry_after: QUEUE_SECONDS }
    }

    /// The disk has less free space than acceptance needs.
    pub(super) fn disk_nearly_full() -> Self {
        let detail = "the server's disk is nearly full".to_owned();
        Self::Unavailable { code: "disk_nearly_full", detail, retry_after: RECOVERY_SECONDS }
    }

    /// The service's executor is not configured on this server.
    pub(super) fn no_executor(executor: ExecutorKind) -> Self {
        let detail = format!("this server has no executor {}", executor.as_str());
        Self::Unavailable { code: "executor_unavailable", detail, retry_after: RECOVERY_SECONDS }
    }

    /// Something alive has that name already; `what` is as `service api`.
    pub(super) fn taken(what: &str) -> Self {
        Self::Conflict { code: "name_taken", detail: format!("there is a {what} already") }
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::UnknownHook | Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::Unconfirmed { .. } => StatusCode::FORBIDDEN,
            Self::Invalid(_) | Self::Body(BodyError::Broken) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Body(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::TimedOut) => StatusCode::REQUEST_TIMEOUT,
            Self::BeyondEnd(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Locked { .. } => StatusCode::LOCKED,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A stable word for programs.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::UnknownHook => "unknown_hook",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Unconfirmed { .. } => "unconfirmed",
            Self::Invalid(_) => "invalid_parameter",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::Body(BodyError::TooLarge) => "body_too_large",
            Self::Body(BodyError::TimedOut) => "body_too_slow",
            Self::Body(BodyError::Broken) => "body_broken",
            Self::BeyondEnd(_) => "beyond_end",
            Self::KeyReused => "idempotency_key_reused",
            Self::Internal(_) => "internal",
            Self::Forbidden { code, .. }
            | Self::Conflict { code, .. }
            | Self::Locked { code, .. }
            | Self::TooMany { code, .. }
            | Self::Unavailable { code, .. } => code,
        }
    }

    /// What the caller reads; never the inside of an internal error, never a token.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Internal(_) => "internal error".to_owned(),
            Self::MethodNotAllowed { detail: Some(detail), .. } => (*detail).to_owned(),
            Self::Invalid(invalid) => format!("{}: {}", invalid.field, invalid.detail),
            other => other.to_string(),
        }
    }

    /// The problem as JSON.
    pub(super) fn problem(&self) -> String {
        let (status, code) = (self.status(), self.code());
        let problem = Problem {
            kind: format!("/problems/{}", code.replace('_', "-")),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.detail(),
            code,
            parameter: match self {
                Self::Invalid(invalid) => Some(&invalid.field),
                _ => None,
            },
        };
        serde_json::to_string(&problem).unwrap_or_default()
    }

    /// Headers that belong to the error whatever its body looks like.
    pub(super) fn headers(&self) -> Vec<(header::HeaderName, HeaderValue)> {
        match self {
            Self::UnknownHook => {
                vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"deploy-hooks\""))]
            }
            Self::Unauthenticated(_) => {
                vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"stackblaze\""))]
            }
            Self::MethodNotAllowed { allow, .. } => vec![(header::ALLOW, HeaderValue::from_static(allow))],
            Self::TooMany { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                vec![(header::RETRY_AFTER, HeaderValue::from(*retry_after))]
            }
            Self::BeyondEnd(bytes) => {
                let range = HeaderValue::from_str(&format!("bytes */{bytes}"));
                range.map(|range| (header::CONTENT_RANGE, range)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Writes an error of ours to the log, once, here.
    pub(super) fn log(&self) {
        if let Self::Internal(inner) = self {
            tracing::error!(error = inner, "a request failed by our fault");
        }
    }
}

impl poem::error::ResponseError for Error {
    fn status(&self) -> StatusCode {
        Error::status(self)
    }

    fn as_response(&self) -> Response
    where
        Self: std::error::Error + Send + Sync + 'static,
    {
        self.log();
        let mut response = Response::builder()
            .status(Error::status(self))
            .header(header::CONTENT_TYPE, "application/problem+json")
            .header(header::CACHE_CONTROL, "no-store")
            .body(self.problem());
        response.headers_mut().extend(self.headers());
        response
    }
}
