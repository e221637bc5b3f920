//! Runs that end badly before anything is changed.

use stackblaze::domain::Commit;
use stackblaze::domain::Reason;
use stackblaze::domain::Step;
use stackblaze::executor::Event;
use stackblaze::executor::Run;

use super::failure;
use super::times_out;
use crate::executor_contract::log_of;
use crate::executor_contract::outline;
use crate::harness::cluster::App;
use crate::harness::cluster::Cluster;
use crate::harness::cluster::WRONG_REGISTRY_SECRET;
use crate::harness::cluster::head;

/// Runs what must not come to deploy; events as words, logs, reason and sentence.
async fn failed(run: &Run) -> (Vec<String>, String, Reason, String) {
    let cluster = Cluster::connect().await;

    let (events, outcome) = cluster.run(run).await;

    let log = Step::ALL.map(|step| log_of(&events, step)).concat();
    let (reason, message) = failure(outcome);
    assert!(!events.contains(&Event::StepStarted(Step::Deploy)), "{events:?}");
    (outline(&events), log, reason, message)
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_failing_command_of_the_build_keeps_its_exit_code() {
    let (events, log, reason, message) = failed(&App { name: "api" }.deploys("broken-build")).await;

    assert_eq!(
        (reason, message.as_str()),
        (Reason::BuildFailed, "an instruction ended with exit code 7 (line 5 of the Dockerfile)")
    );
    assert_eq!(events.last().unwrap(), "build finished false Some(7)");
    assert!(log.contains("\nthe build is about to fail\n"), "{log}");
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_branch_that_is_not_there_is_named() {
    let (events, _, reason, message) = failed(&App { name: "api" }.deploys("no/such")).await;

    assert_eq!(reason, Reason::BranchNotFound);
    assert!(message.contains("no branch no/such"), "{message}");
    assert_eq!(events, ["created", "clone started", "clone finished false Some(81)"]);
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_commit_of_another_branch_is_not_deployed() {
    let mut run = App { name: "api" }.deploys("main");
    run.commit = Some(head("feat/new-ui").await);
    let (events, _, reason, message) = failed(&run).await;

    assert_eq!(reason, Reason::CommitNotFound);
    assert!(message.contains("not on branch main"), "{message}");
    assert_eq!(events, ["created", "clone started", "clone finished false Some(82)"]);
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_commit_that_nobody_knows_is_not_deployed() {
    let mut run = App { name: "api" }.deploys("main");
    run.commit = Some(Commit::parse(&"4".repeat(40)).unwrap());

    assert_eq!(failed(&run).await.2, Reason::CommitNotFound);
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_repository_that_refuses_its_reader_is_a_failed_clone() {
    let mut run = App { name: "api" }.deploys("main");
    run.plan.cluster_mut().unwrap().settings.git_secret = None;

    let (events, _, reason, message) = failed(&run).await;

    assert_eq!(reason, Reason::CloneFailed);
    assert!(message.ends_with("name a git Secret with the key password"), "{message}");
    assert_eq!(events, ["created", "clone started", "clone finished false Some(80)"]);
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_registry_that_refuses_its_writer_is_a_failed_push() {
    let mut run = App { name: "api" }.deploys("main");
    run.plan.cluster_mut().unwrap().settings.registry_secret = Some(WRONG_REGISTRY_SECRET.to_owned());

    let (events, log, reason, message) = failed(&run).await;

    assert_eq!(reason, Reason::PushFailed, "{log}");
    assert!(message.contains("could not be pushed"), "{message}");
    assert_eq!(events.last().unwrap(), "build finished false Some(91)");
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_build_that_takes_too_long_ends_as_timeout_and_keeps_its_log() {
    let cluster = Cluster::connect().await;
    let sleeps = |events: &[Event]| log_of(events, Step::Build).contains("\nsleeping for an hour\n");

    let (events, outcome) = times_out(&cluster, || App { name: "api" }.deploys("slow-build"), sleeps).await;

    assert_eq!(failure(outcome).0, Reason::Timeout);
    let outline = outline(&events);
    assert!(outline.last().unwrap().starts_with("build finished false"), "{outline:?}");
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_secret_that_is_not_there_shows_while_the_run_waits() {
    let cluster = Cluster::connect().await;
    let mut run = App { name: "api" }.deploys("main");
    run.plan.cluster_mut().unwrap().settings.git_secret = Some("no-such-secret".to_owned());

    let mut running = cluster.start(run);
    running.waits_for("no-such-secret").await;
    running.stop();
    let (_, outcome) = running.end().await;

    assert_eq!(failure(outcome).0, Reason::Cancelled);
}
