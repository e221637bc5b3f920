//! What may be done: every operation once, without HTTP. API and pages are skins over it.
//!
//! An operation is `fn(tx, &context, &by, …) -> Result<_>` and runs inside the caller's transaction: rights, checks, rows
//! and audit are kept or undone together. What only reads takes a reader in place of the transaction.

pub mod again;
mod asked_image;
pub mod badges;
mod by;
mod context;
pub mod deployments;
mod error;
pub mod forecast;
pub mod hooks;
pub mod log_follow;
pub mod operators;
pub mod server;
mod service_reach;
pub mod service_settings;
pub mod services;
pub mod sessions;
pub mod status;
pub mod targets;
pub mod tokens;
pub mod trigger;
pub mod wanted;

pub use by::{By, Caller, describe_caller};
pub use context::{Context, Settings};
pub use error::{Error, Result};

use crate::domain::Invalid;

/// Longest reason of a freeze or pause, in characters.
const REASON_MAX: usize = 500;
/// Longest name of a token or operator, in characters.
const NAME_MAX: usize = 58;

/// Whether a token or an operator may be called so.
fn is_name(name: &str) -> bool {
    let has_length = (1..=NAME_MAX).contains(&name.chars().count());
    has_length && !name.chars().any(|c| c.is_control() || c == '/') && name.trim() == name
}

/// Whether callers can be told this reason.
fn check_reason(field: &str, reason: &str, or: &str) -> std::result::Result<(), Invalid> {
    if reason.trim().is_empty() || reason.chars().count() > REASON_MAX {
        return Err(Invalid::new(
            field,
            format!("{or}, in at most {REASON_MAX} characters: callers read it"),
        ));
    }
    Ok(())
}
