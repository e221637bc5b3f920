//! The settings of a service that runs in a cluster: flags, their JSON, and how they are shown.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::domain::Workload;

use super::failure::Failure;
use super::output::text;

/// Settings that can be emptied, and their fields.
pub(super) const UNSETTABLE: [(&str, &str); 5] = [
    ("cache-repository", "cacheRepository"),
    ("dockerfile", "dockerfile"),
    ("context", "context"),
    ("git-secret", "gitSecret"),
    ("registry-secret", "registrySecret"),
];

/// For the executor tekton
#[derive(Debug, Args)]
#[command(next_help_heading = "In a cluster")]
pub(super) struct ClusterFields {
    /// Repository to which the built image is pushed, with its registry, without a tag
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Deployment that is given the image; its container where it has more than one
    #[arg(long, value_name = "NAMESPACE/DEPLOYMENT[/CONTAINER]")]
    workload: Option<String>,
    /// Repository for layers of earlier builds, or none [default: the image's name and -cache]
    #[arg(long, value_name = "IMAGE|none")]
    cache_repository: Option<String>,
    /// File to build by [default: Dockerfile]
    #[arg(long, value_name = "PATH")]
    dockerfile: Option<String>,
    /// Folder that the build sees [default: the repository's root]
    #[arg(long, value_name = "PATH")]
    context: Option<String>,
    /// Argument of the build, which ends in the image: no secrets; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    build_arg: Vec<String>,
    /// Secret in the build namespace with the repository's credentials, for the clone step
    #[arg(long, value_name = "NAME")]
    git_secret: Option<String>,
    /// Secret in the build namespace with the registry's credentials, for the build step
    #[arg(long, value_name = "NAME")]
    registry_secret: Option<String>,
    /// Whether a version that does not come up gives way to the one before [default: true]
    #[arg(long, value_name = "BOOL")]
    rollback: Option<bool>,
}

impl ClusterFields {
    /// The fields that are named, as the API spells them.
    pub(super) fn body(&self) -> Result<Map<String, Value>, Failure> {
        let named = [
            ("image", &self.image),
            ("cacheRepository", &self.cache_repository),
            ("dockerfile", &self.dockerfile),
            ("context", &self.context),
            ("gitSecret", &self.git_secret),
            ("registrySecret", &self.registry_secret),
        ];
        let named = named.into_iter().filter_map(|(field, value)| Some((field, Value::from(value.clone()?))));
        let mut body: Map<_, _> = named.map(|(field, value)| (field.to_owned(), value)).collect();
        if let Some(text) = &self.workload {
            body.insert("workload".to_owned(), workload(text).map_err(|why| flag("--workload", &why))?);
        }
        if let Some(rollback) = self.rollback {
            body.insert("rollback".to_owned(), rollback.into());
        }
        let mut arguments = Map::new();
        for argument in &self.build_arg {
            let (name, value) = argument
                .split_once('=')
                .ok_or_else(|| flag("--build-arg", &format!("\"{argument}\" is not NAME=VALUE")))?;
            arguments.insert(name.to_owned(), value.into());
        }
        if !arguments.is_empty() {
            body.insert("buildArgs".to_owned(), arguments.into());
        }
        Ok(body)
    }
}

fn flag(name: &str, why: &str) -> Failure {
    Failure::usage(format!("{name}: {why}"))
}

/// A workload as the API spells it.
pub(super) fn workload(text: &str) -> Result<Value, String> {
    let workload = Workload::parse(text).map_err(|wrong| wrong.detail)?;
    let Workload { namespace, deployment, container } = workload;
    Ok(json!({ "namespace": namespace, "deployment": deployment, "container": container }))
}

/// What is shown of a service that has such settings.
pub(super) fn shown(service: &Value) -> Vec<(&'static str, String)> {
    let workload = &service["workload"];
    if workload.is_null() {
        return Vec::new();
    }
    let parts = ["namespace", "deployment", "container"].map(|part| text(workload, part));
    let arguments = service["buildArgs"].as_object().into_iter().flatten();
    let arguments: Vec<_> =
        arguments.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    vec![
        ("image", text(service, "image")),
        ("workload", parts.join("/").trim_end_matches('/').to_owned()),
        ("cache", text(service, "cacheRepository")),
        ("dockerfile", text(service, "dockerfile")),
        ("context", text(service, "context")),
        ("build args", arguments.join(" ")),
        ("git secret", text(service, "gitSecret")),
        ("registry secret", text(service, "registrySecret")),
        ("rollback", if service["rollback"] == true { "on" } else { "off" }.to_owned()),
    ]
}
