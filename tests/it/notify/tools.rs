//! What is sent, judged by libraries and descriptions of those who receive it. `./test` fetches them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use stackblaze::domain::{Event, TargetKind};
use stackblaze::notify::Outcome;

use super::receiver::{Heard, Receiver};
use super::{TOKEN, recipient, send, sender, text, told};
use crate::harness::guest::{Guest, output_of};
use crate::harness::soon;
use crate::harness::tools;

/// Every event that a forge may be told of.
const OF_DEPLOYMENTS: [Event; 5] =
    [Event::Queued, Event::Started, Event::Succeeded, Event::Failed, Event::Recovered];

/// Verifies what is on its stdin as `[[secret, headers, body], …]` as the documentation of the library says, and that not
/// everything passes.
const VERIFY_IN_NODE: &str = r#"
const { Webhook } = require("standardwebhooks");
for (const [secret, headers, body] of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
    const data = new Webhook(secret).verify(body, headers);
    if (data.type !== JSON.parse(body).type) throw new Error("another body");
    let passed = true;
    try { new Webhook(secret).verify(body + " ", headers); } catch { passed = false; }
    if (passed) throw new Error("a changed body passes");
    console.log("verified");
}
"#;
const VERIFY_IN_PYTHON: &str = r#"
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
for secret, headers, body in json.load(sys.stdin):
    data = Webhook(secret).verify(body, headers)
    assert data["type"] == json.loads(body)["type"]
    try:
        Webhook(secret).verify(body + " ", headers)
        raise SystemExit("a changed body passes")
    except WebhookVerificationError:
        print("verified")
"#;
/// Sets a status as the documentation of python-gitlab does.
const STATUS_BY_PYTHON_GITLAB: &str = r"
import json, sys
import gitlab
url, token, project, commit, status = json.load(sys.stdin)
known = gitlab.Gitlab(url, private_token=token)
known.projects.get(project, lazy=True).commits.get(commit, lazy=True).statuses.create(status)
";
const STATUS_BY_GITEA_JS: &str = r#"
const { giteaApi } = require("gitea-js");
const [url, token, owner, name, commit, status] = JSON.parse(require("fs").readFileSync(0, "utf8"));
giteaApi(url, { token, customFetch: fetch }).repos.repoCreateStatus(owner, name, commit, status);
"#;
/// Reads blocks as Slack's own library does, and gives what it has understood.
const BLOCKS_BY_SLACK: &str = r"
import json, sys
from slack_sdk.models.blocks import Block
blocks = Block.parse_all(json.load(sys.stdin))
for block in blocks:
    block.validate_json()
print(json.dumps([block.to_dict() for block in blocks]))
";

