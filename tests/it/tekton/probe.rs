//! Whether the cluster is fit, asked before anything is claimed.

use super::*;
use stackblaze::executor::Executor as _;

use crate::harness::fault_proxy::{Calls, Fault};

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_cluster_that_answers_and_knows_runs_is_good() {
    let stage = Stage::new().await;

    assert_eq!(stage.executor.probe().await, Ok(()));
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_cluster_that_does_not_know_runs_is_not() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("GET", "/pipelineruns"), Fault::Status(404, None));

    assert_eq!(stage.executor.probe().await, Err("refused by the test (404)".to_owned()));
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_cluster_that_does_not_answer_is_not_and_is_given_up_in_time() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("GET", "/pipelineruns").first(1), Fault::Cut);
    stage.proxy.inject(Calls::to("GET", "/pipelineruns").first(1), Fault::Hang);

    let cut = stage.executor.probe().await.unwrap_err();
    let silent = stage.executor.probe().await.unwrap_err();

    assert_ne!(cut, "", "it says why");
    assert_eq!(silent, "the cluster did not answer within 10 s");
    assert_eq!(stage.executor.probe().await, Ok(()), "it is asked anew each time");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn an_account_without_rights_is_told_which() {
    let stage = Stage::new().await;
    let token = stage.token_of(&stage.namespace, "builder").await;

    let refusal = stage.as_account(&token).await.probe().await.unwrap_err();

    assert!(refusal.contains("cannot list resource \"pipelineruns\""), "{refusal}");
}
