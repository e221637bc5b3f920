//! Canaries: secrets that go through every address and every status, and must turn up nowhere but where they are shown
//! once.

use std::os::unix::fs::PermissionsExt as _;

use reqwest::Method;
use serde_json::json;
use stackblaze::domain::Reason;
use stackblaze::domain::Step;
use stackblaze::web::resources;

use crate::harness::Answer;
use crate::harness::Hook;
use crate::harness::Lines;
use crate::harness::Script;
use crate::harness::TestServer;
use crate::harness::http::Send as _;

/// Value of a service's variable.
const VALUE: &str = "canary-value-of-a-variable";
/// Where the secret digits are in a hook token and in an API token.
const HOOK_SECRET: std::ops::Range<usize> = 31..63;
const API_SECRET: std::ops::Range<usize> = 17..49;

/// The secrets of one server. What is compared are the secret parts alone, so that a cut copy is found as well.
struct Canaries {
    hooks: Vec<Hook>,
    api_token: String,
    link: String,
    session: String,
}

impl Canaries {
    async fn plant(server: &TestServer) -> Self {
        let service = server.service("api").policy("every").env("CANARY", VALUE).create().await;
        let (old, revoked) = (service.hook("ci").await, service.hook("revoked").await);
        let new = old.rotate("24h").await;
        revoked.revoke().await;
        let api_token = server.token("canary", "admin", None).await;
        let made = server.admin.post("/api/v1/operators", json!({ "name": "mira" })).await.json();
        let link = made["signInUrl"].as_str().unwrap().split_once("once=").unwrap().1.to_owned();
        let other = server.admin.post("/api/v1/operators/mira/login-link", json!({})).await.json();
        let used = other["signInUrl"].as_str().unwrap().split_once("once=").unwrap().1.to_owned();
        let request = server.anyone().request(Method::POST, "/login");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(format!("once={used}")).answer().await;
        let session = answer.header("set-cookie").unwrap().split([';', '=']).nth(1).unwrap().to_owned();
        Self { hooks: vec![old, new, revoked], api_token, link, session }
    }

    fn parts(&self) -> Vec<String> {
        let mut parts: Vec<_> = self.hooks.iter().map(|hook| hook.token[HOOK_SECRET].to_owned()).collect();
        parts.extend([self.api_token[API_SECRET].to_owned(), self.link.clone(), self.session.clone()]);
        assert!(parts.iter().all(|part| part.len() >= 32));
        parts
    }

    /// Calls every address with every method as every holder, and everything that a hook can answer.
    async fn fly(&self, server: &TestServer) -> Vec<Answer> {
        let script =
            Script::default().begins(Step::Build).says(Step::Build, format!("echo {VALUE}\n").as_bytes());
        server.executor.otherwise(script.ends(Step::Build, 1).fails(Reason::BuildFailed));
        let mut answers = Vec::new();
        for hook in &self.hooks {
            for query in [
                "",
                "branch=main",
                "branch=",
                "branch=a%20b",
                "dry_run",
                "brach=x",
                "commit=x",
                "branch=a&branch=b",
            ] {
                answers.push(hook.post(query).await);
                answers.push(hook.post_with_key(query, "job").await);
            }
            answers.push(hook.call(Method::GET, "").header("accept", "text/html").answer().await);
            answers.push(hook.call(Method::POST, "").body(vec![0; 1_100_000]).answer().await);
        }
        server.run_all().await;
        let id = server.admin.get("/api/v1/services/api/deployments?limit=1").await.items().remove(0);
        let id = id["deploymentId"].as_str().unwrap().to_owned();
        let mut holders: Vec<_> = self.hooks.iter().map(|hook| server.holder(&hook.token)).collect();
        holders.push(server.holder(&self.api_token));
        for resource in resources() {
            let path = resource.path.replace(":id", &id).replace(":name", "api").replace(":hook", "ci");
            let path = path.replace(":token", "nothing").replace("/*token", "").replace(":code", "internal");
            for method in
                ["GET", "POST", "PUT", "PATCH", "OPTIONS"].map(|name| name.parse::<Method>().unwrap())
            {
                // These show a secret on purpose.
                if method == Method::POST
                    && ["/rotate", "/login-link", "/reset", "/backup"].iter().any(|end| path.ends_with(end))
                {
                    continue;
                }
                for holder in &holders {
                    answers.push(holder.request(method.clone(), &path).json(&json!({})).answer().await);
                }
                let cookie = format!("stackblaze={}", self.session);
                let request = server.anyone().request(method.clone(), &path).header("cookie", cookie);
                answers.push(request.json(&json!({})).answer().await);
            }
        }
        server.run_all().await;
        answers
    }
}

