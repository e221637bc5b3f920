//! HTTP in and out. Knows the database and the domain; never the dispatcher or an executor.

pub mod front;
