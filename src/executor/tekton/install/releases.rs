//! Looks whether the release command of a service can be run.

use k8s_openapi::api::authorization::v1 as authorization;
use kube::Client;

use crate::domain::{Finding, TektonSettings};
use crate::executor::tekton::install::deployer_rights::may;

/// Rights of the release step in the namespace of the first workload: group, resource, subresource, verb. As `manifests
/// --release-jobs` grants them.
const RIGHTS: [(&str, &str, &str, &str); 6] = [
    ("batch", "jobs", "", "create"),
    ("batch", "jobs", "", "get"),
    ("batch", "jobs", "", "delete"),
    ("", "pods", "", "list"),
    ("", "pods", "", "get"),
    ("", "pods", "log", "get"),
];

/// Whether the step has the rights that it needs; nothing where there is no command, or where that cannot be known.
pub(super) async fn look(
    client: &Client,
    build_namespace: &str,
    settings: &TektonSettings,
) -> Option<Finding> {
    settings.release.command.as_ref()?;
    let namespace = &settings.workloads.first()?.namespace;
    let mut missing = Vec::new();
    for (group, resource, subresource, verb) in RIGHTS {
        let attributes = authorization::ResourceAttributes {
            namespace: Some(namespace.clone()),
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            subresource: Some(subresource.to_owned()).filter(|name| !name.is_empty()),
            verb: Some(verb.to_owned()),
            ..authorization::ResourceAttributes::default()
        };
        if !may(client, build_namespace, attributes).await? {
            let separator = if subresource.is_empty() { "" } else { "/" };
            missing.push(format!("{verb} {resource}{separator}{subresource}"));
        }
    }
    Some(judge(namespace, &missing))
}

fn judge(namespace: &str, missing: &[String]) -> Finding {
    if missing.is_empty() {
        return Finding::good(format!("the release command may run as a Job in {namespace}"));
    }
    let text = format!("the release step may not {} in {namespace}", missing.join(", "));
    let fix = format!("apply the output of stackblaze manifests with --release-jobs {namespace}");
    Finding::bad(text, Some(&fix))
}
