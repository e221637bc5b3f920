//! From a deployment to its PipelineRun. Pure: the same run gives the same bytes, so that a second create is the first.
//!
//! Two tasks, since a pod has one account: the user's Dockerfile runs in `build`, which has no token and no rights, and
//! the right to patch the workloads is in `deploy`, and in `put-back`, which comes after one that failed. No workspace and no volume claim. No step has a script: each runs
//! our own binary with fixed arguments and takes its values from the environment, so that no value is ever program text,
//! exit codes are exact and no shell is needed. A custom image (`--step-image`) has to hold that binary.

use serde_json::{Map, Value, json};

use crate::domain::{Commit, Service};
use crate::executor::tekton::Common;
use crate::executor::tekton::names::{
    BRANCH, BUILD_TASK, BUILDER, COMMIT, COMMIT_RESULT, DEPLOY_TASK, DEPLOYER, DEPLOYMENT, DIGEST_RESULT,
    HOOK, INSTANCE, MANAGED_BY, PAGE, PART_OF, PUT_BACK_TASK, SERVICE, SOURCE, SPAN_CONTEXT, VERSION,
    of_build,
};
use crate::executor::{ClusterRun, Run};

use super::deploy_task::{self, PUT_BACK_SECONDS};
use super::{look_up_task, tasks};

/// What begins a template, for Tekton and for kubelet; neither knows an escape that the other leaves alone.
const TEMPLATE: &str = "$(";

/// A run that cannot be written down safely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must not contain $(, which the cluster takes for a template")]
pub struct TemplateInValue {
    field: &'static str,
}

/// The PipelineRun of a deployment.
///
/// # Errors
/// Where a value would be taken for a template.
pub fn pipeline_run(run: &Run, cluster: &ClusterRun, common: &Common) -> Result<Value, TemplateInValue> {
    check_templates(&run.service)?;
    Ok(json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": run.deployment.run_name().as_str(),
            "namespace": common.namespace,
            "labels": labels(run, common),
            "annotations": annotations(run, cluster),
        },
        "spec": spec(run, cluster, common),
    }))
}

/// Every other value has a grammar without `$`, or is encoded.
pub(super) fn check_templates(service: &Service) -> Result<(), TemplateInValue> {
    if service.repository.as_ref().is_some_and(|repository| repository.as_str().contains(TEMPLATE)) {
        return Err(TemplateInValue { field: "repository" });
    }
    Ok(())
}

fn labels(run: &Run, common: &Common) -> Value {
    json!({
        MANAGED_BY.0: MANAGED_BY.1,
        PART_OF.0: PART_OF.1,
        INSTANCE: common.instance,
        SERVICE: run.service.name.as_str(),
    })
}

fn annotations(run: &Run, cluster: &ClusterRun) -> Value {
    let commit = run.commit.as_ref().or(run.given.as_ref().and_then(|given| given.commit.as_ref()));
    let mut all = Map::new();
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            all.insert(name.to_owned(), value.into());
        }
    };
    add(DEPLOYMENT, Some(run.deployment.as_str()));
    add(BRANCH, Some(run.branch.as_str()));
    add(COMMIT, commit.map(Commit::as_str));
    add(SOURCE, Some(cluster.source.as_str()));
    add(HOOK, cluster.hook.as_deref());
    add(PAGE, cluster.page.as_deref());
    add(VERSION, Some(env!("CARGO_PKG_VERSION")));
    let span = cluster.traceparent.as_ref().map(|parent| json!({"traceparent": parent}).to_string());
    add(SPAN_CONTEXT, span.as_deref());
    Value::Object(all)
}

