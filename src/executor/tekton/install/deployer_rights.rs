//! What the account of the deploy task may do.

use k8s_openapi::api::authorization::v1 as authorization;
use kube::Client;
use kube::api::{Api, PostParams};

use crate::executor::tekton::client::answer;
use crate::executor::tekton::names::DEPLOYER;

/// Whether it may; none where this server may not ask.
pub(super) async fn may(
    client: &Client,
    build_namespace: &str,
    attributes: authorization::ResourceAttributes,
) -> Option<bool> {
    let review = authorization::SubjectAccessReview {
        spec: authorization::SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{build_namespace}:{DEPLOYER}")),
            resource_attributes: Some(attributes),
            ..authorization::SubjectAccessReviewSpec::default()
        },
        ..authorization::SubjectAccessReview::default()
    };
    let reviews = Api::<authorization::SubjectAccessReview>::all(client.clone());
    let status = answer(reviews.create(&PostParams::default(), &review)).await.ok()?.status?;
    Some(status.allowed)
}
