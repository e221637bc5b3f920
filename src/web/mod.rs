//! HTTP in and out. Knows the database and the domain; never the dispatcher or an executor.

mod access;
mod api;
pub mod assets;
mod auth;
mod budgets;
mod deployment;
mod error;
mod extract;
pub mod front;
mod headers;
mod page_routes;
pub mod pages;
mod problem;
mod request;
mod routes;
mod sign_ins;
mod state;
mod streams;

pub use routes::{Access, Resource, app, resources};
pub use state::{AppState, Settings};
