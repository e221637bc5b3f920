//! What follows from answers, and what is kept of them.

use std::net::TcpListener;
use std::time::Duration;

use stackblaze::domain::{Event, TargetKind};
use stackblaze::notify::Outcome;

use super::receiver::{Receiver, answer};
use super::{TOKEN, now, recipient, send, sender, text, told};

#[tokio::test]
async fn a_receiver_says_when_it_is_to_be_asked_again() {
    let date = now().plus(Duration::from_mins(10)).http_date();
    for (status, header, seconds) in [
        (429, "retry-after: 7\r\n".to_owned(), Some(7..=7)),
        (503, "retry-after: 7\r\n".to_owned(), Some(7..=7)),
        (503, format!("retry-after: {date}\r\n"), Some(500..=600)),
        (503, "retry-after: 9999999\r\n".to_owned(), Some(21_600..=21_600)),
        (429, "retry-after: soon\r\n".to_owned(), None),
        (500, "retry-after: 7\r\n".to_owned(), None),
        (401, String::new(), None),
    ] {
        let receiver = Receiver::answering(status, &header, "later");

        let delivery = send(&sender(), &recipient(TargetKind::Webhook, &receiver.url), &text()).await;

        let Outcome::Again(wait) = delivery.outcome else { panic!("{status}: {delivery:?}") };
        assert_eq!(wait.is_some(), seconds.is_some(), "{status} {header}");
        let is_in = |wait: Duration| seconds.clone().is_some_and(|range| range.contains(&wait.as_secs()));
        assert!(wait.is_none_or(is_in), "{status} {header}: {wait:?}");
    }
}

#[tokio::test]
async fn a_receiver_says_that_it_will_never_take_it() {
    for (status, outcome) in [
        (200, Outcome::Delivered),
        (202, Outcome::Delivered),
        (204, Outcome::Delivered),
        (400, Outcome::Refused),
        (403, Outcome::Refused),
        (404, Outcome::Refused),
        (410, Outcome::Gone),
        (413, Outcome::Refused),
        (422, Outcome::Refused),
        (500, Outcome::Again(None)),
    ] {
        for kind in [TargetKind::Webhook, TargetKind::Slack, TargetKind::Discord, TargetKind::Teams] {
            let body = if status == 204 { "" } else { "\n\u{1b}[31mno_service\nmore" };
            let receiver = Receiver::answering(status, "", body);

            let delivery = send(&sender(), &recipient(kind, &receiver.url), &told(Event::Failed)).await;

            assert_eq!((delivery.outcome, delivery.status), (outcome, Some(status)), "{kind:?}");
            assert_eq!(delivery.answer, if status == 204 { "" } else { "[31mno_service" });
            let heard = &receiver.heard()[0];
            assert_eq!((heard.method.as_str(), heard.path.as_str()), ("POST", "/"));
            assert_eq!(heard.headers["content-type"], "application/json");
            let agent = &heard.headers["user-agent"];
            assert_eq!(agent, concat!("stackblaze/", env!("CARGO_PKG_VERSION")));
        }
    }
}

#[tokio::test]
async fn what_is_kept_of_an_answer_holds_no_secret() {
    let path = "/services/T01234567/B01234567/XsecretXsecretXsecret?sig=YsecretYsecret";
    let shameless = Receiver::start(|heard, stream| {
        use std::io::Write as _;
        let token = heard.headers.get("authorization").or(heard.headers.get("private-token"));
        let told = format!("no {} {}", heard.path, token.map_or("", String::as_str));
        stream.write_all(answer(404, "", &told).as_bytes()).ok();
    });
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for base in [shameless.url.clone(), format!("http://{nobody}"), format!("https://{}", shameless.address)]
    {
        for kind in [TargetKind::Slack, TargetKind::Discord, TargetKind::Teams] {
            let delivery =
                send(&sender(), &recipient(kind, &format!("{base}{path}")), &told(Event::Failed)).await;

            assert!(!delivery.answer.contains("secret") && !delivery.answer.is_empty(), "{delivery:?}");
        }
        for kind in [TargetKind::Github, TargetKind::Gitlab, TargetKind::Gitea] {
            let delivery =
                send(&sender(), &recipient(kind, &format!("{base}/a/b")), &told(Event::Failed)).await;

            assert!(!delivery.answer.contains(TOKEN) && !delivery.answer.is_empty(), "{delivery:?}");
        }
    }
    assert!(shameless.heard().iter().any(|heard| heard.path == path));
}