fn all_files(server: &TestServer) -> Vec<(String, Vec<u8>)> {
    server
        .files()
        .into_iter()
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect()
}

fn holds(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

#[tokio::test]
async fn no_answer_repeats_a_secret() {
    let server = TestServer::start().await;
    let canaries = Canaries::plant(&server).await;

    let answers = canaries.fly(&server).await;

    let statuses: std::collections::BTreeSet<_> = answers.iter().map(|answer| answer.status).collect();
    for status in [200, 202, 204, 400, 401, 403, 404, 405, 413, 422] {
        assert!(statuses.contains(&status), "no answer had {status}: {statuses:?}");
    }
    for answer in &answers {
        let text = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
        for part in canaries.parts().iter().map(String::as_str).chain([VALUE]) {
            assert!(!text.contains(part), "{} {text}", answer.status);
        }
    }
}

#[tokio::test]
async fn no_file_holds_a_secret() {
    let server = TestServer::start().await;
    let canaries = Canaries::plant(&server).await;
    canaries.fly(&server).await;
    let admin_in_use = all_files(&server);

    let server = server.restart().await;

    for (name, bytes) in admin_in_use.into_iter().chain(all_files(&server)) {
        for part in canaries.parts() {
            assert!(!holds(&bytes, &part), "{name}");
        }
        // The core file has the values of variables in clear, as is said where they are entered.
        assert!(name.contains("core.db") || !holds(&bytes, VALUE), "{name}");
    }
}

#[tokio::test]
async fn the_log_of_the_server_names_no_secret() {
    let lines = Lines::default();
    let _watched = lines.watch();
    let server = TestServer::start().await;
    let canaries = Canaries::plant(&server).await;

    canaries.fly(&server).await;
    for part in canaries.parts() {
        for path in ["/deployments", "/api/v1/services", "/deploys", "/static", "/problems", "/nothing"] {
            server.admin.get(&format!("{path}/{part}?once={part}")).await;
        }
    }

    let text = lines.text();
    assert!(text.lines().count() > 100 && text.contains("/deploy-hooks"), "something was logged");
    for part in canaries.parts().iter().map(String::as_str).chain([VALUE]) {
        let line = text.lines().find(|line| line.contains(part));
        assert_eq!(line, None);
    }
}

#[tokio::test]
async fn a_backup_holds_no_token_and_not_the_server_key() {
    let server = TestServer::start().await;
    let canaries = Canaries::plant(&server).await;

    let backup = server.admin.request(Method::POST, "/api/v1/backup").answer().await;

    assert!(backup.status == 200 && backup.body.starts_with(b"SQLite format 3"));
    let key = server.state.context().key().to_text();
    for part in canaries.parts().iter().map(String::as_str).chain([key.trim().split_once(' ').unwrap().1]) {
        assert!(!holds(&backup.body, part));
    }
}

#[tokio::test]
async fn the_files_are_readable_for_their_owner_alone() {
    let server = TestServer::start().await;
    server.service("api").create().await.deploy(json!({})).await;
    server.run_all().await;

    let mut seen = Vec::new();
    for entry in std::fs::read_dir(server.dir()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.contains(".db") {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
            seen.push(name);
        }
    }
    assert!(seen.contains(&"core.db".to_owned()) && seen.contains(&"logs.db-wal".to_owned()), "{seen:?}");
}
