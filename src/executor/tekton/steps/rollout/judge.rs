//! What a moment of a rollout means for one workload. Pure.

use k8s_openapi::api::core::v1 as core;

use crate::domain::WorkloadKind;
use crate::executor::tekton::workload_object::Found;
use crate::executor::tekton::workload_target::Target;

use super::pods::{Cause, Trouble, cause, is_new, is_ready, troubles};

/// Whether a workload goes to its new image or back to what it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the new image.
    Forward,
    /// To what it had. A deadline that passed on the way forward says nothing of the way back.
    Back,
}

/// What a moment means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It goes on.
    Wait,
    /// Every pod is of this version and available.
    Done,
    /// It will not come up.
    Broken(Cause),
    /// Somebody else has changed the workload since.
    TakenOver(String),
}

/// One moment of one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) next: Next,
    /// Pods of this version that are ready, and how many there should be; 0 of what does not run all the time.
    pub(super) ready: i64,
    pub(super) desired: i64,
    /// How many pods are of this version.
    pub(super) updated: i64,
    /// What holds pods of this version up just now.
    pub(super) troubles: Vec<Trouble>,
    /// The most telling thing of that, for the log.
    pub(super) cause: Option<Cause>,
}

impl Moment {
    /// How far it is, for people.
    pub(super) fn text(&self) -> String {
        let Self { ready, desired, updated, .. } = self;
        match (&self.next, &self.cause) {
            (Next::Done, _) if *desired == 0 => "changed; it runs by the clock".to_owned(),
            (Next::Done, _) => format!("{ready} of {desired} replicas serve"),
            (_, cause) => {
                let cause = cause.as_ref().map(|cause| format!("; {}", cause.detail)).unwrap_or_default();
                format!("{updated} of {desired} replicas are new, {ready} of them ready{cause}")
            }
        }
    }
}

/// Judges a moment. `wanted` is the state that was patched; `pods` are those that the workload selects, none where they are
/// not known.
pub(super) fn judge(found: &Found, pods: Option<&[core::Pod]>, wanted: &Target, way: Way) -> Moment {
    let new: Vec<_> = pods.into_iter().flatten().filter(|pod| is_new(pod, wanted)).collect();
    let (updated, available, is_complete) = figures(found);
    let desired = found.desired();
    let ready = new.iter().filter(|pod| is_ready(pod)).count();
    let ready = pods.map_or(available.min(updated), |_| i64::try_from(ready).unwrap_or(i64::MAX));
    let mut moment =
        Moment { next: Next::Wait, ready, desired, updated, troubles: Vec::new(), cause: cause(&new) };
    moment.next = if let Some(by) = wanted.taken_over(found) {
        Next::TakenOver(by)
    } else if found.kind == WorkloadKind::CronJob {
        Next::Done
    } else if !found.is_observed() {
        Next::Wait
    } else if desired == 0 {
        Next::Broken(nothing_left(found))
    } else if is_complete {
        moment.ready = desired;
        Next::Done
    } else if way == Way::Forward && is_late(found) {
        Next::Broken(late(found, moment.cause.take()))
    } else {
        Next::Wait
    };
    if moment.next == Next::Wait {
        moment.troubles = new.iter().flat_map(|pod| troubles(pod)).collect();
        moment.cause = moment.cause.or_else(|| refused(found));
    }
    moment
}

/// How many pods are new and how many of all available, and whether that is all of them. By kind.
fn figures(found: &Found) -> (i64, i64, bool) {
    let number = |field: &str| found.number(&format!("/status/{field}")).unwrap_or(0);
    let desired = found.desired();
    match found.kind {
        WorkloadKind::Deployment => {
            let (updated, available) = (number("updatedReplicas"), number("availableReplicas"));
            let is_alone = number("replicas") == updated;
            (updated, available, updated == desired && is_alone && available == updated)
        }
        WorkloadKind::StatefulSet => {
            let (update, current) =
                (found.text("/status/updateRevision"), found.text("/status/currentRevision"));
            let (ready, available) = (number("readyReplicas"), number("availableReplicas"));
            let is_one = update.is_some() && update == current;
            // Once all are of one revision, `updatedReplicas` is not kept any more.
            let updated = if is_one { number("currentReplicas") } else { number("updatedReplicas") };
            let is_whole = number("replicas") == desired && ready == desired && available == desired;
            (updated, available, is_one && is_whole && updated == desired)
        }
        WorkloadKind::DaemonSet => {
            let (updated, available) = (number("updatedNumberScheduled"), number("numberAvailable"));
            (updated, available, updated == desired && available == desired)
        }
        WorkloadKind::CronJob => (0, 0, true),
    }
}

