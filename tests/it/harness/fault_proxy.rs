//! Stands between a server and the real API server, breaks what a test tells it to break, and keeps a journal of every
//! request. Plain HTTP on loopback towards the server; TLS with the cluster's admin certificate towards the API, unless
//! the request brings an `Authorization` of its own.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use hyper::Request;
use hyper::Response;
use hyper::body::Body as _;
use hyper::body::Incoming;
use hyper::header;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::stage::variable;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// This status at once, with `Retry-After` in seconds; the API server sees nothing.
    Status(u16, Option<u64>),
    /// No answer, ever; the API server sees nothing.
    Hang,
    /// The connection ends without an answer; the API server sees nothing.
    Cut,
    /// The API server does what it was asked, and the connection ends without an answer.
    LoseReply,
    /// The API server does what it was asked, and the answer never comes.
    HangReply,
    /// The connection ends after so many bytes of the answer's body: a watch or a log that breaks off.
    CutBody(usize),
    /// The request reaches the API server only after this time.
    Delay(Duration),
    /// This body, as if it were the API server's; the API server sees nothing.
    Body(String),
}

/// Which calls a fault hits, or a test waits for: all of a method and a path, or some of them, counted from then on.
#[derive(Clone, Debug)]
pub struct Calls {
    method: String,
    path: String,
    skip: usize,
    take: usize,
}

impl Calls {
    /// `method` is `*` for any; `path` is a piece of path and query, where `*` stands for anything.
    pub fn to(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), skip: 0, take: usize::MAX }
    }

    /// Only the n-th such call, counted from one.
    pub fn nth(self, n: usize) -> Self {
        Self { skip: n - 1, take: 1, ..self }
    }

    /// Only the first n such calls.
    pub fn first(self, n: usize) -> Self {
        Self { skip: 0, take: n, ..self }
    }

    /// Counts a call; true when the fault is for it.
    fn hits(&mut self, method: &str, target: &str) -> bool {
        let mut rest = Some(target);
        for piece in self.path.split('*') {
            rest = rest.and_then(|rest| rest.split_once(piece)).map(|(_, after)| after);
        }
        if rest.is_none() || (self.method != "*" && self.method != method) || self.take == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.take -= 1;
        true
    }
}

/// One request that came in.
#[derive(Clone, Debug)]
pub struct Entry {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub body: Vec<u8>,
    pub fault: Option<Fault>,
    /// What the API server answered, whether or not that answer was passed on.
    pub status: Option<u16>,
}

/// The API server, and who speaks to it.
pub struct Upstream {
    base: String,
    /// For requests without credentials of their own.
    admin: reqwest::Client,
    /// For requests with a token: a certificate would win over it.
    bearer: reqwest::Client,
}

impl Upstream {
    /// The cluster of `tests/cluster/cluster exec`, by its variables.
    pub fn cluster() -> Self {
        let [ca, certificate, key] = ["CLUSTER_CA", "CLUSTER_ADMIN_CERT", "CLUSTER_ADMIN_KEY"].map(variable);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let admin = tls(roots.clone()).with_client_auth_cert(chain, key).unwrap();
        let bearer = tls(roots).with_no_client_auth();
        Self { base: variable("CLUSTER_API"), admin: client(admin), bearer: client(bearer) }
    }

    /// A server that speaks plain HTTP.
    pub fn plain(address: SocketAddr) -> Self {
        let any = || client(tls(rustls::RootCertStore::empty()).with_no_client_auth());
        Self { base: format!("http://{address}"), admin: any(), bearer: any() }
    }
}

fn tls(
    roots: rustls::RootCertStore,
) -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert> {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}

fn client(tls: rustls::ClientConfig) -> reqwest::Client {
    // No connection is kept: one that died with the API server would look like a fault of ours.
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()
        .unwrap()
}

struct Shared {
    upstream: Upstream,
    faults: Mutex<Vec<(Calls, Fault)>>,
    journal: Mutex<Vec<Entry>>,
    cut: watch::Sender<()>,
    /// Says that the journal has grown.
    seen: watch::Sender<()>,
}

/// Ends with the value.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut_all();
    }
}

