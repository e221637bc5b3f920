//! A service as JSON. What GET gives is what POST and PATCH take; values of variables are shown as `***` and, sent back
//! so, left as they are.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{
    CloneSettings, EnvName, ExecutorKind, History, LocalSettings, QueuePolicy, Service, Timestamp,
};
use crate::wire::Change;
use crate::wire::read::{Fields, Shape};
use crate::wire::schema::shown_whole;
use crate::wire::service_tekton::PAIRS;
pub use crate::wire::service_tekton::{Pairs, TektonFields};

/// Stands for a value that is not shown.
pub const HIDDEN: &str = "***";
/// Fields whose values the audit never tells.
pub const SECRET: [&str; 4] = ["env", "gitTokenFile", "gitSshKeyFile", "buildArgs"];

/// The writable part, all of it optional so that one shape serves POST and PATCH.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceBody {
    /// What it is called: 1 to 63 of a-z, 0-9 and -.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Null where its images are built elsewhere.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub repository: Change<String>,
    /// The branch that is deployed where a call names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_branch: Option<String>,
    /// What runs its deployments.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ExecutorKind>")]
    pub executor: Option<String>,
    /// What a call does while others are queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<QueuePolicy>")]
    pub queue_policy: Option<String>,
    /// The longest time that a deployment may run, such as `30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// How long what serves is watched before it counts as succeeded, in a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<String>,
    /// Where the application is reached; a link on its pages.
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CloneFields {
    /// Whether submodules are fetched too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submodules: Option<bool>,
    /// Whether the files of Git LFS are fetched too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lfs: Option<bool>,
    /// How many commits the source holds, or all of them with the tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// What the executor `local` needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct LocalFields {
    /// What builds, for `sh -e -c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_command: Option<String>,
    /// What deploys, for `sh -e -c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deploy_command: Option<String>,
    /// Variables for both commands. Values are shown as `***`, and sent back so left as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Pairs>,
    /// Variables for both commands that are no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vars: Option<Pairs>,
    /// A file on the server with a token for the repository.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub git_token_file: Change<String>,
    /// A file on the server with a key for the repository.
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
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Service", transform = shown_whole)]
pub struct ServiceJson {
    pub id: String,
    #[serde(flatten)]
    pub body: ServiceBody,
    /// Why it takes no calls; null where it does.
    #[schemars(with = "Change<String>")]
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
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct FreezeBody {
    /// Why; callers read it.
    pub reason: Option<String>,
}

impl Shape for FreezeBody {
    fn take(fields: &mut Fields) -> Self {
        Self { reason: text(fields, "reason") }
    }
}

/// What builds of a service keep.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Cache")]
pub struct CacheJson {
    /// What builds of the service keep on this host, in bytes, as it was measured last; null where it never was.
    pub bytes: Option<u64>,
}

/// The badge of a service.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Badge")]
pub struct BadgeJson {
    /// The address of the picture, which needs no credential.
    pub url: String,
}
