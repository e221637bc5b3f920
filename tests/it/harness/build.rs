//! Services and hooks, made by the management API, as sentences.

use std::pin::Pin;

use reqwest::Method;
use reqwest::RequestBuilder;
use serde_json::Value;
use serde_json::json;

use super::http::Answer;
use super::http::Api;
use super::http::Send as _;

pub struct ServiceBuilder {
    admin: Api,
    body: Value,
}

impl ServiceBuilder {
    pub fn new(admin: Api, name: &str) -> Self {
        let repository = format!("/srv/git/{name}.git");
        let body = json!({ "name": name, "repository": repository, "deployCommand": "true" });
        Self { admin, body }
    }

    pub fn policy(self, policy: &str) -> Self {
        self.with("queuePolicy", json!(policy))
    }

    pub fn timeout(self, timeout: &str) -> Self {
        self.with("timeout", json!(timeout))
    }

    pub fn branch(self, branch: &str) -> Self {
        self.with("defaultBranch", json!(branch))
    }

    pub fn env(self, name: &str, value: &str) -> Self {
        self.with("env", json!({ name: value }))
    }

    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.body[field] = value;
        self
    }

    pub async fn create(self) -> Service {
        let answer = self.admin.post("/api/v1/services", self.body.clone()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        Service { admin: self.admin, name: self.body["name"].as_str().unwrap().to_owned() }
    }
}

#[derive(Clone)]
pub struct Service {
    admin: Api,
    pub name: String,
}

impl Service {
    pub fn path(&self) -> String {
        format!("/api/v1/services/{}", self.name)
    }

    pub fn hook(&self, name: &str) -> HookBuilder {
        HookBuilder { service: self.clone(), body: json!({ "name": name }) }
    }

    pub async fn freeze(&self, reason: &str) {
        let answer = self.admin.put(&format!("{}/freeze", self.path()), json!({ "reason": reason })).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    pub async fn delete(&self) {
        assert_eq!(self.admin.delete(&self.path()).await.status, 204);
    }

    /// Deploy now; the new deployment's id.
    pub async fn deploy(&self, body: Value) -> String {
        self.admin.post(&format!("{}/deployments", self.path()), body).await.id()
    }
}

pub struct HookBuilder {
    service: Service,
    body: Value,
}

impl HookBuilder {
    pub fn branches(self, patterns: &[&str]) -> Self {
        self.with("branches", json!(patterns))
    }

    pub fn addresses(self, ranges: &[&str]) -> Self {
        self.with("addresses", json!(ranges))
    }

    pub fn expires_in(self, span: &str) -> Self {
        self.with("expiresIn", json!(span))
    }

    pub fn paused(self, reason: &str) -> Self {
        self.with("paused", json!(reason))
    }

    fn with(mut self, field: &str, value: Value) -> Self {
        self.body[field] = value;
        self
    }
}

impl IntoFuture for HookBuilder {
    type Output = Hook;
    type IntoFuture = Pin<Box<dyn Future<Output = Hook>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let path = format!("{}/hooks", self.service.path());
            let answer = self.service.admin.post(&path, self.body).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            let shown = answer.json();
            let name = shown["name"].as_str().unwrap().to_owned();
            Hook { service: self.service, name, token: token_of(&shown) }
        })
    }
}

/// The token in the URL that an answer shows.
pub fn token_of(shown: &Value) -> String {
    let url = shown["url"].as_str().unwrap();
    url.split_once("/deploy-hooks/").unwrap().1.to_owned()
}

#[derive(Clone)]
pub struct Hook {
    service: Service,
    pub name: String,
    pub token: String,
}

impl Hook {
    /// Where the management API has it.
    pub fn path(&self) -> String {
        format!("{}/hooks/{}", self.service.path(), self.name)
    }

    /// The secret URL on the address that is listened on.
    pub fn url(&self) -> String {
        self.service.admin.url(&format!("/deploy-hooks/{}", self.token))
    }

    /// A call with any method, `query` without its `?`.
    pub fn call(&self, method: Method, query: &str) -> RequestBuilder {
        let sign = if query.is_empty() { "" } else { "?" };
        let path = format!("/deploy-hooks/{}{sign}{query}", self.token);
        self.service.admin.with_token(None).request(method, &path)
    }

    pub async fn post(&self, query: &str) -> Answer {
        self.call(Method::POST, query).answer().await
    }

    /// A call with an Idempotency-Key.
    pub async fn post_with_key(&self, query: &str, key: &str) -> Answer {
        self.call(Method::POST, query).header("idempotency-key", key).answer().await
    }

    pub async fn revoke_by_url(&self) -> Answer {
        self.call(Method::DELETE, "").answer().await
    }

    pub async fn revoke(&self) {
        assert_eq!(self.service.admin.delete(&self.path()).await.status, 204);
    }

    pub async fn change(&self, body: Value) {
        let answer = self.service.admin.patch(&self.path(), body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// The same hook with its new secret.
    pub async fn rotate(&self, overlap: &str) -> Self {
        let path = format!("{}/rotate", self.path());
        let answer = self.service.admin.post(&path, json!({ "overlap": overlap })).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self { token: token_of(&answer.json()), ..self.clone() }
    }

    /// The last calls: result and count, newest first.
    pub async fn calls(&self) -> Vec<(String, i64)> {
        let answer = self.service.admin.get(&format!("{}/calls", self.path())).await;
        let call =
            |call: &Value| (call["result"].as_str().unwrap().to_owned(), call["count"].as_i64().unwrap());
        answer.items().iter().map(call).collect()
    }
}
