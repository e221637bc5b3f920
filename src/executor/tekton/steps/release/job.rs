//! The Job of a release command, out of the pod template of the first workload. Pure.

use serde_json::{Map, Value, json};

use crate::domain::WorkloadKind;
use crate::executor::tekton::names::{DEPLOYMENT, INSTANCE, MANAGED_BY, PART_OF, SERVICE};
use crate::executor::tekton::workload_object::{ContainerList, Found};
use crate::executor::tekton::workload_target::{Target, target};

use super::Release;

/// How long the Job stays after its end, in seconds: longer than any run, since a Job that is gone would be made again.
const KEPT_SECONDS: u32 = 24 * 3_600;
/// What a container has for being served and watched over. A command that ends is neither.
const OF_SERVING: [&str; 5] = ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports"];
/// How replicas are spread over nodes: a Job is none of them.
const SPREAD: &str = "topologySpreadConstraints";
const APART: &str = "podAntiAffinity";

/// The Job, and the mounts that were left out of it.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) job: Value,
    pub(super) unmounted: Vec<String>,
}

/// Makes it.
///
/// # Errors
/// Where the workload cannot be given the image.
pub(super) fn job(found: &Found, release: &Release) -> Result<Made, String> {
    let target = target(found, release.workload.container.as_deref(), &release.repository)?;
    let mut spec = found.pod_spec().cloned().unwrap_or_default();
    keep_main(&mut spec, &target, release);
    let inits = spec.get_mut(ContainerList::Init.as_str()).and_then(Value::as_array_mut);
    for container in inits.into_iter().flatten() {
        strip(container);
        if target.gives_init(container["name"].as_str().unwrap_or_default()) {
            container["image"] = release.image.as_str().into();
        }
    }
    if let Some(fields) = spec.as_object_mut() {
        fields.insert("restartPolicy".to_owned(), "Never".into());
        // It is the Job's.
        fields.remove("activeDeadlineSeconds");
        fields.remove(SPREAD);
        if let Some(affinity) = fields.get_mut("affinity").and_then(Value::as_object_mut) {
            affinity.remove(APART);
        }
    }
    let unmounted =
        if found.kind == WorkloadKind::StatefulSet { unmount_claims(&mut spec) } else { Vec::new() };
    let (labels, annotations) = (labels(release), json!({DEPLOYMENT: release.deployment}));
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": release.job,
            "namespace": release.workload.namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "activeDeadlineSeconds": release.limit.as_secs(),
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec},
        },
    });
    Ok(Made { job, unmounted })
}

/// None of the template's own, so that no Service sends the pod traffic and no controller takes it for one of its own.
fn labels(release: &Release) -> Value {
    json!({
        MANAGED_BY.0: MANAGED_BY.1,
        PART_OF.0: PART_OF.1,
        INSTANCE: release.instance,
        SERVICE: release.service,
    })
}

/// The named container alone, with the new image and the command. kubelet would expand `$(X)` in the words, and `$$` is how
/// it is told not to.
fn keep_main(spec: &mut Value, target: &Target, release: &Release) {
    let containers = spec.get_mut(ContainerList::Serving.as_str()).and_then(Value::as_array_mut);
    let Some(containers) = containers else { return };
    containers.retain(|container| container["name"] == *target.main);
    for container in containers {
        strip(container);
        let words: Vec<_> = release.command.words().iter().map(|word| word.replace('$', "$$")).collect();
        container["image"] = release.image.as_str().into();
        container["command"] = words.into();
        if let Some(fields) = container.as_object_mut() {
            fields.remove("args");
        }
    }
}

fn strip(container: &mut Value) {
    if let Some(fields) = container.as_object_mut() {
        fields.retain(|name, _| !OF_SERVING.contains(&name.as_str()));
    }
}

/// The claims of a `StatefulSet` belong to one pod each, and its template names them without holding them.
fn unmount_claims(spec: &mut Value) -> Vec<String> {
    let volumes = spec.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let held: Vec<_> = volumes.filter_map(|volume| volume["name"].as_str().map(str::to_owned)).collect();
    let mut unmounted = Vec::new();
    for list in [ContainerList::Serving, ContainerList::Init] {
        let containers = spec.get_mut(list.as_str()).and_then(Value::as_array_mut).into_iter().flatten();
        for fields in containers.filter_map(Value::as_object_mut) {
            unmounted.extend(unmount(fields, &held));
        }
    }
    unmounted.sort_unstable();
    unmounted.dedup();
    unmounted
}

