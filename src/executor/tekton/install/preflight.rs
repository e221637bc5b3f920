//! Looks at a cluster and at a workload before anything is deployed, and says what would fail and how to mend it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::authorization::v1 as authorization;
use k8s_openapi::api::core::v1 as core;
use kube::Client;
use kube::api::{Api, ListParams, PostParams};

use crate::domain::{Finding, Service, TektonSettings, Workload};
use crate::executor::tekton::Common;
use crate::executor::tekton::api::pipeline_runs;
use crate::executor::tekton::client::{RefusalKind, answer};
use crate::executor::tekton::install::build_namespace;
use crate::executor::tekton::install::probe_build::last_probe;
use crate::executor::tekton::install::repository;
use crate::executor::tekton::names::DEPLOYER;
use crate::executor::tekton::workload_target::target;

/// Admission policies are stable from here on.
const OLDEST_KUBERNETES: u32 = 30;
/// Where Tekton keeps its settings unless it was installed elsewhere.
const TEKTON_NAMESPACE: &str = "tekton-pipelines";
const FEATURE_FLAGS: &str = "feature-flags";
/// Rights of the server in the build namespace: group, resource, subresource, verbs. As `manifests` grants them.
const RIGHTS: &[(&str, &str, &str, &[&str])] = &[
    ("tekton.dev", "pipelineruns", "", &["create", "get", "list", "watch", "patch", "delete"]),
    ("tekton.dev", "taskruns", "", &["list", "watch"]),
    ("", "pods", "log", &["get"]),
    ("", "events", "", &["list"]),
    ("", "resourcequotas", "", &["list"]),
    ("", "limitranges", "", &["list"]),
];

/// Looks at version, Tekton, rights and settings of a cluster.
pub async fn cluster(client: &Client, build_namespace: &str) -> Vec<Finding> {
    let version = match answer(client.apiserver_version()).await {
        Ok(version) => version,
        Err(refusal) => {
            let text = format!("the cluster does not answer: {}", refusal.text);
            return vec![Finding::bad(text, Some("check address, network and credentials"))];
        }
    };
    let mut findings = vec![judge_version(&version.major, &version.minor)];
    let runs = pipeline_runs(client, build_namespace);
    findings.push(match answer(runs.list_metadata(&ListParams::default().limit(1))).await {
        Err(refusal) if refusal.kind == RefusalKind::Missing => {
            Finding::bad("Tekton Pipelines is not installed", Some("install Tekton Pipelines 1.9 or newer"))
        }
        Err(refusal) => Finding::bad(refusal.text, Some("apply the output of stackblaze manifests")),
        Ok(_) => Finding::good("Tekton's PipelineRuns can be listed"),
    });
    findings.extend(rights(client, build_namespace).await);
    findings.extend(build_namespace::look(client, build_namespace).await);
    findings.extend(flags(client).await);
    findings
}

/// Looks at what deployments of a service need: its repository, its workload, the right to change it, and its Secrets.
pub async fn service(
    client: &Client,
    common: &Common,
    service: &Service,
    settings: &TektonSettings,
) -> Vec<Finding> {
    let build_namespace = common.namespace.as_str();
    let mut findings = vec![repository::look(client, common, service, settings).await];
    findings.extend(workload(client, &settings.workload).await);
    findings.extend(deployer(client, build_namespace, &settings.workload).await);
    let of_builds = settings.build_secrets.values().map(|from| &from.secret);
    let secrets = [&settings.git_secret, &settings.registry_secret].into_iter().flatten().chain(of_builds);
    for name in secrets.collect::<BTreeSet<_>>() {
        findings.extend(secret(client, build_namespace, name).await);
    }
    findings.extend(build_namespace::look(client, build_namespace).await);
    findings.extend(last_probe(client, build_namespace).await);
    findings
}

/// Whether the account of the deploy step may patch the workload; nothing where that cannot be known.
async fn deployer(client: &Client, build_namespace: &str, workload: &Workload) -> Option<Finding> {
    let attributes = authorization::ResourceAttributes {
        namespace: Some(workload.namespace.clone()),
        group: Some("apps".to_owned()),
        resource: Some("deployments".to_owned()),
        name: Some(workload.deployment.clone()),
        verb: Some("patch".to_owned()),
        ..authorization::ResourceAttributes::default()
    };
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
    let whole = format!("{}/{}", workload.namespace, workload.deployment);
    Some(if status.allowed {
        Finding::good(format!("the deploy step may change {whole}"))
    } else {
        let fix = format!("apply the output of stackblaze manifests --workload {whole}");
        Finding::bad(format!("the deploy step may not change {whole}"), Some(&fix))
    })
}

