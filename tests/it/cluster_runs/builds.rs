//! What a build leaves: layers for the next one, and all of its log.

use stackblaze::domain::CacheRepository;
use stackblaze::domain::Step;
use stackblaze::executor::Outcome;
use stackblaze::executor::Run;

use crate::executor_contract::log_of;
use crate::harness::cluster::App;
use crate::harness::cluster::Cluster;

/// The text in the layer that only a cache can repeat, after a deployment at an epoch of the cache.
async fn layer(cluster: &Cluster, app: &App, cache: &str, epoch: u32) -> String {
    let mut run = app.deploys("main");
    let of_cluster = run.cluster.as_mut().unwrap();
    of_cluster.cache_epoch = epoch;
    of_cluster.settings.cache_repository = CacheRepository::parse(cache).unwrap();

    let (events, outcome) = cluster.run(&run).await;

    let log = log_of(&events, Step::Build);
    assert_eq!(outcome, Outcome::Succeeded, "{log}");
    assert!(!log.contains("warning: the layers could not be kept"), "{log}");
    let pages = app.pages("/layer.txt").await;
    assert_eq!(pages[0].len(), 36, "{pages:?}");
    assert_eq!(pages[0], pages[1]);
    pages[0].clone()
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn layers_are_reused_until_the_cache_is_cleared_and_then_the_new_ones_are() {
    let (cluster, app) = (Cluster::connect().await, App::start("cache", 60).await);
    // Of this run of the test only.
    let run: Run = app.deploys("main");
    let cache = format!("{}-{}", run.cluster.unwrap().settings.image, run.deployment.run_name());

    let first = layer(&cluster, &app, &cache, 0).await;
    let same = layer(&cluster, &app, &cache, 0).await;
    let cleared = layer(&cluster, &app, &cache, 1).await;
    let again = layer(&cluster, &app, &cache, 1).await;

    assert_eq!(same, first);
    assert_ne!(cleared, first);
    assert_eq!(again, cleared);
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn no_line_of_a_long_log_is_lost() {
    // kubelet rotates what a reader has not read yet away under him, and a busy machine is a slow reader.
    let (cluster, app) = (Cluster::alone().await, App::start("chatty", 60).await);

    let (events, outcome) = cluster.run(&app.deploys("chatty")).await;

    assert_eq!(outcome, Outcome::Succeeded);
    let log = log_of(&events, Step::Build);
    let mut lines = log.lines().filter(|line| line.starts_with("line ") && line.len() == 102);
    let missing = (1..=300_000).find(|n| lines.next().is_none_or(|line| line[5..11] != format!("{n:06}")));
    assert_eq!(missing, None, "{} bytes", log.len());
    assert!(log.contains("\nlast line\n"));
    assert!(log.len() > 30_000_000, "{} bytes", log.len());
    app.remove().await;
}
