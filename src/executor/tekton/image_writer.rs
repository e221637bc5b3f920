//! Who wrote the image of a container, by what the API server notes of each field. Pure.

use serde_json::Value;

use super::workload_object::Found;

/// Whoever wrote a field last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Writer {
    /// The field manager's name, for example `kubectl-set` or `argocd-controller`.
    pub(super) name: String,
    /// When, as RFC 3339; empty where the API server does not say.
    pub(super) at: String,
}

/// Who wrote the image of a container of the pod template last.
pub(super) fn writer(found: &Found, container: &str) -> Option<Writer> {
    let fields = found.object.metadata.managed_fields.iter().flatten();
    let own = fields.filter_map(|entry| {
        let owned = owns_image(found, &entry.fields_v1.as_ref()?.0, container);
        let at = entry.time.as_ref().map(|time| time.0.to_string()).unwrap_or_default();
        owned.then(|| Some(Writer { name: entry.manager.clone()?, at }))?
    });
    own.max_by(|one, other| one.at.cmp(&other.at))
}

fn owns_image(found: &Found, fields: &Value, container: &str) -> bool {
    let mut place = fields;
    for name in found.template_fields() {
        let Some(inner) = place.get(format!("f:{name}")) else { return false };
        place = inner;
    }
    let key = format!("k:{{\"name\":\"{container}\"}}");
    ["f:containers", "f:initContainers"]
        .into_iter()
        .any(|list| place["f:spec"][list].get(&key).is_some_and(|own| own.get("f:image").is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::WorkloadKind;

    #[test]
    fn the_last_writer_of_the_image_is_found_and_no_other() {
        let entry = |manager: &str, at: &str, field: &str| {
            serde_json::json!({"manager": manager, "operation": "Update", "time": at, "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers":
                    {"k:{\"name\":\"web\"}": {field: {}}}}}}}})
        };
        let object = serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api",
        "managedFields": [
            entry("helm", "2026-01-01T00:00:00Z", "f:image"),
            entry("argocd-controller", "2026-01-02T00:00:00Z", "f:image"),
            entry("kubectl-edit", "2026-01-03T00:00:00Z", "f:env"),
        ]}});
        let found = Found::new(WorkloadKind::Deployment, serde_json::from_value(object).unwrap());

        let last = writer(&found, "web").unwrap();
        assert_eq!((last.name.as_str(), last.at.starts_with("2026-01-02")), ("argocd-controller", true));
        assert_eq!(writer(&found, "db"), None);
    }
}
