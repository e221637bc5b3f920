//! Runs one of the small runs to its end.

use std::time::Duration;

use kube::Client;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use serde_json::Value;

use crate::executor::Outcome;
use crate::executor::tekton::api::{pipeline_runs, task_runs};
use crate::executor::tekton::client::{Refusal, RefusalKind, answer};
use crate::executor::tekton::names::OF_PIPELINE_RUN;
use crate::executor::tekton::run::snapshot::RunSnapshot;
use crate::executor::tekton::run::verdict;
use crate::executor::tekton::types::{TaskRun, condition_of, pipeline_run, task_run};

/// Time between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How a run ended, and what its task left.
pub(super) type SmallEnd = (Outcome, Option<TaskRun>);

/// Runs the object in the place of the last one of its name; nothing where it has not ended within `time`.
///
/// # Errors
/// Where the cluster does not take it, or does not tell.
pub(super) async fn run(
    client: &Client,
    namespace: &str,
    name: &str,
    object: Value,
    time: Duration,
) -> Result<Option<SmallEnd>, Refusal> {
    let runs = pipeline_runs(client, namespace);
    let object: DynamicObject = serde_json::from_value(object)
        .map_err(|error| Refusal { kind: RefusalKind::Invalid, text: error.to_string() })?;
    let ended = async {
        delete(client, namespace, name).await;
        answer(runs.create(&PostParams::default(), &object)).await?;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let object = answer(runs.get(name)).await?;
            if let Some(ended) = end_of(client, namespace, name, object).await? {
                return Ok(ended);
            }
        }
    };
    match tokio::time::timeout(time, ended).await {
        Ok(ended) => ended.map(Some),
        Err(_) => Ok(None),
    }
}

/// Deletes it, and waits until it is gone.
pub(super) async fn delete(client: &Client, namespace: &str, name: &str) {
    let runs = pipeline_runs(client, namespace);
    if answer(runs.delete(name, &DeleteParams::foreground())).await.is_err() {
        return;
    }
    let is_missing = |refusal: &Refusal| refusal.kind == RefusalKind::Missing;
    while !answer(runs.get_metadata(name)).await.is_err_and(|refusal| is_missing(&refusal)) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How it ended; nothing while it goes on.
///
/// # Errors
/// Where the cluster does not tell.
pub(super) async fn end_of(
    client: &Client,
    namespace: &str,
    name: &str,
    object: DynamicObject,
) -> Result<Option<SmallEnd>, Refusal> {
    let own = ListParams::default().labels(&format!("{OF_PIPELINE_RUN}={name}"));
    let tasks = answer(task_runs(client, namespace).list(&own)).await?;
    let build = tasks.items.iter().find_map(|task| task_run(task).ok());
    let snapshot = RunSnapshot { run: pipeline_run(&object).ok(), build, ..RunSnapshot::default() };
    // A run is over only after its task, whose results tell why.
    let has_ended =
        snapshot.build.as_ref().and_then(condition_of).is_some_and(|condition| condition.status != "Unknown");
    let outcome = verdict::of_run(&snapshot).filter(|_| has_ended || snapshot.build.is_none());
    Ok(outcome.map(|outcome| (outcome, snapshot.build)))
}
