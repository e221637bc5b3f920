//! Runs that end well.

use stackblaze::domain::CacheRepository;
use stackblaze::domain::ImageRepository;
use stackblaze::domain::Repository;
use stackblaze::domain::Step;
use stackblaze::executor::Event;
use stackblaze::executor::Outcome;

use super::image_of;
use crate::executor_contract::log_of;
use crate::executor_contract::outline;
use crate::harness::cluster::App;
use crate::harness::cluster::Cluster;
use crate::harness::cluster::head;
use crate::harness::cluster::variable;

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_private_repository_is_built_pushed_and_serves() {
    let (cluster, app) = (Cluster::connect().await, App::start("api").await);
    let commit = head("main").await;

    let (events, outcome) = cluster.run(&app.deploys("main")).await;

    let logs = Step::ALL.map(|step| log_of(&events, step));
    assert_eq!(outcome, Outcome::Succeeded, "{logs:#?}");
    assert_eq!(
        outline(&events),
        [
            "created",
            "clone started",
            "commit",
            "clone finished true Some(0)",
            "build started",
            "image",
            "build finished true Some(0)",
            "deploy started",
            "apps/api/api complete 2/2",
            "deploy finished true Some(0)",
        ]
    );
    let told = Event::Commit { commit: commit.clone(), subject: "A page of branch main".to_owned() };
    assert!(events.contains(&told), "{events:?}");
    let digest = image_of(&events).to_string();
    assert_eq!(app.digests().await, [digest.as_str(), &digest]);
    assert_eq!(app.pages("/").await, [format!("sample main {commit}"), format!("sample main {commit}")]);
    assert!(logs[0].contains(&format!("main is at {commit}")), "{}", logs[0]);
    assert!(logs[1].contains(&format!("@{digest}")) && logs[1].contains("COPY . /src"), "{}", logs[1]);
    assert!(logs[Step::Deploy as usize].contains(" serves"), "{logs:#?}");
    for secret in ["CLUSTER_GIT_PASSWORD", "CLUSTER_REGISTRY_PASSWORD"].map(variable) {
        assert!(!logs.concat().contains(&secret), "{logs:#?}");
    }
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn no_secret_and_no_cache_are_needed_where_everything_is_public() {
    let (cluster, app) = (Cluster::connect().await, App::start("public").await);
    let mut run = app.deploys("feat/new-ui");
    run.service.repository = Repository::parse(&variable("CLUSTER_GIT_DAEMON")).ok();
    let settings = &mut run.plan.cluster_mut().unwrap().settings;
    settings.image =
        ImageRepository::parse("image", &format!("{}/public", variable("CLUSTER_REGISTRY"))).unwrap();
    (settings.git_secret, settings.registry_secret) = (None, None);
    settings.cache_repository = CacheRepository::None;

    let (events, outcome) = cluster.run(&run).await;

    let log = log_of(&events, Step::Build);
    assert_eq!(outcome, Outcome::Succeeded, "{log}");
    assert!(!log.contains("keeping layers"), "{log}");
    let page = format!("sample feat/new-ui {}", head("feat/new-ui").await);
    assert_eq!(app.pages("/").await, [page.as_str(), &page]);
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_private_submodule_comes_by_the_secret_of_its_repository() {
    let (cluster, app) = (Cluster::connect().await, App::start("nested").await);
    let mut run = app.deploys("nested");
    run.service.fetch.submodules = true;

    let (events, outcome) = cluster.run(&run).await;

    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Clone));
    assert_eq!(app.pages("/").await, ["out of the submodule", "out of the submodule"]);
    app.remove().await;
}
