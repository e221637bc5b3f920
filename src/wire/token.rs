//! An API token as JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Scope, Timestamp};
use crate::wire::Word;
use crate::wire::read::{Fields, Shape};

/// What a new token is to be.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenBody {
    /// What it is called.
    pub name: Option<String>,
    /// `read`, `deploy` or `admin`.
    #[schemars(with = "Option<Scope>")]
    pub scope: Option<String>,
    /// The one service that it is for, by name.
    pub service: Option<String>,
    /// A length of time.
    pub expires_in: Option<String>,
}

impl Shape for TokenBody {
    fn take(fields: &mut Fields) -> Self {
        // Null is as good as nothing, as for every field that can be left out.
        let mut text = |name| fields.change(name, "a text").apply(None);
        Self {
            name: text("name"),
            scope: text("scope"),
            service: text("service"),
            expires_in: text("expiresIn"),
        }
    }
}

/// A token as it is shown.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Token")]
pub struct TokenJson {
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it may do.
    #[schemars(with = "Scope")]
    pub scope: Word,
    /// The one service that it is for, by name.
    pub service: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// About when it was last used.
    pub last_used_at: Option<Timestamp>,
    /// From then on it is unknown.
    pub expires_at: Option<Timestamp>,
    /// The secret; only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}
