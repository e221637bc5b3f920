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

/// Looks an image up by its tag: the registry's Secret is all that it has.
pub(super) fn look_up(settings: &TektonSettings, common: &Common, limit: &str) -> Value {
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
    if settings.registry_secret.is_some() {
        mounts.push(mount("registry-secret", REGISTRY_MOUNT));
        env.push(variable("REGISTRY_SECRET", REGISTRY_MOUNT));
    }
    env.extend(proxies(&common.builder));
    let rights = locked_down(BUILDER_USER);
    let step =
        step(&common.images, Step::Build, &["run-step", "look-up"], &env, &mounts, &rights, &json!({}));
    let names = &["image", "tag"];
    json!({
        "name": BUILD_TASK,
        "timeout": limit,
        "params": handed(names),
        "taskSpec": {
            "params": declared(names),
            "results": results(&[DIGEST_RESULT, REVISION_RESULT, MESSAGE_RESULT, DETAIL_RESULT]),
            "volumes": secret_volume("registry-secret", settings.registry_secret.as_deref()).into_iter().collect::<Vec<_>>(),
            "steps": [step],
        },
    })
}
