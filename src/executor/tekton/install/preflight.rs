//! Looks at a cluster and at a service before anything is deployed, and says what would fail and how to mend it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::authorization::v1 as authorization;
use k8s_openapi::api::core::v1 as core;
use kube::Client;
use kube::api::{Api, ListParams, PostParams};

use crate::domain::{Finding, Service, TektonSettings};
use crate::executor::tekton::Common;
use crate::executor::tekton::api::pipeline_runs;
use crate::executor::tekton::client::{RefusalKind, answer};
use crate::executor::tekton::install::build_namespace;
use crate::executor::tekton::install::probe_build::last_probe;
use crate::executor::tekton::install::{registry, repository, workloads};

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

/// Looks at what deployments of a service need: its repository, its workloads, the right to change them, and its Secrets.
pub async fn service(
    client: &Client,
    common: &Common,
    service: &Service,
    settings: &TektonSettings,
) -> Vec<Finding> {
    let build_namespace = common.namespace.as_str();
    let repository = async {
        match service.repository {
            Some(_) => Some(repository::look(client, common, service, settings).await),
            None => None,
        }
    };
    let (repository, registry) = tokio::join!(repository, registry::look(client, common, service, settings));
    let mut findings: Vec<_> = repository.into_iter().chain([registry]).collect();
    findings.extend(workloads::look(client, build_namespace, settings).await);
    let of_builds = settings.build_secrets.values().map(|from| &from.secret);
    let secrets = [&settings.git_secret, &settings.registry_secret].into_iter().flatten().chain(of_builds);
    for name in secrets.collect::<BTreeSet<_>>() {
        findings.extend(secret(client, build_namespace, name).await);
    }
    findings.extend(build_namespace::look(client, build_namespace).await);
    findings.extend(last_probe(client, build_namespace).await);
    findings
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
    if !is("disable-creds-init", "true") {
        let fix = "set disable-creds-init to true: StackBlaze mounts credentials itself, in the one step that needs them";
        findings.push(Finding::advice("Tekton gives annotated Secrets to every step", Some(fix)));
    }
    if findings.is_empty() {
        findings.push(Finding::good("Tekton's feature flags are as they should be"));
    }
    findings
}

#[cfg(test)]
mod tests {
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
        assert_eq!(flags(&[("disable-inline-spec", "pipelinerun")])[0].verdict, Verdict::Bad);
        let all_set =
            [("running-in-environment-with-injected-sidecars", "false"), ("disable-creds-init", "true")];
        assert_eq!(verdicts(&flags(&all_set)), [Verdict::Good]);
    }
}
