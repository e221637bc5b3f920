//! Where notices must not go, and receivers that do not behave.

use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use stackblaze::domain::TargetKind;
use stackblaze::notify::{Outcome, Sender, SenderSettings};
use url::Url;

use super::receiver::{Receiver, answer};
use super::{LOOPBACK, ranges, recipient, resolving, send, sender, text};
use crate::harness::guest::output;
use crate::harness::soon;

/// What a name leads to.
type Addresses = fn() -> Vec<&'static str>;

/// Long enough that no test waits for its end.
const FOREVER: Duration = Duration::from_hours(1);

fn webhook(url: &str) -> stackblaze::notify::Recipient {
    recipient(TargetKind::Webhook, url)
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::answering(200, "", "");
    for to in ["http://169.254.169.254/latest/meta-data?token=x", elsewhere.url.as_str(), "/other"] {
        let receiver = Receiver::answering(307, &format!("location: {to}\r\n"), "here is more");

        let delivery = send(&sender(), &webhook(&receiver.url), &text()).await;

        assert_eq!((delivery.outcome, delivery.status), (Outcome::Again(None), Some(307)));
        let host = if to.contains("169.254") { "169.254.169.254" } else { "127.0.0.1" };
        assert_eq!(delivery.answer, format!("answered with a redirect to {host}, which is not followed"));
        assert_eq!(receiver.heard().len(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn of_an_endless_answer_the_beginning_is_read() {
    let (ended, has_ended) = mpsc::channel();
    let receiver = Receiver::start(move |_, stream| {
        let mut written = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nthanks\n");
        let mut sent = 0_u64;
        while written.is_ok() {
            written = stream.write_all(&[b'x'; 4_096]);
            sent += 4_096;
        }
        ended.send(sent).unwrap();
    });
    let patient = SenderSettings { patience: FOREVER, ..SenderSettings::new(ranges(&[LOOPBACK]), None) };

    let delivery = soon(send(&Sender::new(patient), &webhook(&receiver.url), &text())).await;

    assert_eq!((delivery.outcome, delivery.answer.as_str()), (Outcome::Delivered, "thanks"));
    // It was told to stop: what went out beside the 64 KiB was on its way in the buffers of two sockets.
    let sent = soon(tokio::task::spawn_blocking(move || has_ended.recv().unwrap())).await.unwrap();
    assert!(sent < 64 * 1024 * 1024, "{sent}");
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_given_up() {
    let hurried = || {
        let patience = Duration::from_millis(300);
        Sender::new(SenderSettings { patience, ..SenderSettings::new(ranges(&[LOOPBACK]), None) })
    };
    for trickles in [false, true] {
        let receiver = Receiver::start(move |_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
            while trickles && stream.write_all(b"x-more: 1\r\n").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
            // Until the other side has gone.
            std::io::copy(stream, &mut std::io::sink()).ok();
        });

        let delivery = soon(send(&hurried(), &webhook(&receiver.url), &text())).await;

        assert_eq!((delivery.outcome, delivery.status), (Outcome::Again(None), None));
        assert_eq!(delivery.answer, "127.0.0.1 did not answer within 0.3 s");
    }
    // Once the status is here, what became of the notice is known.
    let receiver = Receiver::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 201 Created\r\n\r\nbegun\n").unwrap();
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });

    let delivery = soon(send(&hurried(), &webhook(&receiver.url), &text())).await;

    assert_eq!((delivery.outcome, delivery.status), (Outcome::Delivered, Some(201)));
    assert_eq!(delivery.answer, "begun");
}

#[tokio::test]
async fn private_addresses_are_refused_unless_they_are_admitted() {
    let receiver = Receiver::answering(200, "", "ok");
    let port = receiver.address.port();
    let strict = Sender::new(SenderSettings::new(ranges(&["10.0.0.0/8"]), None));
    for (address, why) in [
        (format!("http://127.0.0.1:{port}/"), "no address of the public internet"),
        (format!("https://127.0.0.1:{port}/"), "no address of the public internet"),
        (format!("https://[::ffff:127.0.0.1]:{port}/"), "no address of the public internet"),
        (format!("https://0x7f000001:{port}/"), "leads to 127.0.0.1"),
        (format!("https://0:{port}/"), "leads to 0.0.0.0"),
        (format!("https://localhost:{port}/"), "leads to this machine"),
        (format!("http://1.1.1.1:{port}/"), "takes https only"),
    ] {
        let delivery = send(&strict, &webhook(&address), &text()).await;

        assert_eq!((delivery.outcome, delivery.status), (Outcome::Again(None), None), "{address}");
        assert!(delivery.answer.contains(why), "{address}: {}", delivery.answer);
        assert!(delivery.answer.contains("--allow-target"), "{}", delivery.answer);
    }
    assert_eq!(receiver.connections(), 0);

    let delivery = send(&sender(), &webhook(&receiver.url), &text()).await;

    assert_eq!((delivery.outcome, delivery.answer.as_str()), (Outcome::Delivered, "ok"));
}

#[tokio::test]
async fn a_name_is_refused_when_one_of_its_addresses_is() {
    let receiver = Receiver::answering(200, "", "ok");
    let port = receiver.address.port();
    let lookups: [(&[&str], Addresses); 4] = [
        (&[], || vec!["127.0.0.1"]),
        (&[], || vec!["127.0.0.1", "1.1.1.1"]),
        (&[LOOPBACK], || vec!["127.0.0.1", "10.0.0.7"]),
        (&[LOOPBACK], || vec!["127.0.0.1", "::ffff:169.254.169.254"]),
    ];
    for (allowed, lookup) in lookups {
        let sender = Sender::new(resolving(allowed, lookup));
        for scheme in ["https", "http"].into_iter().take(1 + allowed.len()) {
            let address = format!("{scheme}://hooks.example.com:{port}/");

            let delivery = send(&sender, &webhook(&address), &text()).await;

            let told = &delivery.answer;
            assert_eq!(delivery.outcome, Outcome::Again(None));
            assert!(told.starts_with("hooks.example.com was not reached: its name leads to "), "{told}");
            assert!(told.contains("no address of the public internet"), "{told}");
        }
    }
    // In clear, a name that leads to the public internet is refused too, even where something else is admitted.
    let sender = Sender::new(resolving(&[LOOPBACK], || vec!["1.1.1.1"]));
    let delivery = send(&sender, &webhook("http://hooks.example.com/"), &text()).await;
    assert!(
        delivery.answer.contains("its name leads to 1.1.1.1, which takes https only"),
        "{}",
        delivery.answer
    );
    let nowhere = Sender::new(resolving(&[LOOPBACK], Vec::new));
    let delivery = send(&nowhere, &webhook("http://hooks.example.com/"), &text()).await;
    assert!(delivery.answer.ends_with("its name has no address"), "{}", delivery.answer);
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn what_was_checked_is_what_is_connected_to_and_each_try_checks_anew() {
    // It would go on with the same connection.
    let receiver = Receiver::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        std::io::copy(stream, &mut std::io::sink()).ok();
    });
    let counted = Arc::new(AtomicUsize::new(0));
    let count = counted.clone();
    // Whoever owns a name may answer otherwise the second time.
    let sender = Sender::new(resolving(&[LOOPBACK], move || match count.fetch_add(1, Ordering::SeqCst) {
        0 => vec!["127.0.0.1"],
        _ => vec!["10.0.0.7"],
    }));
    let target = webhook(&format!("http://hooks.example.com:{}/", receiver.address.port()));

    let first = send(&sender, &target, &text()).await;
    let after_first = counted.load(Ordering::SeqCst);
    let second = send(&sender, &target, &text()).await;

    assert_eq!((first.outcome, after_first, receiver.connections()), (Outcome::Delivered, 1, 1));
    assert!(second.answer.contains("leads to 10.0.0.7"), "{}", second.answer);
    assert_eq!((counted.load(Ordering::SeqCst), receiver.connections()), (2, 1));
}

#[tokio::test]
async fn through_a_proxy_names_are_not_resolved_here() {
    let proxy = Receiver::answering(200, "", "by the proxy");
    let settings = SenderSettings {
        proxy: Some(Url::parse(&proxy.url).unwrap()),
        ..resolving(&[LOOPBACK], || panic!("the proxy resolves it"))
    };
    let sender = Sender::new(settings);

    let plain = send(&sender, &webhook("http://hooks.example.com/x"), &text()).await;
    let refused = send(&sender, &webhook("https://10.0.0.7/x"), &text()).await;

    assert_eq!((plain.outcome, plain.answer.as_str()), (Outcome::Delivered, "by the proxy"));
    assert_eq!(proxy.heard()[0].path, "http://hooks.example.com/x");
    assert!(refused.answer.contains("leads to 10.0.0.7"), "{}", refused.answer);
    send(&sender, &webhook("https://hooks.example.com/x"), &text()).await;
    assert_eq!(proxy.heard()[1].method, "CONNECT");
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_asked() {
    const INNER: &str = "STACKBLAZE_TEST_RECEIVER";
    if let Some(url) = std::env::var_os(INNER) {
        let delivery = send(&sender(), &webhook(url.to_str().unwrap()), &text()).await;
        assert_eq!(delivery.outcome, Outcome::Delivered, "{}", delivery.answer);
        return;
    }
    let (receiver, proxy) = (Receiver::answering(200, "", ""), Receiver::answering(200, "", ""));
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "notify::guard::a_proxy_of_the_environment_is_not_asked"]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"] {
        again.env(name, &proxy.url);
    }
    again.env_remove("no_proxy").env_remove("NO_PROXY").env(INNER, &receiver.url);

    let done = tokio::task::spawn_blocking(move || output(&mut again)).await.unwrap();

    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert_eq!((receiver.heard().len(), proxy.connections()), (1, 0));
}

#[tokio::test]
async fn who_shows_no_certificate_is_not_told() {
    // It answers in clear where TLS begins with a greeting of the client's.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().write_all(answer(200, "", "ok").as_bytes()).ok();
        }
    });

    let delivery = soon(send(&sender(), &webhook(&format!("https://127.0.0.1:{port}/")), &text())).await;

    assert_eq!((delivery.outcome, delivery.status), (Outcome::Again(None), None), "{}", delivery.answer);
}
