//! The watches of a run break, fall silent or show nonsense, and nothing is missed.

use serde_json::json;

use super::*;
use crate::executor_contract::outline;
use crate::harness::fault_proxy::{Calls, Fault};
use crate::harness::soon;

/// Watches, as opposed to lists and reads.
const RUN_WATCH: &str = "/pipelineruns?*watch=true";
const TASK_WATCH: &str = "/taskruns?*watch=true";
const RUN_LIST: &str = "/pipelineruns?*limit=";
const TASK_LIST: &str = "/taskruns?*limit=";

/// What a watch says when the version that it was to begin at is forgotten.
fn expired() -> Fault {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version: 1 (2)",
    });
    Fault::Body(format!("{}\n", json!({ "type": "ERROR", "object": status })))
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn watches_that_are_cut_in_the_middle_miss_nothing_and_alarm_nobody() {
    let stage = Stage::new().await;
    let mut run = stage.begin();
    clones(&stage.kubelet()).await;
    run.sees(&Event::StepStarted(Step::Build)).await;

    stage.proxy.cut_all();
    stage.kubelet().ends("build", 0, &[("digest", DIGEST)]).await;
    stage.proxy.cut_all();
    stage.kubelet().starts("rollout").await;
    stage.proxy.cut_all();
    stage.kubelet().ends("rollout", 0, &[]).await;

    let (events, outcome) = run.ends().await;
    assert_eq!(outcome, Outcome::Succeeded);
    let alarms = hints(&events).into_iter().filter(|hint| hint.contains("the cluster does not tell"));
    assert_eq!(alarms.count(), 0, "the cluster did tell when it was asked");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn an_expired_watch_lists_anew() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("GET", RUN_WATCH).first(1), expired());
    stage.proxy.inject(Calls::to("GET", TASK_WATCH).first(1), expired());
    let run = stage.begin();

    // The library waits a moment before it lists again, in which a whole run could end.
    soon(stage.proxy.has_seen(Calls::to("GET", RUN_LIST).nth(2))).await;
    soon(stage.proxy.has_seen(Calls::to("GET", TASK_LIST).nth(2))).await;
    succeeds(&stage.kubelet()).await;

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn lists_that_fail_at_first_are_tried_again() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("GET", RUN_LIST).first(1), Fault::Status(500, None));
    stage.proxy.inject(Calls::to("GET", TASK_LIST).first(1), Fault::Status(429, Some(1)));
    let run = stage.begin();

    succeeds(&stage.kubelet()).await;

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn silent_watches_are_made_up_for_by_looking() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("GET", RUN_WATCH), Fault::Hang);
    stage.proxy.inject(Calls::to("GET", TASK_WATCH), Fault::Hang);
    let mut run = stage.begin();
    soon(stage.proxy.has_seen(Calls::to("GET", "/taskruns?"))).await;

    succeeds(&stage.kubelet()).await;

    run.sees(&Event::StepStarted(Step::Deploy)).await;
    assert_eq!(run.ends().await.1, Outcome::Succeeded);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn an_end_that_is_seen_before_its_cause_waits_for_the_cause() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("GET", TASK_WATCH), Fault::Hang);
    let run = stage.begin();
    soon(stage.proxy.has_seen(Calls::to("GET", "/taskruns?"))).await;

    clones(&stage.kubelet()).await;
    stage.proxy.inject(Calls::to("GET", "/taskruns?").first(1), Fault::Status(503, None));
    stage.kubelet().ends("build", 91, &[("message", "the registry said no")]).await;

    let (events, outcome) = run.ends().await;
    assert_eq!(failure(&outcome), (Reason::PushFailed, "the registry said no"));
    assert_eq!(outline(&events).last().unwrap(), "build finished false Some(91)");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_cluster_that_does_not_tell_is_a_hint_and_forgotten_when_it_does() {
    // Without a name, 404 is no absence of the run.
    for code in [503, 403, 404] {
        let stage = Stage::new().await;
        let mut run = stage.begin();
        clones(&stage.kubelet()).await;
        run.sees(&Event::StepStarted(Step::Build)).await;
        stage.proxy.inject(Calls::to("*", "/"), Fault::Status(code, None));
        stage.proxy.cut_all();
        let hint = run.waits_for("the cluster does not tell").await;
        assert_eq!(hint, format!("the cluster does not tell: refused by the test ({code})"));

        stage.proxy.heal();

        run.works().await;
        stage.kubelet().ends("build", 90, &[]).await;
        assert_eq!(failure(&run.ends().await.1).0, Reason::BuildFailed);
    }
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn an_object_that_cannot_be_read_harms_its_run_only_until_its_next_change() {
    let stage = Stage::new().await;
    let poison = json!({
        "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
        "metadata": { "name": "poison", "labels": { "tekton.dev/pipelineTask": "build" } },
        "spec": {}, "status": { "steps": "none", "conditions": "none" },
    });
    let list = json!({
        "apiVersion": "tekton.dev/v1", "kind": "TaskRunList",
        "metadata": { "resourceVersion": "1" }, "items": [poison],
    });
    stage.proxy.inject(Calls::to("GET", TASK_LIST).first(1), Fault::Body(list.to_string()));
    let mut run = stage.begin();
    run.waits_for("cannot be read: poison: ").await;

    succeeds(&stage.kubelet()).await;
    assert_eq!(run.ends().await.1, Outcome::Succeeded);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_log_that_cannot_be_had_holds_nobody_up() {
    for fault in [Fault::Status(404, None), Fault::Status(400, None), Fault::Status(500, None), Fault::Cut] {
        let stage = Stage::new().await;
        stage.proxy.inject(Calls::to("GET", "/log?"), fault.clone());
        let run = stage.begin();

        succeeds(&stage.kubelet()).await;

        assert_eq!(run.ends().await.1, Outcome::Succeeded, "{fault:?}");
    }
}
