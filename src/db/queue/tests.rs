use std::time::Duration;

use super::*;
use crate::db::deployments::{find, queue_position, succeed};
use crate::db::testing::{Bench, NO_LIMIT, T0, new};
use crate::domain::{Commit, Service, Status};

fn only(kind: ExecutorKind) -> ExecutorSet {
    [kind].into_iter().collect()
}

fn ask(bench: &Bench, service: &Service, branch: &str, policy: QueuePolicy) -> Place {
    enqueue(&bench.tx(), &new(service, branch), policy, NO_LIMIT, T0).unwrap()
}

fn place(bench: &Bench, service: &Service, branch: &str, policy: QueuePolicy) -> DeploymentId {
    match ask(bench, service, branch, policy) {
        Place::New(id) | Place::Joined(id) => id,
        Place::Full => panic!("full"),
    }
}

#[test]
fn coalesce_joins_the_last_queued_if_it_is_equal_and_no_earlier_one() {
    let bench = Bench::core();
    let service = bench.service("api");
    let coalesce = |branch| ask(&bench, &service, branch, QueuePolicy::Coalesce);

    let Place::New(first) = coalesce("main") else { panic!("the queue was empty") };
    let joined = coalesce("main");
    let Place::New(_) = coalesce("dev") else { panic!("another branch") };
    let again = coalesce("main");

    assert_eq!(joined, Place::Joined(first));
    assert!(matches!(again, Place::New(_)));
}

#[test]
fn another_commit_or_cache_is_another_request() {
    let bench = Bench::core();
    let service = bench.service("api");
    place(&bench, &service, "main", QueuePolicy::Coalesce);
    let mut with_commit = new(&service, "main");
    with_commit.commit = Some(Commit::parse(&"a".repeat(40)).unwrap());
    let mut afresh = new(&service, "main");
    afresh.clear_cache = true;

    for other in [with_commit, afresh] {
        let found = room(&bench.tx(), &other, QueuePolicy::Coalesce, 50).unwrap();

        assert_eq!(found, Room::Free);
    }
}

#[test]
fn one_that_runs_is_joined_by_nobody() {
    let bench = Bench::core();
    let service = bench.service("api");
    place(&bench, &service, "main", QueuePolicy::Coalesce);
    bench.claim(T0).unwrap();

    let second = ask(&bench, &service, "main", QueuePolicy::Coalesce);

    assert!(matches!(second, Place::New(_)));
}

#[test]
fn a_queue_of_another_service_is_not_joined() {
    let bench = Bench::core();
    let (one, two) = (bench.service("one"), bench.service("two"));
    place(&bench, &one, "main", QueuePolicy::Coalesce);

    assert!(matches!(ask(&bench, &two, "main", QueuePolicy::Coalesce), Place::New(_)));
}

#[test]
fn every_gives_each_call_a_place() {
    let bench = Bench::core();
    let service = bench.service("api");

    let ids = [(); 3].map(|()| place(&bench, &service, "main", QueuePolicy::Every));

    assert_eq!(bench.count("deployments"), 3);
    let positions = ids.map(|id| queue_position(&bench.tx(), &bench.find(&id)).unwrap());
    assert_eq!(positions, [Some(1), Some(2), Some(3)]);
}

#[test]
fn latest_ends_what_is_queued_and_names_the_winner() {
    let bench = Bench::core();
    let service = bench.service("api");
    let old = place(&bench, &service, "main", QueuePolicy::Latest);

    let winner = place(&bench, &service, "dev", QueuePolicy::Latest);

    let old = bench.find(&old);
    assert_eq!((old.status, old.reason), (Status::Failed, Some(Reason::Superseded)));
    assert_eq!(old.superseded_by.as_ref(), Some(&winner));
    assert_eq!(bench.find(&winner).status, Status::Queued);
}

#[test]
fn latest_leaves_what_runs_and_what_others_have_queued() {
    let bench = Bench::core();
    let (api, other) = (bench.service("api"), bench.service("other"));
    let runs = place(&bench, &api, "main", QueuePolicy::Latest);
    bench.claim(T0).unwrap();
    let foreign = place(&bench, &other, "main", QueuePolicy::Latest);

    place(&bench, &api, "dev", QueuePolicy::Latest);

    assert_eq!(bench.find(&runs).status, Status::Building);
    assert_eq!(bench.find(&foreign).status, Status::Queued);
}

