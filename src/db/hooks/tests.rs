use std::time::Duration;

use super::*;
use crate::db::removal;
use crate::db::testing::{Bench, T0, hook, key};
use crate::domain::{HookId, Service};

fn one() -> (Bench, Service, Hook, HookToken) {
    let bench = Bench::core();
    let service = bench.service("api");
    let (hook, token) = bench.hook(&service, "ci");
    (bench, service, hook, token)
}

fn rotated(bench: &Bench, hook: &Hook, grace: Duration) -> HookToken {
    let token = HookToken::mint(&key(), &hook.service_id, &hook.id);
    rotate(&bench.tx(), &hook.id, &token.hash(), T0.plus(grace), T0).unwrap();
    token
}

/// The generation that a token opens.
fn opens(bench: &Bench, token: &HookToken, now: Timestamp) -> Option<i64> {
    verify(&bench.tx(), token, now).unwrap().map(|verified| verified.generation)
}

#[test]
fn the_token_that_was_stored_opens_its_hook() {
    let (bench, _, hook, token) = one();

    let verified = verify(&bench.tx(), &token, T0).unwrap().unwrap();

    assert_eq!((verified.hook.id, verified.generation), (hook.id, 1));
}

#[test]
fn another_token_of_the_same_hook_opens_nothing() {
    let (bench, service, hook, _) = one();

    let forged = HookToken::mint(&key(), &service.id, &hook.id);

    assert_eq!(opens(&bench, &forged, T0), None);
}

#[test]
fn a_hook_that_never_was_is_not_opened() {
    let (bench, service, ..) = one();

    let stranger = HookToken::mint(&key(), &service.id, &HookId::generate());

    assert_eq!(opens(&bench, &stranger, T0), None);
}

#[test]
fn a_token_that_names_another_service_opens_nothing() {
    let (bench, _, hook, _) = one();
    let other = bench.service("other");
    let token = HookToken::mint(&key(), &other.id, &hook.id);

    rotate(&bench.tx(), &hook.id, &token.hash(), T0, T0).unwrap();

    assert_eq!(opens(&bench, &token, T0), None);
}

#[test]
fn the_secret_before_a_rotation_is_good_until_its_grace_ends() {
    let (bench, _, hook, old) = one();
    let new = rotated(&bench, &hook, Duration::from_secs(10));
    let (last, end) = (T0.plus(Duration::from_millis(9_999)), T0.plus(Duration::from_secs(10)));

    assert_eq!((opens(&bench, &old, last), opens(&bench, &new, last)), (Some(1), Some(2)));
    assert_eq!((opens(&bench, &old, end), opens(&bench, &new, end)), (None, Some(2)));
}

#[test]
fn without_overlap_the_old_secret_is_dead_at_once() {
    let (bench, _, hook, old) = one();

    let new = rotated(&bench, &hook, Duration::ZERO);

    assert_eq!((opens(&bench, &old, T0), opens(&bench, &new, T0)), (None, Some(2)));
}

#[test]
fn a_second_rotation_ends_the_secret_before_the_previous_one() {
    let (bench, _, hook, first) = one();

    let second = rotated(&bench, &hook, Duration::from_hours(1));
    let third = rotated(&bench, &hook, Duration::from_hours(1));

    let opened = [&first, &second, &third].map(|token| opens(&bench, token, T0));
    assert_eq!(opened, [None, Some(2), Some(3)]);
}

#[test]
fn a_revoked_hook_is_opened_by_no_secret() {
    let (bench, _, hook, old) = one();
    let new = rotated(&bench, &hook, Duration::from_hours(1));

    revoke(&bench.tx(), &hook.id, T0).unwrap();

    assert_eq!((opens(&bench, &old, T0), opens(&bench, &new, T0)), (None, None));
}

#[test]
fn the_time_of_the_first_revocation_stays() {
    let (bench, service, hook, _) = one();

    revoke(&bench.tx(), &hook.id, T0).unwrap();
    revoke(&bench.tx(), &hook.id, T0.plus(Duration::from_secs(1))).unwrap();

    let read = find_in_service(&bench.tx(), &service.id, hook.id.as_str()).unwrap().unwrap();
    assert_eq!(read.revoked_at, Some(T0));
}

#[test]
fn an_expired_hook_is_not_opened() {
    let (bench, _, mut hook, token) = one();
    hook.rules.expires_at = Some(T0.plus(Duration::from_secs(1)));
    assert!(update(&bench.tx(), &hook).unwrap());

    assert_eq!(opens(&bench, &token, T0.plus(Duration::from_millis(999))), Some(1));
    assert_eq!(opens(&bench, &token, T0.plus(Duration::from_secs(1))), None);
}

#[test]
fn the_hooks_of_a_deleted_service_are_revoked_and_no_others() {
    let (bench, service, _, token) = one();
    let (_, foreign) = bench.hook(&bench.service("other"), "ci");

    removal::delete_service(&bench.tx(), &service.id, T0).unwrap();

    assert_eq!((opens(&bench, &token, T0), opens(&bench, &foreign, T0)), (None, Some(1)));
}

#[test]
fn a_name_is_free_again_after_revocation() {
    let (bench, service, old, _) = one();
    let second = hook(&service, "ci");
    let secret = HookToken::mint(&key(), &service.id, &second.id).hash();
    let taken = insert(&bench.tx(), &second, &secret).unwrap();

    revoke(&bench.tx(), &old.id, T0).unwrap();

    assert!(!taken && insert(&bench.tx(), &second, &secret).unwrap());
    let by_name = find_in_service(&bench.tx(), &service.id, "ci").unwrap().unwrap();
    assert_eq!(by_name.id, second.id);
}

#[test]
fn a_hook_cannot_take_the_name_of_another() {
    let (bench, service, ..) = one();
    let (mut other, _) = bench.hook(&service, "other");
    other.name = HookName::parse("ci").unwrap();

    assert!(!update(&bench.tx(), &other).unwrap());
}

#[test]
fn all_rules_are_read_back() {
    let (bench, service, mut hook, _) = one();
    hook.rules.branches = vec![BranchPattern::parse("feat/**").unwrap()];
    hook.rules.addresses = vec!["203.0.113.0/24".parse().unwrap()];
    hook.rules.paused = Some("a \"reason\"".to_owned());

    assert!(update(&bench.tx(), &hook).unwrap());

    let read = list_for_service(&bench.tx(), &service.id, None, 10).unwrap().remove(0);
    assert_eq!(read.rules, hook.rules);
}
