//! A data directory with everything in it, as a server of any release makes it through its API.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::harness::forms::{PASSWORD, encoded};
use crate::harness::git::GitRepo;
use crate::harness::process::{PATIENCE, Server, client};

/// How the server is reached, whichever port it has, so that answers of two servers can be compared.
const PUBLIC: &str = "https://deploy.example.com";
/// A cluster that never answers: what is to run there waits.
const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: production\n\
    clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n\
    contexts: [{name: production, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: t}}]\n";
/// What sweeps would take of old rows is kept, so that the rows may be old: ten years, which is the most.
const KEPT: [&str; 5] = ["keep-deployments", "keep-logs", "keep-audit", "keep-runs", "queue-timeout"];

/// Starts a program on a data directory, with a cluster that does not answer.
pub fn start(program: &Path, data: &Path) -> Server {
    let kubeconfig = data.parent().expect("it is in a folder").join("kubeconfig");
    std::fs::write(&kubeconfig, KUBECONFIG).unwrap();
    let mut command = Command::new(program);
    command.arg("serve").arg("--data-dir").arg(data).env_remove("STATE_DIRECTORY");
    command.args(["--listen", "127.0.0.1:0", "--drain-delay", "0", "--public-url", PUBLIC]);
    command.args(["--kube-context", "production", "--kubeconfig"]).arg(&kubeconfig);
    for step in ["clone", "build", "deploy"] {
        command.args(["--step-image", &format!("{step}=registry.example.com/stackblaze:1")]);
    }
    for flag in KEPT {
        command.args([&format!("--{flag}"), "3650d"]);
    }
    Server::from_command(command, data)
}

/// What somebody keeps outside of the server: it has to go on working.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Handed {
    /// Token of a hook.
    pub hook: String,
    /// Token of a hook before it was rotated; it is good for seven days more.
    pub old_hook: String,
    /// Token of a hook that was revoked.
    pub revoked_hook: String,
    /// An API token that may do all.
    pub api_token: String,
    /// An operator with a password.
    pub operator: String,
    /// Their password.
    pub password: String,
    /// Deployments that have ended: `succeeded`, then `failed`.
    pub ended: Vec<String>,
    /// A deployment that ran when the server was ended.
    pub running: String,
    /// A deployment that waits for a cluster.
    pub queued: String,
}

/// Answers to what somebody may ask, by path. They say the same for as long as nobody changes anything.
pub const ASKED: [&str; 11] = [
    "/api/v1/services?limit=100",
    "/api/v1/services/hello",
    "/api/v1/services/shop",
    "/api/v1/services/frozen",
    "/api/v1/services/hello/hooks",
    "/api/v1/services/hello/hooks/ci",
    "/api/v1/services/hello/hooks/rotated",
    "/api/v1/targets",
    "/api/v1/operators",
    "/deployments/{succeeded}",
    "/deployments/{failed}",
];

impl Handed {
    /// The answers to all that is asked, from a server that holds the data.
    pub async fn answers(&self, server: &Server) -> Value {
        let mut answers = serde_json::Map::new();
        for asked in ASKED {
            let path = asked.replace("{succeeded}", &self.ended[0]).replace("{failed}", &self.ended[1]);
            answers.insert(asked.to_owned(), server.api("GET", &path, None).await);
        }
        let logs = format!("{}/deployments/{}/logs", server.url, self.ended[0]);
        let log = client().get(logs).bearer_auth(&self.api_token).send().await.unwrap();
        answers.insert("log".to_owned(), json!(log.text().await.unwrap()));
        Value::Object(answers)
    }
}

/// A repository at `path` with a branch main.
pub fn repository(path: &Path) {
    let repo = GitRepo::new();
    repo.commit("greeting", "Hello\n", "Say hello");
    repo.git(&["clone", "-q", "--bare", ".", path.to_str().unwrap()]);
}

/// Fills a server's data directory. `repository` is what it clones.
pub async fn fill(server: &Server, repository: &str) -> Handed {
    services(server, repository).await;
    let hook = hook(server, json!({ "name": "ci", "branches": ["main", "release/*"] })).await;
    let old_hook = self::hook(server, json!({ "name": "rotated", "addresses": ["127.0.0.0/8"] })).await;
    server.api("POST", "/api/v1/services/hello/hooks/rotated/rotate", Some(json!({ "overlap": "7d" }))).await;
    let revoked_hook = self::hook(server, json!({ "name": "revoked" })).await;
    server.api("DELETE", "/api/v1/services/hello/hooks/revoked", None).await;
    self::hook(server, json!({ "name": "paused", "paused": "holidays", "expiresIn": "30d" })).await;
    let token = json!({ "name": "ci", "scope": "admin" });
    let api_token =
        server.api("POST", "/api/v1/tokens", Some(token)).await["token"].as_str().unwrap().to_owned();
    let operator = "mira".to_owned();
    sign_up(server, &operator).await;
    targets(server).await;

    let ended = vec![call(server, &hook, "?note=the+first").await, deploy(server, "broken", json!({})).await];
    for id in &ended {
        until(server, id, &["succeeded", "failed"]).await;
    }
    let refused =
        client().post(format!("{}/deploy-hooks/{hook}?branch=other", server.url)).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let queued = deploy(server, "shop", json!({ "clearCache": true })).await;
    let running = deploy(server, "slow", json!({})).await;
    until(server, &running, &["building"]).await;
    let password = PASSWORD.to_owned();
    Handed { hook, old_hook, revoked_hook, api_token, operator, password, ended, running, queued }
}

