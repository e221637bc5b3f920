use super::*;
use crate::db::operators;
use crate::db::testing::{Bench, T0};
use crate::domain::{LinkToken, SessionToken};

const MS: Duration = Duration::from_millis(1);

fn signed_in() -> (Bench, Operator, TokenHash) {
    let bench = Bench::core();
    let mira = operators::insert(&bench.tx(), "mira", T0).unwrap().unwrap();
    let hash = SessionToken::mint().hash();
    insert(&bench.tx(), &hash, &mira, &Client::default(), T0).unwrap();
    (bench, mira, hash)
}

fn is_good(bench: &Bench, hash: &TokenHash, at: Timestamp) -> bool {
    find(&bench.tx(), hash, at).unwrap().is_some()
}

#[test]
fn a_session_is_its_operators_and_no_other_secret_opens_it() {
    let (bench, mira, hash) = signed_in();

    let found = find(&bench.tx(), &hash, T0).unwrap();

    let wanted = Found { operator: mira, has_password: false, confirmed_at: T0, is_stale: false };
    assert_eq!(found, Some(wanted));
    assert!(!is_good(&bench, &SessionToken::mint().hash(), T0));
}

#[test]
fn a_session_that_is_not_used_ends() {
    let (bench, _, hash) = signed_in();

    assert!(is_good(&bench, &hash, T0.plus(IDLE).minus(MS)));
    assert!(!is_good(&bench, &hash, T0.plus(IDLE)));
}

#[test]
fn use_keeps_a_session_up_to_its_lifetime() {
    let (bench, _, hash) = signed_in();
    let end = T0.plus(LIFETIME);

    touch(&bench.tx(), &hash, end.minus(MS)).unwrap();

    assert!(is_good(&bench, &hash, end.minus(MS)));
    assert!(!is_good(&bench, &hash, end));
}

#[test]
fn a_use_is_stored_anew_once_a_minute() {
    let (bench, _, hash) = signed_in();
    let is_stale = |at| find(&bench.tx(), &hash, at).unwrap().unwrap().is_stale;

    assert!(!is_stale(T0.plus(USE_RESOLUTION)) && is_stale(T0.plus(USE_RESOLUTION).plus(MS)));
}

#[test]
fn a_deleted_session_is_gone() {
    let (bench, _, hash) = signed_in();

    delete(&bench.tx(), &hash).unwrap();

    assert!(!is_good(&bench, &hash, T0));
}

#[test]
fn all_sessions_and_links_of_one_operator_end_together() {
    let (bench, mira, hash) = signed_in();
    let tx = bench.tx();
    let other = operators::insert(&tx, "noor", T0).unwrap().unwrap();
    let (foreign, link) = (SessionToken::mint().hash(), LinkToken::mint().hash());
    insert(&tx, &foreign, &other, &Client::default(), T0).unwrap();
    insert_link(&tx, &link, Some(&mira), T0, T0.plus(IDLE)).unwrap();

    delete_all_of(&tx, &mira).unwrap();

    assert!(!is_good(&bench, &hash, T0) && find_link(&tx, &link, T0).unwrap().is_none());
    assert!(is_good(&bench, &foreign, T0));
}

#[test]
fn a_link_signs_its_operator_in_until_it_ends_or_is_used() {
    let (bench, mira, _) = signed_in();
    let (tx, link, end) = (bench.tx(), LinkToken::mint().hash(), T0.plus(IDLE));
    insert_link(&tx, &link, Some(&mira), T0, end).unwrap();

    assert_eq!(find_link(&tx, &link, end.minus(MS)).unwrap(), Some((Link::SignIn(mira), end)));
    assert_eq!(find_link(&tx, &link, end).unwrap(), None);
    delete_link(&tx, &link).unwrap();
    assert_eq!(find_link(&tx, &link, T0).unwrap(), None);
}

#[test]
fn a_setup_link_is_good_until_the_next_one_and_until_there_is_an_operator() {
    let bench = Bench::core();
    let tx = bench.tx();
    let [old, new, sign_in] = [(); 3].map(|()| LinkToken::mint().hash());
    let end = T0.plus(IDLE);
    insert_link(&tx, &old, None, T0, end).unwrap();

    insert_link(&tx, &new, None, T0, end).unwrap();

    assert_eq!(find_link(&tx, &old, T0).unwrap(), None);
    assert_eq!(find_link(&tx, &new, T0).unwrap(), Some((Link::Setup, end)));
    let mira = operators::insert(&tx, "mira", T0).unwrap().unwrap();
    insert_link(&tx, &sign_in, Some(&mira), T0, end).unwrap();
    assert_eq!(find_link(&tx, &new, T0).unwrap(), None);
    insert_link(&tx, &new, None, T0, end).unwrap();
    assert!(
        find_link(&tx, &sign_in, T0).unwrap().is_some(),
        "a setup link takes the place of setup links alone"
    );
}

#[test]
fn giving_the_password_is_kept_with_the_session() {
    let (bench, _, hash) = signed_in();

    confirm(&bench.tx(), &hash, T0.plus(MS)).unwrap();

    assert_eq!(find(&bench.tx(), &hash, T0.plus(MS)).unwrap().unwrap().confirmed_at, T0.plus(MS));
}

#[test]
fn sessions_are_listed_while_they_are_good_and_ended_by_the_name_that_the_list_gives() {
    let (bench, mira, hash) = signed_in();
    let tx = bench.tx();
    let other = operators::insert(&tx, "noor", T0).unwrap().unwrap();
    let later = SessionToken::mint().hash();
    let from = Client { address: "203.0.113.7".into(), user_agent: "Mozilla/5.0".into() };
    insert(&tx, &later, &mira, &from, T0.plus(MS)).unwrap();

    let listed = list(&tx, &mira, T0.plus(MS)).unwrap();

    let ids: Vec<_> = listed.iter().map(|one| one.id.clone()).collect();
    assert_eq!(ids, [public_id(&later), public_id(&hash)]);
    assert_eq!((listed[0].address.as_str(), listed[1].address.as_str()), ("203.0.113.7", ""));
    assert!(!delete_listed(&tx, &other, &ids[0]).unwrap(), "it is not hers");
    assert!(delete_listed(&tx, &mira, &ids[0]).unwrap() && !delete_listed(&tx, &mira, &ids[0]).unwrap());
    assert_eq!(list(&tx, &mira, T0).unwrap().len(), 1);
    assert!(list(&tx, &mira, T0.plus(IDLE)).unwrap().is_empty());
}

#[test]
fn all_sessions_and_links_but_one_session_end_together() {
    let (bench, mira, hash) = signed_in();
    let tx = bench.tx();
    let (other, link) = (SessionToken::mint().hash(), LinkToken::mint().hash());
    insert(&tx, &other, &mira, &Client::default(), T0).unwrap();
    insert_link(&tx, &link, Some(&mira), T0, T0.plus(IDLE)).unwrap();

    delete_others(&tx, &mira, &hash).unwrap();

    assert!(is_good(&bench, &hash, T0) && !is_good(&bench, &other, T0));
    assert!(find_link(&tx, &link, T0).unwrap().is_none());
}
