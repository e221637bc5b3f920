//! The document of the API, `OpenAPI` 3.1. Paths, methods, parameters and who may call come from the table of routes, objects
//! from the types of `wire`, the fields of bodies from what reads them, and refusals from the codes; the tables here say
//! what none of these says: what an operation is for, and which of the types it answers with.

mod bodies;
mod deployments;
mod document;
mod headers;
mod hooks;
mod operation;
mod parameters;
mod problems;
mod server;
mod services;
mod targets;

use std::sync::OnceLock;

use hyper::body::Bytes;
use poem::http::Method;

use crate::web::access::Access;
use crate::web::assets::tag;
use crate::web::auth::cookie_name;
use crate::web::state::AppState;

/// What the table of routes says of one operation.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) method: Method,
    /// As poem spells it.
    pub(super) path: &'static str,
    pub(super) access: Access,
    /// Parameters of the query that mean something.
    pub(super) parameters: &'static [&'static str],
}

/// What only a running server knows.
#[derive(Debug)]
pub(super) struct Facts {
    /// Where callers reach it.
    pub(super) url: String,
    /// What the cookie of a session is called.
    pub(super) cookie: String,
}

impl Facts {
    /// Of this server.
    pub(super) fn of(state: &AppState) -> Self {
        Self { url: state.urls().public().to_owned(), cookie: cookie_name(state.context()) }
    }
}

/// The document as it is served.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) text: Bytes,
    pub(super) etag: String,
}

/// The document, put together when somebody asks for it first.
#[derive(Debug)]
pub(super) struct Contract {
    rows: Vec<Row>,
    document: OnceLock<Document>,
}

impl Contract {
    /// Of these routes.
    pub(super) fn new(rows: Vec<Row>) -> Self {
        Self { rows, document: OnceLock::new() }
    }

    /// The document.
    pub(super) fn document(&self, facts: impl FnOnce() -> Facts) -> &Document {
        self.document.get_or_init(|| {
            let text = document::document(&self.rows, &facts()).to_string() + "\n";
            Document { etag: tag(&text), text: text.into() }
        })
    }
}