/// Whether a Secret is there; its content is not fetched. Nothing where that cannot be known.
async fn secret(client: &Client, build_namespace: &str, name: &str) -> Option<Finding> {
    let secrets = Api::<core::Secret>::namespaced(client.clone(), build_namespace);
    match answer(secrets.get_metadata(name)).await {
        Ok(_) => Some(Finding::good(format!("Secret {name} is there"))),
        Err(refusal) if refusal.kind == RefusalKind::Missing => {
            let fix = format!("kubectl -n {build_namespace} create secret … {name}");
            Some(Finding::bad(format!("there is no Secret {name} in {build_namespace}"), Some(&fix)))
        }
        Err(_) => None,
    }
}

/// Looks at a service's workload.
pub async fn workload(client: &Client, workload: &Workload) -> Vec<Finding> {
    let workloads = Api::<apps::Deployment>::namespaced(client.clone(), &workload.namespace);
    match answer(workloads.get(&workload.deployment)).await {
        Ok(found) => judge_workload(&found, workload.container.as_deref()),
        Err(refusal) if refusal.kind == RefusalKind::Missing => {
            let text = format!("there is no Deployment {}/{}", workload.namespace, workload.deployment);
            vec![Finding::bad(text, Some("create it, with any image, before the first deployment"))]
        }
        Err(refusal) if refusal.kind == RefusalKind::Forbidden => {
            let text = format!(
                "this server may not look at {workload}, and the deploy step most likely not change it"
            );
            let fix = format!(
                "apply the output of stackblaze manifests --workload {}/{}",
                workload.namespace, workload.deployment
            );
            vec![Finding::advice(text, Some(&fix))]
        }
        Err(refusal) => vec![Finding::advice(format!("not known: {}", refusal.text), None)],
    }
}

async fn rights(client: &Client, namespace: &str) -> Vec<Finding> {
    let reviews = Api::<authorization::SelfSubjectAccessReview>::all(client.clone());
    let (mut findings, mut asked) = (Vec::new(), 0);
    for (group, resource, subresource, verbs) in RIGHTS {
        for verb in *verbs {
            let review = review(namespace, group, resource, subresource, verb);
            let name = if subresource.is_empty() {
                (*resource).to_owned()
            } else {
                format!("{resource}/{subresource}")
            };
            asked += 1;
            match answer(reviews.create(&PostParams::default(), &review)).await {
                Ok(reviewed) if reviewed.status.as_ref().is_some_and(|status| status.allowed) => {}
                Ok(_) => {
                    let text = format!("this account may not {verb} {name} in {namespace}");
                    findings.push(Finding::bad(text, Some("apply the output of stackblaze manifests")));
                }
                Err(refusal) => {
                    let text =
                        format!("whether this account may {verb} {name} is not known: {}", refusal.text);
                    findings.push(Finding::advice(text, None));
                }
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::good(format!("all {asked} rights in {namespace} are there")));
    }
    findings
}

fn review(
    namespace: &str,
    group: &str,
    resource: &str,
    subresource: &str,
    verb: &str,
) -> authorization::SelfSubjectAccessReview {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let attributes = authorization::ResourceAttributes {
        namespace: some(namespace),
        group: Some(group.to_owned()),
        resource: some(resource),
        subresource: some(subresource),
        verb: some(verb),
        ..authorization::ResourceAttributes::default()
    };
    authorization::SelfSubjectAccessReview {
        spec: authorization::SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..authorization::SelfSubjectAccessReviewSpec::default()
        },
        ..authorization::SelfSubjectAccessReview::default()
    }
}

async fn flags(client: &Client) -> Vec<Finding> {
    let maps = Api::<core::ConfigMap>::namespaced(client.clone(), TEKTON_NAMESPACE);
    match answer(maps.get(FEATURE_FLAGS)).await {
        Ok(map) => judge_flags(&map.data.unwrap_or_default()),
        // The server has no right to read them, and needs none; an operator's kubeconfig has.
        Err(_) => vec![Finding::good(
            "Tekton's feature flags cannot be read with this account; doctor with --kube-context can",
        )],
    }
}

fn judge_version(major: &str, minor: &str) -> Finding {
    // Some providers write 30+.
    let minor_number = minor.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0);
    if major == "1" && minor_number < OLDEST_KUBERNETES {
        let text = format!("Kubernetes {major}.{minor} is older than 1.{OLDEST_KUBERNETES}");
        return Finding::bad(text, Some("upgrade the cluster: admission policies need it"));
    }
    Finding::good(format!("Kubernetes {major}.{minor}"))
}

