//! The data of a log's server-sent events as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{Reason, Status, Step, Timestamp};

/// The data of a `log` event.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LogEvent<'a> {
    /// Null for the mark of what was not kept.
    #[schemars(with = "Option<Step>")]
    pub step: Option<&'a str>,
    pub at: Option<Timestamp>,
    pub text: &'a str,
}

/// The data of the `end` event, which is the last one.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EndEvent {
    #[schemars(with = "Status")]
    pub status: &'static str,
    #[schemars(with = "Option<Reason>")]
    pub reason: Option<&'static str>,
}