fn spec(run: &Run, cluster: &ClusterRun, common: &Common) -> Value {
    let limit = seconds(run, 0);
    let (params, mut tasks) = (params(run, cluster), Vec::new());
    let mut task_runs = Vec::new();
    let mut results = Vec::new();
    let is_exact = run.given.as_ref().is_some_and(|given| given.image.digest.is_some());
    if !is_exact {
        tasks.push(match &run.given {
            None => tasks::build(&cluster.settings, &run.service.fetch, common, &limit),
            Some(_) => look_up_task::look_up(&cluster.settings, common, &limit),
        });
        task_runs.push(json!({
            "pipelineTaskName": BUILD_TASK,
            "serviceAccountName": BUILDER,
            // Links would put the addresses of the namespace's Services into the environment of the user's build.
            "podTemplate": {"automountServiceAccountToken": false, "enableServiceLinks": false},
        }));
        let of_a_build: &[&str] = if run.given.is_none() { &[COMMIT_RESULT] } else { &[] };
        results = of_a_build
            .iter()
            .chain(&[DIGEST_RESULT])
            .map(|name| json!({"name": name, "value": of_build(name)}))
            .collect();
    }
    tasks.push(deploy_task::deploy(run, cluster, common, &limit));
    task_runs.push(json!({
        "pipelineTaskName": DEPLOY_TASK,
        "serviceAccountName": DEPLOYER,
        "podTemplate": {"enableServiceLinks": false},
    }));
    // The service's timeout three times: without the others a TaskRun ends after Tekton's default of one hour.
    let mut timeouts = json!({"pipeline": limit, "tasks": limit});
    let mut finally = Vec::new();
    if cluster.settings.rollback || cluster.settings.release.command.is_some() {
        finally.push(deploy_task::put_back(run, cluster, &common.images));
        task_runs.push(json!({
            "pipelineTaskName": PUT_BACK_TASK,
            "serviceAccountName": DEPLOYER,
            "podTemplate": {"enableServiceLinks": false},
        }));
        // Else a run that timed out would leave it out.
        timeouts["finally"] = format!("{PUT_BACK_SECONDS}s").into();
        timeouts["pipeline"] = seconds(run, PUT_BACK_SECONDS).into();
    }
    json!({
        "timeouts": timeouts,
        "taskRunTemplate": {"serviceAccountName": BUILDER},
        "taskRunSpecs": task_runs,
        "params": params.iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>(),
        "pipelineSpec": {
            "params": params.iter().map(|(name, _)| json!({"name": name, "type": "string"})).collect::<Vec<_>>(),
            "results": results,
            "tasks": tasks,
            "finally": finally,
        },
    })
}

