//! A service as JSON. What GET gives is what POST and PATCH take; values of variables are shown as `***` and, sent back
//! so, left as they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{CloneSettings, EnvName, History, LocalSettings, Service, Timestamp};
use crate::wire::Change;
use crate::wire::read::{Fields, Shape};
use crate::wire::service_tekton::PAIRS;
pub use crate::wire::service_tekton::{Pairs, TektonFields};

/// Stands for a value that is not shown.
pub const HIDDEN: &str = "***";
/// Fields whose values the audit never tells.
pub const SECRET: [&str; 4] = ["env", "gitTokenFile", "gitSshKeyFile", "buildArgs"];

/// The writable part, all of it optional so that one shape serves POST and PATCH.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Null where its images are built elsewhere.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub repository: Change<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub url: Change<String>,
    /// Repositories beside its own whose images may be deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_images: Option<Vec<String>>,
    /// As an answer shows it. It is changed elsewhere, and sent back only as it is.
    #[serde(skip)]
    pub frozen: Change<String>,
    #[serde(flatten)]
    pub fetch: CloneFields,
    #[serde(flatten)]
    pub local: LocalFields,
    #[serde(flatten)]
    pub tekton: TektonFields,
}

/// What a run fetches of the repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CloneFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submodules: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lfs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// What the executor `local` needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LocalFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deploy_command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Pairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vars: Option<Pairs>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub git_token_file: Change<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub git_ssh_key_file: Change<String>,
}

impl Shape for ServiceBody {
    fn take(fields: &mut Fields) -> Self {
        fields.ignore(&["id", "createdAt"]);
        Self {
            name: text(fields, "name"),
            repository: fields.change("repository", "a text"),
            default_branch: text(fields, "defaultBranch"),
            executor: text(fields, "executor"),
            queue_policy: text(fields, "queuePolicy"),
            timeout: text(fields, "timeout"),
            settle: text(fields, "settle"),
            url: fields.change("url", "a text"),
            allowed_images: fields.change("allowedImages", "a list of texts").apply(None),
            frozen: fields.sent_back("frozen", "a text"),
            fetch: CloneFields::take(fields),
            local: LocalFields::take(fields),
            tekton: TektonFields::take(fields),
        }
    }
}

impl Shape for CloneFields {
    fn take(fields: &mut Fields) -> Self {
        Self {
            submodules: fields.change("submodules", "true or false").apply(None),
            lfs: fields.change("lfs", "true or false").apply(None),
            history: fields.change("history", History::SHAPE).apply(None),
        }
    }
}

impl Shape for LocalFields {
    fn take(fields: &mut Fields) -> Self {
        Self {
            build_command: text(fields, "buildCommand"),
            deploy_command: text(fields, "deployCommand"),
            env: fields.change("env", PAIRS).apply(None),
            vars: fields.change("vars", PAIRS).apply(None),
            git_token_file: fields.change("gitTokenFile", "a text"),
            git_ssh_key_file: fields.change("gitSshKeyFile", "a text"),
        }
    }
}

/// A text that null leaves as it is, as if it were missing.
fn text(fields: &mut Fields, name: &str) -> Option<String> {
    fields.change(name, "a text").apply(None)
}

impl ServiceBody {
    /// Everything that can be set of a service, with the values of its variables: for comparison, never to be shown.
    pub fn of(service: &Service) -> Self {
        Self {
            name: Some(service.name.to_string()),
            repository: service.repository.as_ref().map(ToString::to_string).into(),
            default_branch: Some(service.default_branch.to_string()),
            executor: Some(service.executor.as_str().to_owned()),
            queue_policy: Some(service.queue_policy.as_str().to_owned()),
            timeout: Some(service.timeout.to_string()),
            settle: Some(service.settle.to_string()),
            url: service.url.clone().into(),
            allowed_images: Some(service.allowed_images.iter().map(ToString::to_string).collect()),
            frozen: Change::Keep,
            fetch: CloneFields::of(&service.fetch),
            local: LocalFields::of(&service.local),
            tekton: TektonFields {
                image: service.own_image().map(ToString::to_string).into(),
                ..TektonFields::of(service.tekton.as_ref())
            },
        }
    }
}

impl CloneFields {
    fn of(settings: &CloneSettings) -> Self {
        let CloneSettings { submodules, lfs, history } = settings;
        Self { submodules: Some(*submodules), lfs: Some(*lfs), history: Some(*history) }
    }
}

impl LocalFields {
    fn of(settings: &LocalSettings) -> Self {
        let variables = |own: &BTreeMap<EnvName, String>| {
            own.iter().map(|(name, value)| (name.as_str().to_owned(), Some(value.clone()))).collect()
        };
        Self {
            build_command: Some(settings.build_command.clone()),
            deploy_command: Some(settings.deploy_command.clone()),
            env: Some(variables(&settings.env)),
            vars: Some(variables(&settings.vars)),
            git_token_file: settings.git_token_file.clone().into(),
            git_ssh_key_file: settings.git_ssh_key_file.clone().into(),
        }
    }
}

/// A service as it is shown.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceJson {
    pub id: String,
    #[serde(flatten)]
    pub body: ServiceBody,
    pub frozen: Option<String>,
    pub created_at: Timestamp,
}

impl ServiceJson {
    /// The service without the values of its variables.
    pub fn new(service: &Service) -> Self {
        let mut body = ServiceBody::of(service);
        for value in body.local.env.iter_mut().flat_map(BTreeMap::values_mut) {
            *value = Some(HIDDEN.to_owned());
        }
        Self {
            id: service.id.to_string(),
            body,
            frozen: service.frozen.clone(),
            created_at: service.created_at,
        }
    }

    /// Its name, the cursor of the list.
    pub fn name(&self) -> String {
        self.body.name.clone().unwrap_or_default()
    }
}

/// Why a service is frozen.
#[derive(Debug, Default, Serialize)]
pub struct FreezeBody {
    pub reason: Option<String>,
}

impl Shape for FreezeBody {
    fn take(fields: &mut Fields) -> Self {
        Self { reason: text(fields, "reason") }
    }
}
