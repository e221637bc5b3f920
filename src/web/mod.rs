//! HTTP in and out. Knows the database and the domain; never the dispatcher or an executor.

mod access;
pub mod front;
mod headers;
