//! Release commands: as real Jobs, in the pods that a real Job controller makes.

use serde_json::Value;
use stackblaze::domain::Reason;
use stackblaze::domain::ReleaseCommand;
use stackblaze::domain::Step;
use stackblaze::executor::Event;
use stackblaze::executor::Outcome;
use stackblaze::executor::Run;

use super::failure;
use crate::executor_contract::log_of;
use crate::executor_contract::outline;
use crate::harness::cluster::APPS;
use crate::harness::cluster::App;
use crate::harness::cluster::Cluster;
use crate::harness::cluster::kubectl;

fn releases(app: &App, command: &str) -> Run {
    let mut run = app.deploys("main");
    run.plan.cluster_mut().unwrap().settings.release.command = Some(ReleaseCommand::read(command));
    run
}

/// The pods that the Job of a run ever had, and what their command has ended with.
async fn pods(run: &Run) -> Vec<Value> {
    let label = format!("batch.kubernetes.io/job-name={}-release", run.deployment.run_name());
    let text = kubectl(&["-n", APPS, "get", "pods", "-l", &label, "-o", "json"], "").await.unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all["items"].as_array().unwrap().clone()
}

/// One pod has run the command, and no Service knows it.
async fn assert_ran_once(run: &Run, exit_code: i32) {
    let pods = pods(run).await;
    assert_eq!(pods.len(), 1, "{pods:?}");
    let ended = pods[0].pointer("/status/containerStatuses/0/state/terminated/exitCode");
    assert_eq!(ended, Some(&exit_code.into()), "{}", pods[0]["status"]);
    assert!(pods[0]["metadata"]["labels"].get("app").is_none(), "{}", pods[0]["metadata"]);
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_migration_runs_once_with_the_new_image_before_anything_is_patched() {
    let (cluster, app) = (Cluster::connect().await, App::start("released").await);
    let run = releases(&app, "echo \"$HOSTNAME migrates\"; test ! -e /no/such; echo 'costs $$5 $(X)'");

    let (events, outcome) = cluster.run(&run).await;

    let log = log_of(&events, Step::Release);
    assert_eq!(outcome, Outcome::Succeeded, "{log}");
    assert_eq!(log.matches(" migrates\n").count(), 1, "{log}");
    assert!(log.contains("\ncosts $$5 $(X)\n"), "{log}");
    let order: Vec<_> = outline(&events).into_iter().filter(|word| word.contains(" started")).collect();
    assert_eq!(order, ["clone started", "build started", "release started", "deploy started"]);
    assert_ran_once(&run, 0).await;
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_migration_that_fails_leaves_the_old_version_as_it_was() {
    let (cluster, app) = (Cluster::connect().await, App::start("unreleased").await);
    let before = app.workload().await["metadata"]["generation"].clone();
    let run = releases(&app, "echo no such table; exit 3");

    let (events, outcome) = cluster.run(&run).await;

    let Outcome::Failed { reason, message, detail, .. } = outcome else { panic!("it succeeded") };
    let told = (reason, message.as_str(), detail.as_deref());
    let wanted = "the release command ended with exit code 3";
    assert_eq!(told, (Reason::ReleaseFailed, wanted, Some("no such table")));
    let words = outline(&events);
    assert_eq!(words.last().unwrap(), "release finished false Some(98)", "{words:?}");
    assert_eq!(app.workload().await["metadata"]["generation"], before);
    assert_eq!(app.pages("/").await, ["v0", "v0"]);
    assert_ran_once(&run, 3).await;
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_migration_that_is_cancelled_half_way_goes_with_its_job() {
    let (cluster, app) = (Cluster::connect().await, App::start("halted").await);
    let before = app.workload().await["metadata"]["generation"].clone();
    let run = releases(&app, "echo half; sleep 3600");
    let mut running = cluster.start(run.clone());
    running.says(Step::Release, "half").await;

    running.stop();
    let (_, outcome) = running.end().await;

    assert_eq!(failure(outcome).0, Reason::Cancelled);
    let job = format!("job/{}-release", run.deployment.run_name());
    kubectl(&["-n", APPS, "wait", &job, "--for=delete", "--timeout=1m"], "").await.unwrap();
    assert_eq!(app.workload().await["metadata"]["generation"], before);
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn the_next_server_follows_the_migration_that_runs_and_makes_no_other() {
    let (cluster, app) = (Cluster::connect().await, App::start("halfway").await);
    let mut run = releases(&app, "echo half; sleep 15; echo whole");
    let mut running = cluster.start(run.clone());
    running.says(Step::Release, "half").await;
    // Where the log stands is told behind each piece of it, and stored with it.
    running.until(|event| matches!(event, Event::LogMark(_))).await;
    let before = running.abandon();
    let of_cluster = run.plan.cluster_mut().unwrap();
    of_cluster.uid = before.iter().find_map(|event| match event {
        Event::Created { uid } => Some(uid.clone()),
        _ => None,
    });
    of_cluster.log_mark = before.iter().rev().find_map(|event| match event {
        Event::LogMark(mark) => Some(mark.clone()),
        _ => None,
    });

    let (after, outcome) = cluster.run(&run).await;

    let log = log_of(&[before, after].concat(), Step::Release);
    assert_eq!(outcome, Outcome::Succeeded, "{log}");
    assert_eq!((log.matches("half\n").count(), log.matches("whole\n").count()), (1, 1), "{log}");
    assert_ran_once(&run, 0).await;
    app.remove().await;
}

/// The step's pod is gone without a word, as with its node. Whether Tekton makes another pod or ends the task, the command
/// runs once.
#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_step_that_is_killed_half_way_runs_its_migration_no_second_time() {
    let (cluster, app) = (Cluster::connect().await, App::start("bereft").await);
    let run = releases(&app, "echo half; sleep 15; echo whole");
    let mut running = cluster.start(run.clone());
    running.says(Step::Release, "half").await;

    let pod = format!("pod/{}-deploy-pod", run.deployment.run_name());
    let kill = ["-n", "stackblaze-builds", "delete", &pod, "--grace-period=0", "--force"];
    kubectl(&kill, "").await.unwrap();
    let (events, outcome) = running.end().await;

    let log = log_of(&events, Step::Release);
    assert!(pods(&run).await.len() <= 1, "{log}");
    match outcome {
        Outcome::Succeeded => assert_ran_once(&run, 0).await,
        failed @ Outcome::Failed { .. } => {
            assert_eq!(failure(failed).0, Reason::ReleaseFailed, "{log}");
            assert_eq!(app.pages("/").await, ["v0", "v0"], "{log}");
        }
    }
    app.remove().await;
}
