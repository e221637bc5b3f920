//! Builds something tiny in the cluster and says whether that works. Its object stays there, for who asks later.

use std::time::Duration;

use kube::Client;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};

use crate::domain::{Finding, Timestamp};
use crate::executor::Outcome;
use crate::executor::tekton::Common;
use crate::executor::tekton::api::{pipeline_runs, task_runs};
use crate::executor::tekton::client::{Refusal, RefusalKind, answer};
use crate::executor::tekton::names::{OF_PIPELINE_RUN, PROBE_RUN};
use crate::executor::tekton::run::probe_run::probe_run;
use crate::executor::tekton::run::snapshot::RunSnapshot;
use crate::executor::tekton::run::verdict;
use crate::executor::tekton::types::{condition_of, pipeline_run, task_run};

/// Time between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks before nobody believes in its end any more; it has a limit of its own, which is half of this.
const MOST_LOOKS: u32 = 1_200;
/// What is said of one that the cluster did not take.
const NOT_TAKEN: &str =
    "apply the output of stackblaze manifests, and name the builder's image with --step-image build=IMAGE";

/// Runs a build in the place of the last one, and tells how it ended.
pub async fn probe_build(client: &Client, common: &Common) -> Finding {
    match build(client, common).await {
        Ok(finding) => finding,
        Err(refusal) => Finding::bad(format!("no build could be tried: {}", refusal.text), Some(NOT_TAKEN)),
    }
}

/// How the last one ended; nothing where there is none, or it cannot be looked at.
pub(super) async fn last_probe(client: &Client, namespace: &str) -> Option<Finding> {
    let object = answer(pipeline_runs(client, namespace).get(PROBE_RUN)).await.ok()?;
    let at = object.metadata.creation_timestamp.as_ref()?.0.to_string();
    let at = Timestamp::parse(&at).ok()?;
    let outcome = outcome(client, namespace, object).await.ok()??;
    Some(judge(outcome, &format!(" ({} UTC)", at.day_and_time())))
}

async fn build(client: &Client, common: &Common) -> Result<Finding, Refusal> {
    let runs = pipeline_runs(client, &common.namespace);
    let foreground = DeleteParams::foreground();
    let gone = answer(runs.delete(PROBE_RUN, &foreground));
    if gone.await.is_ok() {
        for _ in 0..MOST_LOOKS {
            if answer(runs.get_metadata(PROBE_RUN))
                .await
                .is_err_and(|refusal| refusal.kind == RefusalKind::Missing)
            {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    let object: DynamicObject = serde_json::from_value(probe_run(common))
        .map_err(|error| Refusal { kind: RefusalKind::Invalid, text: error.to_string() })?;
    answer(runs.create(&PostParams::default(), &object)).await?;
    for _ in 0..MOST_LOOKS {
        tokio::time::sleep(LOOK_EVERY).await;
        let object = answer(runs.get(PROBE_RUN)).await?;
        if let Some(outcome) = outcome(client, &common.namespace, object).await? {
            return Ok(judge(outcome, ""));
        }
    }
    Ok(Finding::bad(
        "the build that was tried does not end",
        Some("look at its pod: kubectl -n NAMESPACE describe pod"),
    ))
}

/// How it ended; nothing while it goes on.
async fn outcome(
    client: &Client,
    namespace: &str,
    object: DynamicObject,
) -> Result<Option<Outcome>, Refusal> {
    let own = ListParams::default().labels(&format!("{OF_PIPELINE_RUN}={PROBE_RUN}"));
    let tasks = answer(task_runs(client, namespace).list(&own)).await?;
    let build = tasks.items.iter().find_map(|task| task_run(task).ok());
    let snapshot = RunSnapshot { run: pipeline_run(&object).ok(), build, ..RunSnapshot::default() };
    // A run is over only after its task, whose results tell why.
    let has_ended =
        snapshot.build.as_ref().and_then(condition_of).is_some_and(|condition| condition.status != "Unknown");
    Ok(verdict::of_run(&snapshot).filter(|_| has_ended || snapshot.build.is_none()))
}

fn judge(outcome: Outcome, at: &str) -> Finding {
    match outcome {
        Outcome::Succeeded => Finding::good(format!("a build in the cluster succeeded{at}")),
        Outcome::Failed { message, detail, .. } => {
            let fix = detail.map(|line| format!("what it said: {line}"));
            Finding::bad(format!("a build in the cluster failed{at}: {message}"), fix.as_deref())
        }
    }
}
