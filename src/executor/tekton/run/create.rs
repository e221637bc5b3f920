//! Brings a run's object into being, once, whatever gets lost in between.

use std::time::Duration;

use kube::api::{DynamicObject, PostParams, Request};
use kube::client::Body;
use kube::core::Status;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::Reason;
use crate::executor::tekton::api::{pipeline_runs, url};
use crate::executor::tekton::client::{Refusal, RefusalKind, answer};
use crate::executor::tekton::names::{DEPLOYMENT, INSTANCE};
use crate::executor::{Event, Events, Outcome, Wait};

/// Pause before the second try; each further one is twice as long.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A missing right or a missing kind of object may be on its way; after this it is a failure.
const REFUSED_LIMIT: Duration = Duration::from_mins(5);

/// What came of it.
pub(super) enum Creation {
    /// The object is there, under this uid.
    Exists(String),
    /// It is not, or it is not known, and the deployment has ended.
    Ended(Outcome),
}

/// One try to create.
enum CreateAttempt {
    Exists(String),
    /// An object of this name that this server did not make.
    Foreign,
    Refused(Refusal),
}

/// Creates the object, or adopts the one that a lost answer left behind, until it is clear that there is one or none.
/// Once it is stopped it creates none, but adopts one that is there, so that it is stopped as well.
pub(super) async fn create_or_adopt(
    client: &Client,
    object: &Value,
    events: &Events,
    stop: &CancellationToken,
) -> Creation {
    let (mut pause, mut refused_since, mut may_exist) = (SHORTEST_PAUSE, None, false);
    loop {
        let is_stopped = stop.is_cancelled();
        let tried = if is_stopped { find(client, object).await } else { create_once(client, object).await };
        let refusal = match tried {
            CreateAttempt::Exists(uid) => return Creation::Exists(uid),
            CreateAttempt::Foreign => {
                return failed(
                    Reason::InvalidPipeline,
                    "a run of this name exists that this server did not make",
                    None,
                );
            }
            CreateAttempt::Refused(refusal) => refusal,
        };
        may_exist |= matches!(refusal.kind, RefusalKind::Busy(_));
        if is_stopped {
            return failed(Reason::Cancelled, stopped(may_exist), None);
        }
        match refusal.kind {
            RefusalKind::Invalid => {
                let said = "the cluster takes no run of this shape";
                return failed(Reason::InvalidPipeline, said, Some(&refusal.text));
            }
            RefusalKind::Missing | RefusalKind::Forbidden => {
                let since = *refused_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= REFUSED_LIMIT {
                    return failed(Reason::ClusterRefused, refused(&refusal), Some(&refusal.text));
                }
            }
            RefusalKind::Conflict | RefusalKind::Busy(_) => refused_since = None,
        }
        let wait = spread(asked_pause(&refusal).unwrap_or(pause), object);
        let seconds = wait.as_secs().max(1);
        let said = Wait::of(format!("the run could not be created, trying again in {seconds} s"));
        tracing::warn!(cause = refusal.text, "a run could not be created; trying again");
        drop(events.send(Event::Waiting(Some(said.with_detail(&refusal.text)))).await);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn create_once(client: &Client, object: &Value) -> CreateAttempt {
    match answer(create(client, text(object, "/metadata/namespace"), object)).await {
        Ok(made) => CreateAttempt::Exists(made.metadata.uid.unwrap_or_default()),
        Err(refusal) if refusal.kind == RefusalKind::Conflict => find(client, object).await,
        Err(refusal) => CreateAttempt::Refused(refusal),
    }
}

/// Looks whether the object is there already.
async fn find(client: &Client, object: &Value) -> CreateAttempt {
    let runs = pipeline_runs(client, text(object, "/metadata/namespace"));
    match answer(runs.get(text(object, "/metadata/name"))).await {
        Ok(found) if is_ours(&found, object) => CreateAttempt::Exists(found.metadata.uid.unwrap_or_default()),
        Ok(_) => CreateAttempt::Foreign,
        Err(refusal) => CreateAttempt::Refused(refusal),
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `Api::create` cannot ask for strict validation, without which an unknown field is dropped in silence, and it does not
/// hear `Retry-After`, which the API server's own throttle says in the header only.
async fn create(client: &Client, namespace: &str, object: &Value) -> Result<DynamicObject, kube::Error> {
    let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
    let mut request = Request::new(url(namespace))
        .create(&PostParams::default(), body)
        .map_err(kube::Error::BuildRequest)?;
    let address = request.uri().to_string();
    let joint = if address.ends_with('?') || address.ends_with('&') {
        ""
    } else if address.contains('?') {
        "&"
    } else {
        "?"
    };
    if let Ok(strict) = format!("{address}{joint}fieldValidation=Strict").parse() {
        *request.uri_mut() = strict;
    }
    let answer = client.send(request.map(Body::from)).await?;
    let code = answer.status();
    let after = answer.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
    let body = answer.into_body().collect_bytes().await?;
    if code.is_success() {
        return serde_json::from_slice(&body).map_err(kube::Error::SerdeError);
    }
    Err(kube::Error::Api(Box::new(status(code.as_u16(), &body, after))))
}

/// What a refusal says, in the API server's own form or as plain text.
fn status(code: u16, body: &[u8], retry_after_seconds: Option<u32>) -> Status {
    let mut status = serde_json::from_slice::<Status>(body)
        .unwrap_or_else(|_| Status::failure(String::from_utf8_lossy(body).trim(), ""));
    status.code = code;
    let details = retry_after_seconds
        .and_then(|seconds| serde_json::from_value(json!({"retryAfterSeconds": seconds})).ok());
    status.details = details.or(status.details);
    status
}

/// Made by this installation for this deployment. Its spec may differ: the service may have been edited since.
fn is_ours(found: &DynamicObject, wanted: &Value) -> bool {
    let of = |kind: &str, name: &str| wanted["metadata"][kind][name].as_str().unwrap_or_default();
    is_made_by(found, of("labels", INSTANCE), of("annotations", DEPLOYMENT))
}

/// Whether that installation made the object for that deployment.
pub(super) fn is_made_by(found: &DynamicObject, instance: &str, deployment: &str) -> bool {
    found.labels().get(INSTANCE).is_some_and(|own| own == instance)
        && found.annotations().get(DEPLOYMENT).is_some_and(|own| own == deployment)
}

const fn refused(refusal: &Refusal) -> &'static str {
    match refusal.kind {
        RefusalKind::Missing => {
            "the cluster knows no runs there: is Tekton installed, and the build namespace made?"
        }
        _ => "the cluster refuses this server to make runs; apply stackblaze manifests",
    }
}

const fn stopped(may_exist: bool) -> &'static str {
    if may_exist {
        "it was stopped; whether its run was created before is not known"
    } else {
        "it was stopped before its run was created"
    }
}

const fn asked_pause(refusal: &Refusal) -> Option<Duration> {
    match refusal.kind {
        RefusalKind::Busy(after) => after,
        _ => None,
    }
}

/// Up to a half more, by the object's name, so that runs which failed together do not come back together.
fn spread(pause: Duration, object: &Value) -> Duration {
    let share = text(object, "/metadata/name")
        .bytes()
        .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)))
        % 50;
    pause.min(LONGEST_PAUSE) * (100 + share) / 100
}

fn failed(reason: Reason, message: &str, detail: Option<&str>) -> Creation {
    Creation::Ended(Outcome::failed(reason, message).with_detail(detail.map(str::to_owned)))
}
