//! Many calls at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::harness::cluster::App;
use crate::harness::cluster::BUILDS;
use crate::harness::cluster::InCluster;
use crate::harness::cluster::kubectl;

const NAMES: [&str; 10] = [
    "burst-0", "burst-1", "burst-2", "burst-3", "burst-4", "burst-5", "burst-6", "burst-7", "burst-8",
    "burst-9",
];
const CALLS_EACH: usize = 5;

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn fifty_calls_over_ten_services_all_end_well_by_one_run_each() {
    let server = InCluster::alone().await;
    let apps = join_all(NAMES.map(App::start)).await;
    let hooks = join_all(apps.iter().map(|app| server.hook(app))).await;

    let calls = hooks.iter().flat_map(|hook| (0..CALLS_EACH).map(move |_| hook.post("")));
    let answers = join_all(calls).await;

    assert!(answers.iter().all(|answer| answer.status == 202));
    let ids: BTreeSet<_> = answers.iter().map(crate::harness::Answer::id).collect();
    for id in &ids {
        let end = server.end_of(id).await;
        assert_eq!(end["status"], "succeeded", "{end:#}");
    }
    let label = format!("stackblaze.dev/service in ({})", NAMES.join(","));
    let runs = kubectl(&["-n", BUILDS, "get", "pipelineruns", "-l", &label, "-o", "name"], "").await.unwrap();
    let runs: BTreeSet<_> =
        runs.lines().map(|line| line.rsplit('/').next().unwrap().replace('-', "_")).collect();
    assert_eq!(runs, ids);
    join_all(apps.iter().map(App::remove)).await;
}
