//! What runs tell of themselves to a server that has lost their rows.

use stackblaze::domain::{ImageReference, Source};
use stackblaze::executor::{Executor as _, FoundRun, GivenImage};

use super::*;
use crate::harness::scripted_cluster::Call::{ListRuns, ListTaskRuns};
use crate::harness::scripted_cluster::Fault;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

impl Scenario {
    async fn find(&self) -> Option<FoundRun> {
        self.executor.find_run(&self.run.deployment).await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn the_runs_of_this_installation_are_listed_and_no_others() {
    let scenario = Scenario::known();
    let ids = async || scenario.executor.runs().await.unwrap();

    assert_eq!(ids().await, std::slice::from_ref(&scenario.run.deployment));
    scenario.cluster.belongs_to_another();
    assert_eq!((ids().await, scenario.find().await), (vec![], None));
    scenario.cluster.fails(ListRuns, 1, Fault::Refused(503, "overloaded"));
    assert_eq!(scenario.executor.runs().await.unwrap_err().to_string(), "overloaded (503)");
    assert!(
        scenario.cluster.made(ListRuns)[0].query.contains("labelSelector=stackblaze.dev%2Finstance%3Dk3x9")
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_tells_what_it_was_made_for() {
    let mut scenario = Scenario::new();
    let cluster = scenario.run.plan.cluster_mut().unwrap();
    cluster.hook = Some("ci".to_owned());
    cluster.traceparent = Some(PARENT.to_owned());
    scenario.cluster.holds(&scenario.run, "uid-0");
    scenario.cluster.shows("build_running");

    let found = scenario.find().await.unwrap();

    assert_eq!((&found.deployment, found.uid.as_str()), (&scenario.run.deployment, "uid-0"));
    assert_eq!((found.service.as_str(), found.hook.as_deref()), ("api-service", Some("ci")));
    assert_eq!((&found.branch, &found.commit, &found.image), (&scenario.run.branch, &None, &None));
    assert_eq!((found.traceparent.as_deref(), found.end), (Some(PARENT), None));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_has_ended_tells_how_and_when() {
    let scenario = Scenario::known();
    for (moment, wanted) in [("succeeded", None), ("build_failed", Some(Reason::BuildFailed))] {
        scenario.cluster.shows(moment);
        scenario.cluster.says_when("2026-11-24T14:30:00Z", "2026-11-24T14:31:30Z");

        let found = scenario.find().await.unwrap();

        assert_eq!(found.began_at.to_string(), "2026-11-24T14:30:00.000Z");
        let end = found.end.unwrap();
        assert_eq!(end.at.to_string(), "2026-11-24T14:31:30.000Z");

        let reason = match &end.outcome {
            Outcome::Succeeded => None,
            Outcome::Failed { reason, .. } => Some(*reason),
        };
        assert_eq!((reason, end.steps[0].1), (wanted, true), "{moment}");
        assert_eq!(end.digest.is_some(), wanted.is_none());
        assert!(end.commit.is_some(), "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_was_given_is_told_with_its_digest() {
    let mut scenario = Scenario::new();
    let text = format!("registry.example.com/team/api:v1@sha256:{}", "0a".repeat(32));
    let image = ImageReference::parse(&text).unwrap();
    scenario.run.given = Some(GivenImage { image: image.clone(), commit: None });
    scenario.run.plan.cluster_mut().unwrap().source = Source::Image;
    scenario.cluster.holds(&scenario.run, "uid-0");
    scenario.cluster.shows("build_pending");

    assert_eq!(scenario.find().await.unwrap().image, Some(image));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_tell_its_tasks_tells_no_end() {
    let scenario = Scenario::known();
    scenario.cluster.shows("succeeded");
    scenario.cluster.fails(ListTaskRuns, 1, Fault::Refused(503, "overloaded"));

    assert!(scenario.executor.find_run(&scenario.run.deployment).await.is_err());
    scenario.cluster.loses_the_run();
    assert_eq!(scenario.find().await, None);
}
