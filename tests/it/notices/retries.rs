//! What happens where a target does not take a notice.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ALL, add, deploy, log, path_of, told, types, webhook};
use crate::harness::TestServer;
use crate::harness::receiver::{Received, Receiver};

const DAY: Duration = Duration::from_hours(24);

fn ids(received: &[Received]) -> Vec<String> {
    received.iter().map(|one| one.header("webhook-id").to_owned()).collect()
}

/// Lets time pass in steps until so much of it has, and delivers after each.
async fn pass(server: &TestServer, time: Duration) {
    const STEP: Duration = Duration::from_mins(30);
    let mut left = time;
    while !left.is_zero() {
        let step = left.min(STEP);
        server.clock.advance(step);
        server.deliver().await;
        left -= step;
    }
}

#[tokio::test]
async fn a_receiver_that_is_down_for_a_day_gets_everything_in_order_by_the_same_ids() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let target = webhook(&server, &receiver).await;
    receiver.answer_always("503 Service Unavailable");

    deploy(&server, &service, json!({})).await;
    server.deliver().await;
    pass(&server, DAY).await;
    let tries = receiver.received();
    receiver.answer_always("200 OK");
    pass(&server, Duration::from_hours(7)).await;

    let all = receiver.received();
    let (failed, arrived) = all.split_at(tries.len());
    assert!((8..20).contains(&failed.len()), "{}", failed.len());
    assert!(types(failed).iter().all(|kind| kind == "deployment.queued"), "{:?}", types(failed));
    assert_eq!(types(arrived), ["deployment.queued", "deployment.started", "deployment.succeeded"]);
    assert!(ids(failed).iter().all(|id| *id == ids(arrived)[0]));
    assert!(told(&server, &target).await.iter().all(|line| line.ends_with("delivered")));
    let shown = server.admin.get(&path_of(&target)).await.json();
    assert_eq!((&shown["failingSince"], &shown["state"]), (&Value::Null, &json!("active")));
}

