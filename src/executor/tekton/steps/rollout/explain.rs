//! Says in the log why a version does not come up: what pods, events and the crashing container itself tell.

use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use kube::ResourceExt;
use kube::api::{ListParams, LogParams};

use crate::executor::tekton::client::answer;

use super::place::Place;
use super::pods::{Cause, cause, is_new, is_ready, name};
use super::watch::Waited;

/// Lines of a container's log.
const LINES: i64 = 20;
/// Most of them in bytes; the log of the step is kept whole.
const MAX_BYTES: i64 = 16 * 1024;
/// Longest time for all of it: meanwhile the old version is not back.
const LIMIT: Duration = Duration::from_secs(15);
/// Most events that are said.
const MAX_EVENTS: usize = 3;
/// An event about a probe.
const PROBE: &str = "Unhealthy";

/// Says what is known, and gives the cause with it. What cannot be asked is left out.
pub(super) async fn explain(waited: &Waited<'_>, known: Option<Cause>) -> Option<Cause> {
    let new: Vec<_> = waited.pods.iter().filter(|pod| is_new(pod, &waited.wanted)).collect();
    let mut found = known.or_else(|| cause(&new));
    let told = async {
        let Some(pod) = new.iter().find(|pod| !is_ready(pod)) else { return };
        let events = warnings(waited.place, pod).await;
        for (reason, message) in events.iter().rev().take(MAX_EVENTS) {
            waited.place.say(&format!("pod {}: {reason}: {message}", name(pod)));
        }
        let probe = events.iter().rev().find(|(reason, _)| reason == PROBE);
        if let (Some(found), Some((_, said))) = (&mut found, probe)
            && found.message == "it does not get ready"
        {
            found.detail = format!("{said}: {}", found.detail);
        }
        if let Some((pod, container)) = found.as_ref().and_then(|found| found.log_of.clone()) {
            last_lines(waited.place, &pod, &container).await;
        }
    };
    drop(tokio::time::timeout(LIMIT, told).await);
    found
}

/// Reason and message of its warnings, the newest last.
async fn warnings(place: &Place, pod: &core::Pod) -> Vec<(String, String)> {
    let about = ListParams::default().fields(&format!("involvedObject.name={},type=Warning", name(pod)));
    let Ok(found) = answer(place.events.list(&about)).await else { return Vec::new() };
    let mut events = found.items;
    events.sort_by_key(|event| event.resource_version().and_then(|version| version.parse::<u64>().ok()));
    let text = |text: Option<String>| text.unwrap_or_default().replace(['\n', '\r'], " ");
    events.into_iter().map(|event| (text(event.reason), text(event.message))).collect()
}

/// The last lines of what has crashed; of what runs still where nothing has.
async fn last_lines(place: &Place, pod: &str, container: &str) {
    for previous in [true, false] {
        let which = LogParams {
            container: Some(container.to_owned()),
            previous,
            tail_lines: Some(LINES),
            limit_bytes: Some(MAX_BYTES),
            ..LogParams::default()
        };
        if let Ok(text) = answer(place.pods.logs(pod, &which)).await {
            if !text.trim().is_empty() {
                place.say(&format!("the last lines of container {container} of pod {pod}:"));
                text.lines().for_each(|line| println!("  {line}"));
            }
            return;
        }
    }
}
