//! The way in, as raw bytes on a socket see it.

mod answers;
mod bodies;
mod bounds;
mod drain;
mod guard;
mod log;
mod unread;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::Body;
use poem::Endpoint;
use poem::EndpointExt as _;
use poem::Request;
use poem::Response;
use poem::Route;
use poem::endpoint::make;
use poem::handler;
use poem::http::StatusCode;
use poem::web::Data;
use stackblaze::web::front::BodyError;
use stackblaze::web::front::Front;
use stackblaze::web::front::Limits;
use stackblaze::web::front::Peer;
use stackblaze::web::front::Settings;
use stackblaze::web::front::read_limited;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use crate::harness::PATIENCE;

/// A limit that a test wants to see at work; what should come before it does so on a busy machine too.
pub const SHORT: Duration = Duration::from_secs(1);
/// A limit that does not act in a test: what waits for it has run out of patience before.
pub const NEVER: Duration = Duration::from_hours(1);
/// What `/echo` takes, in bytes.
pub const ECHO_MAX: usize = 64 * 1024;
pub const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";
pub const SLOW: &str = "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n";

pub fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n{lines}\r\n")
}

/// Nothing ends by the time it takes; a test names the one limit that it looks at.
pub fn unlimited() -> Limits {
    Limits {
        first_byte: NEVER,
        header: NEVER,
        body_silence: NEVER,
        body: NEVER,
        write: NEVER,
        drain: NEVER,
        ..Limits::default()
    }
}

/// Lets a test see that `/slow` was entered, and lets the handler go on.
#[derive(Clone)]
pub struct Gate {
    pub entered: Arc<Semaphore>,
    pub open: Arc<Semaphore>,
}

pub struct Server {
    pub address: SocketAddr,
    pub gate: Gate,
    pub stop: CancellationToken,
    pub serving: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn limited(limits: Limits) -> Self {
        Self::with(Settings { limits, ..Settings::default() }).await
    }

    pub async fn with(settings: Settings) -> Self {
        let gate = Gate { entered: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) };
        let front = Front::new(routes(gate.clone()), settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(front.serve_tcp(listener, stop.clone()));
        Self { address, gate, stop, serving }
    }

    pub async fn call(&self) -> Caller<TcpStream> {
        Caller(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request on a connection of its own.
    pub async fn answer_to(&self, request: &str) -> Answer {
        let mut caller = self.call().await;
        caller.send(request).await;
        caller.answer().await
    }

    pub async fn slow_is_entered(&self) {
        timeout(PATIENCE, self.gate.entered.acquire()).await.unwrap().unwrap().forget();
    }

    /// Waits until nothing is served any more.
    pub async fn stopped(self) {
        timeout(PATIENCE, self.serving).await.unwrap().unwrap();
    }
}

/// Someone at the other end of a socket.
pub struct Caller<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Unpin> Caller<S> {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads one answer: the head, and as much body as its Content-Length says.
    pub async fn answer(&mut self) -> Answer {
        let head = self.read_to("\r\n\r\n").await;
        let mut answer = Answer { head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        timeout(PATIENCE, self.0.read_exact(&mut body)).await.unwrap().unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    pub async fn read_to(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            let byte = timeout(PATIENCE, self.0.read_u8()).await.expect("an answer in time");
            bytes.push(
                byte.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&bytes))),
            );
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Waits for the end, and gives what came before it.
    pub async fn closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("the end in time");
        rest
    }
}

#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    }
}

pub fn routes(gate: Gate) -> impl Endpoint + 'static {
    Route::new()
        .at("/hello", make(|_| async { "hello" }))
        .at("/text/:text", make(|request: Request| async move { request.path_params::<String>().unwrap() }))
        .at("/client", client)
        .at("/echo", echo)
        .at("/ignore", make(|_| async { "ignored" }))
        .at("/slow", slow)
        .at("/large", make(|_| async { vec![b'x'; 64 * 1024 * 1024] }))
        .at("/panic", panics)
        .at("/cached", make(|_| async { Response::builder().header("cache-control", "max-age=60").finish() }))
        .at("/deploy-hooks/:token", make(|_| async { StatusCode::UNAUTHORIZED }))
        .data(gate)
}

#[handler]
fn client(Data(peer): Data<&Peer>) -> String {
    peer.to_string()
}

#[handler]
async fn echo(body: Body) -> Response {
    match read_limited(body, ECHO_MAX).await {
        Ok(bytes) => bytes.into(),
        Err(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE.into(),
        Err(BodyError::TimedOut) => StatusCode::REQUEST_TIMEOUT.into(),
        Err(BodyError::Broken) => StatusCode::BAD_REQUEST.into(),
    }
}

#[handler]
async fn slow(Data(gate): Data<&Gate>) -> &'static str {
    gate.entered.add_permits(1);
    gate.open.acquire().await.unwrap().forget();
    "slow"
}

#[handler]
fn panics() -> &'static str {
    panic!("on purpose")
}
