//! What forges have in common: they show the state of a commit, and are asked with a token.

use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::domain::{Commit, Event, Reason, Repository, TargetSecret, Urls};

use super::sender::Answer;
use super::summary::escaped;
use super::{About, AboutDeployment, By, Delivery, Message, Outcome, Recipient, Request};

/// Longest description of a status, in characters; GitHub takes no longer one.
const DESCRIPTION: usize = 140;

/// How far a deployment is, as forges tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    Running,
    Succeeded,
    Failed,
    /// Somebody ended it on purpose.
    Stopped,
}

/// What a forge is told.
pub(super) struct Told<'a> {
    pub(super) about: &'a AboutDeployment,
    pub(super) state: State,
    pub(super) commit: &'a Commit,
    /// What the status is called, beside those of other systems.
    pub(super) context: String,
    pub(super) description: String,
    pub(super) page: String,
}

/// A repository on a forge.
pub(super) struct Place {
    /// The address of the forge, without a path.
    pub(super) origin: Url,
    /// The parts of the repository's path, as an address has them.
    pub(super) path: Vec<String>,
}

impl<'a> Told<'a> {
    /// What there is to tell, or why there is nothing.
    pub(super) fn of(message: &'a Message, urls: &Urls) -> Result<Self, Delivery> {
        let needless = |text| Delivery::unanswered(Outcome::Needless, text);
        let About::Deployment(about) = &message.about else {
            return Err(needless("it is about no deployment, and a forge shows nothing else"));
        };
        let deployment = &about.found.deployment;
        let state = match message.event {
            Event::Queued => State::Queued,
            Event::Started => State::Running,
            Event::Succeeded | Event::Recovered => State::Succeeded,
            _ if deployment.reason.is_some_and(Reason::is_intended) => State::Stopped,
            _ => State::Failed,
        };
        let Some(commit) = &deployment.commit else {
            return Err(if deployment.status.is_final() {
                needless("the deployment ended before its commit was known")
            } else {
                Delivery::unanswered(Outcome::NotYet, "its commit is not known yet")
            });
        };
        let (context, page) =
            (format!("stackblaze/{}", deployment.service), urls.deployment_page(&deployment.id));
        let description = escaped(&description(state, about), DESCRIPTION, |_| None);
        Ok(Self { about, state, commit, context, description, page })
    }
}

fn description(state: State, about: &AboutDeployment) -> String {
    let deployment = &about.found.deployment;
    let sentence = || deployment.reason.map_or("It failed", Reason::sentence).to_owned();
    match state {
        State::Queued => "Waits for its turn".to_owned(),
        State::Running => "Is being deployed".to_owned(),
        State::Succeeded => "Serves".to_owned(),
        State::Failed | State::Stopped => deployment.message.clone().unwrap_or_else(sentence),
    }
}

impl Place {
    /// The repository that a target names, or the service's where the target names only a forge that has it.
    pub(super) fn of(recipient: &Recipient, about: Option<&AboutDeployment>) -> Result<Self, Delivery> {
        let url = recipient.target.url.reveal();
        let mut path = segments(url);
        if path.is_empty()
            && let Some(about) = about
        {
            let page = about.service.repository.as_ref().and_then(Repository::web_page);
            let page = page.and_then(|page| Url::parse(&page).ok());
            let Some(page) = page.filter(|page| page.host() == url.host()) else {
                let host = url.host_str().unwrap_or_default();
                let text = format!("the service's repository is not on {host}");
                return Err(Delivery::unanswered(Outcome::Needless, text));
            };
            path = segments(&page);
        }
        Ok(Self { origin: at(url, "/"), path })
    }

    /// Owner and name of the repository, behind what stands before them.
    pub(super) fn owned(&self) -> Result<(&[String], &str, &str), Delivery> {
        if let [before @ .., owner, name] = self.path.as_slice() {
            return Ok((before, owner, name));
        }
        let text =
            "the target's address must be that of the forge, or of a repository: https://HOST/OWNER/NAME";
        Err(Delivery::unanswered(Outcome::Refused, text))
    }
}

fn segments(url: &Url) -> Vec<String> {
    let parts = url.path().split('/').filter(|part| !part.is_empty());
    let mut parts: Vec<_> = parts.map(str::to_owned).collect();
    if let Some(last) = parts.last_mut()
        && let Some(bare) = last.strip_suffix(".git")
    {
        *last = bare.to_owned();
    }
    parts
}

/// Another path on the same server, without a query.
pub(super) fn at(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(None);
    url
}

/// The target's token.
pub(super) fn token(recipient: &Recipient) -> Result<&str, Delivery> {
    let secret = recipient.target.secret.as_ref().map(TargetSecret::reveal);
    secret.ok_or_else(|| Delivery::unanswered(Outcome::Refused, "the target has no token for the forge"))
}

/// A request without a body, or one whose body is JSON.
pub(super) fn request(url: Url, headers: &[(&'static str, String)], body: Option<&Value>) -> Request {
    let method = if body.is_some() { Method::POST } else { Method::GET };
    let mut headers = headers.to_vec();
    headers.extend(body.map(|_| ("content-type", "application/json".to_owned())));
    Request { method, url, headers, body: body.map(Value::to_string) }
}

/// What a forge that did not take a request has said, and how its answer is to be read by people.
pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) said: &'a str,
}