/// Runs a program with a value on its stdin, and gives what it prints; it has to succeed.
async fn run(mut command: Command, script: [&str; 2], input: &Value) -> String {
    command.args(script).current_dir(tools());
    let done = output_of(command, &input.to_string()).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

async fn node(script: &str, input: &Value) -> String {
    let mut command = Command::new("node");
    command.env("NODE_PATH", tools().join("node_modules"));
    run(command, ["-e", script], input).await
}

async fn python(script: &str, input: &Value) -> String {
    run(Command::new(tools().join("python/bin/python")), ["-c", script], input).await
}

/// Notices to a webhook as they arrive, with each secret that is good for them.
async fn signed() -> Value {
    let receiver = Receiver::answering(204, "", "");
    let to = recipient(TargetKind::Webhook, &receiver.url);
    for event in OF_DEPLOYMENTS {
        send(&sender(), &to, &told(event)).await;
    }
    send(&sender(), &to, &text()).await;
    let heard = receiver.heard();
    let each = heard.iter().flat_map(|heard| {
        to.secrets.iter().map(move |secret| json!([secret.reveal().as_str(), heard.headers, heard.body]))
    });
    each.collect()
}

#[tokio::test]
#[ignore = "needs libraries of Node and Python"]
async fn standard_webhooks_verify() {
    let signed = signed().await;

    for verified in [node(VERIFY_IN_NODE, &signed).await, python(VERIFY_IN_PYTHON, &signed).await] {
        assert_eq!(verified.lines().count(), 12, "{verified}");
    }
}

/// Hands a request on to another server, with a path that does not begin with this one. GitHub's documentation asks for
/// `application/vnd.github+json`, which the description does not know.
fn hand_on(heard: &Heard, prefix: &str, port: u16) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let path = heard.path.strip_prefix(prefix).expect("it is below the prefix");
    let own = ["accept", "connection", "host"];
    let headers = heard.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let headers: String = headers.flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    let own = "accept: application/json\r\nhost: api.github.com\r\nconnection: close\r\n";
    write!(stream, "{} {path} HTTP/1.1\r\n{own}{headers}\r\n{}", heard.method, heard.body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// GitHub as its own description has it: what does not fit is refused with 422.
struct DescribedGithub {
    _prism: Guest,
    port: u16,
}

impl DescribedGithub {
    async fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let description = tools().join("node_modules/@octokit/openapi/generated/api.github.com.json");
        let mut prism = Command::new(tools().join("node_modules/.bin/prism"));
        prism.args(["mock", "--host", "127.0.0.1", "--port", &port.to_string()]).arg(description);
        let prism = Guest::start(prism.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        let answers = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        soon(answers).await;
        Self { _prism: prism, port }
    }

    /// One that is below the path of an enterprise host.
    fn enterprise(&self) -> Receiver {
        let port = self.port;
        Receiver::start(move |heard, stream| {
            let answer = hand_on(heard, "/api/v3", port).unwrap();
            stream.write_all(&answer).ok();
        })
    }
}

#[tokio::test]
#[ignore = "needs the description of GitHub's API and a server that plays it"]
async fn github_takes_each_request_as_its_description_has_it() {
    let described = DescribedGithub::start().await;
    let github = described.enterprise();
    for event in OF_DEPLOYMENTS {
        for is_repeated in [false, true] {
            let mut message = told(event);
            message.is_repeated = is_repeated;
            let mut to = recipient(TargetKind::Github, &format!("{}/team/api", github.url));
            to.target.required_contexts = vec!["ci/build".to_owned()];

            let delivery = send(&sender(), &to, &message).await;

            assert_eq!(delivery.outcome, Outcome::Delivered, "{event:?}: {delivery:?}");
            assert!(delivery.remote.is_some(), "{delivery:?}");
        }
    }
    let to = recipient(TargetKind::Github, &format!("{}/team/api", github.url));
    let delivery = send(&sender(), &to, &text()).await;
    assert_eq!(delivery.outcome, Outcome::Delivered, "{delivery:?}");

    // That it refuses at all: the same request with a word that is none.
    let mut wrong = github.heard().iter().find(|heard| heard.path.contains("/statuses/")).unwrap().clone();
    wrong.body = wrong.body.replace("\"pending\"", "\"waiting\"");
    wrong.headers.insert("content-length".to_owned(), wrong.body.len().to_string());
    let answer = hand_on(&wrong, "/api/v3", described.port).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 422"), "{}", String::from_utf8_lossy(&answer));
}

/// What of a request says the same whoever sends it.
fn essence(heard: &Heard, headers: &[&str]) -> (String, String, Vec<Option<String>>, Value) {
    let headers = headers.iter().map(|name| heard.headers.get(*name).cloned()).collect();
    (heard.method.clone(), heard.path.clone(), headers, heard.json())
}

#[tokio::test]
#[ignore = "needs a library of Python"]
async fn gitlab_is_asked_as_by_its_library() {
    for event in OF_DEPLOYMENTS {
        let receiver = Receiver::answering(201, "content-type: application/json\r\n", r#"{"id":1}"#);
        let to = recipient(TargetKind::Gitlab, &format!("{}/group/sub/api", receiver.url));
        send(&sender(), &to, &told(event)).await;
        let ours = receiver.heard().remove(0);
        let commit = ours.path.rsplit('/').next().unwrap();

        let given = json!([receiver.url, TOKEN, "group/sub/api", commit, ours.json()]);
        python(STATUS_BY_PYTHON_GITLAB, &given).await;

        let theirs = receiver.heard().remove(1);
        let headers = ["private-token", "content-type"];
        assert_eq!(essence(&ours, &headers), essence(&theirs, &headers));
    }
}

#[tokio::test]
#[ignore = "needs a library of Node"]
async fn gitea_is_asked_as_by_its_library() {
    for event in OF_DEPLOYMENTS {
        let receiver = Receiver::answering(201, "content-type: application/json\r\n", r#"{"id":1}"#);
        let to = recipient(TargetKind::Gitea, &format!("{}/team/api", receiver.url));
        send(&sender(), &to, &told(event)).await;
        let ours = receiver.heard().remove(0);
        let commit = ours.path.rsplit('/').next().unwrap();

        let given = json!([receiver.url, TOKEN, "team", "api", commit, ours.json()]);
        node(STATUS_BY_GITEA_JS, &given).await;

        let theirs = receiver.heard().remove(1);
        assert_eq!(essence(&ours, &["content-type"]), essence(&theirs, &["content-type"]));
        // The forge takes `token`, as its documentation says, and `Bearer`, as its library does.
        let token = |heard: &Heard| heard.headers["authorization"].rsplit(' ').next().unwrap().to_owned();
        assert_eq!(token(&ours), token(&theirs));
    }
}

#[tokio::test]
#[ignore = "needs a library of Python"]
async fn slack_understands_each_block() {
    for event in OF_DEPLOYMENTS {
        let receiver = Receiver::answering(200, "", "ok");
        let mut message = told(event);
        message.left_out = 3;
        send(&sender(), &recipient(TargetKind::Slack, &receiver.url), &message).await;
        let blocks = receiver.heard()[0].json()["blocks"].take();

        let understood = python(BLOCKS_BY_SLACK, &blocks).await;

        assert_eq!(serde_json::from_str::<Value>(&understood).unwrap(), blocks);
    }
}
