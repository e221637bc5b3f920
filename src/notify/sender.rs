//! Sends one HTTP request to an address that somebody entered, and to no machine that it must not reach.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Proxy, Response};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::domain::{AddressRange, TargetUrl, Timestamp, trouble_of_outgoing, trouble_of_receiver};

/// Longest time for one try, from the look-up of the name to the end of the last answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read; what comes behind them is dropped with the connection.
const MAX_ANSWER: usize = 64 * 1024;
/// Longest time that an answer may ask us to wait.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(6);

/// The addresses of a name, once they are known.
pub type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
/// Resolves a name.
pub type Lookup = Arc<dyn Fn(String) -> Found + Send + Sync>;

/// Where requests may go, and how.
pub struct SenderSettings {
    /// Addresses that are admitted although they are not of the public internet, and those that http may go to.
    pub allowed: Vec<AddressRange>,
    /// Everything goes through this one, which then checks addresses in our place.
    pub proxy: Option<Url>,
    /// Longest time for one try.
    pub patience: Duration,
    /// What resolves names.
    pub lookup: Lookup,
}

impl SenderSettings {
    /// With this machine's resolver and the usual patience.
    pub fn new(allowed: Vec<AddressRange>, proxy: Option<Url>) -> Self {
        Self { allowed, proxy, patience: PATIENCE, lookup: Arc::new(look_up) }
    }
}

fn look_up(name: String) -> Found {
    Box::pin(async move {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    })
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// Beside those that each request has.
    pub headers: Vec<(&'static str, String)>,
    /// What.
    pub body: Option<String>,
}

impl Request {
    /// A POST of JSON to the address of a target.
    pub(super) fn post(to: &TargetUrl, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { method: Method::POST, url: to.reveal().clone(), headers, body: Some(body.to_string()) }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long it asks us to wait, at most six hours.
    pub retry_after: Option<Duration>,
    /// Its beginning as text; of a redirect, a sentence of ours.
    pub body: String,
}

/// Sends requests.
pub struct Sender {
    settings: SenderSettings,
    /// For https and for http, whose rules differ; a sentence where none could be made. Made with the first request, since
    /// reading this machine's certificates takes longer than all else of a start.
    clients: [OnceLock<Result<Client, String>>; 2],
}

impl Sender {
    /// A sender that has sent nothing yet.
    pub fn new(settings: SenderSettings) -> Self {
        Self { settings, clients: Default::default() }
    }

    /// When a try that begins now has to have ended.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.settings.patience
    }

    /// Sends one request of a try. No connection outlives it, so that the address of each is checked anew.
    ///
    /// # Errors
    /// A sentence about why there is no answer; of the address it holds the host at most.
    pub async fn send(&self, request: &Request, now: Timestamp, until: Instant) -> Result<Answer, String> {
        if let Some(trouble) = trouble_of_outgoing(&request.url, &self.settings.allowed) {
            return Err(format!("the address {trouble}"));
        }
        let is_plain = request.url.scheme() != "https";
        let make = || client(&self.settings, is_plain).map_err(|error| root(&error));
        let client = self.clients[usize::from(is_plain)].get_or_init(make).as_ref();
        let client = client.map_err(|error| format!("no request can be made: {error}"))?;
        let mut builder = client.request(request.method.clone(), request.url.clone());
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let host = request.url.host_str().unwrap_or_default();
        match timeout_at(until, builder.send()).await {
            Ok(Ok(response)) => Ok(read(response, &request.url, until, now).await),
            Ok(Err(error)) => Err(format!("{host} was not reached: {}", root(&error.without_url()))),
            Err(_) => Err(format!("{host} did not answer within {} s", self.settings.patience.as_secs_f32())),
        }
    }
}

fn client(settings: &SenderSettings, is_plain: bool) -> Result<Client, reqwest::Error> {
    // An error says that a provider is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = Client::builder()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .user_agent(concat!("stackblaze/", env!("CARGO_PKG_VERSION")));
    // No certificate is needed there.
    let builder = if is_plain && settings.proxy.is_none() { builder.tls_certs_only([]) } else { builder };
    if let Some(proxy) = &settings.proxy {
        return builder.proxy(Proxy::all(proxy.clone())?).build();
    }
    let (allowed, lookup) = (settings.allowed.clone(), settings.lookup.clone());
    builder.dns_resolver(Guard { allowed, is_plain, lookup }).build()
}

/// What is connected to is what this gives, so an address is never looked up a second time once it was checked.
struct Guard {
    allowed: Vec<AddressRange>,
    is_plain: bool,
    lookup: Lookup,
}

impl Resolve for Guard {
    /// A name of which one address is not admitted is refused as a whole: no honest one leads inside and outside.
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.lookup)(name.as_str().to_owned());
        let (allowed, is_plain) = (self.allowed.clone(), self.is_plain);
        Box::pin(async move {
            let addresses = found.await?;
            if addresses.is_empty() {
                return Err("its name has no address".into());
            }
            let trouble =
                addresses.iter().find_map(|address| trouble_of_receiver(*address, is_plain, &allowed));
            if let Some(trouble) = trouble {
                return Err(format!("its name {trouble}").into());
            }
            let checked: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(checked)
        })
    }
}

/// Reads what there is of an answer in time: its status counts, whatever becomes of the rest.
async fn read(mut response: Response, url: &Url, until: Instant, now: Timestamp) -> Answer {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header(RETRY_AFTER).and_then(|text| retry_after(text, now));
    if status.is_redirection() {
        let to = header(LOCATION).and_then(|to| url.join(to).ok());
        let to = to.as_ref().and_then(Url::host_str).map(|host| format!(" to {host}"));
        let body = format!("answered with a redirect{}, which is not followed", to.unwrap_or_default());
        return Answer { status: status.as_u16(), retry_after, body };
    }
    let mut bytes = Vec::new();
    while bytes.len() < MAX_ANSWER
        && let Ok(Ok(Some(piece))) = timeout_at(until, response.chunk()).await
    {
        let left = MAX_ANSWER - bytes.len();
        bytes.extend_from_slice(&piece[..piece.len().min(left)]);
    }
    Answer { status: status.as_u16(), retry_after, body: String::from_utf8_lossy(&bytes).into_owned() }
}

/// Reads seconds or the date of RFC 9110.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?;
        Timestamp::from_millis(date.timestamp().as_millisecond()).since(now)
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// The innermost cause, which says the most.
fn root(error: &reqwest::Error) -> String {
    let mut root: &(dyn Error + 'static) = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_longer_than_six_hours() {
        let now = Timestamp::parse("2026-11-24T14:30:49Z").unwrap();
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("999999", Some(21_600)),
            ("99999999999999999999999", Some(21_600)),
            ("Tue, 24 Nov 2026 14:31:19 GMT", Some(30)),
            ("Tue, 24 Nov 2026 14:30:00 GMT", Some(0)),
            ("Wed, 25 Nov 2026 14:30:49 GMT", Some(21_600)),
            ("", None),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