#[test]
fn a_full_queue_takes_no_more_but_what_joins_and_what_empties_it() {
    let bench = Bench::core();
    let service = bench.service("api");
    let ask = |branch, policy| enqueue(&bench.tx(), &new(&service, branch), policy, 2, T0).unwrap();
    ask("a", QueuePolicy::Coalesce);
    ask("b", QueuePolicy::Coalesce);

    let (full, joined) = (ask("c", QueuePolicy::Coalesce), ask("b", QueuePolicy::Coalesce));
    let latest = ask("d", QueuePolicy::Latest);

    assert_eq!(full, Place::Full);
    assert!(matches!(joined, Place::Joined(_)) && matches!(latest, Place::New(_)));
}

#[test]
fn the_oldest_of_a_service_that_runs_nothing_is_claimed() {
    let bench = Bench::core();
    let (one, two) = (bench.service("one"), bench.service("two"));
    let ids = [&one, &one, &two].map(|service| bench.queued(service, "main", T0));

    let claimed = [(); 3].map(|()| bench.claim(T0).map(|deployment| deployment.id));

    assert_eq!(claimed, [Some(ids[0].clone()), Some(ids[2].clone()), None]);
}

#[test]
fn the_next_of_a_service_is_claimed_when_the_one_before_has_ended() {
    let bench = Bench::core();
    let service = bench.service("api");
    let ids = [(); 2].map(|()| bench.queued(&service, "main", T0));
    bench.claim(T0).unwrap();

    fail(&bench.tx(), &ids[0], Reason::BuildFailed, "", None, T0).unwrap();

    assert_eq!(bench.claim(T0).unwrap().id, ids[1]);
}

#[test]
fn no_more_are_claimed_than_may_run_in_all() {
    let bench = Bench::core();
    for name in ["one", "two", "three"] {
        bench.queued(&bench.service(name), "main", T0);
    }
    let claim =
        || claim_next(&bench.tx(), Claims { ready: only(ExecutorKind::Local), concurrency: 2 }, T0).unwrap();

    let claimed = [(); 3].map(|()| claim().is_some());

    assert_eq!(claimed, [true, true, false]);
}

#[test]
fn nothing_is_claimed_for_an_executor_that_is_not_there() {
    let bench = Bench::core();
    let service = bench.service("api");
    let mut tekton = new(&service, "main");
    tekton.executor = ExecutorKind::Tekton;
    enqueue(&bench.tx(), &tekton, QueuePolicy::Every, NO_LIMIT, T0).unwrap();
    let later = bench.queued(&service, "main", T0);

    assert_eq!(bench.claim(T0).unwrap().id, later);
}

#[test]
fn a_claimed_deployment_is_building_with_its_steps_and_its_time_to_stop() {
    let bench = Bench::core();
    bench.queued(&bench.service("api"), "main", T0);
    let at = T0.plus(Duration::from_secs(5));

    let claimed = bench.claim(at).unwrap();

    assert_eq!((claimed.status, claimed.started_at), (Status::Building, Some(at)));
    assert_eq!(claimed.stop_at, Some(at.plus(Duration::from_mins(10))));
    assert_eq!((claimed.version, bench.count("steps")), (2, 3));
    assert_eq!(running(&bench.tx()).unwrap().len(), 1);
}

#[test]
fn what_waited_for_too_long_or_for_nobody_is_overdue() {
    let bench = Bench::core();
    let service = bench.service("api");
    let old = bench.queued(&service, "main", T0);
    let young = bench.queued(&service, "main", T0.plus(Duration::from_secs(2)));
    let before = T0.plus(Duration::from_secs(1));
    let ids = |available| -> Vec<_> {
        overdue(&bench.tx(), available, before).unwrap().into_iter().map(|d| d.id).collect()
    };

    assert_eq!(ids(only(ExecutorKind::Local)), vec![old.clone()]);
    assert_eq!(ids(only(ExecutorKind::Tekton)), [old, young]);
}

#[test]
fn what_has_ended_is_neither_queued_nor_running_nor_overdue() {
    let bench = Bench::core();
    let service = bench.service("api");
    let id = bench.queued(&service, "main", T0);
    bench.claim(T0).unwrap();
    crate::db::deployments::begin_deploying(&bench.tx(), &id).unwrap();
    assert!(succeed(&bench.tx(), &id, T0).unwrap());

    let far = T0.plus(Duration::from_hours(1_000));

    assert!(
        running(&bench.tx()).unwrap().is_empty()
            && overdue(&bench.tx(), only(ExecutorKind::Local), far).unwrap().is_empty()
    );
    assert!(length(&bench.tx(), &service.id).unwrap() == 0 && bench.claim(far).is_none());
    assert_eq!(queue_position(&bench.tx(), &find(&bench.tx(), &id).unwrap().unwrap()).unwrap(), None);
}
