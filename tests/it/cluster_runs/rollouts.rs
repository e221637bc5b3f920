//! New versions that do not come up, and what serves then.

use stackblaze::domain::ExactImage;
use stackblaze::domain::Reason;
use stackblaze::domain::Step;
use stackblaze::executor::Event;
use stackblaze::executor::GivenImage;
use stackblaze::executor::Outcome;
use stackblaze::executor::Run;

use super::failure;
use super::image_of;
use crate::executor_contract::log_of;
use crate::executor_contract::outline;
use crate::harness::cluster::App;
use crate::harness::cluster::Cluster;
use crate::harness::cluster::Poll;
use crate::harness::cluster::head;

/// Deploys what does not come up, with what is done `meanwhile`; what came of it, with proof that the old version serves
/// again: message, detail and log.
async fn rolled_back(
    app: &App,
    branch: &str,
    meanwhile: impl Future<Output = ()>,
) -> (String, String, String) {
    let cluster = Cluster::connect().await;
    let (image, digests) = (app.image().await, app.digests().await);

    let run = app.deploys(branch);
    let ((events, outcome), ()) = tokio::join!(cluster.run(&run), meanwhile);

    let Outcome::Failed { reason, message, detail, .. } = outcome else { panic!("it succeeded") };
    assert_eq!(reason, Reason::RolledBack, "{message}");
    assert!(
        outline(&events).contains(&"deploy finished false Some(102)".to_owned()),
        "{:?}",
        outline(&events)
    );
    assert_eq!(app.image().await, image);
    assert_eq!(app.digests().await, digests);
    assert_eq!(app.pages("/").await, ["v0", "v0"]);
    let template = app.workload().await["spec"]["template"]["metadata"]["annotations"].clone();
    assert!(template.as_object().is_none_or(serde_json::Map::is_empty), "nothing of ours stays: {template}");
    (message, detail.unwrap_or_default(), log_of(&events, Step::Deploy))
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_version_that_crashes_is_put_back_and_the_old_one_serves() {
    let app = App::start("broken").await;

    let (message, detail, log) = rolled_back(&app, "broken-rollout", async {}).await;

    assert_eq!(
        message,
        "the new version did not come up: its process ends with exit code 1; the old one serves again"
    );
    // On a busy machine it is looked at later.
    let restarts = detail.strip_prefix("apps/broken: exit code 1, ").and_then(|rest| rest.split(' ').next());
    assert!(restarts.is_some_and(|count| count.parse::<u32>().unwrap() >= 3), "{detail}");
    assert!(log.contains("\n  this process ends at once\n") && log.contains("putting"), "{log}");
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_version_that_never_gets_ready_is_put_back_at_the_workloads_own_deadline() {
    let app = App::start("deadline").await;
    // On a busy machine no number of seconds is sure to be enough for the probe to fail.
    let meanwhile = Box::pin(async {
        app.until_probe_has_failed().await;
        app.gives_up_after(10).await;
    });

    let (message, detail, log) = rolled_back(&app, "never-ready", meanwhile).await;

    assert!(message.contains("it does not get ready"), "{message}");
    assert!(
        detail.contains("Readiness probe failed") && detail.contains("progressDeadlineSeconds"),
        "{detail}"
    );
    assert!(log.contains("Unhealthy: Readiness probe failed"), "{log}");
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn with_rollback_off_the_new_version_stays_and_the_old_pods_serve_on() {
    let (cluster, app) = (Cluster::connect().await, App::start("stays").await);
    app.gives_up_after(10).await;
    let mut run = app.deploys("never-ready");
    run.plan.cluster_mut().unwrap().settings.rollback = false;

    let (events, outcome) = cluster.run(&run).await;

    let (reason, message) = failure(outcome);
    assert_eq!(reason, Reason::RolloutFailed, "{message}");
    assert!(
        outline(&events).contains(&"deploy finished false Some(101)".to_owned()),
        "{:?}",
        outline(&events)
    );
    assert!(app.image().await.contains(&format!(":{}@", run.deployment.run_name())));
    let pages = app.pages("/").await;
    assert_eq!(pages.iter().filter(|page| *page == "v0").count(), 2, "{pages:?}");
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn no_request_fails_while_a_new_version_takes_over() {
    let (cluster, app) = (Cluster::connect().await, App::start("rolls").await);
    let commit = head("feat/new-ui").await;
    let mut poll = Poll::start(&app).await;

    poll.after(10).await;

    let (_, outcome) = cluster.run(&app.deploys("feat/new-ui")).await;
    app.until_alone().await;

    let (answers, new) = (poll.after(10).await, format!("sample feat/new-ui {commit}"));
    assert_eq!(outcome, Outcome::Succeeded);
    assert!(answers.failed.is_empty(), "{:?} of {}", answers.failed, answers.count);
    assert_eq!(answers.pages, ["v0", &new], "{} requests", answers.count);
    app.remove().await;
}

fn rollback(app: &App, to: &Run, events: &[Event]) -> Run {
    let mut run = app.deploys("main");
    let commit = events.iter().find_map(|event| match event {
        Event::Commit { commit, .. } => Some(commit.clone()),
        _ => None,
    });
    run.given = Some(GivenImage { image: built(to, events).reference(), commit });
    run
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn an_earlier_image_serves_again_without_a_build() {
    let (cluster, app) = (Cluster::connect().await, App::start("kept").await);
    let (first, second) = (app.deploys("main"), app.deploys("feat/new-ui"));
    let (events, _) = cluster.run(&first).await;
    assert_eq!(cluster.run(&second).await.1, Outcome::Succeeded);
    let back = rollback(&app, &first, &events);

    let (again, outcome) = cluster.run(&back).await;

    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&again, Step::Deploy));
    assert_eq!(
        outline(&again),
        ["created", "deploy started", "apps/kept/kept complete 2/2", "deploy finished true Some(0)"]
    );
    let digest = image_of(&events).to_string();
    assert_eq!(app.digests().await, [digest.as_str(), &digest]);
    let page = format!("sample main {}", head("main").await);
    assert_eq!(app.pages("/").await, [page.as_str(), &page]);
    app.remove().await;
}

/// The image that a run pushed.
fn built(run: &Run, events: &[Event]) -> ExactImage {
    let repository = run.plan.cluster().unwrap().settings.image.clone();
    ExactImage::built(repository, &run.deployment, image_of(events))
}
