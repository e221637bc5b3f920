//! HTTP to the server: over its Unix socket on this machine, or over TCP with an API token.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::cli::failure::{AUTH, CONFLICT, FAILED, Failure, NOT_FOUND, USAGE};
use crate::cli::output::clean;
use crate::config::SOCKET_FILE;

/// Longest time until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time for an answer; the server holds some calls for 50 s.
const ANSWER: Duration = Duration::from_secs(75);
/// A stream that is silent for longer is taken for dead; the server sends a sign of life every 15 s.
const SILENCE: Duration = Duration::from_mins(1);
/// Items asked for at a time.
const PAGE: usize = 100;
/// The host in addresses that go over the socket; nobody looks at it.
const SOCKET_HOST: &str = "http://localhost";
/// What a segment of a path may hold as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where the server is.
enum Place {
    Socket(PathBuf),
    Server(String),
}

/// Asks the server.
pub(super) struct Client {
    http: reqwest::Client,
    place: Place,
    token: Option<String>,
}

/// Joins segments to a path, each encoded.
pub(super) fn path(segments: &[&str]) -> String {
    segments
        .iter()
        .flat_map(|segment| ["/"].into_iter().chain(utf8_percent_encode(segment, SEGMENT)))
        .collect()
}

/// Encodes a value of a query.
pub(super) fn query_value(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

fn builder() -> reqwest::ClientBuilder {
    // An error says that a provider is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("stackblaze/", env!("CARGO_PKG_VERSION")))
}

impl Client {
    /// The server of a data directory; the file permission of its socket is the credential.
    pub(super) fn over_socket(data_dir: &Path) -> Result<Self, Failure> {
        let socket = data_dir.join(SOCKET_FILE);
        // No certificate is ever needed there, so none are loaded.
        let http = builder().unix_socket(socket.as_path()).tls_certs_only([]).build();
        let http = http.context("cannot make an HTTP client")?;
        Ok(Self { http, place: Place::Socket(socket), token: None })
    }

    /// A server by its address.
    pub(super) fn over_tcp(server: &str, token: Option<String>) -> Result<Self, Failure> {
        let http = builder().build().context("cannot make an HTTP client")?;
        Ok(Self { http, place: Place::Server(server.to_owned()), token })
    }

    /// Whether the server is on this machine, so that paths mean the same to it.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.place, Place::Socket(_))
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(self.request(Method::GET, path)).await
    }

    pub(super) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.call(self.request(Method::POST, path).json(body)).await
    }

    /// A POST without a body, as `curl -X POST` sends it.
    pub(super) async fn post_nothing(&self, path: &str) -> Result<Value, Failure> {
        self.call(self.request(Method::POST, path)).await
    }

    pub(super) async fn put(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.call(self.request(Method::PUT, path).json(body)).await
    }

    pub(super) async fn patch(&self, path: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.call(self.request(Method::PATCH, path).json(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.call(self.request(Method::DELETE, path)).await
    }

    /// All pages of a list as one: `{"items":[…],"next":null}`.
    pub(super) async fn list(&self, path: &str) -> Result<Value, Failure> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let mut page = self.get(&format!("{path}?limit={PAGE}{after}")).await?;
            if let Value::Array(some) = page["items"].take() {
                items.extend(some);
            }
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={}", query_value(next));
        }
        Ok(serde_json::json!({ "items": items, "next": null }))
    }

    /// One call; the answer as JSON, null where it has no body.
    async fn call(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let response = self.send(request.timeout(ANSWER)).await?;
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(&bytes).context("the answer is no JSON; is this a StackBlaze server?")?)
    }

    /// One call whose answer is text.
    pub(super) async fn text(&self, path: &str) -> Result<String, Failure> {
        let response = self.send(self.request(Method::GET, path).timeout(CONNECT)).await?;
        response.text().await.map_err(|error| self.unreachable(&error))
    }

    /// One call whose answer is read piece by piece; `accept` is the type that is wanted.
    pub(super) async fn stream(&self, verb: Verb, path: &str, accept: &str) -> Result<Stream<'_>, Failure> {
        let method = match verb {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
        };
        let response = self.send(self.request(method, path).header("accept", accept)).await?;
        Ok(Stream { client: self, length: response.content_length(), response })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let base = match &self.place {
            Place::Socket(_) => SOCKET_HOST,
            Place::Server(server) => server.as_str(),
        };
        let request = self.http.request(method, format!("{base}{path}"));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, location) = (response.status(), response.headers().get("location").cloned());
        if let (true, Some(location)) = (status.is_redirection(), location) {
            let text = format!(
                "the server says that it is at {}",
                clean(&String::from_utf8_lossy(location.as_bytes()))
            );
            return Err(Failure::new(FAILED, text).hint("give that address as --server"));
        }
        let bytes = response.bytes().await.unwrap_or_default();
        Err(self.refused(status, &serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// A refusal of the server's, as RFC 9457 has it.
    fn refused(&self, status: StatusCode, problem: &Value) -> Failure {
        let code = match status.as_u16() {
            400 | 422 => USAGE,
            401 | 403 => AUTH,
            404 => NOT_FOUND,
            409 | 423 | 429 => CONFLICT,
            _ => FAILED,
        };
        let detail = problem["detail"].as_str().map(clean);
        let mut failure =
            Failure::new(code, detail.unwrap_or_else(|| format!("the server answered {status}")));
        failure.is_temporary = status.is_server_error() && status != StatusCode::INTERNAL_SERVER_ERROR;
        if let Some(parameter) = problem["parameter"].as_str() {
            let own = failure
                .text
                .strip_prefix(parameter)
                .map(|rest| rest.trim_start_matches([':', ' ']).to_owned());
            failure.text = own.unwrap_or(failure.text);
            failure.parameter = Some(clean(parameter));
        }
        match (status, &self.token) {
            (StatusCode::UNAUTHORIZED, None) => failure
                .hint("make a token on the server: stackblaze token create NAME --scope admin > FILE")
                .hint("then give --token-file FILE"),
            (StatusCode::UNAUTHORIZED, Some(_)) => failure.hint("is the file of --token-file the right one?"),
            _ => failure,
        }
    }

    /// No answer at all: where it was looked for, and what to do.
    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let cause = root(error);
        let mut failure = match &self.place {
            Place::Server(server) => Failure::new(FAILED, format!("cannot reach {server}: {cause}")),
            Place::Socket(socket) => no_server(socket, error),
        };
        failure.is_temporary = true;
        failure
    }
}

