//! Looks at the workloads of a service before anything is deployed: what would refuse, and what would be worth a change.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use k8s_openapi::api::authorization::v1 as authorization;
use kube::Client;

use crate::domain::{Finding, Reason, TektonSettings, Workload, WorkloadKind};
use crate::executor::Outcome;
use crate::executor::tekton::client::{Refusal, RefusalKind, answer};
use crate::executor::tekton::install::deployer_rights::may;
use crate::executor::tekton::install::owners;
use crate::executor::tekton::install::releases;
use crate::executor::tekton::workload_object::{Found, objects, resource};
use crate::executor::tekton::workload_target::target;

/// Longest time that a run waits for the look before it: what is not known by then the deploy step will say.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// Rights of the deploy step in a namespace of workloads beside those on the workloads: group, resource, subresource, verb.
/// Without the last two it cannot say why a version does not come up.
const BESIDE: &[(&str, &str, &str)] = &[("pods", "", "list"), ("pods", "log", "get"), ("events", "", "list")];

/// Looks at all workloads of a service, and whether the deploy step has the rights that it needs.
pub(super) async fn look(client: &Client, build_namespace: &str, settings: &TektonSettings) -> Vec<Finding> {
    let of_workloads = join_all(settings.workloads.iter().map(async |workload| {
        let mut findings = one(client, workload, settings.image.as_str()).await;
        findings.extend(deployer(client, build_namespace, workload).await);
        findings
    }));
    let namespaces: BTreeSet<_> = settings.workloads.iter().map(|workload| &workload.namespace).collect();
    let beside = join_all(
        namespaces.into_iter().map(|namespace| rights_beside(client, build_namespace, namespace, settings)),
    );
    let (mut findings, beside) = (of_workloads.await, beside.await);
    findings.extend(beside);
    findings.push(releases::look(client, build_namespace, settings).await.into_iter().collect());
    findings.into_iter().flatten().collect()
}

/// Why a run would deploy nothing, where that is plain before it is made. Nothing is built in vain then.
pub(in crate::executor::tekton) async fn refusal_before(
    client: &Client,
    workloads: &[Workload],
    repository: &str,
) -> Option<Outcome> {
    let looks = join_all(workloads.iter().map(|workload| get(client, workload)));
    let found = tokio::time::timeout(LOOK_LIMIT, looks).await.ok()?;
    let refused = workloads.iter().zip(found).find_map(|(workload, found)| match found {
        Ok(found) => target(&found, workload.container.as_deref(), repository).err(),
        // Without a name in it the namespace or the kind is what is missing; the deploy step will say.
        Err(refusal) if is_absence(&refusal) => Some(format!("there is no {}", workload.title())),
        Err(_) => None,
    })?;
    let message = "a workload cannot be deployed to, so nothing was built";
    Some(Outcome::failed(Reason::DeployFailed, message).with_detail(Some(refused)))
}

fn is_absence(refusal: &Refusal) -> bool {
    refusal.kind == RefusalKind::Missing && refusal.text.contains('"')
}

async fn get(client: &Client, workload: &Workload) -> Result<Found, Refusal> {
    let object = answer(objects(client, workload).get(&workload.name)).await?;
    Ok(Found::new(workload.kind, object))
}

/// Looks at one workload.
async fn one(client: &Client, workload: &Workload, repository: &str) -> Vec<Finding> {
    match get(client, workload).await {
        Ok(found) => judge(&found, workload, repository),
        Err(refusal) if refusal.kind == RefusalKind::Missing => {
            let text = format!("there is no {}", workload.title());
            vec![Finding::bad(text, Some("create it, with any image, before the first deployment"))]
        }
        Err(refusal) if refusal.kind == RefusalKind::Forbidden => {
            let text = format!(
                "this server may not look at {workload}, and the deploy step most likely not change it"
            );
            vec![Finding::advice(text, Some(&apply(workload)))]
        }
        Err(refusal) => vec![Finding::advice(format!("{workload} is not known: {}", refusal.text), None)],
    }
}

fn apply(workload: &Workload) -> String {
    format!("apply the output of stackblaze manifests --workload {}", workload.without_container())
}

/// Whether the account of the deploy step may patch the workload; nothing where that cannot be known.
async fn deployer(client: &Client, build_namespace: &str, workload: &Workload) -> Option<Finding> {
    let (group, plural) = resource(workload.kind);
    let attributes = authorization::ResourceAttributes {
        namespace: Some(workload.namespace.clone()),
        group: Some(group.to_owned()),
        resource: Some(plural.to_owned()),
        name: Some(workload.name.clone()),
        verb: Some("patch".to_owned()),
        ..authorization::ResourceAttributes::default()
    };
    let whole = workload.without_container();
    Some(if may(client, build_namespace, attributes).await? {
        Finding::good(format!("the deploy step may change {whole}"))
    } else {
        Finding::bad(format!("the deploy step may not change {whole}"), Some(&apply(workload)))
    })
}