fn is_late(found: &Found) -> bool {
    let progress = found.condition("Progressing");
    progress.is_some_and(|(status, reason, _)| status == "False" && reason == "ProgressDeadlineExceeded")
}

/// The cluster makes no pods for it: a quota, a webhook.
fn refused(found: &Found) -> Option<Cause> {
    let (_, _, said) = found.condition("ReplicaFailure").filter(|(status, ..)| *status == "True")?;
    Some(Cause { message: "the cluster refuses its pods".to_owned(), detail: said.to_owned(), log_of: None })
}

fn late(found: &Found, cause: Option<Cause>) -> Cause {
    let cause = refused(found).or(cause).unwrap_or_else(|| Cause {
        message: "it makes no progress".to_owned(),
        detail: "no progress within its progressDeadlineSeconds".to_owned(),
        log_of: None,
    });
    Cause { detail: format!("{}; its progressDeadlineSeconds have passed", cause.detail), ..cause }
}

fn nothing_left(found: &Found) -> Cause {
    let what = match found.kind {
        WorkloadKind::DaemonSet => "no node takes it any more",
        _ => "it was scaled to 0 replicas meanwhile",
    };
    Cause { message: what.to_owned(), detail: what.to_owned(), log_of: None }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::executor::tekton::names::{COMMIT, DEPLOYMENT};
    use crate::executor::tekton::steps::rollout::pods::tests::{pod, waiting};
    use crate::executor::tekton::workload_target::target;

    const NEW: &str = "r.example.com/api:dep-b@sha256:5";

    fn found(kind: WorkloadKind, status: &Value, change: impl FnOnce(&mut Value)) -> Found {
        let template = json!({
            "metadata": {"annotations": {DEPLOYMENT: "dep_b", COMMIT: "4444"}},
            "spec": {"containers": [{"name": "web", "image": NEW}]}});
        let mut spec = json!({"replicas": 2, "selector": {}, "template": template});
        if kind == WorkloadKind::CronJob {
            spec = json!({"jobTemplate": {"spec": {"template": template}}});
        }
        let mut value = json!({
            "metadata": {"namespace": "apps", "name": "api", "generation": 2}, "spec": spec, "status": status});
        value["status"]["observedGeneration"] = 2.into();
        change(&mut value);
        Found::new(kind, serde_json::from_value(value).unwrap())
    }

    fn complete(kind: WorkloadKind) -> Value {
        match kind {
            WorkloadKind::Deployment => json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
            WorkloadKind::StatefulSet => json!({"replicas": 2, "currentReplicas": 2, "readyReplicas": 2,
                "availableReplicas": 2, "updateRevision": "b", "currentRevision": "b"}),
            WorkloadKind::DaemonSet => json!({"desiredNumberScheduled": 2, "updatedNumberScheduled": 2,
                "numberAvailable": 2}),
            WorkloadKind::CronJob => json!({}),
        }
    }

    fn wanted() -> Target {
        let found = found(WorkloadKind::Deployment, &json!({}), |_| {});
        target(&found, None, "")
            .unwrap()
            .served_by(NEW, [Some("dep_b".to_owned()), Some("4444".to_owned()), None, None])
    }

    fn forward(found: &Found, pods: &[core::Pod]) -> Moment {
        judge(found, Some(pods), &wanted(), Way::Forward)
    }

    fn rolling(value: &mut Value) {
        value["status"]["availableReplicas"] = 1.into();
    }

    #[test]
    fn each_kind_is_done_only_when_all_its_pods_are_new_and_available() {
        let broken: [(WorkloadKind, &[(&str, Value)]); 3] = [
            (
                WorkloadKind::Deployment,
                &[
                    ("observedGeneration", json!(1)),
                    ("updatedReplicas", json!(1)),
                    ("replicas", json!(3)),
                    ("availableReplicas", json!(1)),
                ],
            ),
            (
                WorkloadKind::StatefulSet,
                &[
                    ("observedGeneration", json!(1)),
                    ("updateRevision", json!("c")),
                    ("readyReplicas", json!(1)),
                    ("availableReplicas", json!(1)),
                    ("currentReplicas", json!(1)),
                    ("replicas", json!(1)),
                ],
            ),
            (
                WorkloadKind::DaemonSet,
                &[
                    ("observedGeneration", json!(1)),
                    ("updatedNumberScheduled", json!(1)),
                    ("numberAvailable", json!(1)),
                    ("desiredNumberScheduled", json!(3)),
                ],
            ),
        ];
        for (kind, fields) in broken {
            let done = forward(&found(kind, &complete(kind), |_| {}), &[]);
            assert_eq!((done.next, done.ready, done.desired), (Next::Done, 2, 2), "{kind:?}");
            for (field, value) in fields {
                let moment = found(kind, &complete(kind), |v| v["status"][*field] = value.clone());
                assert_eq!(forward(&moment, &[]).next, Next::Wait, "{kind:?} {field}");
            }
        }
    }

    #[test]
    fn a_cronjob_is_done_when_it_is_read_back_as_it_was_patched() {
        let kind = WorkloadKind::CronJob;
        let moment = forward(&found(kind, &json!({}), |_| {}), &[]);

        assert_eq!((moment.next.clone(), moment.desired), (Next::Done, 0));
        assert_eq!(moment.text(), "changed; it runs by the clock");
        let template = "/spec/jobTemplate/spec/template/spec/containers/0/image";
        let other = found(kind, &json!({}), |v| *v.pointer_mut(template).unwrap() = "old".into());
        assert!(matches!(forward(&other, &[]).next, Next::TakenOver(_)));
    }

    #[test]
    fn only_new_pods_count_and_only_they_are_in_trouble() {
        let kind = WorkloadKind::Deployment;
        let moment = found(kind, &complete(kind), rolling);
        let ready = |of: &str| pod(of, &json!({"ready": true}));
        let mut old = waiting("ErrImagePull", "not found", 0);
        old.metadata.annotations.as_mut().unwrap().insert(DEPLOYMENT.to_owned(), "dep_a".to_owned());

        let seen = forward(&moment, &[ready("dep_a"), ready("dep_b"), old]);
        assert_eq!((seen.ready, seen.troubles.len()), (1, 0));
        let seen = forward(&moment, &[ready("dep_a"), waiting("ErrImagePull", "not found", 0)]);
        assert_eq!((seen.ready, seen.troubles.len()), (0, 1));
        assert!(seen.text().starts_with("2 of 2 replicas are new, 0 of them ready; not found: image"));
        assert_eq!(judge(&moment, None, &wanted(), Way::Forward).ready, 1, "by the workload's own figures");
    }

    #[test]
    fn a_deadline_breaks_the_way_forward_with_its_cause_and_not_the_way_back() {
        let kind = WorkloadKind::Deployment;
        let late = |more: Value| {
            found(kind, &complete(kind), |v| {
                rolling(v);
                v["status"]["conditions"] = json!([
                    {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}, more]);
            })
        };
        let quota = late(json!({"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}));
        let plain = late(json!({}));

        let Next::Broken(cause) = forward(&quota, &[]).next else { panic!("goes on") };
        assert!(cause.detail.starts_with("exceeded quota"), "{cause:?}");
        let Next::Broken(cause) = forward(&plain, &[pod("dep_b", &json!({}))]).next else {
            panic!("goes on")
        };
        assert_eq!(cause.message, "it does not get ready");
        assert_eq!(judge(&plain, Some(&[]), &wanted(), Way::Back).next, Next::Wait);
    }

    #[test]
    fn a_workload_that_shrinks_to_nothing_is_broken() {
        for kind in [WorkloadKind::Deployment, WorkloadKind::StatefulSet] {
            let moment = found(kind, &complete(kind), |v| v["spec"]["replicas"] = 0.into());
            assert!(matches!(forward(&moment, &[]).next, Next::Broken(_)), "{kind:?}");
        }
        let none = found(WorkloadKind::DaemonSet, &json!({"desiredNumberScheduled": 0}), |_| {});
        assert!(matches!(forward(&none, &[]).next, Next::Broken(_)));
    }
}
