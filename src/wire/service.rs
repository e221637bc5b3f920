//! A service as JSON. What GET gives is what POST and PATCH take; values of variables are shown as `***` and, sent back
//! so, left as they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{LocalSettings, Service, TektonSettings, Timestamp, Workload};
use crate::wire::Change;
use crate::wire::read::{Fields, Shape};

/// Stands for a value that is not shown.
pub const HIDDEN: &str = "***";
/// Fields whose values the audit never tells.
pub const SECRET: [&str; 4] = ["env", "gitTokenFile", "gitSshKeyFile", "buildArgs"];

/// Changes of names and values: null removes one, a text sets it.
pub type Pairs = BTreeMap<String, Option<String>>;

/// The writable part, all of it optional so that one shape serves POST and PATCH.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub url: Change<String>,
    #[serde(flatten)]
    pub local: LocalFields,
    #[serde(flatten)]
    pub tekton: TektonFields,
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
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub git_token_file: Change<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub git_ssh_key_file: Change<String>,
}

/// What the executor `tekton` needs. Null stands for a default, or for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TektonFields {
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub workload: Change<WorkloadBody>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub image: Change<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub cache_repository: Change<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub dockerfile: Change<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub context: Change<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub target: Change<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub build_args: Change<Pairs>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub build_secrets: Change<Pairs>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub git_secret: Change<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub registry_secret: Change<String>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub rollback: Change<bool>,
}

/// What serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadBody {
    pub namespace: String,
    pub deployment: String,
    pub container: Option<String>,
}

impl From<Workload> for WorkloadBody {
    fn from(workload: Workload) -> Self {
        let Workload { namespace, deployment, container } = workload;
        Self { namespace, deployment, container }
    }
}

impl From<WorkloadBody> for Workload {
    fn from(body: WorkloadBody) -> Self {
        let WorkloadBody { namespace, deployment, container } = body;
        Self { namespace, deployment, container }
    }
}

impl Shape for ServiceBody {
    fn take(fields: &mut Fields) -> Self {
        fields.ignore(&["id", "frozen", "createdAt"]);
        Self {
            name: text(fields, "name"),
            repository: text(fields, "repository"),
            default_branch: text(fields, "defaultBranch"),
            executor: text(fields, "executor"),
            queue_policy: text(fields, "queuePolicy"),
            timeout: text(fields, "timeout"),
            url: fields.change("url", "a text"),
            local: LocalFields::take(fields),
            tekton: TektonFields::take(fields),
        }
    }
}

impl Shape for LocalFields {
    fn take(fields: &mut Fields) -> Self {
        Self {
            build_command: text(fields, "buildCommand"),
            deploy_command: text(fields, "deployCommand"),
            env: fields.change("env", PAIRS).apply(None),
            git_token_file: fields.change("gitTokenFile", "a text"),
            git_ssh_key_file: fields.change("gitSshKeyFile", "a text"),
        }
    }
}

impl Shape for TektonFields {
    fn take(fields: &mut Fields) -> Self {
        Self {
            image: fields.change("image", "a text"),
            cache_repository: fields.change("cacheRepository", "a text"),
            dockerfile: fields.change("dockerfile", "a text"),
            context: fields.change("context", "a text"),
            target: fields.change("target", "a text"),
            build_args: fields.change("buildArgs", PAIRS),
            build_secrets: fields.change("buildSecrets", PAIRS),
            git_secret: fields.change("gitSecret", "a text"),
            registry_secret: fields.change("registrySecret", "a text"),
            workload: fields.change_shape("workload"),
            rollback: fields.change("rollback", "true or false"),
        }
    }
}

impl Shape for WorkloadBody {
    fn take(fields: &mut Fields) -> Self {
        let mut need = |name| {
            let found = fields.take(name, "a text");
            if found.is_none() && !fields.has_fault(name) {
                fields.fault(name, "is missing");
            }
            found.unwrap_or_default()
        };
        let (namespace, deployment) = (need("namespace"), need("deployment"));
        Self { namespace, deployment, container: fields.change("container", "a text").apply(None) }
    }
}

const PAIRS: &str = "an object of names and texts";

/// A text that null leaves as it is, as if it were missing.
fn text(fields: &mut Fields, name: &str) -> Option<String> {
    fields.change(name, "a text").apply(None)
}

impl ServiceBody {
    /// Everything that can be set of a service, with the values of its variables: for comparison, never to be shown.
    pub fn of(service: &Service) -> Self {
        Self {
            name: Some(service.name.to_string()),
            repository: Some(service.repository.to_string()),
            default_branch: Some(service.default_branch.to_string()),
            executor: Some(service.executor.as_str().to_owned()),
            queue_policy: Some(service.queue_policy.as_str().to_owned()),
            timeout: Some(service.timeout.to_string()),
            url: service.url.clone().into(),
            local: LocalFields::of(&service.local),
            tekton: TektonFields::of(service.tekton.as_ref()),
        }
    }
}

impl LocalFields {
    fn of(settings: &LocalSettings) -> Self {
        let pairs = settings.env.iter().map(|(name, value)| (name.as_str().to_owned(), Some(value.clone())));
        Self {
            build_command: Some(settings.build_command.clone()),
            deploy_command: Some(settings.deploy_command.clone()),
            env: Some(pairs.collect()),
            git_token_file: settings.git_token_file.clone().into(),
            git_ssh_key_file: settings.git_ssh_key_file.clone().into(),
        }
    }
}

fn pairs<T: ToString>(own: &BTreeMap<String, T>) -> Pairs {
    own.iter().map(|(name, value)| (name.clone(), Some(value.to_string()))).collect()
}

impl TektonFields {
    /// Of a service without these settings all are null.
    pub fn of(settings: Option<&TektonSettings>) -> Self {
        let text = |of: fn(&TektonSettings) -> Option<String>| settings.and_then(of).into();
        let arguments = settings.map(|own| pairs(&own.build_args));
        let secrets = settings.map(|own| pairs(&own.build_secrets));
        Self {
            image: text(|own| Some(own.image.to_string())),
            cache_repository: text(|own| {
                Some(own.cache_repository.as_str().to_owned()).filter(|text| !text.is_empty())
            }),
            dockerfile: text(|own| Some(own.dockerfile.clone())),
            context: text(|own| Some(own.context.clone())),
            target: text(|own| own.target.clone()),
            build_args: Change::from(arguments),
            build_secrets: Change::from(secrets),
            git_secret: text(|own| own.git_secret.clone()),
            registry_secret: text(|own| own.registry_secret.clone()),
            workload: Change::from(settings.map(|own| own.workload.clone().into())),
            rollback: Change::from(settings.map(|own| own.rollback)),
        }
    }

    /// The name of a field that is set, and to something else than in `kept`.
    pub fn first_new(&self, kept: &Self) -> Option<String> {
        let [new, kept] = [self, kept].map(|fields| serde_json::to_value(fields).unwrap_or_default());
        let new =
            new.as_object()?.iter().find(|(name, value)| !value.is_null() && kept.get(name) != Some(*value));
        new.map(|(name, _)| name.clone())
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