fn judge_flags(flags: &BTreeMap<String, String>) -> Vec<Finding> {
    let is = |name: &str, value: &str| flags.get(name).is_some_and(|own| own == value);
    let mut findings = Vec::new();
    if flags.get("disable-inline-spec").is_some_and(|value| value.contains("pipeline")) {
        let fix = "empty disable-inline-spec in ConfigMap feature-flags: runs hold their tasks themselves";
        findings.push(Finding::bad("Tekton refuses runs with tasks of their own", Some(fix)));
    }
    if !is("running-in-environment-with-injected-sidecars", "false") {
        let fix = "set running-in-environment-with-injected-sidecars to false, unless a service mesh puts sidecars into build pods";
        findings.push(Finding::advice("each task starts about 5 s later than it could", Some(fix)));
    }
    if is("keep-pod-on-cancel", "true") {
        let fix = "set keep-pod-on-cancel to false: the log is stored while it runs, and a deleted pod's steps get 30 s to tidy up";
        findings.push(Finding::advice(
            "a rollout that is cancelled or times out is killed before it can put the old version back",
            Some(fix),
        ));
    }
    if !is("disable-creds-init", "true") {
        let fix = "set disable-creds-init to true: StackBlaze mounts credentials itself, in the one step that needs them";
        findings.push(Finding::advice("Tekton gives annotated Secrets to every step", Some(fix)));
    }
    if findings.is_empty() {
        findings.push(Finding::good("Tekton's feature flags are as they should be"));
    }
    findings
}

/// Says whether the workload can be deployed to, and without a moment in which nothing serves.
fn judge_workload(workload: &apps::Deployment, container: Option<&str>) -> Vec<Finding> {
    let target = match target(workload, container) {
        Ok(target) => target,
        Err(text) => return vec![Finding::bad(text, None)],
    };
    let mut findings = vec![Finding::good(format!("container {} runs {}", target.container, target.image))];
    let Some(spec) = &workload.spec else { return findings };
    let containers = spec.template.spec.as_ref().map_or(&[][..], |spec| spec.containers.as_slice());
    let own = containers.iter().find(|own| own.name == target.container);
    if own.is_some_and(|own| own.readiness_probe.is_none()) {
        let fix =
            "give the container a readinessProbe; without it a pod counts as serving the moment it starts";
        findings.push(Finding::advice("the container has no readiness probe", Some(fix)));
    }
    let strategy = spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
    if strategy == Some("Recreate") {
        let fix = "use the strategy RollingUpdate, if two versions may run side by side";
        findings.push(Finding::advice("old pods end before new ones start", Some(fix)));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Verdict;

    fn verdicts(findings: &[Finding]) -> Vec<Verdict> {
        findings.iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn old_clusters_are_refused_and_suffixes_understood() {
        assert_eq!(judge_version("1", "29").verdict, Verdict::Bad);
        assert_eq!(judge_version("1", "30+").verdict, Verdict::Good);
        assert_eq!(judge_version("2", "0").verdict, Verdict::Good);
    }

    #[test]
    fn flags_are_advice_but_for_the_one_that_forbids_runs() {
        let flags = |pairs: &[(&str, &str)]| {
            judge_flags(
                &pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            )
        };

        assert_eq!(verdicts(&flags(&[])), [Verdict::Advice; 2]);
        assert_eq!(verdicts(&flags(&[("keep-pod-on-cancel", "true")])), [Verdict::Advice; 3]);
        assert_eq!(flags(&[("disable-inline-spec", "pipelinerun")])[0].verdict, Verdict::Bad);
        let all_set = [
            ("running-in-environment-with-injected-sidecars", "false"),
            ("keep-pod-on-cancel", "false"),
            ("disable-creds-init", "true"),
        ];
        assert_eq!(verdicts(&flags(&all_set)), [Verdict::Good]);
    }

    #[test]
    fn a_workload_is_judged_by_what_would_stop_it_serving() {
        let workload = |spec: serde_json::Value| -> apps::Deployment {
            let probe = json!({"httpGet": {"port": 80}});
            let mut all = json!({"replicas": 1, "selector": {}, "template": {"spec": {"containers": [
                {"name": "web", "image": "x", "readinessProbe": probe}]}}});
            all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
            serde_json::from_value(json!({"metadata": {"name": "api"}, "spec": all})).unwrap()
        };

        assert_eq!(verdicts(&judge_workload(&workload(json!({})), None)), [Verdict::Good]);
        let recreate = workload(json!({"strategy": {"type": "Recreate"}}));
        assert_eq!(verdicts(&judge_workload(&recreate, None)), [Verdict::Good, Verdict::Advice]);
        assert_eq!(judge_workload(&workload(json!({"paused": true})), None)[0].verdict, Verdict::Bad);
        assert_eq!(judge_workload(&workload(json!({})), Some("db"))[0].verdict, Verdict::Bad);
        let bare = json!({"template": {"spec": {"containers": [{"name": "web", "image": "x"}]}}});
        assert_eq!(verdicts(&judge_workload(&workload(bare), None)), [Verdict::Good, Verdict::Advice]);
    }
}
