use super::*;
use crate::db::audit::{Actor, Record};
use crate::db::testing::{Bench, T0};
use crate::db::{audit, deployments, hook_calls, logs, operators, sessions};
use crate::domain::{Act, LinkToken, Reason, Service, SessionToken, Step, Subject, Who};

const DAY: Duration = Duration::from_hours(24);
const LIMITS: Limits = Limits {
    deployments: DAY,
    deployments_per_service: 0,
    logs: DAY,
    logs_bytes: u64::MAX,
    audit: DAY,
    audit_acts: u32::MAX,
};

/// Later than all that is kept by time.
fn later() -> Timestamp {
    T0.plus(DAY).plus(Duration::from_millis(1))
}

fn failed(bench: &Bench, service: &Service) -> DeploymentId {
    let id = bench.queued(service, "main", T0);
    assert!(deployments::fail(&bench.tx(), &id, Reason::Cancelled, "", None, T0).unwrap());
    id
}

fn succeeded(bench: &Bench, service: &Service) -> DeploymentId {
    let id = bench.queued(service, "main", T0);
    bench.claim(T0).unwrap();
    assert!(deployments::begin_deploying(&bench.tx(), &id).unwrap());
    assert!(deployments::succeed(&bench.tx(), &id, T0).unwrap());
    id
}

#[test]
fn what_is_old_and_has_ended_is_deleted_with_its_steps() {
    let bench = Bench::core();
    let service = bench.service("api");
    let old = succeeded(&bench, &service);
    succeeded(&bench, &service);

    let deleted = delete_deployments(&bench.tx(), &LIMITS, 0, later()).unwrap();

    assert_eq!(deleted.ids, [old]);
    assert_eq!((bench.count("deployments"), bench.count("steps")), (1, 3));
}

#[test]
fn what_is_not_old_enough_stays() {
    let bench = Bench::core();
    failed(&bench, &bench.service("api"));

    let deleted = delete_deployments(&bench.tx(), &LIMITS, 0, T0.plus(DAY)).unwrap();

    assert!(deleted.ids.is_empty());
}

#[test]
fn what_has_not_ended_stays_however_old() {
    let bench = Bench::core();
    let service = bench.service("api");
    bench.queued(&service, "main", T0);
    bench.queued(&service, "main", T0);
    bench.claim(T0).unwrap();

    let deleted = delete_deployments(&bench.tx(), &LIMITS, 0, later()).unwrap();

    assert!(deleted.ids.is_empty() && bench.count("deployments") == 2);
}

#[test]
fn the_last_of_each_service_stay_however_old() {
    let bench = Bench::core();
    let (api, other) = (bench.service("api"), bench.service("other"));
    let ids = [(); 4].map(|()| failed(&bench, &api));
    failed(&bench, &other);
    let limits = Limits { deployments_per_service: 3, ..LIMITS };

    let deleted = delete_deployments(&bench.tx(), &limits, 0, later()).unwrap();

    assert_eq!(deleted.ids, [ids[0].clone()]);
    assert_eq!(bench.count("deployments"), 4);
}

#[test]
fn what_serves_stays_however_old() {
    let bench = Bench::core();
    let service = bench.service("api");
    let serves = succeeded(&bench, &service);
    let newer = failed(&bench, &service);

    let deleted = delete_deployments(&bench.tx(), &LIMITS, 0, later()).unwrap();

    assert_eq!(deleted.ids, [newer]);
    assert!(deployments::find(&bench.tx(), &serves).unwrap().is_some());
}

#[test]
fn no_more_than_one_closure_may_take_go_at_a_time() {
    let bench = Bench::core();
    let service = bench.service("api");
    for _ in 0..=LOOKED_AT {
        failed(&bench, &service);
    }

    let first = delete_deployments(&bench.tx(), &LIMITS, 0, later()).unwrap();
    let second = delete_deployments(&bench.tx(), &LIMITS, first.next.unwrap(), later()).unwrap();

    assert_eq!((first.ids.len(), second.ids.len(), second.next), (200, 1, None));
}

#[test]
fn first_answers_go_with_their_deployment() {
    let bench = Bench::core();
    let service = bench.service("api");
    let (hook, _) = bench.hook(&service, "ci");
    let id = failed(&bench, &service);
    idempotency::insert(&bench.tx(), &hook.id, "key", "", &id, "{}", later()).unwrap();

    delete_deployments(&bench.tx(), &LIMITS, 0, later()).unwrap();

    assert_eq!(bench.count("idempotency_keys"), 0);
}

#[test]
fn first_answers_go_after_a_day() {
    let bench = Bench::core();
    let service = bench.service("api");
    let (hook, _) = bench.hook(&service, "ci");
    let id = failed(&bench, &service);
    for (key, at) in [("old", T0), ("new", T0.plus(Duration::from_millis(1)))] {
        idempotency::insert(&bench.tx(), &hook.id, key, "", &id, "{}", at).unwrap();
    }

    let more = delete_small_rows(&bench.tx(), &LIMITS, T0.plus(DAY)).unwrap();

    assert!(!more && bench.count("idempotency_keys") == 1);
}

#[test]
fn first_answers_go_five_hundred_at_a_time() {
    let bench = Bench::core();
    let service = bench.service("api");
    let (hook, _) = bench.hook(&service, "ci");
    let id = failed(&bench, &service);
    for key in 0..101 {
        idempotency::insert(&bench.tx(), &hook.id, &key.to_string(), "", &id, "{}", T0).unwrap();
    }

    let more = [(); 2].map(|()| delete_small_rows(&bench.tx(), &LIMITS, later()).unwrap());

    assert_eq!((more, bench.count("idempotency_keys")), ([true, false], 0));
}