#[tokio::test]
async fn one_that_waits_holds_up_no_other_deployment() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    webhook(&server, &receiver).await;
    receiver.answer_next(&["500 Oh"]);

    let first = deploy(&server, &service, json!({})).await;
    server.deliver().await;
    let second = deploy(&server, &service, json!({})).await;
    server.deliver().await;

    let of = |id: &str| receiver.received().iter().filter(|one| one.body.contains(id)).count();
    assert_eq!((of(&first), of(&second)), (1, 3));
    pass(&server, Duration::from_mins(1)).await;
    assert_eq!(of(&first), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_target_holds_up_no_other() {
    let (server, slow, quick) = (TestServer::start().await, Receiver::start(), Receiver::start());
    let service = server.service("api").create().await;
    webhook(&server, &slow).await;
    webhook(&server, &quick).await;
    slow.hold(true);

    deploy(&server, &service, json!({})).await;
    server.look_at_notices().await;
    slow.wait_for(1);
    for count in 1..=3 {
        quick.wait_for(count);
        server.until_notices(|waiting| waiting <= 6 - i64::try_from(count).unwrap()).await;
        server.look_at_notices().await;
    }

    assert_eq!((slow.received().len(), quick.received().len()), (1, 3));
    slow.hold(false);
    server.deliver().await;
    assert_eq!(slow.received().len(), 3);
}

#[tokio::test]
async fn a_refusal_ends_the_notice_and_the_next_one_goes() {
    for answer in ["400 Bad Request", "403 Forbidden", "404 Not Found", "413 Too Large", "422 No"] {
        let (server, receiver) = (TestServer::start().await, Receiver::start());
        let service = server.service("api").create().await;
        let target = webhook(&server, &receiver).await;
        receiver.answer_next(&[answer]);

        deploy(&server, &service, json!({})).await;
        server.deliver().await;

        let wanted =
            ["deployment.queued given_up", "deployment.started delivered", "deployment.succeeded delivered"];
        assert_eq!(told(&server, &target).await, wanted, "{answer}");
        let notice = log(&server, &target).await.pop().unwrap();
        let status: u16 = answer[..3].parse().unwrap();
        assert_eq!((&notice["lastTry"]["status"], &notice["tries"]), (&json!(status), &json!(1)));
        assert_eq!(notice["lastTry"]["answer"], json!("thanks"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_gone_is_switched_off_and_the_others_are_told() {
    let (server, gone, other) = (TestServer::start().await, Receiver::start(), Receiver::start());
    let service = server.service("api").create().await;
    let target = webhook(&server, &gone).await;
    let events = json!(["target.disabled"]);
    add(&server, json!({ "kind": "webhook", "url": other.url("/"), "events": events })).await;
    gone.answer_always("410 Gone");

    // Several are on their way when the first answer comes.
    for name in ["web", "shop", "blog"] {
        server.service(name).create().await.deploy(json!({})).await;
    }
    deploy(&server, &service, json!({})).await;
    gone.hold(true);
    server.look_at_notices().await;
    gone.wait_for(4);
    gone.hold(false);
    server.deliver().await;
    deploy(&server, &service, json!({})).await;
    server.deliver().await;

    let shown = server.admin.get(&path_of(&target)).await.json();
    assert_eq!(shown["state"], json!("off"));
    assert_eq!(shown["offBecause"], json!("it answered 410 Gone, so it wants nothing any more"));
    assert_eq!(gone.received().len(), 4);
    let lines = told(&server, &target).await;
    assert!(lines.len() == 12 && lines.iter().all(|line| line.ends_with("given_up")), "{lines:?}");
    let told = other.received();
    assert_eq!(types(&told), ["target.disabled"]);
    let audit = server.audit().await;
    let disabled =
        audit.iter().filter(|line| line.starts_with("the server | target.disable | target webhook"));
    assert_eq!(disabled.count(), 1, "{audit:?}");
    let test = server.admin.post(&format!("{}/test", path_of(&target)), json!({})).await;
    assert_eq!(test.refusal(), (409, "target_off".to_owned()));
}

#[tokio::test]
async fn where_nothing_arrives_for_three_days_the_target_is_switched_off() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let target = webhook(&server, &receiver).await;
    receiver.answer_always("502 Bad Gateway");

    deploy(&server, &service, json!({})).await;
    server.deliver().await;
    pass(&server, 2 * DAY).await;
    let before = server.admin.get(&path_of(&target)).await.json();
    pass(&server, DAY + Duration::from_hours(7)).await;
    let after = server.admin.get(&path_of(&target)).await.json();
    let changed = server.admin.patch(&path_of(&target), json!({ "state": "active" })).await.json();

    assert_eq!((&before["state"], &after["state"]), (&json!("active"), &json!("off")));
    assert!(before["failingSince"].is_string());
    assert!(after["offBecause"].as_str().unwrap().starts_with("nothing has arrived there since 2026-11-24T"));
    assert_eq!((&changed["state"], &changed["failingSince"]), (&json!("active"), &Value::Null));
    assert!(told(&server, &target).await.iter().all(|line| line.ends_with("given_up")));
}

#[tokio::test]
async fn a_target_may_ask_for_time() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    webhook(&server, &receiver).await;
    receiver.answer_next(&["429 Too Many Requests\r\nRetry-After: 420"]);

    deploy(&server, &service, json!({})).await;
    server.deliver().await;
    server.clock.advance(Duration::from_secs(419));
    server.deliver().await;
    let early = receiver.received().len();
    server.clock.advance(Duration::from_secs(1));
    server.deliver().await;

    assert_eq!((early, receiver.received().len()), (1, 4));
}

#[tokio::test]
async fn a_notice_is_delivered_again_under_its_id() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let target = webhook(&server, &receiver).await;
    deploy(&server, &service, json!({})).await;
    server.deliver().await;
    let notice = log(&server, &target).await[0]["id"].as_str().unwrap().to_owned();

    let path = format!("{}/notices/{notice}/redeliver", path_of(&target));
    let asked = server.admin.post(&path, json!({})).await;
    server.deliver().await;

    assert_eq!((asked.status, &asked.json()["state"]), (202, &json!("waiting")));
    let requests = receiver.received();
    assert_eq!((requests.len(), ids(&requests)[3].as_str()), (4, notice.as_str()));
    assert_eq!(ids(&requests)[2], notice);
    let unknown = format!("{}/notices/ntc_00000000000000000000/redeliver", path_of(&target));
    assert_eq!(server.admin.post(&unknown, json!({})).await.refusal(), (404, "not_found".to_owned()));
    let audit = server.audit().await;
    assert!(
        audit.iter().any(|line| line.contains("target.redeliver") && line.ends_with(&notice)),
        "{audit:?}"
    );
}

#[tokio::test]
async fn a_target_that_is_removed_takes_what_waits_with_it() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let target = webhook(&server, &receiver).await;
    deploy(&server, &service, json!({})).await;

    assert_eq!(server.admin.delete(&path_of(&target)).await.status, 204);
    server.deliver().await;

    assert_eq!((receiver.received().len(), server.rows("SELECT count(*) FROM notices").await), (0, 0));
    assert_eq!(server.admin.get(ALL).await.items(), Vec::<Value>::new());
}

#[tokio::test]
async fn one_that_is_delivered_again_keeps_its_place_before_those_that_wait() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let target = webhook(&server, &receiver).await;
    receiver.answer_next(&["422 No", "503 Later"]);
    deploy(&server, &service, json!({})).await;
    server.deliver().await;
    let first = log(&server, &target).await.pop().unwrap()["id"].as_str().unwrap().to_owned();

    server.admin.post(&format!("{}/notices/{first}/redeliver", path_of(&target)), json!({})).await;
    server.deliver().await;
    let before = receiver.received().len();
    server.clock.advance(Duration::from_mins(1));
    server.deliver().await;

    assert_eq!(before, 2);
    let kinds = types(&receiver.received()[2..]);
    assert_eq!(kinds, ["deployment.started", "deployment.queued", "deployment.succeeded"]);
}

