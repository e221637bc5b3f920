//! The task that builds, those that only try a part of it, and what all tasks are made of. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::{CloneSettings, Repository, Service, Step, TektonSettings};
use crate::executor::tekton::names::{
    BUILD_TASK, COMMIT_RESULT, DETAIL_RESULT, DIGEST_RESULT, MESSAGE_RESULT, PROGRAM, SUBJECT_RESULT,
    step_name,
};
use crate::executor::tekton::{BuilderSettings, Common, StepImages};

/// Where the sources are, in clone and build.
const SOURCE_MOUNT: &str = "/src";
const SOURCE: &str = "/src/tree";
/// Where the builder keeps layers; overlay does not work on the container's own root.
const STORE_MOUNT: &str = "/var/lib/buildkit";
/// Most that the layers of one build may take, in GiB. The step itself ends the build at nine tenths of it, since past it
/// the pod is evicted.
const STORE_LIMIT: u64 = 10;
const STORE_LIMIT_BYTES: u64 = STORE_LIMIT * 1024 * 1024 * 1024 / 10 * 9;
/// The one folder that a step with a read-only root can write.
const SCRATCH_MOUNT: &str = "/tmp";
/// Where the Secrets are mounted.
const GIT_MOUNT: &str = "/var/run/stackblaze/git";
pub(super) const REGISTRY_MOUNT: &str = "/var/run/stackblaze/registry";
const BUILD_SECRETS_MOUNT: &str = "/var/run/stackblaze/build-secrets";
/// Root owns what is mounted, and the steps are not root. Nobody else sees it: each is mounted in one container.
const MOUNTED_MODE: u32 = 0o444;
/// The user of the clone and build steps, which the builder's image has ids for in `/etc/subuid`.
pub(super) const BUILDER_USER: u32 = 1_000;
/// Parameters of the build task, as those of the pipeline are called.
const BUILD_PARAMS: &[&str] = &["repository", "branch", "commit", "image", "tag", "cache"];

/// Fetches, builds and pushes.
pub(super) fn build(settings: &TektonSettings, clone: &CloneSettings, common: &Common, limit: &str) -> Value {
    json!({
        "name": BUILD_TASK,
        "timeout": limit,
        "params": handed(BUILD_PARAMS),
        "taskSpec": {
            "params": declared(BUILD_PARAMS),
            "results": results(&[COMMIT_RESULT, SUBJECT_RESULT, DIGEST_RESULT, MESSAGE_RESULT, DETAIL_RESULT]),
            "volumes": volumes(settings),
            "steps": [clone_step(settings, clone, common), build_step(settings, common)],
        },
    })
}

fn volumes(settings: &TektonSettings) -> Vec<Value> {
    let mut volumes = clone_volumes().to_vec();
    volumes.push(json!({"name": "store", "emptyDir": {"sizeLimit": format!("{STORE_LIMIT}Gi")}}));
    volumes.extend(secret_volume("git-secret", settings.git_secret.as_deref()));
    volumes.extend(secret_volume("registry-secret", settings.registry_secret.as_deref()));
    if !settings.build_secrets.is_empty() {
        let sources = settings.build_secrets.iter().map(
            |(id, from)| json!({"secret": {"name": from.secret, "items": [{"key": from.key, "path": id}]}}),
        );
        let projected = json!({"defaultMode": MOUNTED_MODE, "sources": sources.collect::<Vec<_>>()});
        volumes.push(json!({"name": "build-secrets", "projected": projected}));
    }
    volumes
}

