//! Every label, annotation, task, step, result and account that both sides of a run have to spell alike.

use crate::domain::Step;

/// Informative, as Kubernetes recommends; never selected by.
pub(super) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "stackblaze");
/// Informative as well.
pub(super) const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "stackblaze");
/// Which installation of the server made an object; several may share a cluster.
pub(super) const INSTANCE: &str = "stackblaze.dev/instance";
/// The service's name.
pub(super) const SERVICE: &str = "stackblaze.dev/service";
/// The deployment's id as callers know it, with `_`. On the workload: the deployment that it serves.
pub(super) const DEPLOYMENT: &str = "stackblaze.dev/deployment";
/// The branch; no label, since labels take neither `/` nor more than 63 characters.
pub(super) const BRANCH: &str = "stackblaze.dev/branch";
/// The commit.
pub(super) const COMMIT: &str = "stackblaze.dev/commit";
/// The hook's name, where a hook brought the deployment about.
pub(super) const HOOK: &str = "stackblaze.dev/hook";
/// The server's version.
pub(super) const VERSION: &str = "stackblaze.dev/version";
/// The deployment's page.
pub(super) const PAGE: &str = "stackblaze.dev/page";

/// Tekton's own label on TaskRuns and pods: the PipelineRun's name.
pub(super) const OF_PIPELINE_RUN: &str = "tekton.dev/pipelineRun";
/// Tekton's own label on TaskRuns and pods: the name of the task in the pipeline.
pub(super) const OF_PIPELINE_TASK: &str = "tekton.dev/pipelineTask";

/// Our own binary, found by an image's PATH.
pub(super) const PROGRAM: &str = "stackblaze";
/// The name of the one run that only tries whether builds work.
pub(super) const PROBE_RUN: &str = "stackblaze-probe-build";
/// Begins the names of runs that only look at a repository.
pub(super) const LOOK_RUN: &str = "stackblaze-look";
/// The task that fetches, builds and pushes.
pub(super) const BUILD_TASK: &str = "build";
/// The task that patches the workload.
pub(super) const DEPLOY_TASK: &str = "deploy";
/// The account of the build task; has no rights and no token.
pub(super) const BUILDER: &str = "builder";
/// The account of the deploy task; may patch the workloads that `manifests` was given.
pub(super) const DEPLOYER: &str = "deployer";

/// Result of the build task: the commit that was built.
pub(super) const COMMIT_RESULT: &str = "commit";
/// Result of the build task: the first line of the commit's message.
pub(super) const SUBJECT_RESULT: &str = "subject";
/// Result of the build task: the digest of the pushed image.
pub(super) const DIGEST_RESULT: &str = "digest";
/// Result of a look for an image: the commit that it says it was built from.
pub(super) const REVISION_RESULT: &str = "revision";
/// Result of both tasks: one sentence about why the step failed.
pub(super) const MESSAGE_RESULT: &str = "message";
/// Result of the build task: the line that says why the step failed, as git or the builder wrote it.
pub(super) const DETAIL_RESULT: &str = "detail";
/// Result of the deploy task: the image that served before.
pub(super) const PREVIOUS_IMAGE_RESULT: &str = "previous-image";
/// Result of the deploy task: on how many replicas the new version serves.
pub(super) const REPLICAS_RESULT: &str = "replicas";

/// A reference to a result of the build task.
pub(super) fn of_build(result: &str) -> String {
    format!("$(tasks.{BUILD_TASK}.results.{result})")
}

/// The step's name in its task.
pub(super) const fn step_name(step: Step) -> &'static str {
    match step {
        Step::Clone => "clone",
        Step::Build => "build",
        Step::Deploy => "rollout",
    }
}

/// The task that holds a step.
pub(super) const fn task_of(step: Step) -> &'static str {
    match step {
        Step::Clone | Step::Build => BUILD_TASK,
        Step::Deploy => DEPLOY_TASK,
    }
}

/// The container of a step in its pod.
pub(super) fn container_of(step: Step) -> String {
    format!("step-{}", step_name(step))
}
