//! What a build leaves: layers for the next one, and all of its log.

use stackblaze::domain::CacheRepository;
use stackblaze::domain::Step;
use stackblaze::executor::Event;
use stackblaze::executor::Outcome;
use stackblaze::executor::Run;

use crate::executor_contract::log_of;
use crate::harness::cluster::App;
use crate::harness::cluster::Cluster;

/// The text in the layer that only a cache can repeat, after a deployment at an epoch of the cache.
async fn layer(cluster: &Cluster, app: &App, cache: &str, epoch: u32) -> String {
    let mut run = app.deploys("main");
    let of_cluster = run.plan.cluster_mut().unwrap();
    of_cluster.cache_epoch = epoch;
    of_cluster.settings.cache_repository = CacheRepository::parse(cache).unwrap();

    let (events, outcome) = cluster.run(&run).await;

    let log = log_of(&events, Step::Build);
    assert_eq!(outcome, Outcome::Succeeded, "{log}");
    assert!(!log.contains("exporting cache to registry failed"), "{log}");
    let pages = app.pages("/layer.txt").await;
    assert_eq!(pages[0].len(), 36, "{pages:?}");
    assert_eq!(pages[0], pages[1]);
    pages[0].clone()
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn layers_are_reused_until_the_cache_is_cleared_and_then_the_new_ones_are() {
    let (cluster, app) = (Cluster::connect().await, App::start("cache").await);
    // Of this run of the test only.
    let run: Run = app.deploys("main");
    let cache = format!("{}-{}", run.plan.cluster().unwrap().settings.image, run.deployment.run_name());

    let first = layer(&cluster, &app, &cache, 0).await;
    let same = layer(&cluster, &app, &cache, 0).await;
    let cleared = layer(&cluster, &app, &cache, 1).await;
    let again = layer(&cluster, &app, &cache, 1).await;

    assert_eq!(same, first);
    assert_ne!(cleared, first);
    assert_eq!(again, cleared);
    app.remove().await;
}

/// The two branches differ in a file that mounts show and in a heredoc, not in the text of a RUN. Back at the first one,
/// the stage that a mount shows is in the cache, and what was made of it is not what the cache had last.
#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn what_mounts_and_heredocs_show_is_built_again_when_it_changes() {
    let (cluster, app) = (Cluster::connect().await, App::start("unseen").await);
    let (mut served, mut logs) = (Vec::new(), Vec::new());

    for branch in ["unseen", "unseen-changed", "unseen"] {
        let (events, outcome) = cluster.run(&app.deploys(branch)).await;

        let log = log_of(&events, Step::Build);
        assert_eq!(outcome, Outcome::Succeeded, "{log}");
        for page in ["/untyped.txt", "/staged.txt", "/written.txt"] {
            served.push((branch, page, app.pages(page).await));
        }
        logs.push(log);
    }

    let is_old = |(branch, _, texts): &(&str, &str, Vec<String>)| texts.iter().any(|text| text != branch);
    served.retain(is_old);
    assert_eq!(served, [], "{logs:#?}");
    app.remove().await;
}

/// Lines that are missing among those of branch `chatty`, which are numbered.
fn missing(log: &str) -> Vec<std::ops::Range<usize>> {
    let lines = log.lines().filter(|line| line.starts_with("line ") && line.len() == 102);
    let mut next = 1;
    let mut gaps = Vec::new();
    for number in lines.map(|line| line[5..11].parse().unwrap()).chain([300_001]) {
        if number != next {
            gaps.push(next..number);
        }
        next = number + 1;
    }
    gaps
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_long_log_is_kept_though_kubelet_keeps_only_its_end() {
    let (cluster, app) = (Cluster::connect().await, App::start("chatty").await);

    let (events, outcome) = cluster.run(&app.deploys("chatty")).await;

    assert_eq!(outcome, Outcome::Succeeded);
    let log = log_of(&events, Step::Build);
    // Each of the three or four times that kubelet changes files may cost the write that the runtime has in hand.
    let gaps = missing(&log);
    assert!(gaps.len() <= 4, "{gaps:?}");
    assert!(gaps.iter().all(|gap| gap.len() <= 16 * 1024 / 103), "{gaps:?}");
    assert!(log.contains("\nlast line\n"));
    assert!(log.len() > 30_000_000, "{} bytes", log.len());
    app.remove().await;
}

/// What a step held of such a line would fill its pod.
#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_long_line_without_an_end_is_cut_and_marked() {
    let cluster = Cluster::connect().await;

    let (events, _) = cluster.run(&App { name: "api" }.deploys("one-line")).await;

    let sizes = events.iter().filter_map(|event| match event {
        Event::Log { bytes, .. } => Some(bytes.len()),
        _ => None,
    });
    assert!(sizes.max().unwrap() < 64 * 1024);
    let log = log_of(&events, Step::Build);
    assert!(log.contains(&"0123456789".repeat(1_600)) && log.contains(" … (line cut at 16 KiB)\n"));
}
