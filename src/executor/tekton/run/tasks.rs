//! The two tasks of a PipelineRun and their steps. Pure.

use serde_json::{Value, json};

use crate::domain::{Step, TektonSettings};
use crate::executor::tekton::StepImages;
use crate::executor::tekton::names::{
    BUILD_TASK, COMMIT_RESULT, DEPLOY_TASK, DIGEST_RESULT, MESSAGE_RESULT, PREVIOUS_IMAGE_RESULT,
    SUBJECT_RESULT, of_build, step_name,
};
use crate::executor::{ClusterRun, Run};

/// Our binary, found by the image's PATH.
const PROGRAM: &str = "stackblaze";
/// Where the sources are, in clone and build.
const SOURCE_MOUNT: &str = "/src";
const SOURCE: &str = "/src/tree";
/// Where buildah keeps layers; overlay does not work on the container's own root.
const STORE_MOUNT: &str = "/var/lib/containers";
/// Most that the layers of one build may take.
const STORE_LIMIT: &str = "10Gi";
/// The one folder that a step with a read-only root can write.
const SCRATCH_MOUNT: &str = "/tmp";
/// Where the Secrets are mounted.
const GIT_MOUNT: &str = "/var/run/stackblaze/git";
const REGISTRY_MOUNT: &str = "/var/run/stackblaze/registry";
/// The user of the deploy step; anyone but root will do.
const NOBODY: u32 = 65_532;
/// Parameters of the build task, as those of the pipeline are called.
const BUILD_PARAMS: &[&str] = &["repository", "branch", "commit", "image", "tag", "cache"];