/// What the deploy step may not see in a namespace of workloads; nothing where it may, or where that cannot be known.
async fn rights_beside(
    client: &Client,
    build_namespace: &str,
    namespace: &str,
    settings: &TektonSettings,
) -> Vec<Finding> {
    let mut missing = Vec::new();
    let is_there = |workload: &&Workload| workload.namespace == namespace;
    let own: Vec<_> = settings.workloads.iter().filter(is_there).collect();
    let deletes = own.iter().any(|workload| workload.kind == WorkloadKind::StatefulSet);
    let more = deletes.then_some(("pods", "", "delete"));
    for (plural, subresource, verb) in BESIDE.iter().copied().chain(more) {
        let attributes = authorization::ResourceAttributes {
            namespace: Some(namespace.to_owned()),
            resource: Some(plural.to_owned()),
            subresource: Some(subresource.to_owned()).filter(|name| !name.is_empty()),
            verb: Some(verb.to_owned()),
            ..authorization::ResourceAttributes::default()
        };
        if may(client, build_namespace, attributes).await == Some(false) {
            missing.push(format!(
                "{verb} {plural}{}{subresource}",
                if subresource.is_empty() { "" } else { "/" }
            ));
        }
    }
    if missing.is_empty() {
        return Vec::new();
    }
    let fix = own.first().map(|workload| apply(workload));
    let text = format!("the deploy step may not {} in {namespace}", missing.join(", "));
    vec![Finding::advice(text, fix.as_deref())]
}

/// Says whether the workload can be deployed to, and without a moment in which nothing serves.
fn judge(found: &Found, workload: &Workload, repository: &str) -> Vec<Finding> {
    let target = match target(found, workload.container.as_deref(), repository) {
        Ok(target) => target,
        Err(text) => return vec![Finding::bad(text, None)],
    };
    let name = workload.without_container();
    let mut findings = vec![Finding::good(format!("{name}: {} runs {}", target.names(), target.image()))];
    findings.extend(owners::look(found, &target.main));
    if found.kind == WorkloadKind::CronJob {
        return findings;
    }
    if !found.has_readiness_probe(&target.main) {
        let fix =
            "give the container a readinessProbe; without it a pod counts as serving the moment it starts";
        findings.push(Finding::advice(format!("{name}: the container has no readiness probe"), Some(fix)));
    }
    if found.text("/spec/strategy/type") == Some("Recreate") {
        let fix = "use the strategy RollingUpdate, if two versions may run side by side";
        findings.push(Finding::advice(format!("{name}: old pods end before new ones start"), Some(fix)));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::Verdict;

    fn verdicts(kind: WorkloadKind, spec: &Value, container: Option<&str>) -> Vec<Verdict> {
        let template = json!({"spec": {"containers": [
            {"name": "web", "image": "x", "readinessProbe": {"httpGet": {"port": 80}}}]}});
        let mut all = json!({"replicas": 1, "selector": {}, "template": template});
        if kind == WorkloadKind::CronJob {
            all = json!({"jobTemplate": {"spec": {"template": template}}});
        }
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let object = json!({"metadata": {"name": "api", "namespace": "apps"}, "spec": all,
            "status": {"desiredNumberScheduled": 1}});
        let found = Found::new(kind, serde_json::from_value(object).unwrap());
        let text = format!("{}:apps/api", kind.as_str());
        let mut workload = Workload::parse(&text).unwrap();
        workload.container = container.map(str::to_owned);
        judge(&found, &workload, "r/api").iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn a_workload_is_judged_by_what_would_stop_it_serving() {
        let without_probe = json!({"template": {"spec": {"containers": [{"name": "web", "image": "x"}]}}});
        let deployment = |spec| verdicts(WorkloadKind::Deployment, &spec, None);

        assert_eq!(deployment(json!({})), [Verdict::Good]);
        assert_eq!(verdicts(WorkloadKind::Deployment, &json!({}), Some("db")), [Verdict::Bad]);
        assert_eq!(deployment(json!({"replicas": 0})), [Verdict::Bad]);
        assert_eq!(deployment(json!({"paused": true})), [Verdict::Bad]);
        assert_eq!(deployment(without_probe), [Verdict::Good, Verdict::Advice]);
        assert_eq!(deployment(json!({"strategy": {"type": "Recreate"}})), [Verdict::Good, Verdict::Advice]);
        assert_eq!(verdicts(WorkloadKind::CronJob, &json!({}), None), [Verdict::Good]);
        let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
        assert_eq!(verdicts(WorkloadKind::StatefulSet, &on_delete, None), [Verdict::Bad]);
        assert_eq!(verdicts(WorkloadKind::DaemonSet, &json!({}), None), [Verdict::Good]);
    }
}
