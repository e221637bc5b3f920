//! Nouns and rules: what a service, a hook, a token, a branch and a deployment are.
//!
//! Nothing here does I/O, knows a framework or is async. Two files ask the machine for something:
//! `clock` for the time and `entropy` for random bytes.
#![warn(missing_docs)]

mod act;
mod address;
mod clock;
mod clone_settings;
mod code;
mod deployment;
mod deployment_id;
mod digits;
mod entropy;
mod env_lines;
mod executor_kind;
mod finding;
mod git_ref;
mod hook;
mod image;
mod link;
mod local_settings;
mod log_causes;
mod log_lines;
mod names;
mod note;
mod password;
mod redaction;
mod repository;
mod secret_forms;
mod secret_key;
mod service;
mod span;
mod status;
mod step;
mod step_resources;
mod tekton_settings;
mod terminal_line;
mod terminal_screen;
mod token;
mod urls;
mod who;
mod workload;

pub use act::{Act, ActKind, Subject};
pub use address::AddressRange;
pub use clock::{Clock, Timestamp};
pub use clone_settings::{CloneSettings, History};
pub use code::{Class, Code};
pub use deployment::{Deployment, Trigger};
pub use deployment_id::{DeploymentId, RunName};
pub(crate) use entropy::BASE36;
pub use entropy::random_digits;
pub use env_lines::read_env_lines;
pub use executor_kind::{ExecutorKind, ExecutorSet};
pub use finding::{Checks, Finding, Verdict};
pub use git_ref::{Branch, BranchError, Commit, CommitError, GitRef, Tag};
pub use hook::{BranchPattern, Hook, HookId, HookName, HookRules};
pub use image::{BuiltImage, ImageDigest, ImageRepository};
pub use link::{LinkToken, SessionToken};
pub use local_settings::{EnvName, LocalSettings};
pub use log_causes::{LogCauses, is_noise, plain_line};
pub use log_lines::{LogLines, plain_text};
pub(crate) use names::is_subdomain;
pub use note::Note;
pub use password::{PASSWORD_MIN, Password, PasswordHash};
pub use redaction::Redactor;
pub use repository::{Repository, RepositoryError, Transport};
pub use secret_key::SecretKey;
pub use service::{QueuePolicy, Service, ServiceId, ServiceName};
pub use span::Span;
pub use status::{Reason, Status};
pub use step::{Step, StepRecord, StepStatus};
pub use step_resources::StepResources;
pub use tekton_settings::{CacheRepository, TektonSettings};
pub use token::{ApiToken, HookToken, Scope, TokenHash, TokenKey, TokenKeyError};
pub use urls::{Urls, is_this_machine};
pub use who::Who;
pub use workload::Workload;

/// A value that breaks a rule of the product: which field, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct Invalid {
    /// The field or parameter as the caller spelled it, for example `branch` or `local.env`.
    pub field: String,
    /// What is wrong and what would be accepted, without a full stop.
    pub detail: String,
}

impl Invalid {
    /// Names a field and what would be right.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}