#[tokio::test]
async fn nothing_is_left_waiting_where_a_target_is_switched_off_or_removed() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    for is_removed in [false, true] {
        let forge = json!({ "kind": "gitea", "url": receiver.url("/you/api"), "secret": "token" });
        let target = add(&server, forge).await;
        // It waits for a commit that never comes.
        let id = service.deploy(json!({})).await;
        server.deliver().await;

        if is_removed {
            server.admin.delete(&path_of(&target)).await;
        } else {
            server.admin.patch(&path_of(&target), json!({ "state": "off" })).await;
        }
        server.admin.post(&format!("/deployments/{id}/cancel"), json!({})).await;
        server.deliver().await;

        assert_eq!(server.rows("SELECT count(*) FROM notices WHERE state = 'waiting'").await, 0);
        server.admin.delete(&path_of(&target)).await;
        server.deliver().await;
    }
    assert_eq!(server.rows("SELECT count(*) FROM notices").await, 0);
}

/// A test that arrives and a notice that is wrong by itself say nothing of whether others arrive.
#[tokio::test]
async fn what_says_nothing_of_a_target_does_not_switch_it_off() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let events = json!(["deployment.queued"]);
    let target = add(&server, json!({ "kind": "webhook", "url": receiver.url("/"), "events": events })).await;
    for answer in ["422 No", "502 Oh"] {
        receiver.answer_next(&[answer]);
        deploy(&server, &service, json!({})).await;
        server.deliver().await;
        server.clock.advance(3 * DAY);
    }

    let shown = server.admin.get(&path_of(&target)).await.json();
    assert_eq!(shown["state"], json!("active"));
    // What was put off is due by now.
    server.deliver().await;
    let path = format!("{}/test", path_of(&target));
    let (tested, ()) =
        tokio::join!(server.admin.post(&path, json!({})), super::delivered(&server, &receiver));
    assert_eq!(tested.json()["state"], json!("delivered"));
}