fn unmount(container: &mut Map<String, Value>, held: &[String]) -> Vec<String> {
    let mut unmounted = Vec::new();
    for list in ["volumeMounts", "volumeDevices"] {
        let Some(mounts) = container.get_mut(list).and_then(Value::as_array_mut) else { continue };
        mounts.retain(|mount| {
            let name = mount["name"].as_str().unwrap_or_default();
            let is_held = held.iter().any(|held| held == name);
            if !is_held {
                unmounted.push(name.to_owned());
            }
            is_held
        });
    }
    unmounted
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{ReleaseCommand, Workload};

    const GOLDEN: &str = include_str!("../../../../../tests/data/tekton/release_job.json");

    fn release(workload: &str, command: &str) -> Release {
        Release {
            workload: Workload::parse(workload).unwrap(),
            repository: "registry.example.com/team/api".to_owned(),
            image: "registry.example.com/team/api:dep-b@sha256:5".to_owned(),
            job: "dep-00000001000000000000-release".to_owned(),
            deployment: "dep_00000001000000000000".to_owned(),
            instance: "k3x9".to_owned(),
            service: "api-service".to_owned(),
            command: ReleaseCommand::read(command),
            limit: Duration::from_mins(10),
            message_file: "message".into(),
            detail_file: "detail".into(),
        }
    }

    fn found(kind: WorkloadKind, template: &Value) -> Found {
        let spec = match kind {
            WorkloadKind::CronJob => json!({"jobTemplate": {"spec": {"template": template}}}),
            _ => json!({"replicas": 2, "selector": {"matchLabels": {"app": "api"}}, "template": template}),
        };
        let object = json!({"metadata": {"namespace": "apps", "name": "api"}, "spec": spec});
        Found::new(kind, serde_json::from_value(object).unwrap())
    }

    /// A template with all that has to stay and all that has to go.
    fn template() -> Value {
        let probe = json!({"httpGet": {"port": "http"}});
        json!({
            "metadata": {"labels": {"app": "api"}, "annotations": {"prometheus.io/scrape": "true"}},
            "spec": {
                "restartPolicy": "Always",
                "serviceAccountName": "api",
                "imagePullSecrets": [{"name": "pull"}],
                "affinity": {"podAntiAffinity": {"x": []}, "nodeAffinity": {"y": []}},
                "topologySpreadConstraints": [{"maxSkew": 1}],
                "laterField": {"kept": true},
                "initContainers": [
                    {"name": "first", "image": "registry.example.com/team/api:old", "args": ["prepare"]},
                    {"name": "proxy", "image": "envoy:1", "restartPolicy": "Always", "startupProbe": probe,
                     "ports": [{"name": "http", "containerPort": 80}]},
                ],
                "containers": [
                    {"name": "web", "image": "registry.example.com/team/api:old", "command": ["./serve"],
                     "args": ["--port", "80"], "ports": [{"name": "http", "containerPort": 80}],
                     "livenessProbe": probe, "readinessProbe": probe, "startupProbe": probe,
                     "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                     "env": [{"name": "DATABASE", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}],
                     "volumeMounts": [{"name": "settings", "mountPath": "/etc/api"}]},
                    {"name": "metrics", "image": "exporter:1"},
                ],
                "volumes": [{"name": "settings", "configMap": {"name": "api"}}],
            },
        })
    }

    #[test]
    fn a_job_looks_exactly_like_this() {
        let made =
            job(&found(WorkloadKind::Deployment, &template()), &release("apps/api/web", "./migrate $(X) $$"));

        let made = made.unwrap();
        let text = format!("{}\n", serde_json::to_string_pretty(&made.job).unwrap());
        assert!(text == GOLDEN, "{text}");
        assert!(made.unmounted.is_empty());
    }

    #[test]
    fn a_list_is_run_without_a_shell_and_a_cronjobs_template_is_found() {
        let release = release("cronjob:apps/api/web", r#"["./migrate", "up"]"#);

        let made = job(&found(WorkloadKind::CronJob, &template()), &release).unwrap();

        let container = &made.job["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["command"], json!(["./migrate", "up"]));
    }

    #[test]
    fn the_claims_of_a_stateful_set_are_not_mounted() {
        let mut template = template();
        let mounts = &mut template["spec"]["containers"][0]["volumeMounts"];
        mounts.as_array_mut().unwrap().push(json!({"name": "data", "mountPath": "/data"}));

        let made =
            job(&found(WorkloadKind::StatefulSet, &template), &release("statefulset:apps/api/web", "x"));

        let made = made.unwrap();
        assert_eq!(made.unmounted, ["data"]);
        let container = &made.job["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["volumeMounts"], json!([{"name": "settings", "mountPath": "/etc/api"}]));
    }

    #[test]
    fn what_could_not_be_deployed_to_is_not_released_either() {
        let refused = job(&found(WorkloadKind::Deployment, &template()), &release("apps/api/db", "x"));

        assert!(refused.unwrap_err().contains("no container db"));
    }
}
