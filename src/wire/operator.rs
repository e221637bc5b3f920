//! An operator as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::Timestamp;
use crate::wire::read::{Fields, Shape};

/// An operator as they are shown.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Operator")]
pub struct OperatorJson {
    /// What they are called.
    pub name: String,
}

/// A new operator.
#[derive(Debug, Default, JsonSchema)]
pub struct OperatorBody {
    /// What they are called.
    pub name: Option<String>,
}

impl Shape for OperatorBody {
    fn take(fields: &mut Fields) -> Self {
        Self { name: fields.take("name", "a text") }
    }
}

/// An operator and their new one-time link, which is a secret.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SignInLink")]
pub struct SignInLinkJson {
    /// What they are called.
    pub name: String,
    /// The link, good once.
    pub sign_in_url: String,
    /// When it ends.
    pub expires_at: Timestamp,
}
