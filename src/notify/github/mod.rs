//! Commit status and Deployments of GitHub: what a commit's page shows, and what the repository's page shows.

mod requests;

use serde_json::Value;

use crate::domain::{DeploymentId, Event, Urls};

use super::forge::{Place, Refusal, Told, ask, commit_is_missing, delivered, hint};
use super::{By, Delivery, Message, Outcome, Recipient};

use requests::Api;

/// What the token has to have for either, as GitHub calls it.
const STATUSES: &str = "the permission \"Commit statuses: write\"";
const DEPLOYMENTS: &str = "the permission \"Deployments: write\"";

/// Tells GitHub of a deployment: first the status of its commit, then that of GitHub's own record of it.
pub(super) async fn tell(by: &By<'_>, recipient: &Recipient, message: &Message, urls: &Urls) -> Delivery {
    let told = match message.event {
        Event::Test => probe(by, recipient).await,
        _ => try_to_tell(by, recipient, message, urls).await,
    };
    told.unwrap_or_else(|delivery| delivery)
}

/// Asks for something that changes nothing, to see whether the token is good.
async fn probe(by: &By<'_>, recipient: &Recipient) -> Result<Delivery, Delivery> {
    let api = Api::of(recipient, None)?;
    let name = api.name();
    let answer =
        ask(by, &api.probe(), |refusal| told_wrong(refusal, &name, STATUSES)).await.map_err(limited)?;
    Ok(delivered(&answer, format!("the token is good for {name}")))
}

async fn try_to_tell(
    by: &By<'_>,
    recipient: &Recipient,
    message: &Message,
    urls: &Urls,
) -> Result<Delivery, Delivery> {
    let told = Told::of(message, urls)?;
    let api = Api::of(recipient, Some(told.about))?;
    let name = api.name();
    let hint = |right| {
        let (name, commit) = (&name, told.commit);
        move |refusal: &Refusal<'_>| match refusal {
            Refusal { status: 422, said } if said.starts_with("No ") => Some(commit_is_missing(commit)),
            Refusal { status: 409, .. } => {
                Some("GitHub waits for the status checks that the target names".to_owned())
            }
            _ => told_wrong(refusal, name, right),
        }
    };
    ask(by, &api.status(&told), hint(STATUSES)).await.map_err(limited)?;
    let deployment = &told.about.found.deployment.id;
    let mut known = recipient.remote.clone();
    if known.is_none() && message.is_repeated {
        let answer = ask(by, &api.find(&told), hint(DEPLOYMENTS)).await.map_err(limited)?;
        known = found(&answer.body, deployment);
    }
    let id = if let Some(id) = known {
        id
    } else {
        let request = api.create(&told, &recipient.target.required_contexts);
        let answer = ask(by, &request, hint(DEPLOYMENTS)).await.map_err(limited)?;
        let made: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let unclear = || Delivery::unanswered(Outcome::Again(None), "GitHub's answer names no deployment");
        made["id"].as_u64().ok_or_else(unclear)?.to_string()
    };
    let remote = Some(id.clone());
    match ask(by, &api.progress(&told, &id), hint(DEPLOYMENTS)).await.map_err(limited) {
        Ok(answer) => {
            let text = format!("set the status of {} and of deployment {id}", told.commit.short());
            Ok(Delivery { remote, ..delivered(&answer, text) })
        }
        Err(delivery) => Err(Delivery { remote, ..delivery }),
    }
}

/// The id of the record that was made for a deployment of ours, in GitHub's list of those of its commit.
fn found(list: &str, deployment: &DeploymentId) -> Option<String> {
    let list: Vec<Value> = serde_json::from_str(list).ok()?;
    let is_ours = |record: &Value| {
        // What was given as an object may come back as its text.
        let payload = &record["payload"];
        let parsed = payload.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        parsed.as_ref().unwrap_or(payload)["deploymentId"] == deployment.as_str()
    };
    list.iter().find(|record| is_ours(record))?["id"].as_u64().map(|id| id.to_string())
}

fn told_wrong(refusal: &Refusal<'_>, name: &str, right: &str) -> Option<String> {
    match refusal.status {
        403 if is_limit(refusal.said) => {
            Some("GitHub takes no more requests of this token for now".to_owned())
        }
        _ => hint(refusal, name, right),
    }
}

fn is_limit(said: &str) -> bool {
    said.to_ascii_lowercase().contains("rate limit")
}

/// GitHub refuses with 403 too where a token has asked too often, which passes.
fn limited(delivery: Delivery) -> Delivery {
    let passes = delivery.outcome == Outcome::Refused && is_limit(&delivery.answer);
    let outcome = if passes { Outcome::Again(None) } else { delivery.outcome };
    Delivery { outcome, ..delivery }
}

impl Api<'_> {
    /// The repository, for people.
    fn name(&self) -> String {
        let Place { origin, path } = self.place();
        if path.is_empty() { origin.host_str().unwrap_or_default().to_owned() } else { path.join("/") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn our_record_is_found_by_its_payload_in_either_form() {
        let id = DeploymentId::parse("dep_mwuangvh9xk2mq7rz4tb").unwrap();
        let ours = json!({ "deploymentId": id.as_str() });
        let other = json!({ "id": 1, "payload": { "deploymentId": "dep_0wuangvh9xk2mq7rz4tb" } });
        for payload in [ours.clone(), json!(ours.to_string())] {
            let list = json!([other, { "id": 3, "payload": "" }, { "id": 42, "payload": payload }]);
            assert_eq!(found(&list.to_string(), &id).as_deref(), Some("42"));
        }
        assert_eq!(found(&json!([other]).to_string(), &id), None);
        assert_eq!(found("{}", &id), None);
    }

    #[test]
    fn a_limit_passes_and_a_missing_right_does_not() {
        let refused = |answer: &str| Delivery {
            outcome: Outcome::Refused,
            status: Some(403),
            answer: answer.to_owned(),
            remote: None,
        };

        assert_eq!(limited(refused("API rate limit exceeded for user")).outcome, Outcome::Again(None));
        assert_eq!(
            limited(refused("You have exceeded a secondary rate limit")).outcome,
            Outcome::Again(None)
        );
        assert_eq!(limited(refused("Resource not accessible by integration")).outcome, Outcome::Refused);
    }
}
