//! Why an operation was not done, in words of the product. `web` gives each class its HTTP status.

use std::time::Duration;

use crate::db;
use crate::domain::{Class, Code, ExecutorKind, Invalid, ServiceName};

/// The one text of every refused hook token, so that nobody learns more from it.
const UNKNOWN_HOOK: &str = "unknown, cut, revoked or expired hook URL";
/// Time to wait where the disk or the database has to recover.
const RECOVERY: Duration = Duration::from_mins(1);
/// Time to wait where a service's queue is full.
const QUEUE: Duration = Duration::from_secs(30);
/// Time to wait where the writer's list is full.
const BUSY: Duration = Duration::from_secs(2);

/// What an operation comes to.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// The stable word.
    pub code: Code,
    /// What is wrong and what would be right, without a full stop; of an internal error, for our log alone.
    pub detail: String,
    /// The field, parameter or header that is at fault, as the caller spelled it.
    pub field: Option<String>,
    /// All fields at fault, where that is more than one.
    pub faults: Vec<Invalid>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// A refusal that only its text tells more of.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, faults: Vec::new(), retry_after: None }
    }

    /// A hook token that opens nothing.
    pub fn unknown_hook() -> Self {
        Self::new(Code::UnknownHook, UNKNOWN_HOOK)
    }

    /// There is nothing by that name; `what` is as `service api`.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("there is no {what}"))
    }

    /// Something alive has that name already; `what` is as `service api`.
    pub fn taken(what: impl std::fmt::Display) -> Self {
        let what = what.to_string();
        let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        Self::new(Code::NameTaken, format!("there is {article} {what} already"))
    }

    /// The same key with other parameters.
    pub fn key_reused() -> Self {
        Self::new(Code::IdempotencyKeyReused, "this Idempotency-Key was used with other parameters")
    }

    /// The service is frozen by an operator.
    pub fn frozen(reason: &str) -> Self {
        Self::new(Code::ServiceFrozen, format!("the service is frozen: {reason}"))
    }

    /// The service has as many queued deployments as it may.
    pub fn queue_full(service: &ServiceName) -> Self {
        Self::new(Code::QueueFull, format!("{service} has as many queued deployments as it may")).after(QUEUE)
    }

    /// The disk has less free space than acceptance needs.
    pub fn disk_nearly_full() -> Self {
        Self::new(Code::DiskNearlyFull, "the server's disk is nearly full").after(RECOVERY)
    }

    /// The service's executor is not configured on this server.
    pub fn no_executor(executor: ExecutorKind) -> Self {
        let detail = format!("this server has no executor {}", executor.as_str());
        Self::new(Code::ExecutorUnavailable, detail).after(RECOVERY)
    }

    /// An error of ours; the text is for our log alone.
    pub fn internal(inside: impl Into<String>) -> Self {
        Self::new(Code::Internal, inside)
    }

    /// The same, with the time after which it is worth trying again.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// What kind of refusal it is.
    pub const fn class(&self) -> Class {
        self.code.class()
    }

    /// The fields at fault and what would be right; none where no field is at fault.
    pub fn invalids(&self) -> Vec<Invalid> {
        if !self.faults.is_empty() {
            return self.faults.clone();
        }
        self.field.iter().map(|field| Invalid::new(field, &self.detail)).collect()
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self { field: Some(invalid.field), ..Self::new(Code::InvalidParameter, invalid.detail) }
    }
}

impl From<Vec<Invalid>> for Error {
    fn from(faults: Vec<Invalid>) -> Self {
        match faults.first().cloned() {
            Some(first) => Self { faults, ..first.into() },
            None => Self::internal("a body was refused without a fault"),
        }
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Busy => Self::new(Code::DatabaseUnavailable, error.to_string()).after(BUSY),
            db::Error::Unavailable(why) => Self::new(Code::DatabaseUnavailable, why).after(RECOVERY),
            other => Self::internal(other.to_string()),
        }
    }
}
