//! Plays kubelet and scheduler in a cluster that has neither: tells by the pods' status what Tekton's steps do.
//!
//! It says what a real kubelet was seen to say: all containers of a pod begin at once, a step leaves its results in its
//! last message, and the steps after a failed one end with code 1 as skipped.

use k8s_openapi::api::core::v1 as core;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use super::soon;

/// The pods of one run.
pub struct Kubelet {
    pods: Api<core::Pod>,
    events: Api<core::Event>,
    run: String,
}

impl Kubelet {
    pub fn new(client: Client, namespace: &str, run: &str) -> Self {
        let (pods, events) = (Api::namespaced(client.clone(), namespace), Api::namespaced(client, namespace));
        Self { pods, events, run: run.to_owned() }
    }

    /// The step's pod, once Tekton has made it.
    pub async fn pod_of(&self, step: &str) -> String {
        let task = match step {
            "rollout" => "deploy",
            "put-back" => "put-back",
            _ => "build",
        };
        let name = format!("{}-{task}-pod", self.run);
        let exists = |pod: Option<&core::Pod>| pod.is_some();
        soon(Box::pin(await_condition(self.pods.clone(), &name, exists))).await.unwrap();
        name
    }

    /// The uid of the step's pod, once Tekton has made it.
    pub async fn uid_of(&self, step: &str) -> String {
        self.pods.get(&self.pod_of(step).await).await.unwrap().metadata.uid.unwrap()
    }

    /// Waits until Tekton has made another pod in place of this one.
    pub async fn sees_another(&self, step: &str, uid: &str) {
        let name = self.pod_of(step).await;
        let is_another =
            |pod: Option<&core::Pod>| pod.is_some_and(|pod| pod.metadata.uid.as_deref() != Some(uid));
        soon(Box::pin(await_condition(self.pods.clone(), &name, is_another))).await.unwrap();
    }

    /// The pod of the step begins, with all its containers.
    pub async fn starts(&self, step: &str) {
        let pod = self.pod_of(step).await;
        let running = json!({ "running": { "startedAt": now() } });
        let containers = self.containers(&pod).await;
        let all = containers.iter().map(|name| container(name, &running));
        self.tell(&pod, json!({ "phase": "Running", "containerStatuses": all.collect::<Vec<_>>() })).await;
    }

    /// The step's process ends and leaves results.
    pub async fn ends(&self, step: &str, exit_code: i32, results: &[(&str, &str)]) {
        let reason = if exit_code == 0 { "Completed" } else { "Error" };
        self.ends_as(step, exit_code, reason, results).await;
    }

    /// The step's process ends, for a reason that kubelet gives.
    pub async fn ends_as(&self, step: &str, exit_code: i32, reason: &str, results: &[(&str, &str)]) {
        let pod = self.pod_of(step).await;
        let status = self.pods.get(&pod).await.unwrap().status.unwrap();
        let mut all: Vec<Value> = status.container_statuses.unwrap().iter().map(|one| json!(one)).collect();
        let own = all.iter().position(|state| state["name"] == format!("step-{step}")).unwrap();
        all[own]["state"] = ended(exit_code, reason, results);
        if exit_code != 0 {
            for later in &mut all[own + 1..] {
                later["state"] = skipped();
            }
        }
        let is_over = all.iter().all(|state| state["state"]["terminated"].is_object());
        let phase = match (is_over, exit_code) {
            (false, _) => "Running",
            (true, 0) => "Succeeded",
            (true, _) => "Failed",
        };
        self.tell(&pod, json!({ "phase": phase, "containerStatuses": all })).await;
    }

    /// The task after a failed deploy task finds this, and does it.
    pub async fn puts_back(&self, word: &str) {
        self.starts("put-back").await;
        self.ends("put-back", 0, &[("put-back", word)]).await;
    }

    /// The pod is thrown off its node, with whatever it was doing.
    pub async fn evicts(&self, step: &str, message: &str) {
        let pod = self.pod_of(step).await;
        self.tell(&pod, json!({ "phase": "Failed", "reason": "Evicted", "message": message })).await;
    }

    /// The step's container does not come up, for a reason that kubelet gives; the others would.
    pub async fn cannot_begin(&self, step: &str, reason: &str, message: &str) {
        let pod = self.pod_of(step).await;
        let containers = self.containers(&pod).await;
        let states = containers.iter().map(|name| {
            let is_own = *name == format!("step-{step}");
            let waiting = if is_own {
                json!({ "reason": reason, "message": message })
            } else {
                json!({ "reason": "PodInitializing" })
            };
            container(name, &json!({ "waiting": waiting }))
        });
        self.tell(&pod, json!({ "phase": "Pending", "containerStatuses": states.collect::<Vec<_>>() })).await;
    }

    /// No node has room for the pod.
    pub async fn finds_no_node(&self, step: &str, message: &str) {
        let pod = self.pod_of(step).await;
        let condition = json!({
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        });
        self.tell(&pod, json!({ "phase": "Pending", "conditions": [condition] })).await;
        self.warns(step, "FailedScheduling", message).await;
    }

    /// Only an event tells why nothing goes on.
    pub async fn warns(&self, step: &str, reason: &str, message: &str) {
        let pod = self.pods.get(&self.pod_of(step).await).await.unwrap();
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": reason, "message": message,
            "metadata": { "generateName": "kubelet-", "namespace": pod.metadata.namespace },
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name,
                "namespace": pod.metadata.namespace, "uid": pod.metadata.uid,
            },
        });
        let event = serde_json::from_value(event).unwrap();
        self.events.create(&PostParams::default(), &event).await.unwrap();
    }

    /// The pod is removed by somebody, at once.
    pub async fn loses(&self, step: &str) {
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        drop(self.pods.delete(&self.pod_of(step).await, &at_once).await.unwrap());
    }

    async fn containers(&self, pod: &str) -> Vec<String> {
        let pod = self.pods.get(pod).await.unwrap();
        pod.spec.unwrap().containers.into_iter().map(|container| container.name).collect()
    }

    async fn tell(&self, pod: &str, status: Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        self.pods.patch_status(pod, &PatchParams::default(), &patch).await.unwrap();
    }
}

fn container(name: &str, state: &Value) -> Value {
    json!({ "name": name, "state": state, "ready": false, "restartCount": 0, "image": "x", "imageID": "x" })
}

fn ended(exit_code: i32, reason: &str, results: &[(&str, &str)]) -> Value {
    let mut left = vec![json!({ "key": "StartedAt", "value": now(), "type": 3 })];
    left.extend(results.iter().map(|(key, value)| json!({ "key": key, "value": value, "type": 1 })));
    terminated(exit_code, reason, &left)
}

fn skipped() -> Value {
    let left = [
        json!({ "key": "StartedAt", "value": now(), "type": 3 }),
        json!({ "key": "Reason", "value": "Skipped", "type": 3 }),
    ];
    terminated(1, "Error", &left)
}

fn terminated(exit_code: i32, reason: &str, left: &[Value]) -> Value {
    json!({ "terminated": {
        "exitCode": exit_code, "reason": reason, "startedAt": now(), "finishedAt": now(),
        "containerID": "containerd://1", "message": Value::from(left).to_string(),
    } })
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
