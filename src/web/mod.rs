//! HTTP in and out. Knows the database and the domain; never the dispatcher or an executor.

mod access;
mod api;
pub mod assets;
mod auth;
mod badge;
mod deployment;
mod error;
mod extract;
pub mod front;
mod hook_calls;
mod limits;
mod metrics;
mod notice;
mod openapi;
pub mod pages;
mod problem;
mod recent;
mod request;
mod routes;
mod state;

pub use access::{Access, Audience};
pub use api::trigger::gate;
pub use metrics::{ReadMetrics, metrics};
pub use routes::{Resource, app, resources};
pub use state::{AppState, Settings};
