//! The task that deploys. Pure.

use serde_json::{Value, json};

use crate::domain::{Step, TektonSettings};
use crate::executor::tekton::StepImages;
use crate::executor::tekton::names::{
    COMMIT_RESULT, DEPLOY_TASK, DIGEST_RESULT, MESSAGE_RESULT, PREVIOUS_IMAGE_RESULT, REPLICAS_RESULT,
    of_build,
};
use crate::executor::{ClusterRun, Run};

use super::tasks::{declared, handed, locked_down, resources, result_file, results, step, variable};

/// The user of the deploy step; anyone but root will do.
const NOBODY: u32 = 65_532;

/// Patches the workload and waits.
pub(super) fn deploy(run: &Run, cluster: &ClusterRun, images: &StepImages, limit: &str) -> Value {
    let settings = &cluster.settings;
    let (digest, commit) = match &run.given {
        Some(given) => {
            let digest =
                given.image.digest.as_ref().map_or_else(|| of_build(DIGEST_RESULT), ToString::to_string);
            (digest, given.commit.as_ref().map(ToString::to_string).unwrap_or_default())
        }
        None => (of_build(DIGEST_RESULT), of_build(COMMIT_RESULT)),
    };
    let env = deploy_environment(run, settings, limit);
    let mut params = handed(&["image", "tag"]);
    params.push(json!({"name": "digest", "value": digest}));
    params.push(json!({"name": "commit", "value": commit}));
    json!({
        "name": DEPLOY_TASK,
        "timeout": limit,
        "params": params,
        "taskSpec": {
            "params": declared(&["image", "tag", "digest", "commit"]),
            "results": results(&[PREVIOUS_IMAGE_RESULT, REPLICAS_RESULT, MESSAGE_RESULT]),
            "steps": [step(images, Step::Deploy, &["rollout"], &env, &[], &locked_down(NOBODY), &resources(settings, Step::Deploy))],
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
        result_file("REPLICAS_FILE", REPLICAS_RESULT),
        result_file("MESSAGE_FILE", MESSAGE_RESULT),
    ]
}
