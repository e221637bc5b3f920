//! Commit status of Gitea and of Forgejo.

use serde_json::json;

use crate::domain::{Event, Urls};

use super::forge::{Place, Refusal, State, Told, ask, at, delivered, hint, request, token};
use super::{AboutDeployment, By, Delivery, Message, Recipient, Request};

/// What the token has to have.
const RIGHT: &str = "write access and the scope write:repository";

/// Tells the forge of a deployment.
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
        let api = Api::of(recipient, None)?;
        let answer = ask(by, &api.probe(), |refusal| hint(refusal, &api.name, RIGHT)).await?;
        return Ok(delivered(&answer, format!("the token is good for {}", api.name)));
    }
    let told = Told::of(message, urls)?;
    let api = Api::of(recipient, Some(told.about))?;
    let hint = |refusal: &Refusal<'_>| {
        let hint = hint(refusal, &api.name, RIGHT)?;
        // It has the same answer for a repository and for a commit that it does not have.
        let more = format!(", and whether commit {} was pushed there", told.commit.short());
        Some(if refusal.status == 404 { hint + &more } else { hint })
    };
    let answer = ask(by, &api.status(&told), hint).await?;
    Ok(delivered(&answer, format!("set the status of {}", told.commit.short())))
}

/// A repository's part of the API.
struct Api<'a> {
    place: Place,
    /// The repository, for people; the host where the target names none.
    name: String,
    /// Where it is below the API, and what stands before that where the forge is not at the root of its host.
    paths: Option<(String, String)>,
    token: &'a str,
}

impl<'a> Api<'a> {
    fn of(recipient: &'a Recipient, about: Option<&AboutDeployment>) -> Result<Self, Delivery> {
        let (place, token) = (Place::of(recipient, about)?, token(recipient)?);
        if place.path.is_empty() {
            let name = place.origin.host_str().unwrap_or_default().to_owned();
            return Ok(Self { place, name, paths: None, token });
        }
        let (before, owner, repository) = place.owned()?;
        let before = before.iter().flat_map(|part| ["/", part]).collect();
        let name = format!("{owner}/{repository}");
        Ok(Self { paths: Some((before, format!("/repos/{name}"))), name, place, token })
    }

    /// Asks for the repository, or for any where there is none.
    fn probe(&self) -> Request {
        if self.paths.is_some() {
            return self.request("", None);
        }
        let mut request = self.request("/repos/search", None);
        request.url.set_query(Some("limit=1"));
        request
    }

    /// Sets the status of the commit.
    fn status(&self, told: &Told<'_>) -> Request {
        let state = match told.state {
            State::Queued | State::Running => "pending",
            State::Succeeded => "success",
            State::Failed => "failure",
            State::Stopped => "error",
        };
        let body = json!({
            "state": state,
            "target_url": told.page,
            "description": told.description,
            "context": told.context,
        });
        self.request(&format!("/statuses/{}", told.commit), Some(&body))
    }

    fn request(&self, rest: &str, body: Option<&serde_json::Value>) -> Request {
        let (before, repository) =
            self.paths.as_ref().map_or(("", ""), |(before, path)| (before.as_str(), path.as_str()));
        let url = at(&self.place.origin, &format!("{before}/api/v1{repository}{rest}"));
        request(url, &[("authorization", format!("token {}", self.token))], body)
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
        let to = recipient(TargetKind::Gitea, url);
        let told = Told::of(message, &urls()).ok().unwrap();
        let request = Api::of(&to, Some(told.about)).ok().unwrap().status(&told);
        let body = serde_json::from_str(request.body.as_deref().unwrap()).unwrap();
        (request, body)
    }

    #[test]
    fn the_whole_request_of_a_failure() {
        let (request, body) = status("https://git.example.com/team/api", &failed());

        assert_eq!(request.method, Method::POST);
        assert_eq!(
            request.url.as_str(),
            format!("https://git.example.com/api/v1/repos/team/api/statuses/{COMMIT}")
        );
        assert_eq!(request.headers[0], ("authorization", "token forge-token-1234".to_owned()));
        assert_eq!(
            body,
            json!({
                "state": "failure",
                "target_url": "https://deploy.example.com/deploys/dep_mwuangvh9xk2mq7rz4tb",
                "description": "The build ended with an error",
                "context": "stackblaze/api-service",
            })
        );
    }

    #[test]
    fn each_state_has_its_word() {
        let mut stopped = failed();
        deployment_of(&mut stopped).found.deployment.reason = Some(Reason::Cancelled);
        for (message, state) in [
            (told_at(Event::Queued), "pending"),
            (told_at(Event::Started), "pending"),
            (told_at(Event::Succeeded), "success"),
            (told_at(Event::Recovered), "success"),
            (stopped, "error"),
        ] {
            assert_eq!(status("https://git.example.com", &message).1["state"], state);
        }
    }

    #[test]
    fn a_forge_below_a_path_has_its_api_there() {
        let (request, _) = status("https://example.com/git/team/api.git", &failed());

        assert_eq!(request.url.path(), format!("/git/api/v1/repos/team/api/statuses/{COMMIT}"));
        let to = recipient(TargetKind::Gitea, "https://git.example.com/");
        let probe = Api::of(&to, None).ok().unwrap().probe();
        assert_eq!(probe.url.as_str(), "https://git.example.com/api/v1/repos/search?limit=1");
    }
}
