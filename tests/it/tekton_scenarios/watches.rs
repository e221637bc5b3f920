//! What a run shows is seen, also where watches break, expire or say nothing.

use std::time::Duration;

use stackblaze::domain::{Reason, Step};
use stackblaze::executor::{Event, Outcome};
use tokio::time::{Instant, sleep};

use super::*;
use crate::harness::scripted_cluster::Call::{ListRuns, ListTaskRuns, ReadRun, WatchRuns, WatchTaskRuns};
use crate::harness::scripted_cluster::Fault;

const BUILD_STARTED: Event = Event::StepStarted(Step::Build);

/// A run whose build is seen to work.
async fn building() -> (Scenario, Following) {
    let scenario = Scenario::known();
    scenario.cluster.shows("build_running");
    let mut run = scenario.begin();
    run.sees(&BUILD_STARTED).await;
    // Both watches are open by now, and the next look at everything is most of a minute away.
    sleep(Duration::from_secs(1)).await;
    (scenario, run)
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_at_once() {
    let (scenario, run) = building().await;
    let begun = Instant::now();

    scenario.cluster.shows("succeeded");

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_goes_on_with_what_it_missed() {
    let (scenario, run) = building().await;
    let begun = Instant::now();

    scenario.cluster.breaks_the_watches();
    scenario.cluster.shows("succeeded");

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(scenario.cluster.count(ListRuns), 1, "it went on, and did not begin anew");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_has_expired_begins_anew_with_a_list() {
    let (scenario, mut run) = building().await;
    scenario.cluster.fails(WatchRuns, 1, Fault::Expired);
    scenario.cluster.fails(WatchTaskRuns, 1, Fault::Expired);

    scenario.cluster.breaks_the_watches();
    sleep(Duration::from_secs(10)).await;
    scenario.cluster.shows("deploy_running");
    run.sees(&Event::StepStarted(Step::Deploy)).await;
    scenario.cluster.shows("succeeded");

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
    assert_eq!(scenario.cluster.count(ListRuns), 2);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_falls_silent_is_made_up_for_within_a_minute() {
    let (scenario, run) = building().await;
    let begun = Instant::now();

    scenario.cluster.shows_in_silence("succeeded");

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
    assert!((50..=65).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_once_the_task_run_that_tells_why_is_read() {
    let (scenario, run) = building().await;
    scenario.cluster.fails(ListTaskRuns, 3, Fault::Cut);

    scenario.cluster.shows_by_the_runs_watch("build_failed");

    let (events, outcome) = run.ends().await;
    let (reason, message) = failure(&outcome);
    assert_eq!(reason, Reason::BuildFailed);
    assert_ne!(message, "");
    let finished = events.iter().rev().find_map(|event| match event {
        Event::StepFinished { step: Step::Build, succeeded, exit_code } => Some((*succeeded, *exit_code)),
        _ => None,
    });
    assert!(matches!(finished, Some((false, Some(_)))), "{finished:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_answer_is_said_until_it_answers_again() {
    let (scenario, mut run) = building().await;
    for call in [ReadRun, ListTaskRuns, WatchRuns, WatchTaskRuns] {
        scenario.cluster.fails(call, usize::MAX, Fault::Refused(503, "overloaded"));
    }

    scenario.cluster.breaks_the_watches();
    run.waits_for("the cluster does not tell: overloaded (503)").await;
    sleep(Duration::from_mins(10)).await;
    scenario.cluster.recovers();
    run.works().await;

    scenario.cluster.shows("succeeded");
    assert_eq!(run.ends().await.1, Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_task_run_that_cannot_be_read_is_said_and_hides_no_end() {
    let (scenario, mut run) = building().await;

    scenario.cluster.shows_nonsense();
    run.waits_for("-build: ").await;
    scenario.cluster.shows("succeeded");

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_deleted_ends_the_deployment() {
    let (scenario, run) = building().await;

    scenario.cluster.loses_the_run();

    let (_, outcome) = run.ends().await;
    assert_eq!(failure(&outcome), (Reason::RunDeleted, "the run was deleted from the cluster"));
}

#[tokio::test(start_paused = true)]
async fn a_run_of_this_name_under_another_uid_is_not_the_one_that_is_followed() {
    let (scenario, run) = building().await;

    scenario.cluster.holds(&scenario.run, "uid-9");
    scenario.cluster.shows("succeeded");

    assert_eq!(failure(&run.ends().await.1).0, Reason::RunDeleted);
}
