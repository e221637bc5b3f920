//! Which containers of a workload a deployment changes, and to what. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::WorkloadKind;

use super::names::{BEFORE, CALLER, COMMIT, DEPLOYMENT, RETURNED_FROM, SOURCE};
use super::workload_object::{ContainerList, Found, around_template};

/// Annotations on the pod template that a deployment sets and a return puts back.
const OWN_ANNOTATIONS: [&str; 4] = [DEPLOYMENT, COMMIT, SOURCE, CALLER];

/// What the pod template says of the deployment, in the order of [`OWN_ANNOTATIONS`].
pub(super) type Said = [Option<String>; 4];

/// Images of containers by their names.
type Images = BTreeMap<String, String>;

/// The containers to patch, and how they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The container that the log and the API name.
    pub(super) main: String,
    images: Images,
    inits: Images,
    /// Our annotations on the pod template, in the order of [`OWN_ANNOTATIONS`].
    annotations: Said,
}

/// What a workload had before a deployment, as its annotation [`BEFORE`] keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    deployment: String,
    main: String,
    containers: Images,
    inits: Images,
    annotations: Said,
}

/// What is written beside the images, on the workload itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark<'a> {
    /// What there was before this deployment.
    Before(&'a Target, &'a str),
    /// It was given back what it had before this deployment.
    Returned(&'a str),
}

impl Target {
    /// The image of the container that the log names.
    pub(super) fn image(&self) -> &str {
        self.images.get(&self.main).map(String::as_str).unwrap_or_default()
    }

    /// Whether a container that runs before the others is given the image too.
    pub(super) fn gives_init(&self, name: &str) -> bool {
        self.inits.contains_key(name)
    }

    /// `web` or `web, worker and before them migrate`.
    pub(super) fn names(&self) -> String {
        let names = |images: &Images| images.keys().cloned().collect::<Vec<_>>().join(", ");
        match names(&self.inits) {
            inits if inits.is_empty() => names(&self.images),
            inits => format!("{} and before it {inits}", names(&self.images)),
        }
    }

    /// The same containers with another image, as this deployment leaves them.
    pub(super) fn served_by(&self, image: &str, annotations: Said) -> Self {
        let all = |images: &Images| images.keys().map(|name| (name.clone(), image.to_owned())).collect();
        Self { main: self.main.clone(), images: all(&self.images), inits: all(&self.inits), annotations }
    }

    /// The same containers as the API server has them after a patch: a webhook may have written another image, and that
    /// is then what was wanted.
    pub(super) fn as_answered(&self, found: &Found) -> Self {
        let read = |images: &Images, list| {
            let there: BTreeMap<_, _> = found.containers(list).into_iter().collect();
            let image = |(name, image): (&String, &String)| {
                let there = there.get(name.as_str()).copied().unwrap_or(image);
                (name.clone(), there.to_owned())
            };
            images.iter().map(image).collect()
        };
        Self {
            main: self.main.clone(),
            images: read(&self.images, ContainerList::Serving),
            inits: read(&self.inits, ContainerList::Init),
            annotations: own_annotations(found),
        }
    }

    /// All its containers as they are now.
    pub(super) fn present(found: &Found) -> Self {
        let images = |list| -> Images {
            let all = found.containers(list).into_iter();
            all.map(|(name, image)| (name.to_owned(), image.to_owned())).collect()
        };
        let containers = found.containers(ContainerList::Serving);
        let main = containers.first().map(|(name, _)| (*name).to_owned()).unwrap_or_default();
        let (serving, inits) = (images(ContainerList::Serving), images(ContainerList::Init));
        Self { main, images: serving, inits, annotations: own_annotations(found) }
    }

