//! Which container of a workload a deployment changes, and to what. Pure.

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;
use serde_json::{Map, Value, json};

use super::names::{COMMIT, DEPLOYMENT};

/// Annotations on the pod template that a deployment sets and a return puts back.
const OWN_ANNOTATIONS: [&str; 2] = [DEPLOYMENT, COMMIT];

/// The container to patch, and how it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) container: String,
    pub(super) image: String,
    /// Our annotations on the pod template, in the order of [`OWN_ANNOTATIONS`].
    annotations: [Option<String>; 2],
}

impl Target {
    /// The same container with another image, as this deployment leaves it.
    pub(super) fn served_by(&self, image: &str, deployment: &str, commit: &str) -> Self {
        let annotations = [Some(deployment.to_owned()), Some(commit.to_owned())];
        Self { container: self.container.clone(), image: image.to_owned(), annotations }
    }

    /// A strategic merge patch to this state. With a version it applies to exactly that version of the object.
    ///
    /// The annotations make the pods new even where the image is the same one, and tell later who took over.
    pub(super) fn patch(&self, version: Option<&str>) -> Value {
        let annotations: Map<_, _> =
            OWN_ANNOTATIONS.iter().map(|name| (*name).to_owned()).zip(self.values()).collect();
        let mut patch = json!({"spec": {"template": {
            "metadata": {"annotations": annotations},
            "spec": {"containers": [{"name": self.container, "image": self.image}]},
        }}});
        if let Some(version) = version {
            patch["metadata"] = json!({"resourceVersion": version});
        }
        patch
    }

    fn values(&self) -> impl Iterator<Item = Value> {
        self.annotations.iter().map(|value| value.clone().map_or(Value::Null, Value::from))
    }

    /// The deployment that the pod template names.
    pub(super) fn deployment(&self) -> Option<&str> {
        self.annotations[0].as_deref()
    }
}

/// Finds the container and refuses what could not serve. Without a name there has to be exactly one container.
pub(super) fn target(workload: &apps::Deployment, wanted: Option<&str>) -> Result<Target, String> {
    let name = name_of(workload);
    let Some(spec) = &workload.spec else { return Err(format!("Deployment {name} has no spec")) };
    if spec.paused == Some(true) {
        return Err(format!("Deployment {name} is paused; resume it with kubectl rollout resume"));
    }
    if spec.replicas == Some(0) {
        return Err(format!("Deployment {name} is scaled to 0 replicas, so nothing would serve"));
    }
    let containers = containers(workload);
    let names = || containers.iter().map(|container| container.name.as_str()).collect::<Vec<_>>().join(", ");
    let container = match wanted {
        // A merge by a name that does not exist would add a container.
        Some(wanted) => containers
            .iter()
            .find(|container| container.name == wanted)
            .ok_or_else(|| format!("Deployment {name} has no container {wanted}; it has {}", names()))?,
        None => match containers {
            [only] => only,
            _ => return Err(format!("Deployment {name} has several containers, name one of {}", names())),
        },
    };
    Ok(Target {
        container: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        annotations: OWN_ANNOTATIONS.map(|own| annotation(workload, own)),
    })
}

/// The containers of its pods.
pub(super) fn containers(workload: &apps::Deployment) -> &[core::Container] {
    let spec = workload.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    spec.map_or(&[], |spec| spec.containers.as_slice())
}

/// An annotation of its pod template.
pub(super) fn annotation(workload: &apps::Deployment, name: &str) -> Option<String> {
    let metadata = workload.spec.as_ref()?.template.metadata.as_ref()?;
    metadata.annotations.as_ref()?.get(name).cloned()
}

fn name_of(workload: &apps::Deployment) -> String {
    let metadata = &workload.metadata;
    let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
    format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(change: impl FnOnce(&mut Value)) -> apps::Deployment {
        let mut value = json!({
            "metadata": {"namespace": "apps", "name": "api"},
            "spec": {"replicas": 2, "selector": {}, "template": {
                "spec": {"containers": [{"name": "web", "image": "old"}]}}},
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_cannot_serve_is_refused_before_anything_is_changed() {
        let refused =
            |change: fn(&mut Value), wanted: Option<&str>| target(&workload(change), wanted).unwrap_err();

        assert!(refused(|v| v["spec"]["paused"] = true.into(), None).contains("paused"));
        assert!(refused(|v| v["spec"]["replicas"] = 0.into(), None).contains("0 replicas"));
        assert!(refused(|_| {}, Some("db")).contains("no container db; it has web"));
        let second = |v: &mut Value| {
            let containers = v.pointer_mut("/spec/template/spec/containers").unwrap();
            containers.as_array_mut().unwrap().push(json!({"name": "db", "image": "x"}));
        };
        assert!(refused(second, None).contains("name one of web, db"));
        assert_eq!(target(&workload(second), Some("db")).unwrap().container, "db");
    }

    #[test]
    fn a_return_patches_back_exactly_what_was_there() {
        let before = target(&workload(|_| {}), None).unwrap();

        let there = before.served_by("new", "dep_b", "4444").patch(None);
        let back = before.patch(Some("17"));

        assert_eq!(
            there["spec"]["template"]["metadata"]["annotations"],
            json!({DEPLOYMENT: "dep_b", COMMIT: "4444"})
        );
        assert_eq!(
            back["spec"]["template"]["metadata"]["annotations"],
            json!({DEPLOYMENT: null, COMMIT: null})
        );
        assert_eq!(back["spec"]["template"]["spec"]["containers"], json!([{"name": "web", "image": "old"}]));
        assert_eq!(back["metadata"]["resourceVersion"], "17");
    }
}
