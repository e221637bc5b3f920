//! A signed POST by the Standard Webhooks specification.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::domain::{Timestamp, Urls, WebhookSecret};
use crate::wire::deployment::{DeploymentJson, FoundDeployment, Seen};

use super::{About, AboutDeployment, Message, Recipient, Request};

/// The request of a try at this moment: what is signed holds the time of the try, what is told the time of the event.
pub(super) fn request(recipient: &Recipient, message: &Message, urls: &Urls, now: Timestamp) -> Request {
    let body = body(message, urls).to_string();
    let (id, seconds) = (message.id.as_str(), now.as_seconds());
    let signed = format!("{id}.{seconds}.{body}");
    let signatures: Vec<_> = recipient.secrets.iter().map(|secret| signature(secret, &signed)).collect();
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ];
    if let About::Deployment(about) = &message.about
        && let Some(traceparent) = &about.found.deployment.traceparent
    {
        headers.push(("traceparent", traceparent.clone()));
    }
    Request { method: Method::POST, url: recipient.target.url.reveal().clone(), headers, body: Some(body) }
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn signature(secret: &WebhookSecret, signed: &str) -> String {
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.bytes());
    let mut mac = mac.expect("HMAC takes a key of any length");
    mac.update(signed.as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn body(message: &Message, urls: &Urls) -> Value {
    let data = match &message.about {
        About::Deployment(about) => deployment(about, urls),
        About::Text(text) => json!({ "text": text }),
    };
    json!({ "type": message.event.as_str(), "timestamp": message.at, "data": data })
}

/// The object that the API gives to a caller with a credential, and where to find more.
fn deployment(about: &AboutDeployment, urls: &Urls) -> Value {
    let FoundDeployment { deployment, steps, queue_position } = &about.found;
    let (id, traceparent) = (&deployment.id, &deployment.traceparent);
    let mut links = json!({
        "dashboard": urls.deployment_page(id),
        "deployment": format!("{}/deployments/{id}", urls.public()),
    });
    if let Some(url) = &about.service.url {
        links["service"] = json!(url);
    }
    let found = FoundDeployment {
        deployment: deployment.clone(),
        steps: steps.clone(),
        queue_position: *queue_position,
    };
    let seen = about.lines.clone().map_or(Seen::InList, Seen::Whole);
    let mut data = json!(DeploymentJson::new(found, urls, seen));
    data["links"] = links;
    if let Some(traceparent) = traceparent {
        data["traceparent"] = json!(traceparent);
    }
    data
}

#[cfg(test)]
mod tests {
    use crate::domain::{Event, TargetKind};
    use crate::notify::testing::{NOW, failed, queued, recipient, urls, with_text};

    use super::*;

    fn told(message: &Message) -> (Request, Value) {
        let to = recipient(TargetKind::Webhook, "https://example.com/hooks?x=1");
        let request = request(&to, message, &urls(), NOW);
        let body = serde_json::from_str(request.body.as_deref().unwrap()).unwrap();
        (request, body)
    }

    fn header<'a>(request: &'a Request, name: &str) -> &'a str {
        let found = request.headers.iter().find(|(own, _)| *own == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    #[test]
    fn the_whole_body_of_a_failed_deployment() {
        let (request, body) = told(&failed());

        assert_eq!((request.method, request.url.as_str()), (Method::POST, "https://example.com/hooks?x=1"));
        assert_eq!(
            body,
            json!({
                "type": "deployment.failed",
                "timestamp": "2026-11-24T14:32:01.000Z",
                "data": {
                    "deploymentId": "dep_mwuangvh9xk2mq7rz4tb",
                    "service": "api-service",
                    "status": "failed",
                    "branch": "main",
                    "dashboardUrl": "https://deploy.example.com/deploys/dep_mwuangvh9xk2mq7rz4tb",
                    "reason": "build_failed",
                    "message": null,
                    "commit": "4f2c1d7e81b04a95c36d2f7e0b1c98a4d5e6f701",
                    "clearCache": false,
                    "source": "build",
                    "createdAt": "2026-11-24T14:30:49.000Z",
                    "startedAt": "2026-11-24T14:30:53.000Z",
                    "finishedAt": "2026-11-24T14:32:01.000Z",
                    "queuePosition": null,
                    "supersededBy": null,
                    "steps": [
                        { "name": "clone", "status": "succeeded", "startedAt": "2026-11-24T14:30:53.000Z", "finishedAt": "2026-11-24T14:30:55.000Z", "exitCode": 0 },
                        { "name": "build", "status": "failed", "startedAt": "2026-11-24T14:30:55.000Z", "finishedAt": "2026-11-24T14:32:01.000Z", "exitCode": 2 },
                        { "name": "deploy", "status": "skipped", "startedAt": null, "finishedAt": null, "exitCode": null },
                    ],
                    "commitSubject": "Round <totals> half to even & *never* up",
                    "note": "hotfix for #12",
                    "failure": { "step": "build", "exitCode": 2, "logTail": ["one", "two", "three", "four", "five", "error: ```six```"] },
                    "detail": null,
                    "imageDigest": null,
                    "promotedFrom": null,
                    "runName": "dep-mwuangvh9xk2mq7rz4tb",
                    "workloads": [],
                    "trigger": "hook",
                    "origin": null,
                    "hook": "github-actions",
                    "caller": "140.82.112.0/24, curl/8.5.0",
                    "ignoredParameters": [],
                    "links": {
                        "dashboard": "https://deploy.example.com/deploys/dep_mwuangvh9xk2mq7rz4tb",
                        "deployment": "https://hooks.example.com/deployments/dep_mwuangvh9xk2mq7rz4tb",
                        "service": "https://api.example.com",
                    },
                    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                },
            })
        );
    }

    #[test]
    fn lines_and_trace_are_told_where_they_are_wanted_and_known_only() {
        let mut message = failed();
        let About::Deployment(about) = &mut message.about else { unreachable!() };
        (about.lines, about.found.deployment.traceparent, about.service.url) = (None, None, None);

        let (request, body) = told(&message);

        assert_eq!(body["data"]["failure"], json!({ "step": "build", "exitCode": 2 }));
        assert_eq!((body["data"].get("traceparent"), header(&request, "traceparent")), (None, ""));
        assert_eq!(body["data"]["links"].get("service"), None);
        assert_eq!(
            header(&told(&failed()).0, "traceparent"),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        );
    }

    #[test]
    fn what_is_about_no_deployment_is_a_text() {
        let (request, body) = told(&with_text(Event::OldUrlUsed, "hook ci of api-service"));

        let data = json!({ "text": "hook ci of api-service" });
        let at = "2026-11-24T14:32:01.000Z";
        assert_eq!(body, json!({ "type": "hook.rotated_secret_used", "timestamp": at, "data": data }));
        assert_eq!(header(&request, "content-type"), "application/json");
    }

    /// The signatures were made by Python's `hmac`.
    #[test]
    fn id_time_of_the_try_and_body_are_signed_with_each_secret() {
        let (request, _) = told(&with_text(Event::Test, "Hello"));

        assert_eq!(
            request.body.as_deref(),
            Some(r#"{"type":"test","timestamp":"2026-11-24T14:32:01.000Z","data":{"text":"Hello"}}"#)
        );
        assert_eq!(header(&request, "webhook-id"), "ntc_0123456789abcdefghij");
        assert_eq!(header(&request, "webhook-timestamp"), "1795530730");
        assert_eq!(
            header(&request, "webhook-signature"),
            "v1,X+q6MXjWn20cgzDLVrmORg4D4kaDFePMIj4Ihg18SGI= v1,KpobYlRWoo6i8WS2/TWL6dAFKdtKJFHvDQ524bWhCEM="
        );
        let (other, _) = told(&queued());
        assert_ne!(header(&other, "webhook-signature"), header(&request, "webhook-signature"));
    }
}
