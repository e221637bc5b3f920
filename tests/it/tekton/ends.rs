//! Every way in which a run ends, each reached by driving Tekton to it.

use super::*;
use crate::executor_contract::outline;

#[tokio::test]
#[ignore = "needs the test cluster"]
async fn a_good_run_tells_commit_digest_and_steps_in_order() {
    let stage = Stage::new().await;
    let run = stage.begin();

    succeeds(&stage.kubelet()).await;

    let (events, outcome) = run.ends().await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(
        outline(&events),
        [
            "created",
            "clone started",
            "commit",
            "clone finished true Some(0)",
            "build started",
            "image",
            "build finished true Some(0)",
            "deploy started",
            "deploy finished true Some(0)",
        ]
    );
}
