//! How long the server is away after what may become of its pod, and which calls by the README's line fail meanwhile. Callers
//! come through what an ingress is: it sends a request on to the pod that is ready, and answers 503 where none is.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::cluster::{App, InCluster, SERVER, get, in_time, kubectl};
use crate::harness::guest::{Guest, output};
use crate::harness::process::client;

const NONE_READY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const POD: &str = "pod/stackblaze-0";

/// The pod that is ready, as the cluster's endpoints say.
type Ready = Arc<Mutex<Option<SocketAddr>>>;

/// Follows the endpoints of the server's Service.
fn follow_endpoints(ready: &Ready) -> Guest {
    let path = "jsonpath={.endpoints[*].conditions.ready} {.endpoints[*].addresses[0]}{\"\\n\"}";
    let label = "kubernetes.io/service-name=stackblaze";
    let mut command = Command::new("kubectl");
    command.args(["-n", SERVER, "get", "endpointslices", "-l", label, "-w", "-o", path]);
    let mut guest = Guest::start(command.stdout(Stdio::piped()));
    let lines = BufReader::new(guest.child.stdout.take().unwrap()).lines();
    let ready = Arc::clone(ready);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let address =
                line.strip_prefix("true ").and_then(|own| format!("{}:8080", own.trim()).parse().ok());
            *ready.lock().unwrap() = address;
        }
    });
    guest
}

/// Listens where callers call, for as long as the test goes on.
async fn ingress(ready: Ready) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let to = *ready.lock().unwrap();
            tokio::spawn(async move {
                let pod = match to {
                    Some(to) => TcpStream::connect(to).await.ok(),
                    None => None,
                };
                match pod {
                    Some(mut pod) => drop(tokio::io::copy_bidirectional(&mut caller, &mut pod).await),
                    None => drop(caller.write_all(NONE_READY).await),
                }
            });
        }
    });
    address
}

/// The README's line, over and over, each call with a key of its own; how many failed, and the ids of the others.
fn call(url: &str, is_over: &AtomicBool) -> (usize, Vec<String>) {
    let (mut failed, mut ids) = (0, Vec::new());
    while !is_over.load(Ordering::SeqCst) {
        let key = format!("Idempotency-Key: {}-{failed}", ids.len());
        let line =
            ["--fail-with-body", "-sS", "--retry", "3", "--retry-connrefused", "-X", "POST", "-H", &key, url];
        let ended = output(Command::new("curl").args(line));
        match serde_json::from_slice::<Value>(&ended.stdout) {
            Ok(answer) if ended.status.success() => {
                ids.push(answer["deploymentId"].as_str().unwrap().to_owned());
            }
            _ => failed += 1,
        }
    }
    (failed, ids)
}

/// Does something to the pod while calls come; says what came of them, and how long it was away.
async fn measured<T: Future<Output = Instant>>(what: &str, path: &str, act: impl FnOnce() -> T) {
    let ready = Ready::default();
    let _watch = follow_endpoints(&ready);
    let address = ingress(Arc::clone(&ready)).await;
    let url = format!("http://{address}{path}");
    let is = |wanted: bool| {
        let ready = Arc::clone(&ready);
        in_time(async move {
            while ready.lock().unwrap().is_some() != wanted {
                tokio::task::yield_now().await;
            }
        })
    };
    is(true).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let calls = tokio::task::spawn_blocking({
        let is_over = Arc::clone(&is_over);
        move || call(&url, &is_over)
    });

    let began = Instant::now();
    let counted_from = act().await;
    is(false).await;
    let noticed = began.elapsed();
    is(true).await;
    let (away, counted) = (began.elapsed(), counted_from.elapsed());
    is_over.store(true, Ordering::SeqCst);
    let (failed, ids) = calls.await.unwrap();

    println!(
        "{what}: ready again after {away:.1?} ({counted:.1?} from where it could be; seen as gone after {noticed:.1?}); \
         {failed} of {} calls failed",
        ids.len() + failed
    );
    for id in ids {
        let status = format!("http://{address}/deployments/{id}?wait=50");
        let end = in_time(async {
            loop {
                let shown: Value = client().get(&status).send().await.unwrap().json().await.unwrap();
                if ["succeeded", "failed"].contains(&shown["status"].as_str().unwrap()) {
                    return shown;
                }
            }
        });
        assert_eq!(end.await["status"], "succeeded", "{id}");
    }
}

/// Ends the server's process as the kernel does when memory is short.
fn kill_the_process() {
    let is_ours = |pid: &str| {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("cmdline") == "/usr/local/bin/stackblaze\0serve\0" && read("cgroup").contains("kubepods")
    };
    let all = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    let own: Vec<_> = all.map(|name| name.into_string().unwrap()).filter(|pid| is_ours(pid)).collect();
    assert_eq!(own.len(), 1, "one server runs in a pod");
    assert!(output(Command::new("kill").args(["-KILL", &own[0]])).status.success());
}

async fn uid() -> String {
    kubectl(&["-n", SERVER, "get", POD, "-o", "jsonpath={.metadata.uid}"], "").await.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement; needs the full test cluster"]
async fn seconds_until_ready_and_calls_that_fail() {
    let (server, app) = (InCluster::alone().await, App::start("away").await);
    let hook = server.hook(&app).await;
    let settle = serde_json::json!({ "settle": "0s" });
    assert_eq!(server.admin.patch("/api/v1/services/away", settle).await.status, 200);
    let end = server.end_of(&hook.post("branch=main").await.id()).await;
    let digest = end["imageDigest"].as_str().unwrap().to_owned();
    let path = format!("/deploy-hooks/{}?image=@{digest}", hook.token);
    let node = get(SERVER, POD).await["spec"]["nodeName"].as_str().unwrap().to_owned();

    measured("SIGKILL of the process", &path, async || {
        kill_the_process();
        Instant::now()
    })
    .await;
    measured("kubectl delete pod", &path, async || {
        kubectl(&["-n", SERVER, "delete", POD, "--wait=false"], "").await.unwrap();
        Instant::now()
    })
    .await;
    measured("kubectl drain, and uncordon once the next pod waits", &path, async || {
        let before = uid().await;
        kubectl(&["cordon", &node], "").await.unwrap();
        let eviction = serde_json::json!({ "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": "stackblaze-0", "namespace": SERVER } });
        let path = format!("/api/v1/namespaces/{SERVER}/pods/stackblaze-0/eviction");
        kubectl(&["create", "--raw", &path, "-f", "-"], &eviction.to_string()).await.unwrap();
        in_time(async { while [before.clone(), String::new()].contains(&uid().await) {} }).await;
        kubectl(&["uncordon", &node], "").await.unwrap();
        Instant::now()
    })
    .await;
    app.remove().await;
}