fn clone_volumes() -> [Value; 2] {
    [
        json!({"name": "source", "emptyDir": {}}),
        json!({"name": "clone-scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}),
    ]
}

pub(super) fn secret_volume(volume: &str, name: Option<&str>) -> Option<Value> {
    name.map(|name| json!({"name": volume, "secret": {"secretName": name, "defaultMode": MOUNTED_MODE}}))
}

fn clone_step(settings: &TektonSettings, clone: &CloneSettings, common: &Common) -> Value {
    let mut mounts = vec![mount("source", SOURCE_MOUNT), mount("clone-scratch", SCRATCH_MOUNT)];
    let mut env = vec![
        variable("REPOSITORY", "$(params.repository)"),
        variable("BRANCH", "$(params.branch)"),
        variable("COMMIT", "$(params.commit)"),
        variable("CLONE_SETTINGS", &json!(clone).to_string()),
        variable("SOURCE", SOURCE),
        result_file("COMMIT_FILE", COMMIT_RESULT),
        result_file("SUBJECT_FILE", SUBJECT_RESULT),
        result_file("MESSAGE_FILE", MESSAGE_RESULT),
        result_file("DETAIL_FILE", DETAIL_RESULT),
    ];
    if settings.git_secret.is_some() {
        mounts.push(mount("git-secret", GIT_MOUNT));
        env.push(variable("GIT_SECRET", GIT_MOUNT));
    }
    env.extend(proxies(&common.builder));
    let rights = locked_down(BUILDER_USER);
    let resources = resources(settings, Step::Clone);
    step(&common.images, Step::Clone, &["run-step", "clone"], &env, &mounts, &rights, &resources)
}

fn build_step(settings: &TektonSettings, common: &Common) -> Value {
    let mut mounts = vec![mount("source", SOURCE_MOUNT), mount("store", STORE_MOUNT)];
    let mut env = vec![
        variable("SOURCE", SOURCE),
        variable("CONTEXT", &settings.context),
        variable("DOCKERFILE", &settings.dockerfile),
        variable("TARGET", settings.target.as_deref().unwrap_or_default()),
        variable("BUILD_ARGS", &without_templates(&json!(settings.build_args))),
        variable("IMAGE", "$(params.image)"),
        variable("TAG", "$(params.tag)"),
        variable("CACHE", "$(params.cache)"),
        variable("INSECURE_REGISTRIES", &common.builder.insecure_registries.join(",")),
        variable("STORE", STORE_MOUNT),
        variable("STORE_LIMIT", &STORE_LIMIT_BYTES.to_string()),
        result_file("COMMIT_FILE", COMMIT_RESULT),
        result_file("DIGEST_FILE", DIGEST_RESULT),
        result_file("MESSAGE_FILE", MESSAGE_RESULT),
        result_file("DETAIL_FILE", DETAIL_RESULT),
    ];
    if settings.registry_secret.is_some() {
        mounts.push(mount("registry-secret", REGISTRY_MOUNT));
        env.push(variable("REGISTRY_SECRET", REGISTRY_MOUNT));
    }
    if !settings.build_secrets.is_empty() {
        mounts.push(mount("build-secrets", BUILD_SECRETS_MOUNT));
        env.push(variable("BUILD_SECRETS", BUILD_SECRETS_MOUNT));
    }
    builder_step(common, &env, &mounts, &resources(settings, Step::Build))
}

/// Builds something tiny and pushes nothing.
pub(super) fn probe(common: &Common, limit: &str) -> Value {
    let env = [
        variable("PROBE", "true"),
        variable("STORE", STORE_MOUNT),
        variable("STORE_LIMIT", &STORE_LIMIT_BYTES.to_string()),
        result_file("MESSAGE_FILE", MESSAGE_RESULT),
        result_file("DETAIL_FILE", DETAIL_RESULT),
    ];
    json!({
        "name": BUILD_TASK,
        "timeout": limit,
        "taskSpec": {
            "results": results(&[MESSAGE_RESULT, DETAIL_RESULT]),
            "volumes": [json!({"name": "store", "emptyDir": {"sizeLimit": format!("{STORE_LIMIT}Gi")}})],
            "steps": [builder_step(common, &env, &[mount("store", STORE_MOUNT)], &json!({}))],
        },
    })
}

/// Looks whether `clone` could do its work, and fetches nothing.
pub(super) fn look(service: &Service, settings: &TektonSettings, common: &Common, limit: &str) -> Value {
    let mut step = clone_step(settings, &service.fetch, common);
    if let Some(env) = step["env"].as_array_mut() {
        env.push(variable("LOOK", "true"));
    }
    let mut volumes = clone_volumes().to_vec();
    volumes.extend(secret_volume("git-secret", settings.git_secret.as_deref()));
    let values = [
        ("repository", service.repository.as_ref().map_or("", Repository::as_str)),
        ("branch", service.default_branch.as_str()),
        ("commit", ""),
    ];
    json!({
        "name": BUILD_TASK,
        "timeout": limit,
        "params": values.map(|(name, value)| json!({"name": name, "value": value})),
        "taskSpec": {
            "params": declared(&values.map(|(name, _)| name)),
            "results": results(&[COMMIT_RESULT, SUBJECT_RESULT, MESSAGE_RESULT, DETAIL_RESULT]),
            "volumes": volumes,
            "steps": [step],
        },
    })
}

fn builder_step(common: &Common, env: &[Value], mounts: &[Value], resources: &Value) -> Value {
    let rights = may_make_namespaces(&common.builder);
    let env: Vec<_> = env.iter().cloned().chain(proxies(&common.builder)).collect();
    step(&common.images, Step::Build, &["run-step", "build"], &env, mounts, &rights, resources)
}

/// `$$` is Kubernetes' and Tekton's own way to write a `$` that begins nothing.
pub(super) fn proxies(builder: &BuilderSettings) -> impl Iterator<Item = Value> {
    let plain = |value: &str| value.replace('$', "$$");
    builder.proxies.iter().map(move |(name, value)| json!({"name": name, "value": plain(value)}))
}

/// A step is our own binary with fixed arguments.
pub(super) fn step(
    images: &StepImages,
    step: Step,
    arguments: &[&str],
    env: &[Value],
    mounts: &[Value],
    rights: &Value,
    resources: &Value,
) -> Value {
    let command = [&[PROGRAM], arguments].concat();
    json!({
        "name": step_name(step),
        "image": images.of(step),
        "command": command,
        "env": env,
        "volumeMounts": mounts,
        "computeResources": resources,
        "securityContext": rights,
    })
}

/// What the service asks for a step, by kind.
pub(super) fn resources(settings: &TektonSettings, step: Step) -> Value {
    let mut kinds = BTreeMap::<&str, BTreeMap<&str, &str>>::new();
    for (kind, resource, amount) in settings.resources.of(step) {
        kinds.entry(kind).or_default().insert(resource, amount);
    }
    json!(kinds)
}

/// What rootless BuildKit needs to make itself a user namespace and to mount in it. The admission policy lets this one
/// container have it.
fn may_make_namespaces(builder: &BuilderSettings) -> Value {
    json!({
        "runAsUser": BUILDER_USER,
        "runAsGroup": BUILDER_USER,
        "runAsNonRoot": true,
        "privileged": false,
        "allowPrivilegeEscalation": true,
        "capabilities": {"drop": ["ALL"], "add": ["SETUID", "SETGID"]},
        "seccompProfile": profile(builder.seccomp.as_deref()),
        "appArmorProfile": profile(builder.apparmor.as_deref()),
    })
}

/// A profile of the node's by its name, or none at all.
fn profile(name: Option<&str>) -> Value {
    match name {
        Some(name) => json!({"type": "Localhost", "localhostProfile": name}),
        None => json!({"type": "Unconfined"}),
    }
}

pub(super) fn locked_down(user: u32) -> Value {
    json!({
        "runAsUser": user,
        "runAsNonRoot": user != 0,
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// JSON without any `$`, since a value may hold what looks like a template.
pub(super) fn without_templates(value: &Value) -> String {
    value.to_string().replace('$', "\\u0024")
}

pub(super) fn variable(name: &str, value: &str) -> Value {
    json!({"name": format!("STACKBLAZE_{name}"), "value": value})
}

pub(super) fn result_file(name: &str, result: &str) -> Value {
    variable(name, &format!("$(results.{result}.path)"))
}

pub(super) fn mount(volume: &str, path: &str) -> Value {
    json!({"name": volume, "mountPath": path})
}

pub(super) fn declared(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"name": name, "type": "string"})).collect()
}

pub(super) fn handed(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"name": name, "value": format!("$(params.{name})")})).collect()
}

pub(super) fn results(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"name": name, "type": "string"})).collect()
}