#[test]
fn ended_sessions_and_links_go() {
    let bench = Bench::core();
    let tx = bench.tx();
    let mira = operators::insert(&tx, "mira", T0).unwrap().unwrap();
    sessions::insert(&tx, &SessionToken::mint().hash(), &mira, &sessions::Client::default(), T0).unwrap();
    let end = T0.plus(DAY);
    sessions::insert_link(&tx, &LinkToken::mint().hash(), Some(&mira), T0, end).unwrap();

    delete_small_rows(&tx, &LIMITS, end.minus(Duration::from_millis(1))).unwrap();
    let before = (bench.count("sessions"), bench.count("login_links"));
    delete_small_rows(&tx, &LIMITS, T0.plus(30 * DAY)).unwrap();

    assert_eq!(before, (1, 1));
    assert_eq!((bench.count("sessions"), bench.count("login_links")), (0, 0));
}

#[test]
fn the_last_fifty_calls_of_each_hook_stay() {
    let bench = Bench::core();
    let service = bench.service("api");
    let ((hook, _), (other, _)) = (bench.hook(&service, "ci"), bench.hook(&service, "other"));
    for second in 0..60 {
        let at = T0.plus(Duration::from_secs(second));
        hook_calls::count(&bench.tx(), &hook.id, "replayed", "", "", 1, at).unwrap();
    }
    hook_calls::count(&bench.tx(), &other.id, "replayed", "", "", 1, T0).unwrap();

    delete_small_rows(&bench.tx(), &LIMITS, T0).unwrap();

    let calls = hook_calls::last(&bench.tx(), &hook.id, 100).unwrap();
    assert_eq!((calls.len(), calls[49].at), (50, T0.plus(Duration::from_secs(10))));
    assert_eq!(hook_calls::last(&bench.tx(), &other.id, 100).unwrap().len(), 1);
}

/// A log of ten bytes.
fn log(bench: &Bench, at: Timestamp, is_complete: bool) -> DeploymentId {
    let id = DeploymentId::generate(at);
    let kept = logs::Kept { head: 100, tail: 100 };
    logs::append(&bench.tx(), &id, Step::Build, "123456789\n", kept, at).unwrap();
    if is_complete {
        logs::complete(&bench.tx(), &id, at).unwrap();
    }
    id
}

#[test]
fn the_text_of_an_old_log_goes_and_its_size_stays_known() {
    let bench = Bench::logs();
    let id = log(&bench, T0, true);

    let deleted = [(); 2].map(|()| delete_oldest_log(&bench.tx(), &LIMITS, later()).unwrap());

    let summary = logs::summary(&bench.tx(), &id).unwrap();
    assert_eq!((deleted, bench.count("log_pieces")), ([true, false], 0));
    assert_eq!((summary.bytes, summary.cut_from, summary.cut_to), (10, 0, 10));
}

#[test]
fn a_log_that_is_young_or_still_grows_stays() {
    let bench = Bench::logs();
    log(&bench, later(), true);
    log(&bench, T0, false);

    assert!(!delete_oldest_log(&bench.tx(), &LIMITS, later()).unwrap());
}

#[test]
fn beyond_the_size_of_all_logs_the_oldest_goes_first_and_no_more_than_needed() {
    let bench = Bench::logs();
    let ids = [2, 0, 1].map(|second| log(&bench, T0.plus(Duration::from_secs(second)), true));
    let limits = Limits { logs_bytes: 20, ..LIMITS };

    let deleted = [(); 2].map(|()| delete_oldest_log(&bench.tx(), &limits, T0).unwrap());

    let left = ids.map(|id| !logs::pieces(&bench.tx(), &id, 0, 1).unwrap().is_empty());
    assert_eq!((deleted, left), ([true, false], [true, false, true]));
}

#[test]
fn the_log_of_a_deleted_deployment_is_forgotten() {
    let bench = Bench::logs();
    let (gone, stays) = (log(&bench, T0, true), log(&bench, T0, true));

    forget_logs(&bench.tx(), &[gone]).unwrap();

    assert_eq!((bench.count("logs"), bench.count("log_pieces")), (1, 1));
    assert_eq!(logs::summary(&bench.tx(), &stays).unwrap().bytes, 10);
}

/// Writes acts down, one a minute.
fn acts(bench: &Bench, count: u32) {
    let actor = Actor { who: Who::Socket, address: String::new() };
    for minute in 0..count {
        let record = Record::new(Act::ServerBackup, Subject::Database);
        audit::record(&bench.tx(), &actor, &record, T0.plus(Duration::from_mins(minute.into()))).unwrap();
    }
}

#[test]
fn acts_are_kept_for_their_time_and_up_to_their_number() {
    let bench = Bench::core();
    acts(&bench, 250);
    let delete = |limits: &Limits, now| while delete_small_rows(&bench.tx(), limits, now).unwrap() {};

    delete(&LIMITS, T0.plus(DAY));
    let young = bench.count("audit");
    delete(&LIMITS, T0.plus(DAY).plus(Duration::from_hours(2)));
    let of_time = bench.count("audit");
    delete(&Limits { audit_acts: 30, ..LIMITS }, T0);

    assert_eq!((young, of_time, bench.count("audit")), (250, 130, 30));
}

#[test]
fn a_clock_that_makes_a_fifth_of_the_acts_old_is_not_believed_at_once() {
    let bench = Bench::core();
    let is_much = |minutes| {
        let now = T0.plus(DAY).plus(Duration::from_mins(minutes));
        is_much_due(&bench.tx(), &LIMITS, now).unwrap()
    };
    assert!(!is_much(10_000));
    acts(&bench, 100);

    assert_eq!([10, 19, 20, 90].map(is_much), [false, false, true, true]);
}
