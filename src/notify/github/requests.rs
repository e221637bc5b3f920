//! The requests to GitHub's API, as its description of version 2022-11-28 has them.

use serde_json::json;
use url::Url;

use crate::notify::forge::{Place, State, Told, at, request, token};
use crate::notify::{AboutDeployment, Delivery, Recipient, Request};

/// The kind of a deployment, which tells ours from those of other systems.
const TASK: &str = "deploy";

/// A repository's part of GitHub's API.
pub(super) struct Api<'a> {
    place: Place,
    token: &'a str,
    /// The API and what its paths begin with.
    base: (Url, &'static str),
}

impl<'a> Api<'a> {
    pub(super) fn of(recipient: &'a Recipient, about: Option<&AboutDeployment>) -> Result<Self, Delivery> {
        let place = Place::of(recipient, about)?;
        let base = base(&place.origin);
        Ok(Self { place, token: token(recipient)?, base })
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// Asks for the repository, or for nothing in particular where there is none.
    pub(super) fn probe(&self) -> Request {
        match self.place.path.as_slice() {
            [] => self.request("/meta", None),
            _ => self.request(&self.repository(""), None),
        }
    }

    /// Sets the status of the commit.
    pub(super) fn status(&self, told: &Told<'_>) -> Request {
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
        self.request(&self.repository(&format!("/statuses/{}", told.commit)), Some(&body))
    }

    /// Lists the deployments of the commit.
    pub(super) fn find(&self, told: &Told<'_>) -> Request {
        let mut request = self.request(&self.repository("/deployments"), None);
        let service = &told.about.found.deployment.service;
        request.url.query_pairs_mut().extend_pairs([
            ("sha", told.commit.as_str()),
            ("task", TASK),
            ("environment", service),
            ("per_page", "100"),
        ]);
        request
    }

    /// Makes a deployment.
    pub(super) fn create(&self, told: &Told<'_>, required_contexts: &[String]) -> Request {
        let deployment = &told.about.found.deployment;
        let body = json!({
            "ref": told.commit,
            "task": TASK,
            "auto_merge": false,
            "required_contexts": required_contexts,
            "payload": { "deploymentId": deployment.id },
            "environment": deployment.service,
            "description": told.description,
            "transient_environment": false,
        });
        self.request(&self.repository("/deployments"), Some(&body))
    }

    /// Sets the status of a deployment.
    pub(super) fn progress(&self, told: &Told<'_>, id: &str) -> Request {
        let state = match told.state {
            State::Queued => "queued",
            State::Running => "in_progress",
            State::Succeeded => "success",
            State::Failed => "failure",
            State::Stopped => "inactive",
        };
        let mut body = json!({
            "state": state,
            "log_url": told.page,
            "description": told.description,
            "auto_inactive": true,
        });
        if let Some(url) = &told.about.service.url {
            body["environment_url"] = json!(url);
        }
        self.request(&self.repository(&format!("/deployments/{id}/statuses")), Some(&body))
    }

    fn repository(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.place.path.join("/"))
    }

    fn request(&self, path: &str, body: Option<&serde_json::Value>) -> Request {
        let (api, prefix) = &self.base;
        let headers = [
            ("accept", "application/vnd.github+json".to_owned()),
            ("authorization", format!("Bearer {}", self.token)),
            ("x-github-api-version", "2022-11-28".to_owned()),
        ];
        request(at(api, &format!("{prefix}{path}")), &headers, body)
    }
}

