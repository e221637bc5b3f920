//! What the build namespace itself may refuse: pods without limits, pods of builds, pods beyond a quota.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Client;
use kube::api::{Api, ListParams};

use crate::domain::Finding;
use crate::executor::tekton::client::answer;

/// The label that says what pods of a namespace may do, and the one level that admits builds.
const LEVEL: &str = "pod-security.kubernetes.io/enforce";
const PRIVILEGED: &str = "privileged";

/// Looks at Pod Security, quotas and default limits; nothing where this account may not see them, which the look at its
/// rights says.
pub(super) async fn look(client: &Client, namespace: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ok(found) = answer(Api::<core::Namespace>::all(client.clone()).get_metadata(namespace)).await {
        findings.extend(judge_level(namespace, found.metadata.labels.as_ref()));
    }
    let quotas = Api::<core::ResourceQuota>::namespaced(client.clone(), namespace);
    let ranges = Api::<core::LimitRange>::namespaced(client.clone(), namespace);
    let all = ListParams::default();
    if let (Ok(quotas), Ok(ranges)) = (answer(quotas.list(&all)).await, answer(ranges.list(&all)).await) {
        findings.extend(judge_quotas(namespace, &quotas.items, &ranges.items));
    }
    findings
}

fn judge_level(namespace: &str, labels: Option<&BTreeMap<String, String>>) -> Option<Finding> {
    let level = labels?.get(LEVEL).filter(|level| *level != PRIVILEGED)?;
    let text = format!("Pod Security {level} of namespace {namespace} refuses every build");
    let fix = format!("kubectl label namespace {namespace} --overwrite {LEVEL}={PRIVILEGED}");
    Some(Finding::bad(text, Some(&fix)))
}

fn judge_quotas(
    namespace: &str,
    quotas: &[core::ResourceQuota],
    ranges: &[core::LimitRange],
) -> Vec<Finding> {
    let defaults = default_names(ranges);
    let mut findings = Vec::new();
    for quota in quotas {
        let name = quota.metadata.name.as_deref().unwrap_or_default();
        let hard = quota.spec.as_ref().and_then(|spec| spec.hard.as_ref());
        let used = quota.status.as_ref().and_then(|status| status.used.as_ref());
        let (mut missing, mut full) = (Vec::new(), Vec::new());
        for (resource, most) in hard.into_iter().flatten() {
            let is_of_pods = ["limits.", "requests."].iter().any(|kind| resource.starts_with(kind));
            if is_of_pods && !resource.ends_with("storage") && !defaults.contains(resource.as_str()) {
                missing.push(resource.as_str());
            }
            if used.and_then(|used| used.get(resource)).is_some_and(|used| is_all(used, most)) {
                full.push(resource.as_str());
            }
        }
        if !missing.is_empty() {
            let text = format!(
                "ResourceQuota {name} of {namespace} asks every container for {}, and Tekton's own say nothing",
                missing.join(", ")
            );
            let fix = "apply the output of stackblaze manifests: its LimitRange says it for them";
            findings.push(Finding::bad(text, Some(fix)));
        }
        if !full.is_empty() {
            let text = format!("ResourceQuota {name} of {namespace} has nothing left of {}", full.join(", "));
            findings.push(Finding::advice(text, Some("raise it, or delete what uses it up")));
        }
    }
    if findings.is_empty() && !quotas.is_empty() {
        findings.push(Finding::good(format!("the quota of {namespace} has room")));
    }
    findings
}

/// What a container that says nothing is given, named as quotas do.
fn default_names(ranges: &[core::LimitRange]) -> BTreeSet<String> {
    let items = ranges.iter().filter_map(|range| range.spec.as_ref()).flat_map(|spec| &spec.limits);
    let mut names = BTreeSet::new();
    for item in items.filter(|item| item.type_ == "Container") {
        let mut add = |kind: &str, amounts: Option<&BTreeMap<String, Quantity>>| {
            names.extend(amounts.into_iter().flatten().map(|(name, _)| format!("{kind}.{name}")));
        };
        add("limits", item.default.as_ref());
        // A limit without a request is the request too.
        add("requests", item.default.as_ref());
        add("requests", item.default_request.as_ref());
    }
    names
}

/// Whether two amounts are the same; the API server writes both in the same way.
fn is_all(used: &Quantity, most: &Quantity) -> bool {
    used == most
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::domain::Verdict;

    fn quota(hard: &Value, used: &Value) -> core::ResourceQuota {
        let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}, "status": {"used": used}});
        from_value(quota).unwrap()
    }

    fn range(limits: &Value) -> core::LimitRange {
        from_value(json!({"metadata": {"name": "r"}, "spec": {"limits": [limits]}})).unwrap()
    }

    #[test]
    fn only_the_level_that_admits_builds_is_right() {
        let of = |level: &str| {
            judge_level("builds", Some(&BTreeMap::from([(LEVEL.to_owned(), level.to_owned())])))
        };

        assert_eq!((of("privileged"), judge_level("builds", None)), (None, None));
        let refused = of("baseline").unwrap();
        assert!(refused.verdict == Verdict::Bad && refused.fix.unwrap().contains("label namespace builds"));
    }

    #[test]
    fn a_quota_on_limits_needs_a_range_that_says_them_for_everybody() {
        let quota = quota(&json!({"limits.cpu": "10", "requests.memory": "1Gi", "pods": "5"}), &json!({}));
        let judged =
            |ranges: &[core::LimitRange]| judge_quotas("builds", std::slice::from_ref(&quota), ranges);

        let bare = judged(&[]);
        assert!(bare[0].verdict == Verdict::Bad && bare[0].detail.contains("limits.cpu, requests.memory"));
        let whole = range(&json!({"type": "Container", "default": {"cpu": "4", "memory": "4Gi"}}));
        assert_eq!(judged(&[whole])[0].verdict, Verdict::Good);
        let of_pods = range(&json!({"type": "Pod", "default": {"cpu": "4", "memory": "4Gi"}}));
        assert_eq!(judged(&[of_pods])[0].verdict, Verdict::Bad);
        assert!(judge_quotas("builds", &[], &[]).is_empty());
    }

    #[test]
    fn a_quota_that_is_used_up_is_told() {
        let full =
            quota(&json!({"pods": "5", "count/secrets": "9"}), &json!({"pods": "5", "count/secrets": "3"}));

        let judged = judge_quotas("builds", &[full], &[]);

        assert!(judged.len() == 1 && judged[0].detail.ends_with("has nothing left of pods"), "{judged:?}");
    }
}
