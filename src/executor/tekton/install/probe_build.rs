//! Builds something tiny in the cluster and says whether that works. Its object stays there, for who asks later.

use std::time::Duration;

use kube::Client;

use crate::domain::{Finding, Timestamp};
use crate::executor::Outcome;
use crate::executor::tekton::Common;
use crate::executor::tekton::api::pipeline_runs;
use crate::executor::tekton::client::{Refusal, answer};
use crate::executor::tekton::install::small_run;
use crate::executor::tekton::names::PROBE_RUN;
use crate::executor::tekton::run::small_runs::probe_run;

/// After this nobody believes in its end any more; it has a limit of its own, which is half of this.
const PATIENCE: Duration = Duration::from_mins(10);
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
    let (outcome, _) = small_run::end_of(client, namespace, PROBE_RUN, object).await.ok()??;
    Some(judge(outcome, &format!(" ({} UTC)", at.day_and_time())))
}

async fn build(client: &Client, common: &Common) -> Result<Finding, Refusal> {
    let ended = small_run::run(client, &common.namespace, PROBE_RUN, probe_run(common), PATIENCE).await?;
    let endless = || {
        Finding::bad(
            "the build that was tried does not end",
            Some("look at its pod: kubectl -n NAMESPACE describe pod"),
        )
    };
    Ok(ended.map_or_else(endless, |(outcome, _)| judge(outcome, "")))
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
