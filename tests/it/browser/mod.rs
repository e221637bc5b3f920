//! The dashboard in Debian's Chromium, with scripts and without.

mod demo;
mod follow;
mod hostile;
mod journey;
mod log;
mod looks;
mod notifications;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::browser::Browser;
use crate::harness::git::GitRepo;
use crate::harness::process::{Server, client};

/// The real program with a repository to deploy, and a browser whose user has signed in.
struct Desk {
    server: Server,
    browser: Browser,
    repo: GitRepo,
    data: TempDir,
}

impl Desk {
    async fn new(scripts: bool) -> Self {
        Self::with(scripts, &[]).await
    }

    /// With flags of the server.
    async fn with(scripts: bool, flags: &[&str]) -> Self {
        let (data, repo) = (TempDir::new().unwrap(), GitRepo::new());
        repo.commit("hello", "one\n", "Say hello");
        let server = Server::start(data.path(), flags);
        let browser = if scripts { Browser::start().await } else { Browser::without_scripts().await };
        let desk = Self { server, browser, repo, data };
        desk.sign_in().await;
        desk
    }

    async fn sign_in(&self) {
        let link = self.server.api("POST", "/api/v1/operators", Some(json!({ "name": "mira" }))).await;
        self.browser.open(link["signInUrl"].as_str().unwrap()).await;
        self.browser.press("Sign in").await;
        self.browser.shows("Sign out mira").await;
    }

    /// Opens a path of the server.
    async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.server.url)).await;
    }

    /// A service with a build that succeeds, and the path of its hook.
    async fn service(&self, name: &str, build: &str) -> String {
        let service = json!({ "name": name, "repository": self.repo.url(), "buildCommand": build });
        self.server.hook(service).await
    }

    /// POSTs to a hook; the id.
    async fn start(&self, hook: &str) -> String {
        let answer = client().post(format!("{}{hook}", self.server.url)).send().await.unwrap();
        let body: serde_json::Value = answer.json().await.unwrap();
        body["deploymentId"].as_str().unwrap().to_owned()
    }

    /// The same, and waits for the end.
    async fn deploy(&self, hook: &str) -> String {
        let id = self.start(hook).await;
        self.ends(&id).await;
        id
    }

    async fn ends(&self, id: &str) {
        let url = format!("{}/deployments/{id}/wait", self.server.url);
        while client().get(&url).send().await.unwrap().status() == 503 {}
    }
}
