//! A client that a generator made of the document. `./test` fetches the generator.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::git::GitRepo;
use crate::harness::guest::{output, output_of};
use crate::harness::process::{Server, client};
use crate::harness::tools;

/// Deploys with the generated code, as its documentation says, and gives what it has read.
const DEPLOY: &str = r#"
import json, sys
from stackblaze_client import AuthenticatedClient, Client
from stackblaze_client.api.deploy_hooks import call_hook
from stackblaze_client.api.deployments import get_deployment, get_deployment_log, wait_for_deployment
from stackblaze_client.api.services import create_service, list_services
from stackblaze_client.models import NewService, Problem

url, hook, token = json.load(sys.stdin)
anyone = Client(base_url=url)
accepted = call_hook.sync(hook, client=anyone, idempotency_key="build-1", note="by a client")
again = call_hook.sync_detailed(hook, client=anyone, idempotency_key="build-1", note="by a client")
assert again.parsed.deployment_id == accepted.deployment_id
assert again.headers["idempotency-replayed"] == "true"
id = accepted.deployment_id
while (ended := wait_for_deployment.sync_detailed(id, client=anyone)).status_code == 503:
    pass
operator = AuthenticatedClient(base_url=url, token=token)
refused = create_service.sync(client=operator, body=NewService(name="No Name"))
assert isinstance(refused, Problem) and refused.code == "invalid_parameter", refused
print(json.dumps([
    ended.parsed.status,
    get_deployment.sync(id, client=operator).note,
    get_deployment_log.sync(id, client=operator),
    [service.name for service in list_services.sync(client=operator, limit=10).items],
]))
"#;

fn tool(name: &str) -> PathBuf {
    let tools = tools();
    tools.join("python/bin").join(name)
}

#[tokio::test]
#[ignore = "needs a generator of clients for Python"]
async fn a_generated_client_deploys() {
    let (data, work, repo) = (TempDir::new().unwrap(), TempDir::new().unwrap(), GitRepo::new());
    repo.commit("hello", "one\n", "Say hello");
    let server = Server::start(data.path(), &[]);
    let service = json!({ "name": "api", "repository": repo.url(), "buildCommand": "echo built here" });
    let hook = server.hook(service).await;
    let token = server.api("POST", "/api/v1/tokens", Some(json!({ "name": "ci", "scope": "admin" }))).await;
    let document = client().get(format!("{}/openapi.json", server.url)).send().await.unwrap();
    std::fs::write(work.path().join("openapi.json"), document.bytes().await.unwrap()).unwrap();

    let mut generate = Command::new(tool("openapi-python-client"));
    generate.args([
        "generate",
        "--path",
        "openapi.json",
        "--output-path",
        "stackblaze_client",
        "--meta",
        "none",
    ]);
    let generated = output(generate.current_dir(work.path()));
    assert!(generated.status.success(), "{}", String::from_utf8_lossy(&generated.stderr));
    // What it has no word for is a picture and a file; every operation with an object is there.
    let said = String::from_utf8_lossy(&[generated.stdout, generated.stderr].concat()).into_owned();
    assert_eq!(said.matches("WARNING parsing").count(), 2, "{said}");
    assert!(said.contains("/api/v1/backup") && said.contains("/badges/{file}"), "{said}");
    let mut deploy = Command::new(tool("python"));
    deploy.args(["-c", DEPLOY]).current_dir(work.path());
    let given = json!([server.url, hook.rsplit('/').next(), token["token"]]);
    let deployed = output_of(deploy, &given.to_string()).await;

    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    let read: Value = serde_json::from_slice(&deployed.stdout).unwrap();
    assert_eq!((&read[0], &read[1], &read[3]), (&json!("succeeded"), &json!("by a client"), &json!(["api"])));
    assert!(read[2].as_str().unwrap().contains("built here"), "{read}");
}
