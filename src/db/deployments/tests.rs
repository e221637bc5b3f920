use std::time::Duration;

use super::*;
use crate::db::queue::{self, Place};
use crate::db::testing::{Bench, NO_LIMIT, T0, new};
use crate::db::{removal, steps};
use crate::domain::{GitRef, QueuePolicy, Service, Step, StepStatus};

/// A deployment in each status, of a service of its own each.
fn in_each_status(bench: &Bench) -> [DeploymentId; 5] {
    let names = ["queued", "building", "deploying", "succeeded", "failed"];
    names.map(|name| {
        let id = bench.queued(&bench.service(name), "main", T0);
        advance(bench, &id, name);
        id
    })
}

fn advance(bench: &Bench, id: &DeploymentId, status: &str) {
    if status == "queued" {
        return;
    }
    while bench.find(id).status == Status::Queued {
        bench
            .conn
            .execute("UPDATE deployments SET status = 'building' WHERE id = ?1", [id.as_str()])
            .unwrap();
    }
    if status == "failed" {
        assert!(fail(&bench.tx(), id, Reason::BuildFailed, "first", None, T0).unwrap());
    } else if status != "building" {
        assert!(begin_deploying(&bench.tx(), id).unwrap());
    }
    if status == "succeeded" {
        assert!(succeed(&bench.tx(), id, T0).unwrap());
    }
}

fn words(bench: &Bench, ids: &[DeploymentId; 5]) -> [&'static str; 5] {
    ids.each_ref().map(|id| bench.find(id).status.as_str())
}

fn claimed(bench: &Bench, service: &Service) -> Deployment {
    bench.queued(service, "main", T0);
    bench.claim(T0).unwrap()
}

#[test]
fn only_what_deploys_can_succeed() {
    let bench = Bench::core();
    let ids = in_each_status(&bench);

    let changed = ids.each_ref().map(|id| succeed(&bench.tx(), id, T0).unwrap());

    assert_eq!(changed, [false, false, true, false, false]);
    assert_eq!(words(&bench, &ids), ["queued", "building", "succeeded", "succeeded", "failed"]);
}

#[test]
fn only_what_builds_can_begin_to_deploy() {
    let bench = Bench::core();
    let ids = in_each_status(&bench);

    let changed = ids.each_ref().map(|id| begin_deploying(&bench.tx(), id).unwrap());

    assert_eq!(changed, [false, true, false, false, false]);
    assert_eq!(words(&bench, &ids), ["queued", "deploying", "deploying", "succeeded", "failed"]);
}

#[test]
fn what_has_ended_never_changes_again() {
    let bench = Bench::core();
    let ids = in_each_status(&bench);
    let later = T0.plus(Duration::from_secs(1));

    let changed =
        ids.each_ref().map(|id| fail(&bench.tx(), id, Reason::Timeout, "second", None, later).unwrap());

    assert_eq!(changed, [true, true, true, false, false]);
    assert_eq!(words(&bench, &ids), ["failed", "failed", "failed", "succeeded", "failed"]);
    let first = bench.find(&ids[4]);
    assert_eq!((first.reason, first.message.as_deref()), (Some(Reason::BuildFailed), Some("first")));
    assert_eq!(first.finished_at, Some(T0));
}

#[test]
fn a_failure_ends_the_running_step_and_skips_the_others() {
    let bench = Bench::core();
    let deployment = claimed(&bench, &bench.service("api"));
    let (id, tx) = (&deployment.id, bench.tx());
    steps::start(&tx, id, Step::Clone, T0).unwrap();
    steps::finish(&tx, id, Step::Clone, true, Some(0), T0).unwrap();
    steps::start(&tx, id, Step::Build, T0).unwrap();

    fail(&tx, id, Reason::Timeout, "too long", None, T0).unwrap();

    let records = steps::list(&tx, &bench.find(id)).unwrap();
    let statuses: Vec<_> = records.iter().map(|record| record.status).collect();
    assert_eq!(statuses, [StepStatus::Succeeded, StepStatus::Failed, StepStatus::Skipped]);
}

