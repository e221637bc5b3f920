//! The task that looks an image up by its tag. Pure.

use serde_json::{Value, json};

use crate::domain::{Step, TektonSettings};
use crate::executor::tekton::Common;
use crate::executor::tekton::names::{
    BUILD_TASK, DETAIL_RESULT, DIGEST_RESULT, MESSAGE_RESULT, REVISION_RESULT,
};

use super::tasks::{
    BUILDER_USER, REGISTRY_MOUNT, declared, handed, locked_down, mount, proxies, result_file, results,
    secret_volume, step, variable,
};

/// A tag that hardly any image has: a look at a registry is answered either way.
const NO_TAG: &str = "stackblaze-look";

/// Looks an image up by its tag: the registry's Secret is all that it has.
pub(super) fn look_up(settings: &TektonSettings, common: &Common, limit: &str) -> Value {
    task(settings, common, limit, &handed(NAMES), &[])
}

/// Looks only whether the registry answers, and lets the service see its repository.
pub(super) fn look(settings: &TektonSettings, common: &Common, limit: &str) -> Value {
    let values = [("image", settings.image.as_str()), ("tag", NO_TAG)];
    let values = values.map(|(name, value)| json!({"name": name, "value": value}));
    task(settings, common, limit, &values, &[variable("LOOK", "true")])
}

const NAMES: &[&str] = &["image", "tag"];

fn task(settings: &TektonSettings, common: &Common, limit: &str, params: &[Value], more: &[Value]) -> Value {
    let mut mounts = Vec::new();
    let mut env = vec![
        variable("IMAGE", "$(params.image)"),
        variable("TAG", "$(params.tag)"),
        variable("INSECURE_REGISTRIES", &common.builder.insecure_registries.join(",")),
        result_file("DIGEST_FILE", DIGEST_RESULT),
        result_file("REVISION_FILE", REVISION_RESULT),
        result_file("MESSAGE_FILE", MESSAGE_RESULT),
        result_file("DETAIL_FILE", DETAIL_RESULT),
    ];
    env.extend_from_slice(more);
    if settings.registry_secret.is_some() {
        mounts.push(mount("registry-secret", REGISTRY_MOUNT));
        env.push(variable("REGISTRY_SECRET", REGISTRY_MOUNT));
    }
    env.extend(proxies(&common.builder));
    let rights = locked_down(BUILDER_USER);
    let step =
        step(&common.images, Step::Build, &["run-step", "look-up"], &env, &mounts, &rights, &json!({}));
    let volumes = secret_volume("registry-secret", settings.registry_secret.as_deref());
    json!({
        "name": BUILD_TASK,
        "timeout": limit,
        "params": params,
        "taskSpec": {
            "params": declared(NAMES),
            "results": results(&[DIGEST_RESULT, REVISION_RESULT, MESSAGE_RESULT, DETAIL_RESULT]),
            "volumes": volumes.into_iter().collect::<Vec<_>>(),
            "steps": [step],
        },
    })
}
