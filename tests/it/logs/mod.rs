//! Reading the log of a deployment.

mod cut;
mod events;
mod streams;
mod text;

use serde_json::json;
use stackblaze::domain::Step;

use crate::harness::Script;
use crate::harness::TestServer;

/// Output in several steps and pieces, with characters of more than one byte.
fn wordy() -> Script {
    Script::default()
        .step(Step::Clone, "Cloning größe\n".as_bytes())
        .begins(Step::Build)
        .says(Step::Build, b"one\ntwo, in t")
        .says(Step::Build, b"wo parts\n")
        .says(Step::Build, "\u{1b}[32mgrün\u{1b}[0m ✓\n".as_bytes())
        .ends(Step::Build, 0)
        .step(Step::Deploy, b"up\nno end of line")
}

/// A finished deployment and its whole log.
async fn finished(server: &TestServer, script: Script) -> (String, String) {
    server.executor.next(script);
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.run_all().await;
    let log = server.admin.get(&format!("/deployments/{id}/logs")).await.text();
    (id, log)
}
