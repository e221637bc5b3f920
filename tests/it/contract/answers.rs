//! Every operation is called, and each answer is as the document says.

use reqwest::Method;
use serde_json::{Value, json};
use stackblaze::domain::{Reason, Step};

use super::{Caller, operations};
use crate::harness::TestServer;
use crate::harness::http::Api;
use crate::harness::receiver::Receiver;
use crate::harness::scripted::Script;

const MADE_UP: &str = "dep_aaaaaaaaaaaaaaaaaaaa";

/// A server, and somebody who calls everything.
struct Walk {
    server: TestServer,
    caller: Caller,
}

impl Walk {
    async fn get(&self, path: &str) -> crate::harness::Answer {
        self.caller.call(&self.server.admin, Method::GET, path, None).await
    }

    async fn delete(&self, path: &str) {
        self.caller.call(&self.server.admin, Method::DELETE, path, None).await;
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let body = Some(body).filter(|body| !body.is_null());
        self.caller.call(&self.server.admin, Method::POST, path, body).await.json()
    }

    async fn put(&self, path: &str, body: Option<Value>) {
        self.caller.call(&self.server.admin, Method::PUT, path, body).await;
    }

    async fn patch(&self, path: &str, body: Value) {
        self.caller.call(&self.server.admin, Method::PATCH, path, Some(body)).await;
    }

    async fn refused(&self, api: &Api, method: Method, path: &str, status: u16) {
        assert_eq!(self.caller.call(api, method, path, None).await.status, status, "{path}");
    }

    /// Services, and the operations on one.
    async fn services(&self) {
        let service = json!({ "name": "api", "repository": "/srv/git/api.git", "deployCommand": "true" });
        self.post("/api/v1/services?dry_run", service.clone()).await;
        self.post("/api/v1/services", service.clone()).await;
        self.post("/api/v1/services", service).await;
        self.get("/api/v1/services").await;
        let etag = self.get("/api/v1/services/api").await.header("etag").unwrap().to_owned();
        let full = json!({ "env": { "KEY": "x" }, "history": "all", "url": "https://api.example.com" });
        self.patch("/api/v1/services/api", full).await;
        let stale = self.server.admin.request(Method::PATCH, "/api/v1/services/api").header("if-match", etag);
        assert_eq!(self.caller.send(stale.json(&json!({}))).await.status, 412);
        let text = self.server.admin.request(Method::PATCH, "/api/v1/services/api").body("name");
        assert_eq!(self.caller.send(text.header("content-type", "text/plain")).await.status, 415);
        self.put("/api/v1/services/api/freeze", Some(json!({ "reason": "release day" }))).await;
        self.post("/api/v1/services/api/deployments", json!({})).await;
        self.delete("/api/v1/services/api/freeze").await;
        self.put("/api/v1/services/api/badge", None).await;
        self.get("/api/v1/services/api/cache").await;
        self.delete("/api/v1/services/api/cache").await;
        self.get("/api/v1/services/api/checks").await;
        self.server.check().await;
        self.get("/api/v1/services/api/checks").await;
        // Of this moment, which does not pass.
        self.post("/api/v1/services/api/checks", Value::Null).await;
        self.get("/api/v1/services/nothing").await;
    }

    /// Hooks, their calls, and what becomes of those.
    async fn hooks(&self) -> String {
        let hooks = "/api/v1/services/api/hooks";
        self.post(&format!("{hooks}?dry_run"), json!({ "name": "ci" })).await;
        let made = self.post(hooks, json!({ "name": "ci" })).await;
        self.post(hooks, json!({ "name": "ci" })).await;
        let url = made["url"].as_str().unwrap();
        let path = url[url.find("/deploy-hooks/").unwrap()..].to_owned();
        let holder = self.server.holder(path.rsplit('/').next().unwrap());
        let anyone = self.server.anyone();
        self.caller.call(&anyone, Method::POST, &format!("{path}?dry_run"), None).await;
        let id = self.caller.call(&anyone, Method::POST, &path, None).await.id();
        self.caller.call(&holder, Method::POST, "/deploy-hooks", None).await;
        self.caller.call(&holder, Method::POST, "/deploy-hooks?dry_run=1", None).await;
        for query in ["branch=", "image=x", "from=dep_1"] {
            self.caller.call(&anyone, Method::POST, &format!("{path}?{query}"), None).await;
        }
        for branch in ["main", "other"] {
            let again = anyone.request(Method::POST, &format!("{path}?branch={branch}"));
            self.caller.send(again.header("idempotency-key", "one")).await;
        }
        self.get(hooks).await;
        self.get(&format!("{hooks}/ci")).await;
        self.get(&format!("{hooks}/ci/calls")).await;
        self.patch(&format!("{hooks}/ci"), json!({ "sources": ["build"], "expiresIn": "1h" })).await;
        self.post(&format!("{hooks}/ci/rotate"), json!({ "overlap": "1h" })).await;
        self.post(&format!("{hooks}/ci/rotate"), json!({ "overlap": "1h" })).await;
        self.caller.call(&anyone, Method::POST, &path, None).await;
        let spare = self.post(hooks, json!({ "name": "spare" })).await;
        self.delete(&format!("{hooks}/spare")).await;
        self.delete(&format!("{hooks}/{}", spare["id"].as_str().unwrap())).await;
        id
    }

