//! What a service, a hook, a deployment, a token and a problem look like as JSON; used by the API, the command line and
//! `apply` alike. Shapes only: the rules of their values are the domain's, and what may be done is decided in `actions`.

mod change;
pub mod checks;
pub mod deploy;
pub mod deployment;
mod difference;
pub mod dry_run;
pub mod hook;
pub mod list;
pub mod log;
pub mod operator;
pub mod problem;
pub mod read;
pub mod schema;
pub mod server;
pub mod service;
mod service_tekton;
pub mod status;
pub mod target;
pub mod token;

use std::borrow::Cow;

pub use change::Change;
pub use difference::differences;

/// A word of a set that is written from a constant, and read as it comes: a newer server may have more of them.
pub type Word = Cow<'static, str>;
