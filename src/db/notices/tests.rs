use std::time::Duration;

use super::*;
use crate::db::testing::{Bench, T0, new};
use crate::db::{deployments, queue, targets};
use crate::domain::{QueuePolicy, Service, Target, TargetKind, TargetUrl, Who};

/// A webhook of the installation that is told everything.
fn webhook(bench: &Bench, path: &str) -> Target {
    let target = Target {
        id: TargetId::generate(),
        kind: TargetKind::Webhook,
        url: TargetUrl::parse(&format!("https://example.com/{path}")).unwrap(),
        service: None,
        events: TargetKind::Webhook.default_events(),
        branches: Vec::new(),
        secret: None,
        with_lines: false,
        required_contexts: Vec::new(),
        generation: 1,
        previous_until: None,
        off: None,
        failing_since: None,
        delivered_at: None,
        created_at: T0,
        created_by: Who::Socket,
    };
    assert!(targets::insert(&bench.tx(), &target).unwrap());
    target
}

fn due_now(bench: &Bench, of_each: u32) -> Vec<(TargetId, Event)> {
    let due = due(&bench.tx(), T0, of_each).unwrap();
    due.notices.into_iter().map(|(target, notice)| (target, notice.event)).collect()
}

fn scene() -> (Bench, Service, Target) {
    let bench = Bench::core();
    let service = bench.service("api");
    let target = webhook(&bench, "hook");
    (bench, service, target)
}

#[test]
fn a_notice_is_in_the_transaction_of_its_status() {
    let (bench, service, target) = scene();
    let own = bench.queued(&service, "main", T0);
    bench.conn.execute_batch("SAVEPOINT closure").unwrap();
    deployments::fail(&bench.tx(), &own, Reason::Cancelled, "", None, T0).unwrap();
    assert_eq!(list_for_target(&bench.tx(), &target.id, 9).unwrap().len(), 2);

    bench.conn.execute_batch("ROLLBACK TO closure; RELEASE closure").unwrap();

    let left = list_for_target(&bench.tx(), &target.id, 9).unwrap();
    assert_eq!(left.iter().map(|one| one.event).collect::<Vec<_>>(), [Event::Queued]);
}

#[test]
fn of_one_deployment_the_first_is_due_and_of_each_target_so_many_as_are_asked_for() {
    let (bench, service, first) = scene();
    let second = webhook(&bench, "other");
    let ids = [(); 3].map(|()| bench.queued(&service, "main", T0));
    deployments::fail(&bench.tx(), &ids[0], Reason::Cancelled, "", None, T0).unwrap();

    let mut found = due_now(&bench, 2);

    found.sort_by_key(|(target, _)| *target != first.id);
    let of = |target: &Target| vec![(target.id.clone(), Event::Queued); 2];
    assert_eq!(found, [of(&first), of(&second)].concat());
    assert_eq!(due_now(&bench, 9).len(), 6);
}

#[test]
fn the_next_of_a_deployment_is_due_once_the_one_before_has_ended() {
    let (bench, service, target) = scene();
    let id = bench.queued(&service, "main", T0);
    deployments::fail(&bench.tx(), &id, Reason::Cancelled, "", None, T0).unwrap();
    let (_, notice) = due(&bench.tx(), T0, 9).unwrap().notices.remove(0);

    end(&bench.tx(), &target.id, &notice, NoticeState::Delivered, None, None).unwrap();

    assert_eq!(due_now(&bench, 9), [(target.id.clone(), Event::Failed)]);
    let told = list_for_deployment(&bench.tx(), &id, 9).unwrap();
    let states: Vec<_> = told.iter().map(|(_, one)| (one.event, one.state)).collect();
    assert_eq!(states, [(Event::Queued, NoticeState::Delivered), (Event::Failed, NoticeState::Waiting)]);
}

#[test]
fn one_that_is_put_off_is_due_later_and_says_when() {
    let (bench, service, target) = scene();
    bench.queued(&service, "main", T0);
    let (_, notice) = due(&bench.tx(), T0, 9).unwrap().notices.remove(0);
    let later = T0.plus(Duration::from_secs(5));
    let last = Try { at: T0, took_ms: 7, status: Some(503), answer: "down".to_owned() };

    postpone(&bench.tx(), &notice, Some(later), Some(&last), Some("remote")).unwrap();

    let now = due(&bench.tx(), T0, 9).unwrap();
    assert_eq!((now.notices.len(), now.next_at), (0, Some(later)));
    let (_, again) = due(&bench.tx(), later, 9).unwrap().notices.remove(0);
    assert_eq!((again.tries, again.last, again.remote.as_deref()), (1, Some(last), Some("remote")));
    let id = again.deployment.unwrap();
    assert_eq!(remote(&bench.tx(), &target.id, &id).unwrap().as_deref(), Some("remote"));
}

#[test]
fn nobody_is_told_where_the_queue_gave_no_place_of_its_own() {
    let (bench, service, target) = scene();
    bench.queued(&service, "main", T0);

    queue::enqueue(&bench.tx(), &new(&service, "main"), QueuePolicy::Coalesce, 9, T0).unwrap();

    assert_eq!(list_for_target(&bench.tx(), &target.id, 9).unwrap().len(), 1);
}

#[test]
fn what_waits_is_given_up_and_what_is_gone_is_deleted_a_few_at_a_time() {
    let (bench, service, target) = scene();
    for _ in 0..250 {
        bench.queued(&service, "main", T0);
    }

    give_up_all(&bench.tx(), &target.id, "why").unwrap();
    let left = counts(&bench.tx()).unwrap();
    assert_eq!(left, Counts { waiting: 50, given_up: 200 });
    give_up_all(&bench.tx(), &target.id, "why").unwrap();
    assert_eq!(counts(&bench.tx()).unwrap(), Counts { waiting: 0, given_up: 250 });

    delete_of(&bench.tx(), &target.id).unwrap();
    assert_eq!(bench.count("notices"), 50);
}

#[test]
fn the_last_thousand_of_a_target_are_kept_and_old_ones_go() {
    let (bench, service, target) = scene();
    for _ in 0..990 {
        bench.queued(&service, "main", T0);
    }
    for _ in 0..20 {
        test(&bench.tx(), &target, "try", T0).unwrap();
    }
    while let Some((_, notice)) = due(&bench.tx(), T0, 1).unwrap().notices.pop() {
        end(&bench.tx(), &target.id, &notice, NoticeState::Delivered, None, None).unwrap();
    }
    assert_eq!(bench.count("notices"), 1_000);

    assert!(delete_old(&bench.tx(), T0.plus(Duration::from_secs(1)), 100).unwrap());
    assert!(!delete_old(&bench.tx(), T0, 100).unwrap());
    assert_eq!(bench.count("notices"), 900);
}