    /// A strategic merge patch to this state. With a version it applies to exactly that version of the object.
    ///
    /// The annotations make the pods new even where the image is the same one, and tell later who took over. What there was
    /// before is written by the same patch, so that whoever comes after a killed step can put it back.
    pub(super) fn patch(&self, kind: WorkloadKind, version: Option<&str>, mark: Mark<'_>) -> Value {
        let annotations: Map<_, _> =
            OWN_ANNOTATIONS.iter().map(|name| (*name).to_owned()).zip(self.values()).collect();
        let list = |images: &Images| -> Vec<_> {
            images.iter().map(|(name, image)| json!({"name": name, "image": image})).collect()
        };
        let mut spec = json!({"containers": list(&self.images)});
        if !self.inits.is_empty() {
            spec["initContainers"] = list(&self.inits).into();
        }
        let change = json!({"metadata": {"annotations": annotations}, "spec": spec});
        let mut patch = around_template(kind, change);
        let marks = match mark {
            Mark::Before(before, deployment) => json!({BEFORE: before.note(deployment), RETURNED_FROM: null}),
            Mark::Returned(deployment) => json!({BEFORE: null, RETURNED_FROM: deployment}),
        };
        patch["metadata"] = json!({"annotations": marks});
        if let Some(version) = version {
            patch["metadata"]["resourceVersion"] = version.into();
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

    fn note(&self, deployment: &str) -> String {
        let note = Note {
            deployment: deployment.to_owned(),
            main: self.main.clone(),
            containers: self.images.clone(),
            inits: self.inits.clone(),
            annotations: self.annotations.clone(),
        };
        json!(note).to_string()
    }

    /// What a workload had before this deployment, as its annotation keeps it.
    pub(super) fn noted(found: &Found, deployment: &str) -> Option<Self> {
        let note = serde_json::from_str::<Note>(found.annotation(BEFORE)?).ok()?;
        let Note { main, containers, inits, annotations, .. } = note;
        (note.deployment == deployment).then_some(Self { main, images: containers, inits, annotations })
    }

    /// Whether it changes the container of that name.
    pub(super) fn has(&self, container: &str) -> bool {
        self.images.contains_key(container) || self.inits.contains_key(container)
    }

    /// Who has changed it since, where somebody has.
    pub(super) fn taken_over(&self, found: &Found) -> Option<String> {
        let by = found.pod_annotation(DEPLOYMENT);
        if by != self.deployment() {
            let by = by.unwrap_or("somebody who is not StackBlaze");
            return Some(format!("it was taken over by {by}"));
        }
        let lists = [(&self.images, ContainerList::Serving), (&self.inits, ContainerList::Init)];
        lists.into_iter().find_map(|(images, list)| {
            let there: BTreeMap<_, _> = found.containers(list).into_iter().collect();
            images.iter().find_map(|(name, image)| match there.get(name.as_str()) {
                Some(own) if own == image => None,
                Some(own) => Some(format!("somebody gave {name} the image {own}")),
                None => Some(format!("somebody removed the container {name}")),
            })
        })
    }
}

/// Whether the pod template is that of this deployment.
pub(super) fn is_of(found: &Found, deployment: &str) -> bool {
    found.pod_annotation(DEPLOYMENT) == Some(deployment)
}

/// Whether it was given back what it had before this deployment.
pub(super) fn is_returned(found: &Found, deployment: &str) -> bool {
    found.annotation(RETURNED_FROM) == Some(deployment) && !is_of(found, deployment)
}

fn own_annotations(found: &Found) -> Said {
    OWN_ANNOTATIONS.map(|name| found.pod_annotation(name).map(str::to_owned))
}

/// Finds the containers and refuses what could not serve: the named one, else the only one, else those of the service's
/// image repository; and every other one, also of those that run before, which has the same image as one of them.
pub(super) fn target(found: &Found, wanted: Option<&str>, repository: &str) -> Result<Target, String> {
    if let Some(refusal) = found.refusal() {
        return Err(refusal);
    }
    let title = found.title();
    let containers = found.containers(ContainerList::Serving);
    let names = || containers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let chosen: Vec<_> = match (wanted, containers.as_slice()) {
        // A merge by a name that does not exist would add a container.
        (Some(wanted), all) => match all.iter().find(|(name, _)| *name == wanted) {
            Some(one) => vec![*one],
            None => return Err(format!("{title} has no container {wanted}; it has {}", names())),
        },
        (None, [only]) => vec![*only],
        (None, all) => all.iter().copied().filter(|(_, image)| repository_of(image) == repository).collect(),
    };
    let Some((main, _)) = chosen.first().copied() else {
        return Err(format!(
            "{title} has several containers, none of image {repository}; name one of {}",
            names()
        ));
    };
    let goes_along = |(name, image): &(&str, &str), list| {
        let is_chosen = list == ContainerList::Serving && chosen.iter().any(|(own, _)| own == name);
        is_chosen || chosen.iter().any(|(_, own)| own == image)
    };
    let images = |list| {
        let all = found.containers(list).into_iter().filter(|one| goes_along(one, list));
        all.map(|(name, image)| (name.to_owned(), image.to_owned())).collect()
    };
    Ok(Target {
        main: main.to_owned(),
        images: images(ContainerList::Serving),
        inits: images(ContainerList::Init),
        annotations: own_annotations(found),
    })
}

/// An image without its tag and digest.
fn repository_of(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(commit: &str) -> Said {
        [Some("dep_b".to_owned()), Some(commit.to_owned()), Some("build".to_owned()), None]
    }

    fn found(kind: WorkloadKind, object: Value) -> Found {
        Found::new(kind, serde_json::from_value(object).unwrap())
    }

    fn deployment(change: impl FnOnce(&mut Value)) -> Found {
        let mut value = json!({
            "metadata": {"namespace": "apps", "name": "api"},
            "spec": {"replicas": 2, "selector": {}, "template": {
                "spec": {"containers": [{"name": "web", "image": "old"}]}}},
        });
        change(&mut value);
        found(WorkloadKind::Deployment, value)
    }

    fn containers(all: &[(&str, &str)], inits: &[(&str, &str)]) -> Found {
        let list = |all: &[(&str, &str)]| {
            all.iter().map(|(name, image)| json!({"name": name, "image": image})).collect::<Vec<_>>()
        };
        deployment(|v| {
            v["spec"]["template"]["spec"] = json!({"containers": list(all), "initContainers": list(inits)});
        })
    }

    const OURS: &str = "r.example.com:5000/api";

    #[test]
    fn what_cannot_serve_is_refused_before_anything_is_changed() {
        let refused = |kind, object: Value| target(&found(kind, object), None, OURS).unwrap_err();
        let on_delete = json!({"spec": {"updateStrategy": {"type": "OnDelete"}}});

        assert!(refused(WorkloadKind::Deployment, json!({"spec": {"paused": true}})).contains("paused"));
        assert!(refused(WorkloadKind::Deployment, json!({"spec": {"replicas": 0}})).contains("0 replicas"));
        assert!(refused(WorkloadKind::StatefulSet, json!({"spec": {"replicas": 0}})).contains("0 replicas"));
        assert!(refused(WorkloadKind::StatefulSet, on_delete.clone()).contains("OnDelete"));
        assert!(refused(WorkloadKind::DaemonSet, on_delete).contains("OnDelete"));
        let partition = json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}});
        assert!(refused(WorkloadKind::StatefulSet, partition).contains("partition of 2"));
        let unseen = json!({"spec": {}, "status": {"desiredNumberScheduled": 0}});
        assert!(refused(WorkloadKind::DaemonSet, unseen).contains("no node"));
        assert!(
            target(&deployment(|_| {}), Some("db"), OURS)
                .unwrap_err()
                .contains("no container db; it has web")
        );
    }

    #[test]
    fn the_named_one_else_the_only_one_else_those_of_the_repository_are_changed_with_all_of_the_same_image() {
        let changed = |found: &Found, wanted| target(found, wanted, OURS).map(|target| target.names());
        let sidecar = containers(&[("proxy", "envoy"), ("web", "r.example.com:5000/api:1")], &[]);
        let both = containers(
            &[
                ("web", "r.example.com:5000/api:1@sha256:5"),
                ("worker", "r.example.com:5000/api"),
                ("db", "pg"),
            ],
            &[("migrate", "r.example.com:5000/api"), ("chown", "busybox")],
        );

        assert_eq!(changed(&deployment(|_| {}), None).unwrap(), "web");
        assert_eq!(changed(&sidecar, None).unwrap(), "web");
        assert_eq!(changed(&both, None).unwrap(), "web, worker and before it migrate");
        assert_eq!(changed(&both, Some("worker")).unwrap(), "worker and before it migrate");
        assert_eq!(changed(&both, Some("db")).unwrap(), "db");
        let foreign = containers(&[("a", "x"), ("b", "r.example.com:5000/api-cache")], &[]);
        assert!(changed(&foreign, None).unwrap_err().contains("name one of a, b"));
    }

    #[test]
    fn a_return_patches_back_exactly_what_was_there() {
        let before = target(&containers(&[("web", "old")], &[("init", "old")]), None, OURS).unwrap();
        let wanted = before.served_by("new", said("4444"));

        let there = wanted.patch(WorkloadKind::Deployment, None, Mark::Before(&before, "dep_b"));
        let back = before.patch(WorkloadKind::Deployment, Some("17"), Mark::Returned("dep_b"));

        let annotations = "/spec/template/metadata/annotations";
        assert_eq!(
            there.pointer(annotations),
            Some(&json!({DEPLOYMENT: "dep_b", COMMIT: "4444", SOURCE: "build", CALLER: null}))
        );
        assert_eq!(
            back.pointer(annotations),
            Some(&json!({DEPLOYMENT: null, COMMIT: null, SOURCE: null, CALLER: null}))
        );
        let spec = json!({"containers": [{"name": "web", "image": "old"}],
            "initContainers": [{"name": "init", "image": "old"}]});
        assert_eq!(back.pointer("/spec/template/spec"), Some(&spec));
        let marks = json!({"resourceVersion": "17", "annotations": {BEFORE: null, RETURNED_FROM: "dep_b"}});
        assert_eq!(back["metadata"], marks);
        let cronjob = before.patch(WorkloadKind::CronJob, None, Mark::Returned("dep_b"));
        assert_eq!(cronjob.pointer("/spec/jobTemplate/spec/template/spec"), Some(&spec));
    }

    #[test]
    fn what_there_was_is_read_from_the_workload_by_its_own_deployment_only() {
        let before = target(&containers(&[("web", "old")], &[("init", "old")]), None, OURS).unwrap();
        let patch = before.served_by("new", said("4")).patch(
            WorkloadKind::Deployment,
            None,
            Mark::Before(&before, "dep_b"),
        );
        let marked = deployment(|v| {
            v["metadata"]["annotations"] = json!({BEFORE: patch["metadata"]["annotations"][BEFORE]});
        });

        assert_eq!(Target::noted(&marked, "dep_b"), Some(before));
        assert_eq!(Target::noted(&marked, "dep_c"), None);
        assert_eq!(Target::noted(&deployment(|_| {}), "dep_b"), None);
    }

    #[test]
    fn what_the_api_server_answered_is_what_was_wanted_and_anything_else_a_stranger() {
        let shown = |image: &str, by: &str| {
            let mut object = containers(&[("web", image)], &[]).object;
            object.data["spec"]["template"]["metadata"] =
                json!({"annotations": {DEPLOYMENT: by, COMMIT: "4"}});
            Found::new(WorkloadKind::Deployment, object)
        };
        let before = target(&containers(&[("web", "old")], &[]), None, OURS).unwrap();
        let wanted = before.served_by("r/api", said("4"));
        let answered = shown("mirror/api", "dep_b");

        assert!(wanted.taken_over(&answered).unwrap().contains("gave web the image mirror/api"));
        let wanted = wanted.as_answered(&answered);
        assert_eq!(wanted.taken_over(&answered), None);
        assert!(wanted.taken_over(&shown("r/api", "dep_b")).is_some());
        assert!(wanted.taken_over(&shown("mirror/api", "dep_c")).unwrap().contains("by dep_c"));
        assert!(wanted.taken_over(&containers(&[], &[])).is_some());
    }
}