async fn services(server: &Server, repository: &str) {
    let own = |name: &str, build: &str, more: Value| {
        let mut service = json!({ "name": name, "repository": repository, "executor": "local",
            "buildCommand": build, "deployCommand": "true", "settle": "0s" });
        service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        service
    };
    let variables = json!({ "env": { "KEY": "a secret value" }, "vars": { "MODE": "production" },
        "url": "https://hello.example.com", "queuePolicy": "every", "timeout": "30m" });
    for service in [
        own("hello", "seq 500; cat greeting", variables),
        own("broken", "echo 'error: no such thing'; exit 3", json!({})),
        own("slow", "echo begun; sleep 1000", json!({})),
        own("frozen", "true", json!({})),
        own("gone", "true", json!({})),
        json!({ "name": "shop", "repository": "https://git.example.com/you/shop.git", "executor": "tekton",
            "image": "registry.example.com/shop", "workloads": ["apps/shop", "cronjob:apps/nightly"],
            "releaseCommand": ["rake", "db:migrate"], "buildArgs": { "MODE": "production" },
            "allowedImages": ["registry.example.com/other"], "registrySecret": "registry" }),
    ] {
        server.api("POST", "/api/v1/services", Some(service)).await;
    }
    server.api("PUT", "/api/v1/services/frozen/freeze", Some(json!({ "reason": "release week" }))).await;
    server.api("PUT", "/api/v1/services/hello/badge", None).await;
    server.api("DELETE", "/api/v1/services/gone", None).await;
}

async fn targets(server: &Server) {
    let webhook = json!({ "kind": "webhook", "url": "https://hooks.example.com/stackblaze" });
    let chat =
        json!({ "kind": "slack", "url": "https://hooks.slack.com/services/T0/B0/none", "service": "hello" });
    for target in [webhook, chat] {
        server.api("POST", "/api/v1/targets", Some(target)).await;
    }
}

/// Makes a hook of `hello`; its token.
async fn hook(server: &Server, hook: Value) -> String {
    let shown = server.api("POST", "/api/v1/services/hello/hooks", Some(hook)).await;
    shown["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// An operator who has signed in and has a password.
async fn sign_up(server: &Server, name: &str) {
    let shown = server.api("POST", "/api/v1/operators", Some(json!({ "name": name }))).await;
    let once = shown["signInUrl"].as_str().unwrap().split_once("once=").unwrap().1.to_owned();
    let begun = send_form(server, "/login", &[("once", &once)], None).await;
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let fields = [("password", PASSWORD), ("again", PASSWORD)];
    let set = send_form(server, "/account/password", &fields, Some(&cookie)).await;
    assert_eq!(set.status(), 303);
}

/// A form as a browser sends it from the server's own page.
pub async fn send_form(
    server: &Server,
    path: &str,
    fields: &[(&str, &str)],
    cookie: Option<&str>,
) -> reqwest::Response {
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let request = client.post(format!("{}{path}", server.url)).header("sec-fetch-site", "same-origin");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(encoded(fields));
    let request = match cookie {
        Some(cookie) => request.header("cookie", cookie),
        None => request,
    };
    request.send().await.unwrap()
}

/// Calls a hook; the id.
pub async fn call(server: &Server, hook: &str, query: &str) -> String {
    let url = format!("{}/deploy-hooks/{hook}{query}", server.url);
    let request = client().post(url).header("idempotency-key", format!("key-{query}"));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 202);
    answer.json::<Value>().await.unwrap()["deploymentId"].as_str().unwrap().to_owned()
}

async fn deploy(server: &Server, service: &str, body: Value) -> String {
    let path = format!("/api/v1/services/{service}/deployments");
    server.api("POST", &path, Some(body)).await["deploymentId"].as_str().unwrap().to_owned()
}

/// Asks until a deployment is in one of these states.
pub async fn until(server: &Server, id: &str, states: &[&str]) -> Value {
    let began = Instant::now();
    loop {
        let shown = server.api("GET", &format!("/deployments/{id}"), None).await;
        if states.contains(&shown["status"].as_str().unwrap()) {
            return shown;
        }
        assert!(began.elapsed() < PATIENCE, "{shown}");
    }
}

/// Where a copy of a data directory is worked on.
pub fn copy(from: &Path, to: &Path) -> PathBuf {
    let data = to.join("data");
    std::fs::create_dir(&data).unwrap();
    for file in ["core.db", "logs.db", "secret.key"] {
        std::fs::copy(from.join(file), data.join(file)).unwrap();
    }
    let key = data.join("secret.key");
    std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    data
}
