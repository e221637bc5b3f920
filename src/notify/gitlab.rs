//! Commit status of GitLab.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::json;

use crate::domain::{Event, GitRef, Urls};

use super::forge::{
    Place, Refusal, State, Told, ask, at, commit_is_missing, delivered, hint, request, token,
};
use super::{AboutDeployment, By, Delivery, Message, Outcome, Recipient, Request};

/// What the token has to have.
const RIGHT: &str = "the role Developer and the scope api";
/// What a part of a path may hold as it is.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Begins what GitLab says, with 400, of a status that it has already.
const HAS_IT: &str = "Cannot transition status via";

/// Tells GitLab of a deployment.
pub(super) async fn tell(by: &By<'_>, recipient: &Recipient, message: &Message, urls: &Urls) -> Delivery {
    try_to_tell(by, recipient, message, urls).await.unwrap_or_else(|delivery| delivery)
}

async fn try_to_tell(
    by: &By<'_>,
    recipient: &Recipient,
    message: &Message,
    urls: &Urls,
) -> Result<Delivery, Delivery> {
    if message.event == Event::Test {
        let project = Project::of(recipient, None)?;
        let answer = ask(by, &project.probe(), |refusal| hint(refusal, &project.path, RIGHT)).await?;
        return Ok(delivered(&answer, format!("the token is good for {}", project.name())));
    }
    let told = Told::of(message, urls)?;
    let project = Project::of(recipient, Some(told.about))?;
    let hint = |refusal: &Refusal<'_>| match refusal {
        Refusal { status: 404, said } if said.contains("Commit") => Some(commit_is_missing(told.commit)),
        _ => hint(refusal, &project.path, RIGHT),
    };
    match ask(by, &project.status(&told), hint).await {
        Ok(answer) => Ok(delivered(&answer, format!("set the status of {}", told.commit.short()))),
        Err(delivery) if delivery.status == Some(400) && delivery.answer.contains(HAS_IT) => {
            Ok(Delivery { outcome: Outcome::Delivered, ..delivery })
        }
        Err(delivery) => Err(delivery),
    }
}

/// A project's part of GitLab's API.
struct Project<'a> {
    place: Place,
    /// With its groups; empty where the target names none.
    path: String,
    token: &'a str,
}

impl<'a> Project<'a> {
    fn of(recipient: &'a Recipient, about: Option<&AboutDeployment>) -> Result<Self, Delivery> {
        let place = Place::of(recipient, about)?;
        if !place.path.is_empty() {
            place.owned()?;
        }
        let path = percent_decode_str(&place.path.join("/")).decode_utf8_lossy().into_owned();
        Ok(Self { place, path, token: token(recipient)? })
    }

    /// The project, for people.
    fn name(&self) -> &str {
        if self.path.is_empty() { self.place.origin.host_str().unwrap_or_default() } else { &self.path }
    }

    /// Asks for the project, or for what the token itself is where there is none.
    fn probe(&self) -> Request {
        let path = match self.path.as_str() {
            "" => "/api/v4/personal_access_tokens/self".to_owned(),
            _ => self.address(""),
        };
        self.request(&path, None)
    }

    /// Sets the status of the commit.
    fn status(&self, told: &Told<'_>) -> Request {
        let state = match told.state {
            State::Queued => "pending",
            State::Running => "running",
            State::Succeeded => "success",
            State::Failed => "failed",
            State::Stopped => "canceled",
        };
        let name = match &told.about.found.deployment.branch {
            GitRef::Branch(branch) => branch.as_str(),
            GitRef::Tag(tag) => tag.name(),
        };
        let body = json!({
            "state": state,
            "ref": name,
            "name": told.context,
            "target_url": told.page,
            "description": told.description,
        });
        self.request(&self.address(&format!("/statuses/{}", told.commit)), Some(&body))
    }

    fn address(&self, rest: &str) -> String {
        format!("/api/v4/projects/{}{rest}", utf8_percent_encode(&self.path, PART))
    }

    fn request(&self, path: &str, body: Option<&serde_json::Value>) -> Request {
        let headers = [("private-token", self.token.to_owned())];
        request(at(&self.place.origin, path), &headers, body)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use serde_json::Value;

    use crate::domain::{Reason, TargetKind};
    use crate::notify::testing::{COMMIT, at as told_at, deployment_of, failed, recipient, urls};

    use super::*;

    fn status(url: &str, message: &Message) -> (Request, Value) {
        let to = recipient(TargetKind::Gitlab, url);
        let told = Told::of(message, &urls()).ok().unwrap();
        let request = Project::of(&to, Some(told.about)).ok().unwrap().status(&told);
        let body = serde_json::from_str(request.body.as_deref().unwrap()).unwrap();
        (request, body)
    }

    #[test]
    fn the_whole_request_of_a_failure() {
        let (request, body) = status("https://gitlab.example.com/group/sub/api.git", &failed());

        assert_eq!(request.method, Method::POST);
        assert_eq!(
            request.url.as_str(),
            format!("https://gitlab.example.com/api/v4/projects/group%2Fsub%2Fapi/statuses/{COMMIT}")
        );
        assert_eq!(request.headers[0], ("private-token", "forge-token-1234".to_owned()));
        assert_eq!(
            body,
            json!({
                "state": "failed",
                "ref": "main",
                "name": "stackblaze/api-service",
                "target_url": "https://deploy.example.com/deploys/dep_mwuangvh9xk2mq7rz4tb",
                "description": "The build ended with an error",
            })
        );
    }

    #[test]
    fn each_state_has_its_word_and_a_tag_its_bare_name() {
        let mut stopped = failed();
        deployment_of(&mut stopped).found.deployment.reason = Some(Reason::Superseded);
        deployment_of(&mut stopped).found.deployment.branch = GitRef::parse("refs/tags/v1.2").unwrap();
        for (message, state, name) in [
            (told_at(Event::Queued), "pending", "main"),
            (told_at(Event::Started), "running", "main"),
            (told_at(Event::Succeeded), "success", "main"),
            (told_at(Event::Recovered), "success", "main"),
            (stopped, "canceled", "v1.2"),
        ] {
            let (_, body) = status("https://git.example.com", &message);
            assert_eq!((&body["state"], &body["ref"]), (&json!(state), &json!(name)));
        }
    }

    #[test]
    fn what_is_written_with_percent_codes_is_encoded_once() {
        let (request, _) = status("https://gitlab.example.com/gr%C3%B6%C3%9Fe/api", &failed());

        assert!(request.url.path().contains("/projects/gr%C3%B6%C3%9Fe%2Fapi/"), "{}", request.url);
    }
}
