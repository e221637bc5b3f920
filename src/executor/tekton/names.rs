//! Every label, annotation, task, step, result and account that both sides of a run have to spell alike.

use crate::domain::{RunName, Step};

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
/// On a workload: what it had before the deployment that it was given last, as JSON.
pub(super) const BEFORE: &str = "stackblaze.dev/before";
/// On a workload: the deployment before which it was put back.
pub(super) const RETURNED_FROM: &str = "stackblaze.dev/returned-from";
/// The branch; no label, since labels take neither `/` nor more than 63 characters.
pub(super) const BRANCH: &str = "stackblaze.dev/branch";
/// The commit.
pub(super) const COMMIT: &str = "stackblaze.dev/commit";
/// Where the image comes from: `build`, `image`, `promoted` or `kept`.
pub(super) const SOURCE: &str = "stackblaze.dev/source";
/// Who called. On the workload alone.
pub(super) const CALLER: &str = "stackblaze.dev/caller";
/// The hook's name, where a hook brought the deployment about.
pub(super) const HOOK: &str = "stackblaze.dev/hook";
/// The server's version.
pub(super) const VERSION: &str = "stackblaze.dev/version";
/// The deployment's page.
pub(super) const PAGE: &str = "stackblaze.dev/page";

/// Tekton's own annotation, of a run whose spans go on with somebody's trace: JSON, as OpenTelemetry carries it.
pub(super) const SPAN_CONTEXT: &str = "tekton.dev/pipelinerunSpanContext";
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
/// The task that patches the workloads.
pub(super) const DEPLOY_TASK: &str = "deploy";
/// The task, and its step, that puts back what a deploy step left half done; `finally`.
pub(super) const PUT_BACK_TASK: &str = "put-back";
/// The account of the build task; has no rights and no token.
pub(super) const BUILDER: &str = "builder";
/// The account of the deploy task; may patch the workloads that `manifests` was given, and make Jobs where it was told so. The account of the task that puts back, too.
pub(super) const DEPLOYER: &str = "deployer";

/// Result of the build task: the commit that was built.
pub(super) const COMMIT_RESULT: &str = "commit";
/// Result of the build task: the first line of the commit's message.
pub(super) const SUBJECT_RESULT: &str = "subject";
/// Result of the build task: the digest of the pushed image.
pub(super) const DIGEST_RESULT: &str = "digest";
/// Result of a look for an image: the commit that it says it was built from.
pub(super) const REVISION_RESULT: &str = "revision";
/// Result of all tasks: one sentence about why the step failed.
pub(super) const MESSAGE_RESULT: &str = "message";
/// Result of both tasks: the line that says why the step failed, as git, the builder or the cluster wrote it.
pub(super) const DETAIL_RESULT: &str = "detail";
/// Result of the deploy task and of the one that puts back: how the workloads were left.
pub(super) const WORKLOADS_RESULT: &str = "workloads";
/// Result of the task that puts back: a word of [`PutBack`](super::put_back::PutBack).
pub(super) const PUT_BACK_RESULT: &str = "put-back";

/// The name of the Job of a run's release command, in the workload's namespace: one a run, so that it is never made twice.
pub(super) fn release_job(run: &RunName) -> String {
    format!("{}-release", run.as_str())
}

/// A reference to a result of the build task.
pub(super) fn of_build(result: &str) -> String {
    format!("$(tasks.{BUILD_TASK}.results.{result})")
}

/// The step's name in its task.
pub(super) const fn step_name(step: Step) -> &'static str {
    match step {
        Step::Clone => "clone",
        Step::Build => "build",
        Step::Release => "release",
        Step::Deploy => "rollout",
    }
}

/// The task that holds a step.
pub(super) const fn task_of(step: Step) -> &'static str {
    match step {
        Step::Clone | Step::Build => BUILD_TASK,
        Step::Release | Step::Deploy => DEPLOY_TASK,
    }
}

/// The container of a step in its pod.
pub(super) fn container_of(step: Step) -> String {
    format!("step-{}", step_name(step))
}