/// Parameters rather than plain text in the steps, so that `kubectl` and Tekton's own tools show what a run is about.
fn params(run: &Run, cluster: &ClusterRun) -> Vec<(&'static str, String)> {
    if let Some(given) = &run.given {
        let tag = given.image.tag.as_ref().map(ToString::to_string).unwrap_or_default();
        return vec![("image", given.image.repository.to_string()), ("tag", tag)];
    }
    let image = cluster.settings.image.to_string();
    let commit = run.commit.as_ref().map(ToString::to_string).unwrap_or_default();
    vec![
        ("repository", run.service.repository.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("branch", run.branch.to_string()),
        ("commit", commit),
        ("image", image),
        ("tag", run.deployment.run_name().to_string()),
        ("cache", cluster.settings.cache_at(cluster.cache_epoch).unwrap_or_default()),
    ]
}

/// The service's timeout and so many seconds more, as Go writes durations.
fn seconds(run: &Run, more: u64) -> String {
    format!("{}s", run.service.timeout.duration().as_secs() + more)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::{ImageReference, ReleaseCommand, Repository, SecretKey, StepResources};
    use crate::executor::GivenImage;
    use crate::executor::tekton::testing::{common, run};

    const GOLDEN: &str = include_str!("../../../../tests/data/tekton/pipeline_run.json");
    const GOLDEN_TAG: &str = include_str!("../../../../tests/data/tekton/pipeline_run_tag.json");
    const GOLDEN_RELEASE: &str = include_str!("../../../../tests/data/tekton/pipeline_run_release.json");
    const GOLDEN_ROLLBACK: &str = include_str!("../../../../tests/data/tekton/pipeline_run_rollback.json");

    fn rendered(run: &Run) -> Value {
        pipeline_run(run, run.plan.cluster().unwrap(), &common()).unwrap()
    }

    fn full() -> Run {
        let mut run = run();
        let cluster = run.plan.cluster_mut().unwrap();
        cluster.settings.git_secret = Some("git-token".to_owned());
        cluster.settings.registry_secret = Some("registry-push".to_owned());
        cluster.settings.target = Some("release".to_owned());
        let key = SecretKey::parse("buildSecrets", "npm-token/token").unwrap();
        cluster.settings.build_secrets = BTreeMap::from([("npm".to_owned(), key)]);
        let memory = ("build.limits.memory".to_owned(), "4Gi".to_owned());
        cluster.settings.resources = StepResources::parse(BTreeMap::from([memory])).unwrap();
        cluster.settings.build_args = BTreeMap::from([("MODE".to_owned(), "$(params.image)".to_owned())]);
        cluster.hook = Some("ci".to_owned());
        cluster.page = Some("https://deploy.example.com/deploys/dep_00000001000000000000".to_owned());
        cluster.cache_epoch = 3;
        run
    }

    fn rollback() -> Run {
        let mut run = full();
        let repository = run.plan.cluster().unwrap().settings.image.clone();
        run.given = Some(given(&format!("{repository}:dep-00000000aaaaaaaaaaaa@sha256:{}", "5".repeat(64))));
        run
    }

    fn with_release() -> Run {
        let mut run = rollback();
        let release = &mut run.plan.cluster_mut().unwrap().settings.release;
        release.command = Some(ReleaseCommand::Shell("./migrate \"$(params.image)\"".to_owned()));
        run
    }

    fn given(image: &str) -> GivenImage {
        let image = ImageReference::parse(image).unwrap();
        GivenImage { image, commit: Commit::parse(&"4".repeat(40)).ok() }
    }

    fn by_tag() -> Run {
        let mut run = full();
        let repository = run.plan.cluster().unwrap().settings.image.clone();
        run.given = Some(given(&format!("{repository}:v1")));
        run
    }

    /// `UPDATE_GOLDEN=1` is not offered: the files are the contract with the cluster, and a change is made on purpose.
    fn assert_golden(rendered: &Value, golden: &str) {
        let text = format!("{}\n", serde_json::to_string_pretty(rendered).unwrap());
        let golden = golden.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
        let differing = text.lines().zip(golden.lines()).find(|(own, other)| own != other);
        assert!(text == golden, "first difference {differing:?} in\n{text}");
    }

    fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&str, &'a Value)) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                visit(key, value);
                walk(value, visit);
            }),
            Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
            _ => {}
        }
    }

    #[test]
    fn a_run_looks_exactly_like_this() {
        assert_golden(&rendered(&full()), GOLDEN);
    }

    #[test]
    fn a_release_command_is_a_step_before_the_rollout_in_the_task_that_has_the_right() {
        assert_golden(&rendered(&with_release()), GOLDEN_RELEASE);
    }

    #[test]
    fn a_rollback_deploys_a_kept_digest_without_a_build() {
        assert_golden(&rendered(&rollback()), GOLDEN_ROLLBACK);
    }

    #[test]
    fn a_tag_is_looked_up_by_one_step_that_has_the_registry_secret_and_nothing_else() {
        assert_golden(&rendered(&by_tag()), GOLDEN_TAG);
    }

    #[test]
    fn no_value_is_ever_program_text() {
        for run in [run(), full(), rollback(), by_tag(), with_release()] {
            let rendered = rendered(&run);
            walk(&rendered, &mut |key, value| {
                assert_ne!(key, "script");
                if key == "command" || key == "args" {
                    assert!(!value.to_string().contains("$("), "{value}");
                }
            });
        }
    }

    #[test]
    fn every_step_has_a_command_since_the_controller_would_ask_the_registry_otherwise() {
        let (mut steps, mut commands) = (0, 0);
        walk(&rendered(&full()), &mut |key, value| {
            if key == "steps" {
                let all = value.as_array().unwrap();
                steps += all.len();
                commands += all.iter().filter(|step| step["command"].is_array()).count();
            }
        });

        assert_eq!((steps, commands), (4, 4));
    }

    #[test]
    fn secrets_are_mounted_in_the_step_that_needs_them_and_nowhere_else() {
        let rendered = rendered(&full());
        let mut mounted = Vec::new();
        for task in rendered["spec"]["pipelineSpec"]["tasks"].as_array().unwrap() {
            for step in task["taskSpec"]["steps"].as_array().unwrap() {
                for mount in step["volumeMounts"].as_array().unwrap() {
                    let (step, volume) = (step["name"].as_str().unwrap(), mount["name"].as_str().unwrap());
                    mounted.push((step.to_owned(), volume.to_owned()));
                }
            }
        }

        let secret = |volume: &str| volume.contains("-secret");
        let with_secrets: Vec<_> = mounted.iter().filter(|(_, volume)| secret(volume)).collect();
        assert_eq!(
            with_secrets,
            [
                &("clone".to_owned(), "git-secret".to_owned()),
                &("build".to_owned(), "registry-secret".to_owned()),
                &("build".to_owned(), "build-secrets".to_owned())
            ]
        );
    }

    #[test]
    fn a_template_in_a_value_is_encoded_or_refused() {
        let mut run = full();
        assert!(!rendered(&run).to_string().contains("$(params.image)\\\""), "build arguments are encoded");

        run.service.repository = Repository::parse("git@host:$(params.image)").ok();
        let refused = pipeline_run(&run, run.plan.cluster().unwrap(), &common());
        assert_eq!(refused, Err(TemplateInValue { field: "repository" }));
    }

    #[test]
    fn a_trace_goes_on_where_the_caller_has_one() {
        let (plain, mut run) = (rendered(&full()), full());
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        run.plan.cluster_mut().unwrap().traceparent = Some(parent.to_owned());
        let span = |run: &Value| run["metadata"]["annotations"]["tekton.dev/pipelinerunSpanContext"].clone();

        assert_eq!(span(&rendered(&run)), json!(format!(r#"{{"traceparent":"{parent}"}}"#)));
        assert_eq!(span(&plain), Value::Null);
    }

    #[test]
    fn the_same_run_gives_the_same_bytes() {
        assert_eq!(rendered(&full()).to_string(), rendered(&full()).to_string());
    }
}