/// Where the API of a GitHub is: that of github.com and of the clouds below ghe.com on a host of its own, that of any other
/// below a path.
fn base(origin: &Url) -> (Url, &'static str) {
    let host = origin.host_str().unwrap_or_default();
    let own = match host {
        "github.com" | "www.github.com" => Some("api.github.com".to_owned()),
        _ => host.ends_with(".ghe.com").then(|| format!("api.{host}")),
    };
    let mut api = origin.clone();
    match own.map(|own| api.set_host(Some(&own))) {
        Some(Ok(())) => (api, ""),
        _ => (api, "/api/v3"),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use serde_json::Value;

    use crate::domain::{Event, Reason, TargetKind};
    use crate::notify::Message;
    use crate::notify::testing::{COMMIT, at as told_at, deployment_of, failed, recipient, urls};

    use super::*;

    fn with<T>(url: &str, message: &Message, act: impl FnOnce(&Api<'_>, &Told<'_>) -> T) -> T {
        let to = recipient(TargetKind::Github, url);
        let told = Told::of(message, &urls()).ok().unwrap();
        act(&Api::of(&to, Some(told.about)).ok().unwrap(), &told)
    }

    fn body(request: &Request) -> Value {
        serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn the_whole_requests_of_a_failure() {
        let repository = "https://api.github.com/repos/team/api";
        let page = "https://deploy.example.com/deploys/dep_mwuangvh9xk2mq7rz4tb";
        let why = "The build ended with an error";
        with("https://github.com/team/api", &failed(), |api, told| {
            let request = api.status(told);
            assert_eq!(
                (&request.method, request.url.as_str()),
                (&Method::POST, format!("{repository}/statuses/{COMMIT}").as_str())
            );
            assert_eq!(
                request.headers,
                [
                    ("accept", "application/vnd.github+json".to_owned()),
                    ("authorization", "Bearer forge-token-1234".to_owned()),
                    ("x-github-api-version", "2022-11-28".to_owned()),
                    ("content-type", "application/json".to_owned()),
                ]
            );
            assert_eq!(
                body(&request),
                json!({ "state": "failure", "target_url": page, "description": why, "context": "stackblaze/api-service" })
            );
            let request = api.create(told, &["ci/build".to_owned()]);
            assert_eq!(request.url.as_str(), format!("{repository}/deployments"));
            assert_eq!(
                body(&request),
                json!({
                    "ref": COMMIT,
                    "task": "deploy",
                    "auto_merge": false,
                    "required_contexts": ["ci/build"],
                    "payload": { "deploymentId": "dep_mwuangvh9xk2mq7rz4tb" },
                    "environment": "api-service",
                    "description": why,
                    "transient_environment": false,
                })
            );
            let request = api.progress(told, "42");
            assert_eq!(request.url.as_str(), format!("{repository}/deployments/42/statuses"));
            assert_eq!(
                body(&request),
                json!({
                    "state": "failure",
                    "log_url": page,
                    "description": why,
                    "auto_inactive": true,
                    "environment_url": "https://api.example.com",
                })
            );
            let request = api.find(told);
            assert_eq!((request.method, request.body), (Method::GET, None));
            assert_eq!(
                request.url.as_str(),
                format!(
                    "{repository}/deployments?sha={COMMIT}&task=deploy&environment=api-service&per_page=100"
                )
            );
        });
    }

    #[test]
    fn each_state_has_its_two_words() {
        let mut stopped = failed();
        deployment_of(&mut stopped).found.deployment.reason = Some(Reason::Cancelled);
        for (message, status, progress) in [
            (told_at(Event::Queued), "pending", "queued"),
            (told_at(Event::Started), "pending", "in_progress"),
            (told_at(Event::Succeeded), "success", "success"),
            (told_at(Event::Recovered), "success", "success"),
            (failed(), "failure", "failure"),
            (stopped, "error", "inactive"),
        ] {
            with("https://github.com/team/api", &message, |api, told| {
                assert_eq!(body(&api.status(told))["state"], status);
                assert_eq!(body(&api.progress(told, "1"))["state"], progress);
            });
        }
    }

    #[test]
    fn the_api_of_an_enterprise_host_is_below_a_path() {
        let url = |target: &str| with(target, &failed(), |api, told| api.create(told, &[]).url.to_string());

        for (target, expected) in [
            ("https://github.com/a/b.git", "https://api.github.com/repos/a/b/deployments"),
            ("https://acme.ghe.com/a/b", "https://api.acme.ghe.com/repos/a/b/deployments"),
            (
                "https://ghe.example.com:8443/a/b/",
                "https://ghe.example.com:8443/api/v3/repos/a/b/deployments",
            ),
            ("http://127.0.0.1:4010/a/b", "http://127.0.0.1:4010/api/v3/repos/a/b/deployments"),
            ("https://git.example.com", "https://git.example.com/api/v3/repos/team/api/deployments"),
        ] {
            assert_eq!(url(target), expected);
        }
        let to = recipient(TargetKind::Github, "https://github.com");
        assert_eq!(Api::of(&to, None).ok().unwrap().probe().url.as_str(), "https://api.github.com/meta");
    }
}