/// Fetches, builds and pushes.
pub(super) fn build(settings: &TektonSettings, images: &StepImages, limit: &str) -> Value {
    let mut volumes = vec![
        json!({"name": "source", "emptyDir": {}}),
        json!({"name": "clone-scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}),
        json!({"name": "store", "emptyDir": {"sizeLimit": STORE_LIMIT}}),
    ];
    if let Some(name) = &settings.git_secret {
        volumes.push(json!({"name": "git-secret", "secret": {"secretName": name, "defaultMode": 0o400}}));
    }
    if let Some(name) = &settings.registry_secret {
        let items = [json!({"key": ".dockerconfigjson", "path": "config.json"})];
        let secret = json!({"secretName": name, "defaultMode": 0o400, "items": items});
        volumes.push(json!({"name": "registry-secret", "secret": secret}));
    }
    json!({
        "name": BUILD_TASK,
        "timeout": limit,
        "params": handed(BUILD_PARAMS),
        "taskSpec": {
            "params": declared(BUILD_PARAMS),
            "results": results(&[COMMIT_RESULT, SUBJECT_RESULT, DIGEST_RESULT, MESSAGE_RESULT]),
            "volumes": volumes,
            "steps": [clone_step(settings, images), build_step(settings, images)],
        },
    })
}

fn clone_step(settings: &TektonSettings, images: &StepImages) -> Value {
    let mut mounts = vec![mount("source", SOURCE_MOUNT), mount("clone-scratch", SCRATCH_MOUNT)];
    let mut env = vec![
        variable("REPOSITORY", "$(params.repository)"),
        variable("BRANCH", "$(params.branch)"),
        variable("COMMIT", "$(params.commit)"),
        variable("SOURCE", SOURCE),
        result_file("COMMIT_FILE", COMMIT_RESULT),
        result_file("SUBJECT_FILE", SUBJECT_RESULT),
        result_file("MESSAGE_FILE", MESSAGE_RESULT),
    ];
    if settings.git_secret.is_some() {
        mounts.push(mount("git-secret", GIT_MOUNT));
        env.push(variable("GIT_SECRET", GIT_MOUNT));
    }
    json!({
        "name": step_name(Step::Clone),
        "image": images.of(Step::Clone),
        "command": [PROGRAM, "cluster-step", "clone"],
        "env": env,
        "volumeMounts": mounts,
        "computeResources": {},
        // Root without capabilities: the build, which has to be root, then owns what it reads.
        "securityContext": locked_down(0),
    })
}

/// Root with the default capabilities, no seccomp profile and no privilege is what buildah needs to make itself a user
/// namespace; `RuntimeDefault` forbids that, and another user cannot run RUN.
fn build_step(settings: &TektonSettings, images: &StepImages) -> Value {
    let mut mounts = vec![mount("source", SOURCE_MOUNT), mount("store", STORE_MOUNT)];
    let mut env = vec![
        variable("SOURCE", SOURCE),
        variable("CONTEXT", &settings.context),
        variable("DOCKERFILE", &settings.dockerfile),
        variable("BUILD_ARGS", &encoded(settings)),
        variable("IMAGE", "$(params.image)"),
        variable("TAG", "$(params.tag)"),
        variable("CACHE", "$(params.cache)"),
        result_file("COMMIT_FILE", COMMIT_RESULT),
        result_file("DIGEST_FILE", DIGEST_RESULT),
        result_file("MESSAGE_FILE", MESSAGE_RESULT),
    ];
    if settings.registry_secret.is_some() {
        mounts.push(mount("registry-secret", REGISTRY_MOUNT));
        env.push(variable("REGISTRY_AUTH", &format!("{REGISTRY_MOUNT}/config.json")));
    }
    json!({
        "name": step_name(Step::Build),
        "image": images.of(Step::Build),
        "command": [PROGRAM, "cluster-step", "build"],
        "env": env,
        "volumeMounts": mounts,
        "computeResources": {},
        "securityContext": {"runAsUser": 0, "privileged": false},
    })
}

/// Patches the workload and waits.
pub(super) fn deploy(run: &Run, cluster: &ClusterRun, images: &StepImages, limit: &str) -> Value {
    let settings = &cluster.settings;
    let (digest, commit) = match &cluster.kept {
        Some(kept) => (kept.image.digest.to_string(), kept.commit.to_string()),
        None => (of_build(DIGEST_RESULT), of_build(COMMIT_RESULT)),
    };
    let mut params = handed(&["image", "tag"]);
    params.push(json!({"name": "digest", "value": digest}));
    params.push(json!({"name": "commit", "value": commit}));
    json!({
        "name": DEPLOY_TASK,
        "timeout": limit,
        "params": params,
        "taskSpec": {
            "params": declared(&["image", "tag", "digest", "commit"]),
            "results": results(&[PREVIOUS_IMAGE_RESULT, MESSAGE_RESULT]),
            "steps": [{
                "name": step_name(Step::Deploy),
                "image": images.of(Step::Deploy),
                "command": [PROGRAM, "rollout"],
                "env": deploy_environment(run, settings, limit),
                "volumeMounts": [],
                "computeResources": {},
                "securityContext": locked_down(NOBODY),
            }],
        },
    })
}

fn deploy_environment(run: &Run, settings: &TektonSettings, limit: &str) -> Vec<Value> {
    let workload = &settings.workload;
    vec![
        variable("NAMESPACE", &workload.namespace),
        variable("WORKLOAD", &workload.deployment),
        variable("CONTAINER", workload.container.as_deref().unwrap_or_default()),
        variable("IMAGE", "$(params.image)"),
        variable("TAG", "$(params.tag)"),
        variable("DIGEST", "$(params.digest)"),
        variable("COMMIT", "$(params.commit)"),
        variable("DEPLOYMENT_ID", run.deployment.as_str()),
        variable("SERVICE", run.service.name.as_str()),
        variable("ROLLBACK", if settings.rollback { "true" } else { "false" }),
        variable("ROLLOUT_TIMEOUT", limit),
        result_file("PREVIOUS_IMAGE_FILE", PREVIOUS_IMAGE_RESULT),
        result_file("MESSAGE_FILE", MESSAGE_RESULT),
    ]
}

fn locked_down(user: u32) -> Value {
    json!({
        "runAsUser": user,
        "runAsNonRoot": user != 0,
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// A JSON object without any `$`, since a value may hold what looks like a template.
fn encoded(settings: &TektonSettings) -> String {
    json!(settings.build_args).to_string().replace('$', "\\u0024")
}

fn variable(name: &str, value: &str) -> Value {
    json!({"name": format!("STACKBLAZE_{name}"), "value": value})
}

fn result_file(name: &str, result: &str) -> Value {
    variable(name, &format!("$(results.{result}.path)"))
}

fn mount(volume: &str, path: &str) -> Value {
    json!({"name": volume, "mountPath": path})
}

fn declared(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"name": name, "type": "string"})).collect()
}

fn handed(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"name": name, "value": format!("$(params.{name})")})).collect()
}

fn results(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"name": name, "type": "string"})).collect()
}
