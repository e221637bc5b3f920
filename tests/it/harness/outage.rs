//! A process of the test cluster that is dead for a while.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kube::Client;
use kube::api::Request;

use super::soon;

/// Time between two looks whether something answers again.
const LOOK: Duration = Duration::from_millis(200);

/// Dropped, the process is started again, so that a test that fails leaves a whole cluster.
pub struct Outage {
    process: &'static str,
}

impl Drop for Outage {
    fn drop(&mut self) {
        cluster("start", self.process);
    }
}

impl Outage {
    pub async fn of(process: &'static str) -> Self {
        tokio::task::spawn_blocking(move || cluster("kill", process)).await.unwrap();
        Self { process }
    }

    /// The process is back, and the API server answers.
    pub async fn ends(self) {
        tokio::task::spawn_blocking(move || drop(self)).await.unwrap();
        let client = Client::try_default().await.unwrap();
        let ready = async {
            let ready = || Request::new("").get("readyz", &kube::api::GetParams::default()).unwrap();
            while client.request_text(ready()).await.is_err() {
                tokio::time::sleep(LOOK).await;
            }
        };
        soon(ready).await;
    }
}

fn cluster(verb: &str, process: &str) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/cluster");
    let ended = Command::new(program).args([verb, process]).stdin(Stdio::null()).status().unwrap();
    assert!(ended.success() || std::thread::panicking(), "cluster {verb} {process}");
}
