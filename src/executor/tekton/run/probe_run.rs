//! A run that only builds, something tiny and for nobody: it shows whether the nodes let builds do what they have to.
//! Pure.

use serde_json::{Value, json};

use crate::executor::tekton::Common;
use crate::executor::tekton::names::{BUILD_TASK, BUILDER, MANAGED_BY, PART_OF, PROBE_RUN};

use super::tasks;

/// How long it may take, an image that has to be fetched included, as Go writes durations.
const LIMIT: &str = "300s";

/// The run's object. There is one of that name, the last.
pub fn probe_run(common: &Common) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": PROBE_RUN,
            "namespace": common.namespace,
            "labels": {MANAGED_BY.0: MANAGED_BY.1, PART_OF.0: PART_OF.1},
        },
        "spec": {
            "timeouts": {"pipeline": LIMIT, "tasks": LIMIT},
            "taskRunTemplate": {"serviceAccountName": BUILDER},
            "taskRunSpecs": [{
                "pipelineTaskName": BUILD_TASK,
                "serviceAccountName": BUILDER,
                "podTemplate": {"automountServiceAccountToken": false, "enableServiceLinks": false},
            }],
            "pipelineSpec": {"tasks": [tasks::probe(common, LIMIT)]},
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
}
