//! Runs of final deployments: seen to have ended before the service goes on, and deleted in the end.

use std::collections::BTreeSet;
use std::time::Duration;

use stackblaze::domain::Reason;
use stackblaze::domain::Step;
use stackblaze::executor::Event;
use stackblaze::executor::Settled;

use super::cluster::server;
use super::cluster::service;
use crate::harness::Script;

#[tokio::test]
async fn a_service_starts_nothing_while_its_last_run_may_still_go_on() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    server.cluster.next(Script::default().begins(Step::Clone).fails(Reason::Timeout));
    hook.post("branch=one").await.id();
    let second = hook.post("branch=two").await.id();
    server.tick().await;
    server.idle().await;

    server.cluster.cluster().settled = Ok(Settled::Ending);
    assert!(server.reconcile().await);
    server.tick().await;
    assert_eq!(server.end_of(&second).await, "queued");
    server.cluster.cluster().settled = Err("no answer".to_owned());
    assert!(server.reconcile().await);
    server.tick().await;
    assert_eq!(server.end_of(&second).await, "queued");

    server.cluster.cluster().settled = Ok(Settled::Ended);
    assert!(!server.reconcile().await);
    server.run_all().await;
    assert_eq!(server.end_of(&second).await, "succeeded");
}

#[tokio::test]
async fn a_run_that_may_still_appear_is_waited_for() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    server.cluster.next(Script::default().fails(Reason::Timeout));
    hook.post("").await.id();
    server.tick().await;
    server.idle().await;
    server.cluster.cluster().settled = Ok(Settled::Absent);

    assert!(server.reconcile().await, "its creation may be on its way");
    server.clock.advance(Duration::from_secs(69));
    assert!(server.reconcile().await);
    server.clock.advance(Duration::from_secs(1));

    assert!(!server.reconcile().await);
}

#[tokio::test]
async fn a_run_that_the_cluster_refused_or_that_was_seen_needs_no_waiting() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    let seen = Script::default().tells(Event::Created { uid: "uid-1".to_owned() });
    for script in [Script::default().fails(Reason::InvalidPipeline), seen.fails(Reason::RunDeleted)] {
        server.cluster.next(script);
        hook.post("").await.id();
        server.tick().await;
        server.idle().await;
        server.cluster.cluster().settled = Ok(Settled::Absent);

        assert!(!server.reconcile().await);
    }
}

#[tokio::test]
async fn old_runs_are_deleted_from_the_cluster_and_the_deployments_stay() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(hook.post("").await.id());
        server.run_all().await;
        server.reconcile().await;
    }

    assert_eq!(server.cluster.cluster().deleted, [ids[0].clone()], "two of a service are kept");
    server.clock.advance(Duration::from_hours(25));
    server.reconcile().await;

    let deleted: BTreeSet<_> = server.cluster.cluster().deleted.iter().cloned().collect();
    assert_eq!(server.end_of(&ids[0]).await, "succeeded");
    assert_eq!(deleted, ids.into_iter().collect());
}

#[tokio::test]
async fn a_run_whose_log_is_not_stored_stays_in_the_cluster() {
    let server = server().await;
    let hook = service(&server, "api").await.hook("ci").await;
    let id = hook.post("").await.id();
    server.run_all().await;
    server.clock.advance(Duration::from_hours(25));

    server.damage_logs("UPDATE logs SET is_complete = 0");
    server.reconcile().await;
    let before = server.cluster.cluster().deleted.clone();
    server.damage_logs("UPDATE logs SET is_complete = 1");
    server.reconcile().await;

    assert_eq!((before, server.cluster.cluster().deleted.clone()), (Vec::new(), vec![id]));
}