#[test]
fn every_change_that_is_shown_makes_a_new_version() {
    let bench = Bench::core();
    let id = claimed(&bench, &bench.service("api")).id;
    let commit = Commit::parse(&"a".repeat(40)).unwrap();
    let version = || bench.find(&id).version;
    let acts: [&dyn Fn(&Tx<'_>); 6] = [
        &|tx| set_commit(tx, &id, &commit, "subject", T0).unwrap(),
        &|tx| steps::start(tx, &id, Step::Clone, T0).unwrap(),
        &|tx| steps::finish(tx, &id, Step::Clone, true, Some(0), T0).unwrap(),
        &|tx| drop(cancel(tx, &bench.find(&id), Reason::Cancelled, ("stop", None), T0)),
        &|tx| drop(begin_deploying(tx, &id)),
        &|tx| drop(succeed(tx, &id, T0)),
    ];

    for (index, act) in acts.iter().enumerate() {
        let before = version();

        act(&bench.tx());

        assert!(version() > before, "act {index}");
    }
}

#[test]
fn all_that_was_asked_for_is_read_back() {
    let bench = Bench::core();
    let service = bench.service("api");
    let (hook, _) = bench.hook(&service, "ci");
    let mut wanted = new(&service, "feat/größe");
    wanted.trigger = Trigger::Hook(hook.id.clone());
    wanted.hook_generation = Some(1);
    wanted.commit = Some(Commit::parse(&"b".repeat(40)).unwrap());
    wanted.clear_cache = true;
    wanted.ignored_parameters = vec!["brach".to_owned(), "x\"y".to_owned()];

    let place = queue::enqueue(&bench.tx(), &wanted, QueuePolicy::Every, NO_LIMIT, T0).unwrap();

    let Place::New(id) = place else { panic!("{place:?}") };
    let read = bench.find(&id);
    assert_eq!((read.trigger, read.hook.as_deref()), (wanted.trigger, Some("ci")));
    assert_eq!((read.branch, read.commit), (wanted.branch, wanted.commit));
    assert!(read.commit_requested && read.clear_cache && read.created_at == T0);
    assert_eq!(read.ignored_parameters, wanted.ignored_parameters);
}

#[test]
fn a_queued_one_is_cancelled_at_once_and_a_running_one_is_asked() {
    let bench = Bench::core();
    let ids = in_each_status(&bench);

    let met = ids
        .each_ref()
        .map(|id| cancel(&bench.tx(), &bench.find(id), Reason::Cancelled, ("stop", None), T0).unwrap());

    let wanted = [Cancel::Ended, Cancel::Asked, Cancel::Asked, Cancel::AlreadyFinal, Cancel::AlreadyFinal];
    assert_eq!(met, wanted);
    assert_eq!(words(&bench, &ids), ["failed", "building", "deploying", "succeeded", "failed"]);
    assert_eq!(bench.find(&ids[1]).cancel_reason, Some(Reason::Cancelled));
}

#[test]
fn the_first_reason_to_cancel_stays() {
    let bench = Bench::core();
    let deployment = claimed(&bench, &bench.service("api"));

    cancel(&bench.tx(), &deployment, Reason::Cancelled, ("first", None), T0).unwrap();
    cancel(&bench.tx(), &deployment, Reason::ServiceDeleted, ("second", None), T0).unwrap();

    let read = bench.find(&deployment.id);
    assert_eq!((read.cancel_reason, read.message.as_deref()), (Some(Reason::Cancelled), Some("first")));
}

#[test]
fn a_deleted_service_ends_what_is_queued_and_asks_what_runs_to_stop() {
    let bench = Bench::core();
    let (service, other) = (bench.service("api"), bench.service("other"));
    let running = claimed(&bench, &service).id;
    let (queued, foreign) = (bench.queued(&service, "main", T0), bench.queued(&other, "main", T0));

    removal::delete_service(&bench.tx(), &service.id, T0).unwrap();

    let ended = bench.find(&queued);
    assert_eq!((ended.status, ended.reason), (Status::Failed, Some(Reason::ServiceDeleted)));
    assert_eq!(bench.find(&running).cancel_reason, Some(Reason::ServiceDeleted));
    assert_eq!(bench.find(&foreign).status, Status::Queued);
}

#[test]
fn a_page_shows_the_newest_first_and_only_what_its_filter_lets_through() {
    let bench = Bench::core();
    let service = bench.service("api");
    let ids = ["a", "b", "a"].map(|branch| bench.queued(&service, branch, T0));
    fail(&bench.tx(), &ids[0], Reason::Cancelled, "", None, T0).unwrap();
    let page = |filter: Filter| -> Vec<_> {
        list_for_service(&bench.tx(), &service.id, &filter)
            .unwrap()
            .deployments
            .into_iter()
            .map(|d| d.id)
            .collect()
    };
    let all = || Filter { limit: 10, ..Filter::default() };

    assert_eq!(page(all()), [ids[2].clone(), ids[1].clone(), ids[0].clone()]);
    assert_eq!(page(Filter { statuses: vec![Status::Failed], ..all() }), [ids[0].clone()]);
    assert_eq!(page(Filter { branch: GitRef::parse("a").ok(), ..all() }), [ids[2].clone(), ids[0].clone()]);
    assert_eq!(page(Filter { before: Some(ids[2].clone()), limit: 1, ..all() }), [ids[1].clone()]);
}

#[test]
fn a_text_finds_branch_id_and_the_beginning_of_a_commit_and_is_no_pattern() {
    let bench = Bench::core();
    let service = bench.service("api");
    let ids = ["feat/New-UI", "main", "a%b"].map(|branch| bench.queued(&service, branch, T0));
    let commit = Commit::parse("4f2c1d7e8b9a0c1d2e3f4a5b6c7d8e9f0a1b2c3d").unwrap();
    set_commit(&bench.tx(), &ids[1], &commit, "subject", T0).unwrap();
    let found = |text: &str| -> Vec<_> {
        let filter = Filter { text: Some(text.to_owned()), limit: 10, ..Filter::default() };
        list_for_service(&bench.tx(), &service.id, &filter)
            .unwrap()
            .deployments
            .into_iter()
            .map(|d| d.id)
            .collect()
    };

    assert_eq!(found("new-ui"), [ids[0].clone()]);
    assert_eq!(found("4F2C1D7"), [ids[1].clone()]);
    assert_eq!(found(ids[2].as_str()), [ids[2].clone()]);
    assert_eq!(found("%"), [ids[2].clone()]);
    assert_eq!(found("2c1d7").len() + found("subject").len(), 0, "and nothing else");
}
