//! The task that releases and deploys, and the one that puts back what it left half done. Pure.

use serde_json::{Value, json};

use crate::domain::{Step, TektonSettings};
use crate::executor::tekton::names::{
    COMMIT_RESULT, DEPLOY_TASK, DETAIL_RESULT, DIGEST_RESULT, MESSAGE_RESULT, PROGRAM, PUT_BACK_RESULT,
    PUT_BACK_TASK, WORKLOADS_RESULT, of_build, release_job,
};
use crate::executor::tekton::{Common, StepImages};
use crate::executor::{ClusterRun, Run};

use super::tasks::{
    declared, handed, locked_down, resources, result_file, results, step, variable, without_templates,
};

/// The user of both steps; anyone but root will do.
const NOBODY: u32 = 65_532;
/// Longest time of the task that puts back, in seconds: its pod has to start, and what was there to serve again. Comes on
/// top of the service's timeout; within the five minutes after it in which a deployment becomes final.
pub(super) const PUT_BACK_SECONDS: u64 = 240;

/// Runs the release command, where there is one, patches the workloads and waits.
pub(super) fn deploy(run: &Run, cluster: &ClusterRun, common: &Common, limit: &str) -> Value {
    let (settings, images) = (&cluster.settings, &common.images);
    let (digest, commit) = match &run.given {
        Some(given) => {
            let digest =
                given.image.digest.as_ref().map_or_else(|| of_build(DIGEST_RESULT), ToString::to_string);
            (digest, given.commit.as_ref().map(ToString::to_string).unwrap_or_default())
        }
        None => (of_build(DIGEST_RESULT), of_build(COMMIT_RESULT)),
    };
    let own = |which, command: &[&str], env: &[Value]| {
        // The command itself has what its workload has: this one only waits for it.
        step(images, which, command, env, &[], &locked_down(NOBODY), &resources(settings, Step::Deploy))
    };
    let mut steps = Vec::new();
    if let Some(env) = release_environment(run, settings, common) {
        steps.push(own(Step::Release, &["run-step", "release"], &env));
    }
    steps.push(own(Step::Deploy, &["rollout"], &deploy_environment(run, cluster, limit)));
    let mut params = handed(&["image", "tag"]);
    params.push(json!({"name": "digest", "value": digest}));
    params.push(json!({"name": "commit", "value": commit}));
    json!({
        "name": DEPLOY_TASK,
        "timeout": limit,
        "params": params,
        "taskSpec": {
            "params": declared(&["image", "tag", "digest", "commit"]),
            "results": results(&[WORKLOADS_RESULT, MESSAGE_RESULT, DETAIL_RESULT]),
            "steps": steps,
        },
    })
}

/// Puts back what a failed, cancelled or lost deploy step left half done, where the service wants that, and ends a release
/// command that still runs. Costs a pod only after one of those.
pub(super) fn put_back(run: &Run, cluster: &ClusterRun, images: &StepImages) -> Value {
    let settings = &cluster.settings;
    let mut env = common_environment(run, settings);
    env.push(result_file("PUT_BACK_FILE", PUT_BACK_RESULT));
    if settings.release.command.is_some() {
        env.push(variable("RELEASE_JOB", &release_job(&run.deployment.run_name())));
    }
    if !settings.rollback {
        env.push(variable("ROLLBACK", "false"));
    }
    json!({
        "name": PUT_BACK_TASK,
        "timeout": format!("{PUT_BACK_SECONDS}s"),
        "when": [{"input": format!("$(tasks.{DEPLOY_TASK}.status)"), "operator": "in", "values": ["Failed"]}],
        "taskSpec": {
            "results": results(&[PUT_BACK_RESULT, WORKLOADS_RESULT, MESSAGE_RESULT, DETAIL_RESULT]),
            "steps": [{
                "name": PUT_BACK_TASK,
                "image": images.of(Step::Deploy),
                "command": [PROGRAM, "put-back"],
                "env": env,
                "volumeMounts": [],
                "computeResources": resources(settings, Step::Deploy),
                "securityContext": locked_down(NOBODY),
            }],
        },
    })
}

/// None where nothing is to be run.
fn release_environment(run: &Run, settings: &TektonSettings, common: &Common) -> Option<Vec<Value>> {
    let (command, workload) = (settings.release.command.as_ref()?, settings.workloads.first()?);
    Some(vec![
        variable("WORKLOAD", &workload.to_string()),
        variable("DEPLOYMENT_ID", run.deployment.as_str()),
        variable("SERVICE", run.service.name.as_str()),
        variable("INSTANCE", &common.instance),
        variable("IMAGE", "$(params.image)"),
        variable("TAG", "$(params.tag)"),
        variable("DIGEST", "$(params.digest)"),
        variable("RELEASE_JOB", &release_job(&run.deployment.run_name())),
        variable("RELEASE_COMMAND", &without_templates(&json!(command))),
        variable("RELEASE_TIMEOUT", &settings.release.timeout.to_string()),
        result_file("MESSAGE_FILE", MESSAGE_RESULT),
        result_file("DETAIL_FILE", DETAIL_RESULT),
    ])
}

fn deploy_environment(run: &Run, cluster: &ClusterRun, limit: &str) -> Vec<Value> {
    let settings = &cluster.settings;
    let mut env = common_environment(run, settings);
    env.extend([
        variable("IMAGE", "$(params.image)"),
        variable("TAG", "$(params.tag)"),
        variable("DIGEST", "$(params.digest)"),
        variable("COMMIT", "$(params.commit)"),
        variable("IMAGE_SOURCE", cluster.source.as_str()),
        // A caller names itself; no value may be a template.
        variable("CALLER", &cluster.caller.replace('$', "_")),
        variable("ROLLBACK", if settings.rollback { "true" } else { "false" }),
        variable("ROLLOUT_TIMEOUT", limit),
    ]);
    env
}

fn common_environment(run: &Run, settings: &TektonSettings) -> Vec<Value> {
    let workloads: Vec<_> = settings.workloads.iter().map(ToString::to_string).collect();
    vec![
        variable("WORKLOADS", &workloads.join(",")),
        variable("DEPLOYMENT_ID", run.deployment.as_str()),
        variable("SERVICE", run.service.name.as_str()),
        result_file("WORKLOADS_FILE", WORKLOADS_RESULT),
        result_file("MESSAGE_FILE", MESSAGE_RESULT),
        result_file("DETAIL_FILE", DETAIL_RESULT),
    ]
}
