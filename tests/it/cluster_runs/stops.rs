//! Runs that somebody ends, and servers that die.

use stackblaze::domain::Reason;
use stackblaze::domain::Step;
use stackblaze::executor::Event;
use stackblaze::executor::Outcome;

use super::failure;
use super::times_out;
use crate::executor_contract::log_of;
use crate::executor_contract::outline;
use crate::harness::cluster::App;
use crate::harness::cluster::Cluster;
use crate::harness::cluster::object_of;

/// The step itself puts the old version back: it is told to stop and has 30 s.
async fn assert_is_back(app: &App, image: &str, log: &str) {
    app.until_told(image).await;
    app.until_complete().await;
    assert_eq!(app.pages("/").await, ["v0", "v0"], "{log}");
    assert!(log.contains("the step was told to stop"), "{log}");
    assert!(!log.contains("unable to retrieve"), "{log}");
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_run_that_is_cancelled_while_it_clones_ends() {
    let (cluster, app) = (Cluster::connect().await, App { name: "api" });
    let run = app.deploys("main");
    let mut running = cluster.start(run.clone());
    running.until(|event| *event == Event::StepStarted(Step::Clone)).await;

    running.stop();
    let (_, outcome) = running.end().await;

    assert_eq!(failure(outcome).0, Reason::Cancelled);
    assert_eq!(object_of(&run).await["status"]["conditions"][0]["reason"], "Cancelled");
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_run_that_is_cancelled_while_it_builds_ends_and_keeps_its_log() {
    let (cluster, app) = (Cluster::connect().await, App { name: "api" });
    let run = app.deploys("slow-build");
    let mut running = cluster.start(run.clone());
    running.says(Step::Build, "sleeping for an hour").await;

    running.stop();
    let (events, outcome) = running.end().await;

    let (reason, message) = failure(outcome);
    assert_eq!((reason, message.as_str()), (Reason::Cancelled, "the run was cancelled"));
    assert!(outline(&events).last().unwrap().starts_with("build finished false"), "{:?}", outline(&events));
    assert!(log_of(&events, Step::Clone).contains("slow-build is at"));
    assert_eq!(object_of(&run).await["status"]["conditions"][0]["reason"], "Cancelled");
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_rollout_that_is_cancelled_puts_the_old_version_back() {
    let (cluster, app) = (Cluster::connect().await, App::start("cancel").await);
    let image = app.image().await;
    let mut running = cluster.start(app.deploys("never-ready"));
    running.says(Step::Deploy, "apps/cancel: 1 of 2 replicas are new").await;

    running.stop();
    let (events, outcome) = running.end().await;

    assert_eq!(failure(outcome).0, Reason::Cancelled);
    assert_is_back(&app, &image, &log_of(&events, Step::Deploy)).await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_rollout_that_takes_too_long_ends_as_timeout_and_puts_the_old_version_back() {
    let (cluster, app) = (Cluster::connect().await, App::start("late").await);
    let image = app.image().await;
    let rolls_out = |events: &[Event]| log_of(events, Step::Deploy).contains("1 of 2 replicas are new");

    let (events, outcome) = times_out(&cluster, || app.deploys("never-ready"), rolls_out).await;

    assert_eq!(failure(outcome).0, Reason::Timeout);
    let finished = outline(&events).into_iter().any(|word| word.starts_with("deploy finished false"));
    assert!(finished, "{:?}", outline(&events));
    assert_is_back(&app, &image, &log_of(&events, Step::Deploy)).await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn the_next_server_goes_on_where_the_last_one_died() {
    let (cluster, app) = (Cluster::connect().await, App::start("attached").await);
    let mut run = app.deploys("main");
    let mut running = cluster.start(run.clone());
    running.until(|event| matches!(event, Event::LogMark(_))).await;
    let before = running.abandon();
    let uid = before.iter().find_map(|event| match event {
        Event::Created { uid } => Some(uid.clone()),
        _ => None,
    });
    let mark = before.iter().rev().find_map(|event| match event {
        Event::LogMark(mark) => Some(mark.clone()),
        _ => None,
    });
    let of_cluster = run.plan.cluster_mut().unwrap();
    (of_cluster.uid, of_cluster.log_mark) = (uid, mark);

    let (after, outcome) = cluster.run(&run).await;

    assert_eq!(outcome, Outcome::Succeeded);
    let whole = [before, after].concat();
    let clone = log_of(&whole, Step::Clone);
    assert_eq!(clone.matches("Cloning ").count(), 1, "{clone}");
    assert_eq!(clone.matches("main is at").count(), 1, "{clone}");
    assert_eq!(log_of(&whole, Step::Build).matches("\npushed ").count(), 1);
    app.remove().await;
}
