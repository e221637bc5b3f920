//! A refusal as RFC 9457 has it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{Code, Invalid};

/// The body of a refusal.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[schemars(with = "Code")]
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    /// All that is wrong, where that is more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Fault<'a> {
    parameter: &'a str,
    detail: &'a str,
}

impl<'a> Problem<'a> {
    /// A refusal whose status, and its name, are those of the code's class.
    pub fn new(code: Code, (status, title): (u16, &'a str), detail: &'a str) -> Self {
        Self {
            kind: format!("/problems/{}", code.as_str().replace('_', "-")),
            title,
            status,
            detail,
            code: code.as_str(),
            parameter: None,
            errors: Vec::new(),
        }
    }

    /// The same with the parameters that are at fault, the first of which is the one in `detail`.
    #[must_use]
    pub fn of(self, parameter: Option<&'a str>, all: &'a [Invalid]) -> Self {
        let fault = |fault: &'a Invalid| Fault { parameter: &fault.field, detail: &fault.detail };
        let errors = if all.len() > 1 { all.iter().map(fault).collect() } else { Vec::new() };
        Self { parameter, errors, ..self }
    }
}
