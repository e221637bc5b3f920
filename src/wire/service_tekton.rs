//! The settings of a service in a cluster as JSON.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{ReleaseCommand, TektonSettings};
use crate::wire::Change;
use crate::wire::read::{Fields, Shape};

/// What an object of names and values is.
pub(super) const PAIRS: &str = "an object of names and texts";

/// Changes of names and values: null removes one, a text sets it.
pub type Pairs = BTreeMap<String, Option<String>>;

/// What the executor `tekton` needs. Null stands for a default, or for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct TektonFields {
    /// What is given the new image, such as `deployment:shop/api`.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub workloads: Change<Vec<String>>,
    /// The repository that its images are in.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub image: Change<String>,
    /// The repository for layers between builds.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub cache_repository: Change<String>,
    /// The path of the Dockerfile.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub dockerfile: Change<String>,
    /// The folder that is built.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub context: Change<String>,
    /// The stage of the Dockerfile that is built.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub target: Change<String>,
    /// Arguments of the build; null removes one.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub build_args: Change<Pairs>,
    /// Secrets of the build by name; null removes one.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub build_secrets: Change<Pairs>,
    /// What steps ask for and may use; null removes one.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub resources: Change<Pairs>,
    /// The Secret for the repository.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub git_secret: Change<String>,
    /// The Secret for the registry.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub registry_secret: Change<String>,
    /// Runs once in the new image, before it serves.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub release_command: Change<ReleaseCommand>,
    /// How long that may take.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub release_timeout: Change<String>,
    /// Whether the old version is put back where the new one does not come up.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub rollback: Change<bool>,
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
            resources: fields.change("resources", PAIRS),
            git_secret: fields.change("gitSecret", "a text"),
            registry_secret: fields.change("registrySecret", "a text"),
            workloads: fields.change("workloads", "a list of texts"),
            release_command: fields.change("releaseCommand", "a text or a list of texts"),
            release_timeout: fields.change("releaseTimeout", "a text"),
            rollback: fields.change("rollback", "true or false"),
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
        let resources = settings.map(|own| pairs(own.resources.named()));
        let workloads = settings.map(|own| own.workloads.iter().map(ToString::to_string).collect());
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
            resources: Change::from(resources),
            git_secret: text(|own| own.git_secret.clone()),
            registry_secret: text(|own| own.registry_secret.clone()),
            workloads: Change::from(workloads),
            release_command: Change::from(settings.and_then(|own| own.release.command.clone())),
            release_timeout: text(|own| Some(own.release.timeout.to_string())),
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