fn no_server(socket: &Path, error: &reqwest::Error) -> Failure {
    let dir = socket.parent().unwrap_or(socket).display().to_string();
    let kind = io_kind(error);
    if kind == Some(std::io::ErrorKind::PermissionDenied) {
        return Failure::new(AUTH, format!("{} belongs to another user", socket.display()))
            .hint("run this as the user that the server runs as, or give --server URL --token-file FILE");
    }
    if !matches!(kind, Some(std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)) {
        return Failure::new(
            FAILED,
            format!("the server at {} does not answer: {}", socket.display(), root(error)),
        );
    }
    Failure::new(FAILED, format!("no server runs on the data folder {dir}"))
        .hint(format!("start it: stackblaze serve --data-dir {dir}"))
        .hint("or name another: --data-dir DIR, or --server URL --token-file FILE")
}

fn sources<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    let first: &'a (dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source())
}

fn io_kind(error: &reqwest::Error) -> Option<std::io::ErrorKind> {
    sources(error).find_map(|error| error.downcast_ref::<std::io::Error>()).map(std::io::Error::kind)
}

fn root(error: &reqwest::Error) -> String {
    sources(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// The methods of answers that are read piece by piece.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verb {
    Get,
    Post,
}

/// An answer that is read piece by piece.
pub(super) struct Stream<'a> {
    client: &'a Client,
    response: Response,
    /// Bytes in all, where the server said so.
    pub(super) length: Option<u64>,
}

impl Stream<'_> {
    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let piece = self.response.chunk().await.map_err(|error| self.client.unreachable(&error))?;
        Ok(piece.map(|bytes| bytes.to_vec()))
    }
}
