//! Each line of a step's log once, however often the stream breaks.

use stackblaze::domain::Step;
use stackblaze::executor::Outcome;

use super::*;
use crate::executor_contract::log_of;
use crate::harness::scripted_cluster::Call::ReadLog;
use crate::harness::scripted_cluster::{Fault, LogStream};

/// Two lines of one second and the begin of the next one, cut; then what kubelet gives since that second.
const CUT: [LogStream; 2] = [
    LogStream {
        text: "2026-01-01T00:00:01.1Z one\n2026-01-01T00:00:01.2Z two\n2026-01-01T00:00:02Z th",
        is_cut: true,
    },
    LogStream {
        text: "2026-01-01T00:00:01.1Z one\n2026-01-01T00:00:01.2Z two\n2026-01-01T00:00:02Z three\n",
        is_cut: false,
    },
];

/// What a stream asks for.
fn asked(scenario: &Scenario, stream: usize, text: &str) -> bool {
    scenario.cluster.made(ReadLog)[stream].query.contains(text)
}

#[tokio::test(start_paused = true)]
async fn a_log_stream_that_is_cut_goes_on_without_a_line_twice() {
    let scenario = Scenario::known();
    scenario.cluster.shows("clone_running");
    scenario.cluster.logs(&CUT);
    let mut run = scenario.begin();

    run.until(|event| matches!(event, Event::Log { bytes, .. } if bytes.ends_with(b"three\n")).then_some(()))
        .await;
    scenario.cluster.shows("succeeded");

    let (events, outcome) = run.ends().await;
    assert_eq!((log_of(&events, Step::Clone).as_str(), outcome), ("one\ntwo\nthree\n", Outcome::Succeeded));
    assert!(asked(&scenario, 0, "container=step-clone") && !asked(&scenario, 0, "sinceTime"));
    assert!(asked(&scenario, 1, "sinceTime=2026-01-01T00%3A00%3A01"), "{:?}", scenario.cluster.made(ReadLog));
}

#[tokio::test(start_paused = true)]
async fn the_log_goes_on_at_the_mark_of_the_server_before() {
    let mut scenario = Scenario::known();
    scenario.run.plan.cluster_mut().unwrap().log_mark = Some("build 2026-01-01T00:00:01.1Z 1".to_owned());
    scenario.cluster.shows("build_running");
    scenario.cluster.logs(&CUT[1..]);
    let mut run = scenario.begin();

    run.until(|event| matches!(event, Event::Log { .. }).then_some(())).await;
    scenario.cluster.shows("succeeded");

    let (events, _) = run.ends().await;
    assert_eq!(log_of(&events, Step::Build), "two\nthree\n");
    assert_eq!(log_of(&events, Step::Clone), "", "what was stored is not read again");
    assert!(asked(&scenario, 0, "container=step-build"));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_had_holds_up_no_end() {
    let scenario = Scenario::known();
    scenario.cluster.fails(ReadLog, usize::MAX, Fault::Refused(500, "no connection to the node"));
    scenario.cluster.shows("succeeded");

    let (events, outcome) = scenario.begin().ends().await;

    assert_eq!((outcome, log_of(&events, Step::Build).as_str()), (Outcome::Succeeded, ""));
}