/// Sends a request. What is no success is what became of the whole try, with a hint at what to do about it before what the
/// forge has said.
pub(super) async fn ask(
    by: &By<'_>,
    request: &Request,
    hint: impl Fn(&Refusal<'_>) -> Option<String>,
) -> Result<Answer, Delivery> {
    match by.sender.send(request, by.now, by.until).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(answer),
        Ok(answer) => {
            let said = said(&answer.body);
            let refusal = Refusal { status: answer.status, said: &said };
            let text = match hint(&refusal) {
                Some(hint) if said.is_empty() => hint,
                Some(hint) => format!("{hint} ({said})"),
                None => said,
            };
            Err(Delivery { answer: text, ..Delivery::of(Ok(answer)) })
        }
        Err(sentence) => Err(Delivery::of(Err(sentence))),
    }
}

/// The message of an error, which is in different places of the JSON, or the text where it is none.
fn said(body: &str) -> String {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let found = ["message", "error", "detail"].into_iter().find_map(|name| json.get(name));
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => body.to_owned(),
    }
}

/// A hint that is the same for each forge: `right` is what its token has to have.
pub(super) fn hint(refusal: &Refusal<'_>, repository: &str, right: &str) -> Option<String> {
    Some(match refusal.status {
        401 => "the forge does not know the token; give the target another one".to_owned(),
        403 => format!("the token may not do that in {repository}; it needs {right}"),
        404 => {
            format!("{repository} is not there for this token; look at its name, and whether it has {right}")
        }
        _ => return None,
    })
}

/// The hint where it has the repository, but not the commit.
pub(super) fn commit_is_missing(commit: &Commit) -> String {
    format!("the forge has no commit {}; push it there", commit.short())
}

/// That all of it was taken.
pub(super) fn delivered(answer: &Answer, text: String) -> Delivery {
    Delivery { outcome: Outcome::Delivered, status: Some(answer.status), answer: text, remote: None }
}

#[cfg(test)]
mod tests {
    use crate::domain::{Status, TargetKind};
    use crate::notify::testing::{at as told_at, deployment_of, failed, queued, recipient, urls, with_text};

    use super::*;

    fn path(url: &str) -> Result<(String, Vec<String>), Outcome> {
        let mut message = failed();
        let place = Place::of(&recipient(TargetKind::Gitea, url), Some(deployment_of(&mut message)));
        place.map(|place| (place.origin.to_string(), place.path)).map_err(|delivery| delivery.outcome)
    }

    #[test]
    fn a_target_is_a_repository_or_a_forge_that_has_the_services() {
        let parts = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let (git, other) =
            ("https://git.example.com/".to_owned(), "https://other.example.com:8443/".to_owned());

        assert_eq!(path("https://other.example.com:8443/a/b.git/?x"), Ok((other, parts(&["a", "b"]))));
        assert_eq!(path("https://git.example.com"), Ok((git, parts(&["team", "api"]))));
        assert_eq!(path("https://elsewhere.example.com"), Err(Outcome::Needless));
        let place = Place::of(&recipient(TargetKind::Gitea, "https://git.example.com/a"), None).unwrap();
        assert_eq!(place.owned().unwrap_err().outcome, Outcome::Refused);
    }

    #[test]
    fn without_a_commit_there_is_nothing_yet_or_never() {
        let outcome = |message: &Message| Told::of(message, &urls()).err().unwrap().outcome;
        let mut ended = queued();
        ended.event = Event::Failed;
        deployment_of(&mut ended).found.deployment.status = Status::Failed;

        assert_eq!(outcome(&queued()), Outcome::NotYet);
        assert_eq!(outcome(&ended), Outcome::Needless);
        assert_eq!(outcome(&with_text(Event::TargetDisabled, "x")), Outcome::Needless);
    }

    #[test]
    fn a_forge_is_told_how_far_it_is_and_why_it_failed() {
        let told = |message: &Message| {
            let told = Told::of(message, &urls()).ok().unwrap();
            (told.state, told.description)
        };
        let with = |reason, text: Option<String>| {
            let mut message = failed();
            let deployment = &mut deployment_of(&mut message).found.deployment;
            (deployment.reason, deployment.message) = (Some(reason), text);
            told(&message)
        };

        assert_eq!(told(&told_at(Event::Queued)).0, State::Queued);
        assert_eq!(told(&told_at(Event::Started)).0, State::Running);
        assert_eq!(told(&told_at(Event::Succeeded)).0, State::Succeeded);
        assert_eq!(told(&told_at(Event::Recovered)).0, State::Succeeded);
        let failed = (State::Failed, "The build ended with an error".to_owned());
        assert_eq!(with(Reason::BuildFailed, None), failed);
        assert_eq!(with(Reason::Superseded, None).0, State::Stopped);
        let (_, long) = with(Reason::BuildFailed, Some("ä".repeat(300)));
        assert_eq!(long.chars().count(), DESCRIPTION);
    }

    #[test]
    fn what_a_forge_says_is_found_in_its_json() {
        for (body, expected) in [
            (r#"{"message":"Not Found","documentation_url":"x"}"#, "Not Found"),
            (r#"{"message":{"state":["is wrong"]}}"#, r#"{"state":["is wrong"]}"#),
            (r#"{"error":"insufficient_scope"}"#, "insufficient_scope"),
            ("<html>", "<html>"),
            ("", ""),
        ] {
            assert_eq!(said(body), expected);
        }
    }
}
