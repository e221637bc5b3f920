//! What every executor has to keep. Generic, so that each implementation is held to the same text.

use std::time::Duration;

use stackblaze::domain::{Reason, Step};
use stackblaze::executor::{Event, Executor, Outcome, Run};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Longest time that a stopped run may take.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Runs to the end and gives all events with the outcome.
pub async fn run_to_end<E: Executor>(
    executor: &E,
    run: &Run,
    stop: &CancellationToken,
) -> (Vec<Event>, Outcome) {
    let (events, mut inbox) = mpsc::channel(16);
    let running = async {
        let outcome = executor.run(run, &events, stop).await.unwrap();
        drop(events);
        outcome
    };
    let collect = async {
        let mut all = Vec::new();
        while let Some(event) = inbox.recv().await {
            all.push(event);
        }
        all
    };
    let (outcome, events) = tokio::join!(running, collect);
    (events, outcome)
}

/// The output of a step.
pub fn log_of(events: &[Event], wanted: Step) -> String {
    let is_ours = |line: &&str| {
        let is_end = line.starts_with(&format!("the {} command ", wanted.as_str()));
        line.starts_with("$ ") || is_end
    };
    whole_log_of(events, wanted).split_inclusive('\n').filter(|line| !is_ours(line)).collect()
}

/// The same with the executor's own lines.
pub fn whole_log_of(events: &[Event], wanted: Step) -> String {
    let bytes = events.iter().filter_map(|event| match event {
        Event::Log { step, bytes } if *step == wanted => Some(bytes.as_slice()),
        _ => None,
    });
    String::from_utf8_lossy(&bytes.collect::<Vec<_>>().concat()).into_owned()
}

/// The events without logs, in order, as words.
pub fn outline(events: &[Event]) -> Vec<String> {
    let words = events.iter().filter_map(|event| match event {
        Event::StepStarted(step) => Some(format!("{} started", step.as_str())),
        Event::StepFinished { step, succeeded, exit_code } => {
            Some(format!("{} finished {succeeded} {exit_code:?}", step.as_str()))
        }
        Event::Commit { .. } => Some("commit".to_owned()),
        Event::Log { .. }
        | Event::LogMark(_)
        | Event::Waiting(_)
        | Event::ImageRevision(_)
        | Event::Settling => None,
        Event::Created { .. } => Some("created".to_owned()),
        Event::Image(_) => Some("image".to_owned()),
        Event::Workloads(states) => {
            Some(states.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
    });
    words.collect()
}

/// A run that succeeds tells three steps and the commit, in order.
pub async fn a_good_run_tells_everything_in_order<E: Executor>(executor: &E, run: &Run) {
    let (events, outcome) = run_to_end(executor, run, &CancellationToken::new()).await;

    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Clone));
    assert_eq!(
        outline(&events),
        [
            "clone started",
            "commit",
            "clone finished true Some(0)",
            "build started",
            "build finished true Some(0)",
            "deploy started",
            "deploy finished true Some(0)",
        ]
    );
}

/// A failing build is an outcome, not an error, and nothing is deployed.
pub async fn a_failing_build_is_an_outcome<E: Executor>(executor: &E, run: &Run) {
    let (events, outcome) = run_to_end(executor, run, &CancellationToken::new()).await;

    assert!(matches!(outcome, Outcome::Failed { reason: Reason::BuildFailed, .. }), "{outcome:?}");
    assert!(!outline(&events).iter().any(|word| word.starts_with("deploy")));
}

/// A run that is told to stop ends in time, as failed. Gives all events.
pub async fn a_stopped_run_ends_in_time<E: Executor>(executor: &E, run: &Run) -> Vec<Event> {
    let stop = CancellationToken::new();
    let (events, mut inbox) = mpsc::channel(16);
    let stopper = stop.clone();
    let watch = async move {
        let mut all = Vec::new();
        while let Some(event) = inbox.recv().await {
            // The build says so itself, so that it is stopped in the middle.
            if matches!(&event, Event::Log { step: Step::Build, bytes } if !bytes.starts_with(b"$ ") && bytes.windows(5).any(|text| text == b"ready"))
            {
                stopper.cancel();
            }
            all.push(event);
        }
        all
    };
    let running = async {
        let outcome = executor.run(run, &events, &stop).await.unwrap();
        drop(events);
        outcome
    };

    let ended =
        tokio::time::timeout(STOP_LIMIT + Duration::from_secs(30), async { tokio::join!(running, watch) });
    let (outcome, events) = ended.await.unwrap();

    assert!(matches!(outcome, Outcome::Failed { reason: Reason::Cancelled, .. }));
    events
}
