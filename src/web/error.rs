//! The one type with an HTTP status: what `actions` refused, and what only HTTP can get wrong.

use poem::Response;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};

use crate::actions;
use crate::db;
use crate::domain::{Class, Code, Invalid};
use crate::web::front::BodyError;
use crate::web::problem::{problem, status_of};

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The operation was refused, or failed by our fault.
    #[error(transparent)]
    Refused(#[from] actions::Error),
    /// A secret is to be made by a form, and the last sign-in is too long ago: its page asks for the password.
    #[error("this needs your password again")]
    Unconfirmed(Held),
    /// The resource has no such method.
    #[error("this address takes {allow}")]
    MethodNotAllowed { allow: String, detail: Option<&'static str> },
    /// The body is too large, too slow or broken.
    #[error("{0}")]
    Body(#[from] BodyError),
    /// A position behind the end of a log.
    #[error("the log has {0} bytes")]
    BeyondEnd(u64),
}

/// A form that was sent, until a password was given for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    /// The page that has it.
    pub(super) back: String,
    /// Where it was sent.
    pub(super) to: String,
    /// What was typed.
    pub(super) fields: Vec<(String, String)>,
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Refused(invalid.into())
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl Error {
    /// A refusal that only its text tells more of.
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::Refused(actions::Error::new(code, detail))
    }

    /// No credential, or one that is not good.
    pub(super) fn unauthenticated(detail: &str) -> Self {
        Self::new(Code::Unauthenticated, detail)
    }

    /// Everything that is wrong with a body.
    pub(super) fn from_faults(faults: Vec<Invalid>) -> Self {
        Self::Refused(faults.into())
    }

    /// There is nothing by that name; `what` is as `service api`.
    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::Refused(actions::Error::not_found(what))
    }

    /// An error of ours; the text is for our log alone.
    pub(super) fn internal(inside: impl std::fmt::Display) -> Self {
        Self::Refused(actions::Error::internal(inside.to_string()))
    }

    /// The same on a page, where a password that is asked for lets the form go on.
    pub(super) fn holding(self, held: Held) -> Self {
        if self.code() == Code::Unconfirmed { Self::Unconfirmed(held) } else { self }
    }

    /// The status of the answer.
    pub(super) const fn status(&self) -> StatusCode {
        status_of(self.class())
    }

    /// What kind of refusal it is.
    pub(super) const fn class(&self) -> Class {
        self.code().class()
    }

    /// The stable word for programs.
    pub(super) const fn code(&self) -> Code {
        match self {
            Self::Refused(error) => error.code,
            Self::Unconfirmed(_) => Code::Unconfirmed,
            Self::MethodNotAllowed { .. } => Code::MethodNotAllowed,
            Self::Body(BodyError::TooLarge) => Code::BodyTooLarge,
            Self::Body(BodyError::TimedOut) => Code::BodyTooSlow,
            Self::Body(BodyError::Broken) => Code::BodyBroken,
            Self::BeyondEnd(_) => Code::BeyondEnd,
        }
    }

    /// The fields at fault and what would be right; none where no field is at fault.
    pub(super) fn invalids(&self) -> Vec<Invalid> {
        match self {
            Self::Refused(error) => error.invalids(),
            _ => Vec::new(),
        }
    }

    /// What the caller reads; never the inside of an internal error, never a token.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Refused(error) if error.code == Code::Internal => "internal error".to_owned(),
            Self::Refused(actions::Error { field: Some(field), detail, .. }) => format!("{field}: {detail}"),
            Self::MethodNotAllowed { detail: Some(detail), .. } => (*detail).to_owned(),
            other => other.to_string(),
        }
    }

    /// The problem as JSON.
    pub(super) fn problem(&self) -> String {
        let (parameter, faults) = match self {
            Self::Refused(error) => (error.field.as_deref(), error.faults.as_slice()),
            _ => (None, &[][..]),
        };
        problem(self.code(), &self.detail(), parameter, faults)
    }

    /// Headers that belong to the error whatever its body looks like.
    pub(super) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let challenge = |realm| (header::WWW_AUTHENTICATE, HeaderValue::from_static(realm));
        match self {
            Self::Refused(error) => match (error.code, error.retry_after) {
                (Code::UnknownHook, _) => vec![challenge("Bearer realm=\"deploy-hooks\"")],
                (Code::Unauthenticated, _) => vec![challenge("Bearer realm=\"stackblaze\"")],
                (_, Some(wait)) => vec![(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()))],
                _ => Vec::new(),
            },
            Self::MethodNotAllowed { allow, .. } => {
                HeaderValue::from_str(allow).map(|allow| (header::ALLOW, allow)).into_iter().collect()
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
        if self.code() == Code::Internal {
            tracing::error!(error = %self, "a request failed by our fault");
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
