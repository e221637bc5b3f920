//! Runs of one task that deploy nothing: one builds something tiny and shows whether the nodes let builds do what they
//! have to, the others look whether a repository could be cloned and a registry answers. Pure.

use serde_json::{Value, json};

use crate::domain::{Service, ServiceId, TektonSettings};
use crate::executor::tekton::Common;
use crate::executor::tekton::names::{BUILD_TASK, BUILDER, LOOK_RUN, MANAGED_BY, PART_OF, PROBE_RUN};

use super::pipeline_run::{TemplateInValue, check_templates};
use super::{look_up_task, tasks};

/// How long a build may take, an image that has to be fetched included, and a look, as Go writes durations.
const BUILD_LIMIT: &str = "300s";
const LOOK_LIMIT: &str = "60s";

/// The object that builds. There is one of that name, the last.
pub fn probe_run(common: &Common) -> Value {
    run_of(common, PROBE_RUN, BUILD_LIMIT, &tasks::probe(common, BUILD_LIMIT))
}

/// The object that looks at a service's repository, as the service's own runs clone it; one of each service.
///
/// # Errors
/// Where a value would be taken for a template.
pub fn look_run(
    service: &Service,
    settings: &TektonSettings,
    common: &Common,
) -> Result<Value, TemplateInValue> {
    check_templates(service)?;
    let task = tasks::look(service, settings, common, LOOK_LIMIT);
    Ok(run_of(common, &look_name(&service.id), LOOK_LIMIT, &task))
}

/// What the look at a service's repository is called.
pub fn look_name(service: &ServiceId) -> String {
    format!("{LOOK_RUN}-{}", service.as_str().to_ascii_lowercase())
}

/// The object that looks at a service's registry, as its runs look an image up.
pub fn registry_run(service: &ServiceId, settings: &TektonSettings, common: &Common) -> Value {
    let task = look_up_task::look(settings, common, LOOK_LIMIT);
    run_of(common, &registry_name(service), LOOK_LIMIT, &task)
}

/// What the look at a service's registry is called.
pub fn registry_name(service: &ServiceId) -> String {
    format!("{LOOK_RUN}-registry-{}", service.as_str().to_ascii_lowercase())
}

fn run_of(common: &Common, name: &str, limit: &str, task: &Value) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": name,
            "namespace": common.namespace,
            "labels": {MANAGED_BY.0: MANAGED_BY.1, PART_OF.0: PART_OF.1},
        },
        "spec": {
            "timeouts": {"pipeline": limit, "tasks": limit},
            "taskRunTemplate": {"serviceAccountName": BUILDER},
            "taskRunSpecs": [{
                "pipelineTaskName": BUILD_TASK,
                "serviceAccountName": BUILDER,
                "podTemplate": {"automountServiceAccountToken": false, "enableServiceLinks": false},
            }],
            "pipelineSpec": {"tasks": [task]},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::tekton::run::pipeline_run::pipeline_run;
    use crate::executor::tekton::testing::{common, run};

    #[test]
    fn it_has_exactly_the_rights_of_a_build() {
        let own = probe_run(&common());
        let run = run();
        let real = pipeline_run(&run, run.plan.cluster().unwrap(), &common()).unwrap();
        let step = |run: &Value, place: &str| {
            run.pointer(&format!("/spec/pipelineSpec/tasks/0/taskSpec/steps/{place}")).cloned().unwrap()
        };

        for field in ["securityContext", "image", "command", "name"] {
            assert_eq!(step(&own, &format!("0/{field}")), step(&real, &format!("1/{field}")));
        }
        assert_eq!(own.pointer("/spec/taskRunSpecs/0"), real.pointer("/spec/taskRunSpecs/0"));
    }

    #[test]
    fn a_look_at_a_registry_has_the_secret_of_a_look_for_an_image() {
        let mut run = run();
        let settings = &mut run.plan.cluster_mut().unwrap().settings;
        settings.registry_secret = Some("registry".into());
        let settings = settings.clone();

        let own = registry_run(&run.service.id, &settings, &common());

        let step = own.pointer("/spec/pipelineSpec/tasks/0/taskSpec/steps/0").unwrap();
        assert_eq!(step["command"], json!(["stackblaze", "run-step", "look-up"]));
        assert_eq!(step["volumeMounts"].as_array().unwrap().len(), 1);
        let env = step["env"].as_array().unwrap();
        assert!(env.contains(&json!({"name": "STACKBLAZE_LOOK", "value": "true"})));
    }

    #[test]
    fn a_look_is_the_clone_step_of_a_run_and_nothing_else() {
        let mut run = run();
        let settings = &mut run.plan.cluster_mut().unwrap().settings;
        (settings.git_secret, settings.registry_secret) = (Some("git".into()), Some("registry".into()));
        let settings = settings.clone();
        let own = look_run(&run.service, &settings, &common()).unwrap();
        let real = pipeline_run(&run, run.plan.cluster().unwrap(), &common()).unwrap();
        let part = |run: &Value, place: &str| {
            run.pointer(&format!("/spec/pipelineSpec/tasks/0/{place}")).cloned().unwrap()
        };

        for field in ["securityContext", "image", "command", "name", "volumeMounts"] {
            let place = format!("taskSpec/steps/0/{field}");
            assert_eq!(part(&own, &place), part(&real, &place));
        }
        assert_eq!(part(&own, "taskSpec/steps").as_array().unwrap().len(), 1);
        let names = |volumes: Value| {
            volumes.as_array().unwrap().iter().map(|own| own["name"].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            names(part(&own, "taskSpec/volumes")),
            ["\"source\"", "\"clone-scratch\"", "\"git-secret\""]
        );
        let env = part(&own, "taskSpec/steps/0/env");
        assert!(env.as_array().unwrap().contains(&json!({"name": "STACKBLAZE_LOOK", "value": "true"})));
    }
}
