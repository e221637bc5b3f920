//! The dashboard's pages: display values in, HTML out. A folder a noun: handlers, and beside them the structs of the
//! templates of the same path. What a page shows is decided here, how it looks is decided there.

pub mod account;
pub mod audit;
pub mod deployments;
pub(in crate::web) mod docs;
pub mod errors;
mod follow;
mod form_fields;
pub mod format;
pub mod frame;
pub mod hooks;
pub mod log;
pub mod notifications;
pub mod page;
mod refusal;
mod relative;
pub mod services;
pub mod session;
pub mod tokens;

pub use frame::Frame;
pub use page::Page;
pub(in crate::web) use page::Rendered;
pub(in crate::web) use refusal::{RefusedRequest, hook_takes_post_only};

use form_fields::{chosen, field, held, trimmed};
use page::redirect;
