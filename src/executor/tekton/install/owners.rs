//! Who else writes a workload, by its labels and by what the API server notes of its image. Pure.

use crate::domain::Finding;
use crate::executor::tekton::image_writer::writer;
use crate::executor::tekton::workload_object::{Found, resource};

/// Labels and annotations that Argo CD gives what it owns.
const ARGO: &[&str] = &["argocd.argoproj.io/instance", "argocd.argoproj.io/tracking-id"];
/// The same of Flux.
const FLUX: &[&str] = &["kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"];
/// The same of Helm.
const HELM: &[&str] = &["meta.helm.sh/release-name", "helm.sh/chart"];
/// With this value Flux makes an object where it is missing, and leaves it alone from then on.
const FLUX_APPLIES: (&str, &str) = ("kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent");
/// Writers of the image that are ourselves, or people and scripts, whose change does not come again by itself. The names
/// may go on behind these.
const ONCE: &[&str] = &["stackblaze", "kubectl", "before-first-apply"];

/// What is said of whoever else writes the image of a container, if somebody does.
pub(super) fn look(found: &Found, container: &str) -> Option<Finding> {
    let by = writer(found, container).map(|by| by.name).unwrap_or_default();
    if by.starts_with("stackblaze") {
        return None;
    }
    let title = found.title();
    if carries(found, ARGO) || by.starts_with("argocd") {
        let text = format!("{title} is kept by Argo CD, which puts its own image back after a deployment");
        return Some(Finding::bad(text, Some(&argo(found))));
    }
    if carries(found, FLUX) || by.starts_with("kustomize-controller") || by.starts_with("helm-controller") {
        if found.annotation(FLUX_APPLIES.0) == Some(FLUX_APPLIES.1) {
            return None;
        }
        let text = format!("{title} is kept by Flux, which puts its own image back after a deployment");
        let fix = format!("annotate it in git with {}: {}", FLUX_APPLIES.0, FLUX_APPLIES.1);
        return Some(Finding::bad(text, Some(&fix)));
    }
    if carries(found, HELM) || by.to_ascii_lowercase().starts_with("helm") {
        let text = format!("{title} is of a Helm release; its next upgrade puts the chart's image back");
        let fix = "let the release be upgraded with the image that serves, or deploy by the hook alone";
        return Some(Finding::advice(text, Some(fix)));
    }
    if by.is_empty() || ONCE.iter().any(|known| by.starts_with(known)) {
        return None;
    }
    let text = format!("{title}: its image is written by {by}, which may put it back after a deployment");
    Some(Finding::advice(text, Some("make sure that it writes the image once only")))
}

fn carries(found: &Found, names: &[&str]) -> bool {
    let metadata = &found.object.metadata;
    let of = |all: &Option<std::collections::BTreeMap<String, String>>, name: &str| {
        all.as_ref().is_some_and(|all| all.contains_key(name))
    };
    names.iter().any(|name| of(&metadata.labels, name) || of(&metadata.annotations, name))
}

/// The lines that hand the image over.
fn argo(found: &Found) -> String {
    let (group, _) = resource(found.kind);
    let template: Vec<_> = found.template_fields().collect();
    format!(
        "add to the Application: spec.ignoreDifferences: [{{group: {group}, kind: {}, name: {}, jqPathExpressions: \
         [.{}.spec.containers[].image, .{}.spec.initContainers[]?.image]}}] and spec.syncPolicy.syncOptions: \
         [RespectIgnoreDifferences=true]; it counts from the first deployment on",
        found.kind.title(),
        found.object.metadata.name.as_deref().unwrap_or_default(),
        template.join("."),
        template.join("."),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::{Verdict, WorkloadKind};

    fn finding(metadata: &Value, manager: &str) -> Option<(Verdict, String)> {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "shop",
            "managedFields": [{"manager": manager, "operation": "Update", "time": "2026-01-01T00:00:00Z",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers":
                    {"k:{\"name\":\"web\"}": {"f:image": {}}}}}}}}]}});
        object["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        let found = Found::new(WorkloadKind::Deployment, serde_json::from_value(object).unwrap());
        look(&found, "web").map(|finding| (finding.verdict, finding.fix.unwrap_or_default()))
    }

    #[test]
    fn what_puts_an_image_back_is_bad_with_the_lines_that_hand_it_over() {
        let argo = json!({"annotations": {"argocd.argoproj.io/tracking-id": "x"}});
        let (verdict, fix) = finding(&argo, "argocd-controller").unwrap();
        assert_eq!(verdict, Verdict::Bad);
        assert!(fix.contains("name: api") && fix.contains(".spec.template.spec.containers[].image"), "{fix}");
        assert_eq!(finding(&argo, "stackblaze"), None);

        let flux = json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}});
        assert_eq!(finding(&flux, "kustomize-controller").unwrap().0, Verdict::Bad);
        let handed = json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"},
            "annotations": {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}});
        assert_eq!(finding(&handed, "kustomize-controller"), None);
    }

    #[test]
    fn helm_and_strangers_are_advice_and_people_are_nothing() {
        let helm = json!({"annotations": {"meta.helm.sh/release-name": "api"}});
        assert_eq!(finding(&helm, "helm").unwrap().0, Verdict::Advice);
        assert_eq!(finding(&json!({}), "keel").unwrap().0, Verdict::Advice);
        for nobody in ["kubectl-client-side-apply", "kubectl-set", "stackblaze"] {
            assert_eq!(finding(&json!({}), nobody), None, "{nobody}");
        }
    }
}