    /// Revoking by the URL ends what was made.
    async fn revoke_by_url(&self) {
        for name in ["by-url", "by-token"] {
            let made = self.post("/api/v1/services/api/hooks", json!({ "name": name })).await;
            let url = made["url"].as_str().unwrap();
            let path = &url[url.find("/deploy-hooks/").unwrap()..];
            let holder = self.server.holder(path.rsplit('/').next().unwrap());
            let path = if name == "by-url" { path } else { "/deploy-hooks" };
            let api = if name == "by-url" { self.server.anyone() } else { holder };
            self.refused(&api, Method::DELETE, path, 204).await;
            self.refused(&api, Method::DELETE, path, 401).await;
        }
    }

    async fn deployments(&self, id: &str) {
        let (path, anyone) = (format!("/deployments/{id}"), self.server.anyone());
        self.caller.call(&anyone, Method::GET, &path, None).await;
        self.server.executor.next(Script::succeeds().ends(Step::Build, 2).fails(Reason::BuildFailed));
        self.server.run_all().await;
        let known = self.get(&path).await.header("etag").unwrap().to_owned();
        let again = self.server.admin.request(Method::GET, &path).header("if-none-match", known);
        assert_eq!(self.caller.send(again).await.status, 304);
        self.refused(&anyone, Method::GET, &format!("{path}/wait"), 424).await;
        self.refused(&self.server.admin, Method::GET, &format!("{path}/wait"), 424).await;
        self.get(&format!("{path}/logs")).await;
        self.get(&format!("{path}/logs?from=1000000")).await;
        for kind in ["text/plain", "text/event-stream"] {
            for path in [&path, &format!("{path}/wait"), &format!("{path}/logs")] {
                let text = self.server.admin.request(Method::GET, path).header("accept", kind);
                self.caller.send(text).await;
            }
        }
        self.post(&format!("{path}/cancel"), Value::Null).await;
        self.post(&format!("{path}/rollback"), Value::Null).await;
        let again = self.post(&format!("{path}/redeploy?clear_cache"), Value::Null).await;
        let again = format!("/deployments/{}", again["deploymentId"].as_str().unwrap());
        self.post(&format!("{again}/cancel"), Value::Null).await;
        let good = self.post("/api/v1/services/api/deployments", json!({ "note": "why" })).await;
        let good = format!("/deployments/{}", good["deploymentId"].as_str().unwrap());
        self.server.run_all().await;
        self.refused(&anyone, Method::GET, &format!("{good}/wait"), 200).await;
        self.post(&format!("{good}/rollback"), Value::Null).await;
        self.server.run_all().await;
        for list in ["/api/v1/deployments?limit=1", "/api/v1/services/api/deployments", "/api/v1/status"] {
            self.get(list).await;
        }
    }

    async fn targets(&self) {
        let receiver = Receiver::start();
        let body = json!({ "kind": "webhook", "url": receiver.url("/x"), "service": "api" });
        self.post("/api/v1/targets?dry_run", body.clone()).await;
        let made = self.post("/api/v1/targets", body).await;
        let target = format!("/api/v1/targets/{}", made["id"].as_str().unwrap());
        self.get("/api/v1/targets?service=api").await;
        self.get(&target).await;
        self.patch(&target, json!({ "events": ["deployment.failed"] })).await;
        self.post(&format!("{target}/rotate"), json!({})).await;
        self.post(&format!("{target}/rotate"), json!({})).await;
        let test = format!("{target}/test");
        let (tested, ()) = tokio::join!(self.post(&test, Value::Null), async {
            self.server.until_notices(|waiting| waiting > 0).await;
            self.server.deliver().await;
        });
        self.get(&format!("{target}/notices")).await;
        let notice = format!("{target}/notices/{}", tested["id"].as_str().unwrap());
        self.post(&format!("{notice}/redeliver"), Value::Null).await;
        self.patch(&target, json!({ "state": "off" })).await;
        self.post(&test, Value::Null).await;
        self.delete(&target).await;
        self.post("/api/v1/targets", json!({ "kind": "slack" })).await;
    }