impl FaultProxy {
    pub async fn start(upstream: Upstream) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            faults: Mutex::default(),
            journal: Mutex::default(),
            cut: watch::Sender::new(()),
            seen: watch::Sender::new(()),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig that leads here; with a token, the caller speaks as its owner and not as the admin.
    pub fn write_kubeconfig(&self, file: &Path, token: Option<&str>) {
        let user = token.map_or_else(|| json!({}), |token| json!({ "token": token }));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{ "name": "proxy", "cluster": { "server": self.url() } }],
            "users": [{ "name": "proxy", "user": user }],
            "contexts": [{ "name": "proxy", "context": { "cluster": "proxy", "user": "proxy" } }],
        });
        std::fs::write(file, config.to_string()).unwrap();
    }

    /// The first fault that fits a call is the one that happens.
    pub fn inject(&self, calls: Calls, fault: Fault) {
        self.shared.faults.lock().unwrap().push((calls, fault));
    }

    /// Forgets all faults; what hangs keeps hanging, see [`Self::cut_all`].
    pub fn heal(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// Ends every open connection in the middle of whatever it does.
    pub fn cut_all(&self) {
        self.shared.cut.send_replace(());
    }

    /// Waits for such a request, counted from the first that ever came.
    pub async fn has_seen(&self, calls: Calls) {
        let mut seen = self.shared.seen.subscribe();
        let are_in =
            |all: Vec<Entry>, mut calls: Calls| all.iter().any(|it| calls.hits(&it.method, &it.target));
        while !are_in(self.journal(), calls.clone()) {
            seen.changed().await.expect("the proxy lives");
        }
    }

    pub fn journal(&self) -> Vec<Entry> {
        self.shared.journal.lock().unwrap().clone()
    }

    /// Names of what the API server has really created, in order: a name that is in here twice was created twice.
    pub fn created(&self, resource: &str) -> Vec<String> {
        let ends = format!("/{resource}");
        let name = |entry: &Entry| {
            let body: Value = serde_json::from_slice(&entry.body).ok()?;
            Some(body["metadata"]["name"].as_str()?.to_owned())
        };
        self.journal()
            .iter()
            .filter(|entry| entry.method == "POST" && entry.status == Some(201))
            .filter(|entry| entry.target.split('?').next().is_some_and(|path| path.ends_with(&ends)))
            .filter(|entry| !entry.target.contains("dryRun="))
            .filter_map(name)
            .collect()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut cut = shared.cut.subscribe();
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A request that fails on purpose is an error of its connection.
    tokio::select! {
        _ = connection => {}
        _ = cut.changed() => {}
    }
}

/// An error ends the connection without an answer.
async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<reqwest::Body>> {
    let (head, body) = request.into_parts();
    let body = collect(body).await?;
    let method = head.method.as_str();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let fault = {
        let mut faults = shared.faults.lock().unwrap();
        faults.iter_mut().find_map(|(calls, fault)| calls.hits(method, target).then(|| fault.clone()))
    };
    let entry = Entry {
        method: method.to_owned(),
        target: target.to_owned(),
        body: body.clone(),
        fault: fault.clone(),
        status: None,
    };
    let number = {
        let mut journal = shared.journal.lock().unwrap();
        journal.push(entry);
        journal.len() - 1
    };
    shared.seen.send_replace(());
    match fault.clone() {
        Some(Fault::Status(code, retry_after)) => return Ok(refusal(code, retry_after)),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Cut) => return Err(cut()),
        Some(Fault::Body(text)) => return Ok(Response::new(text.into())),
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let reply = forward(&shared.upstream, &head, body).await?;
    shared.journal.lock().unwrap()[number].status = Some(reply.status().as_u16());
    match fault {
        Some(Fault::LoseReply) => reply.bytes().await.map_err(io::Error::other).and(Err(cut())),
        Some(Fault::HangReply) => {
            let _all = reply.bytes().await;
            std::future::pending().await
        }
        Some(Fault::CutBody(most)) => Ok(pass_on(reply, most)),
        _ => Ok(pass_on(reply, usize::MAX)),
    }
}

fn cut() -> io::Error {
    io::Error::other("cut by the test")
}

async fn collect(mut body: Incoming) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
            all.extend_from_slice(&data);
        }
    }
    Ok(all)
}

async fn forward(
    upstream: &Upstream,
    head: &hyper::http::request::Parts,
    body: Vec<u8>,
) -> io::Result<reqwest::Response> {
    let client =
        if head.headers.contains_key(header::AUTHORIZATION) { &upstream.bearer } else { &upstream.admin };
    let mut headers = head.headers.clone();
    for hop in [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        headers.remove(hop);
    }
    let url = format!("{}{}", upstream.base, head.uri);
    client
        .request(head.method.clone(), url)
        .headers(headers)
        .body(body)
        .send()
        .await
        .map_err(io::Error::other)
}

/// Streams an answer, and breaks off after `most` bytes of it.
fn pass_on(reply: reqwest::Response, most: usize) -> Response<reqwest::Body> {
    let mut answer = Response::builder().status(reply.status());
    for (name, value) in reply.headers() {
        if name != header::CONNECTION && name != header::TRANSFER_ENCODING {
            answer = answer.header(name, value);
        }
    }
    let mut left = most;
    let body = reply.bytes_stream().flat_map(move |piece| {
        let piece = piece.map(|piece| piece.slice(..piece.len().min(left))).map_err(io::Error::other);
        left -= piece.as_ref().map_or(0, tokio_util::bytes::Bytes::len);
        let end = stream::iter((left == 0).then_some(())).then(async |()| {
            tokio::task::yield_now().await; // hyper sends what it has when a body makes it wait
            Err(cut())
        });
        stream::once(std::future::ready(piece)).chain(end)
    });
    answer.body(reqwest::Body::wrap_stream(body)).unwrap()
}

fn refusal(code: u16, retry_after: Option<u64>) -> Response<reqwest::Body> {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "AlreadyExists",
        410 => "Expired",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "refused by the test", "reason": reason, "code": code,
    });
    let mut answer = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after {
        answer = answer.header(header::RETRY_AFTER, seconds);
    }
    answer.body(reqwest::Body::from(body.to_string())).unwrap()
}
