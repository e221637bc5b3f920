//! A connection to the Kubernetes API, and what its refusals mean.

use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

pub use kube::Client;

/// Longest time for one answer; watches and logs are streams and not bound by it.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Longest time to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// In an answer of 400 or 403: a policy said no, and would say so again.
const DENIED: &str = "denied the request";

/// Why a call did not do what it was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What follows from it.
    pub kind: RefusalKind,
    /// For people, without a full stop.
    pub text: String,
}

/// What follows from a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// There is no such object, or no such kind of object.
    Missing,
    /// Such an object exists already, or it changed meanwhile.
    Conflict,
    /// A right is missing. May be granted a moment later.
    Forbidden,
    /// The request itself is wrong or denied by a policy; it will be again.
    Invalid,
    /// No answer, or one that says try again, perhaps after a while. Whether anything was done is unknown.
    Busy(Option<Duration>),
}

/// Connects as the account of the pod that this process runs in.
///
/// # Errors
/// Where the process runs in no pod.
pub fn in_cluster() -> Result<Client, String> {
    connect(Config::incluster().map_err(|error| format!("this process runs in no pod: {error}"))?)
}

/// Connects by a context of a kubeconfig, which has to be named: the current one is never taken.
///
/// # Errors
/// Where the file cannot be read or has no such context.
pub async fn by_context(kubeconfig: Option<&std::path::Path>, context: &str) -> Result<Client, String> {
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    let config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Config::from_custom_kubeconfig(file, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    };
    connect(config.map_err(|error| format!("context {context}: {error}"))?)
}

fn connect(mut config: Config) -> Result<Client, String> {
    // kube builds its TLS settings with the process's provider. Already set is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = None;
    // The dispatcher owns the back-off and shows it; kube would repeat for minutes without a word.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| format!("cannot prepare a connection to the cluster: {error}"))
}

/// Awaits one answer, at most 10 s.
///
/// # Errors
/// Says what follows.
pub(super) async fn answer<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Refusal> {
    match tokio::time::timeout(ANSWER_LIMIT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(refusal(&error)),
        Err(_) => {
            let text = format!("the cluster did not answer within {} s", ANSWER_LIMIT.as_secs());
            Err(Refusal { kind: RefusalKind::Busy(None), text })
        }
    }
}

/// What an error of the client means.
pub(super) fn refusal(error: &kube::Error) -> Refusal {
    let kube::Error::Api(status) = error else {
        return Refusal { kind: RefusalKind::Busy(None), text: chain(error) };
    };
    let kind = match status.code {
        400 | 403 if status.message.contains(DENIED) => RefusalKind::Invalid,
        401 | 403 => RefusalKind::Forbidden,
        404 => RefusalKind::Missing,
        409 => RefusalKind::Conflict,
        400 | 405 | 413 | 415 | 422 => RefusalKind::Invalid,
        _ => {
            let after = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
            RefusalKind::Busy((after > 0).then(|| Duration::from_secs(u64::from(after))))
        }
    };
    Refusal { kind, text: format!("{} ({})", status.message.trim_end_matches('.'), status.code) }
}

/// An error with its causes: the outermost one of a failed connection says only that it failed.
fn chain(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn of(code: u16, message: &str, retry_after_seconds: u32) -> RefusalKind {
        let details = serde_json::json!({"retryAfterSeconds": retry_after_seconds});
        let status = serde_json::json!({"code": code, "message": message, "details": details});
        let status: Status = serde_json::from_value(status).unwrap();
        refusal(&kube::Error::Api(Box::new(status))).kind
    }

    #[test]
    fn each_answer_has_one_meaning() {
        assert_eq!(of(404, "pipelineruns.tekton.dev not found", 0), RefusalKind::Missing);
        assert_eq!(of(409, "already exists", 0), RefusalKind::Conflict);
        assert_eq!(of(403, "cannot create resource", 0), RefusalKind::Forbidden);
        assert_eq!(of(403, "admission webhook \"x\" denied the request: no", 0), RefusalKind::Invalid);
        assert_eq!(of(422, "ValidatingAdmissionPolicy denied", 0), RefusalKind::Invalid);
        assert_eq!(of(429, "too many", 7), RefusalKind::Busy(Some(Duration::from_secs(7))));
        assert_eq!(of(500, "failed calling webhook: connection refused", 0), RefusalKind::Busy(None));
        assert_eq!(of(504, "timeout", 0), RefusalKind::Busy(None));
    }
}