    async fn access(&self) {
        let token = self.post("/api/v1/tokens", json!({ "name": "ci", "scope": "read" })).await;
        let reader = self.server.holder(token["token"].as_str().unwrap());
        self.get("/api/v1/tokens").await;
        for path in ["/api/v1/tokens", "/api/v1/audit", "/api/v1/operators", "/api/v1/targets"] {
            self.refused(&reader, Method::GET, path, 403).await;
        }
        self.refused(&reader, Method::DELETE, "/api/v1/services/api", 403).await;
        self.delete("/api/v1/tokens/ci").await;
        self.delete("/api/v1/tokens/ci").await;
        self.post("/api/v1/operators", json!({ "name": "mira" })).await;
        self.post("/api/v1/operators", json!({ "name": "mira" })).await;
        self.get("/api/v1/operators").await;
        self.post("/api/v1/operators/mira/login-link", Value::Null).await;
        self.post("/api/v1/operators/mira/reset", Value::Null).await;
        self.post("/api/v1/operators/nobody/reset", Value::Null).await;
        self.get("/api/v1/audit?limit=100").await;
    }

    async fn server(&self) {
        let badge = self.caller.call(&self.server.admin, Method::PUT, "/api/v1/services/api/badge", None);
        let url = badge.await.json()["url"].as_str().unwrap().to_owned();
        self.get(&url[url.find("/badges/").unwrap()..]).await;
        self.get("/badges/nothing.svg").await;
        for path in ["/healthz", "/version", "/readyz", "/readyz?verbose", "/openapi.json"] {
            self.get(path).await;
        }
        self.get("/problems/not-found").await;
        self.get("/problems/nothing").await;
        self.caller.call(&self.server.admin, Method::POST, "/api/v1/backup", None).await;
        self.delete("/api/v1/services/api/badge").await;
    }
}

#[tokio::test]
async fn every_operation_answers_as_it_is_described() {
    let server = TestServer::start().await;
    let walk = Walk { caller: Caller::new(&server).await, server };

    walk.services().await;
    let id = walk.hooks().await;
    walk.deployments(&id).await;
    walk.targets().await;
    walk.access().await;
    walk.server().await;
    walk.revoke_by_url().await;
    walk.delete("/api/v1/services/api").await;
    walk.refusals().await;

    let seen = walk.caller.seen.borrow();
    for (method, path, own) in operations(&walk.caller.document) {
        let id = own["operationId"].as_str().unwrap();
        let has = |of: &str| seen.iter().any(|seen| seen.starts_with(&format!("{id} {of}")));
        assert!(has("2"), "{method} {path} was never answered well");
        let is_open = ["getHealth", "getReadiness", "getVersion", "getOpenapi"].contains(&id);
        assert!(has("4") || is_open, "{method} {path} was never refused");
    }
    assert!(seen.len() > 130, "{seen:?}");
}

impl Walk {
    /// What nobody may do without a credential, and what is not there.
    async fn refusals(&self) {
        let anyone = self.server.anyone();
        for (method, path, own) in operations(&self.caller.document) {
            let path = path.replace("{id}", MADE_UP).replace(['{', '}'], "");
            if own["security"].as_array().is_some_and(|ways| ways.contains(&json!({ "session": [] }))) {
                let is_open = own["security"].as_array().unwrap().contains(&json!({}));
                let is_probe = path == "/readyz";
                if !is_probe {
                    self.refused(&anyone, method, &path, if is_open { 404 } else { 401 }).await;
                }
            } else if path.starts_with("/deploy-hooks") {
                self.refused(&anyone, method, &path, 401).await;
            }
        }
        self.server.begin_to_drain();
        self.refused(&anyone, Method::GET, "/readyz", 503).await;
        self.refused(&anyone, Method::GET, "/readyz?verbose", 503).await;
    }
}
