//! The proxy of the cluster tests, before a server of a few lines: each fault is seen to be what its name says.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

use crate::harness::fault_proxy::Calls;
use crate::harness::fault_proxy::Fault;
use crate::harness::fault_proxy::FaultProxy;
use crate::harness::fault_proxy::Upstream;

const RUNS: &str = "/apis/tekton.dev/v1/namespaces/builds/pipelineruns";
const LONG: Duration = crate::harness::PATIENCE;
const SHORT: Duration = Duration::from_millis(200);

/// Counts what reaches it; answers 201 to a POST, an endless stream to a watch, `ten bytes!` to the rest.
async fn upstream() -> (Upstream, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&count)));
        }
    });
    (Upstream::plain(address), seen)
}

async fn serve(mut stream: TcpStream, seen: Arc<AtomicUsize>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    seen.fetch_add(1, Ordering::SeqCst);
    let head = String::from_utf8(head).unwrap();
    let status = if head.starts_with("POST") { "201 Created" } else { "200 OK" };
    if head.contains("watch=1") {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        while stream.write_all(b"6\r\nevent\n\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        return;
    }
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 10\r\nconnection: close\r\n\r\nten bytes!");
    stream.write_all(answer.as_bytes()).await.unwrap();
    let _client_is_done = stream.read(&mut [0; 1024]).await;
}

/// What a bare socket sees: the answer up to the end of the connection, or nothing within the time.
async fn call(proxy: &FaultProxy, method: &str, target: &str, body: &str, time: Duration) -> Option<String> {
    let mut stream = TcpStream::connect(proxy.url().trim_start_matches("http://")).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    let end = tokio::time::timeout(time, stream.read_to_end(&mut all)).await;
    end.is_ok().then(|| String::from_utf8(all).unwrap())
}

fn run(name: &str) -> String {
    json!({ "metadata": { "name": name } }).to_string()
}

#[tokio::test]
async fn what_no_fault_fits_passes_through() {
    let (upstream, seen) = upstream().await;
    let proxy = FaultProxy::start(upstream).await;
    proxy.inject(Calls::to("GET", "/pods"), Fault::Cut);

    let answer = call(&proxy, "POST", RUNS, &run("dep-1"), LONG).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 201 Created") && answer.ends_with("ten bytes!"), "{answer}");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    let journal = proxy.journal();
    assert_eq!((journal[0].method.as_str(), journal[0].target.as_str()), ("POST", RUNS));
    assert_eq!(journal[0].status, Some(201));
}

#[tokio::test]
async fn a_status_comes_with_retry_after_and_keeps_the_server_out_of_it() {
    let (upstream, seen) = upstream().await;
    let proxy = FaultProxy::start(upstream).await;
    proxy.inject(Calls::to("POST", "/pipelineruns").nth(2), Fault::Status(429, Some(3)));

    let mut answers = Vec::new();
    for name in ["dep-1", "dep-2", "dep-3"] {
        answers.push(call(&proxy, "POST", RUNS, &run(name), LONG).await.unwrap());
    }

    assert!(
        answers[1].starts_with("HTTP/1.1 429") && answers[1].contains("retry-after: 3"),
        "{}",
        answers[1]
    );
    let status: Value = serde_json::from_str(answers[1].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(status["reason"], "TooManyRequests");
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    assert_eq!(proxy.created("pipelineruns"), ["dep-1", "dep-3"]);
    assert_eq!(proxy.journal()[1].fault, Some(Fault::Status(429, Some(3))));
}

#[tokio::test]
async fn a_lost_reply_is_work_done_without_an_answer() {
    let (upstream, seen) = upstream().await;
    let proxy = FaultProxy::start(upstream).await;
    proxy.inject(Calls::to("POST", "/pipelineruns").first(1), Fault::LoseReply);

    let lost = call(&proxy, "POST", RUNS, &run("dep-1"), LONG).await;
    call(&proxy, "POST", RUNS, &run("dep-1"), LONG).await.unwrap();

    assert_eq!(lost.as_deref(), Some(""));
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    assert_eq!(proxy.created("pipelineruns"), ["dep-1", "dep-1"], "the journal shows what was done twice");
}

#[tokio::test]
async fn a_cut_is_no_answer_and_no_work() {
    let (upstream, seen) = upstream().await;
    let proxy = FaultProxy::start(upstream).await;
    proxy.inject(Calls::to("*", "namespaces/builds"), Fault::Cut);

    assert_eq!(call(&proxy, "POST", RUNS, "{}", LONG).await.as_deref(), Some(""));
    assert_eq!(seen.load(Ordering::SeqCst), 0);

    proxy.heal();

    assert!(call(&proxy, "POST", RUNS, "{}", LONG).await.unwrap().contains("201"));
}

#[tokio::test]
async fn a_hang_lasts_with_or_without_the_work_done() {
    let (upstream, seen) = upstream().await;
    let proxy = FaultProxy::start(upstream).await;
    proxy.inject(Calls::to("POST", "/pipelineruns").first(1), Fault::Hang);
    proxy.inject(Calls::to("POST", "/pipelineruns").first(1), Fault::HangReply);

    assert_eq!(call(&proxy, "POST", RUNS, &run("dep-1"), SHORT).await, None);
    assert_eq!(seen.load(Ordering::SeqCst), 0);

    assert_eq!(call(&proxy, "POST", RUNS, &run("dep-1"), SHORT).await, None);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert_eq!(proxy.created("pipelineruns"), ["dep-1"]);
}

#[tokio::test]
async fn a_delay_only_takes_time() {
    let (upstream, seen) = upstream().await;
    let proxy = FaultProxy::start(upstream).await;
    proxy.inject(Calls::to("GET", "/pods"), Fault::Delay(2 * SHORT));

    assert_eq!(call(&proxy, "GET", "/api/v1/pods", "", SHORT).await, None);
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    assert!(call(&proxy, "GET", "/api/v1/pods", "", LONG).await.unwrap().ends_with("ten bytes!"));
}

#[tokio::test]
async fn a_body_breaks_off_where_the_test_says() {
    let (upstream, _) = upstream().await;
    let proxy = FaultProxy::start(upstream).await;
    proxy.inject(Calls::to("GET", "/log"), Fault::CutBody(3));
    proxy.inject(Calls::to("GET", "/pipelineruns?*watch=1"), Fault::CutBody(6));

    let log =
        call(&proxy, "GET", "/api/v1/namespaces/builds/pods/p/log?follow=true", "", LONG).await.unwrap();
    let watch = call(&proxy, "GET", &format!("{RUNS}?a=b&watch=1"), "", LONG).await.unwrap();

    assert!(log.ends_with("\r\n\r\nten"), "{log}");
    assert!(watch.ends_with("event\n\r\n"), "{watch}");
}

#[tokio::test]
async fn all_connections_can_be_cut_at_once() {
    let (upstream, _) = upstream().await;
    let proxy = FaultProxy::start(upstream).await;
    let mut stream = TcpStream::connect(proxy.url().trim_start_matches("http://")).await.unwrap();
    stream.write_all(format!("GET {RUNS}?watch=1 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    stream.read_u8().await.unwrap();

    proxy.cut_all();

    let mut rest = Vec::new();
    let end = tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "the watch ended");
}

#[test]
fn a_kubeconfig_leads_here() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxy = runtime.block_on(async { FaultProxy::start(upstream().await.0).await });

    proxy.write_kubeconfig(&file, Some("secret"));

    let config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(config["clusters"][0]["cluster"]["server"], proxy.url());
    assert_eq!(config["users"][0]["user"]["token"], "secret");
}

/// `tests/cluster/cluster exec cargo test --test it -- --ignored fault_proxy`
#[tokio::test]
#[ignore = "needs the test cluster, L1 or L2"]
async fn a_lost_create_is_seen_by_the_real_api_server() {
    let proxy = FaultProxy::start(Upstream::cluster()).await;
    proxy.inject(Calls::to("POST", "/configmaps").first(1), Fault::LoseReply);
    let maps = "/api/v1/namespaces/default/configmaps";
    let name = format!("lost-{}", std::process::id());
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
    rustls::crypto::ring::default_provider().install_default().ok();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = || http.post(format!("{}{maps}", proxy.url())).json(&map).send();

    assert!(post().await.is_err(), "the reply was lost");
    assert_eq!(post().await.unwrap().status(), 409);
    assert_eq!(proxy.created("configmaps"), std::slice::from_ref(&name));

    let one = format!("{}{maps}/{name}", proxy.url());
    assert_eq!(http.get(&one).bearer_auth("of nobody").send().await.unwrap().status(), 401);
    assert_eq!(http.delete(&one).send().await.unwrap().status(), 200);
}
