//! A Kubernetes API with workloads and nothing else, in the test's own process and on its time: it keeps the rules of
//! versions and patches, and what becomes of the pods of a workload is what the test says.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, Response, Uri};
use kube::Client;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

/// The image that each workload has in the beginning.
pub const OLD: &str = "registry.example.com/team/api:old";

/// What becomes of pods that have not the old image.
#[derive(Clone, Copy)]
pub enum Fate {
    /// They are ready after a while.
    Ready(Duration),
    /// They wait, for so long with this reason and message, and are ready then.
    Waits(Duration, &'static str, &'static str),
    /// The same without an end.
    Stays(&'static str, &'static str),
}

/// A PATCH that goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PatchFault {
    /// It is refused for good.
    Refused,
    /// So many times it is done, and the answer is a 500.
    AnswerLost(usize),
    /// An admission policy writes another registry.
    Rewritten,
}

struct Held {
    object: Value,
    fate: Fate,
    fault: Option<PatchFault>,
    changed_at: Instant,
}

#[derive(Default)]
struct State {
    held: BTreeMap<String, Held>,
    /// So many of the next reads are answered 503.
    silent_reads: usize,
    version: u64,
}

/// The API. Cheap to clone; all clones are the same one.
#[derive(Clone, Default)]
pub struct ScriptedWorkloads {
    state: Arc<Mutex<State>>,
}

impl ScriptedWorkloads {
    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let api = api.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let (code, answer) = api.answer(&head.method, &head.uri, &body);
                let body = Full::new(Bytes::from(answer.to_string()));
                Ok::<_, io::Error>(Response::builder().status(code).body(body).unwrap())
            }
        });
        Client::new(service, "apps")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A workload with one container and one that runs before it; `plural` as in addresses.
    pub fn holds(&self, plural: &str, name: &str, fate: Fate, fault: Option<PatchFault>) {
        let containers = json!([{"name": "web", "image": OLD}]);
        let template = json!({"metadata": {}, "spec": {"containers": containers,
            "initContainers": [{"name": "first", "image": OLD}]}});
        let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template});
        let object = json!({"metadata": {"namespace": "apps", "name": name, "generation": 1,
            "resourceVersion": "1"}, "spec": spec});
        let held = Held { object, fate, fault, changed_at: Instant::now() };
        self.state().held.insert(format!("{plural}/{name}"), held);
    }

    /// The next reads are answered 503.
    pub fn is_silent_for(&self, reads: usize) {
        self.state().silent_reads = reads;
    }

    /// Somebody changes the workload by hand.
    pub fn is_given(&self, workload: &str, image: &str) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version;
        let held = state.held.get_mut(workload).unwrap();
        *held.object.pointer_mut("/spec/template/spec/containers/0/image").unwrap() = image.into();
        held.object["metadata"]["resourceVersion"] = version.to_string().into();
    }

    /// The images of a workload: of its container, and of the one before it.
    pub fn images(&self, workload: &str) -> [String; 2] {
        let state = self.state();
        let spec = &state.held[workload].object["spec"]["template"]["spec"];
        ["containers", "initContainers"].map(|list| spec[list][0]["image"].as_str().unwrap().to_owned())
    }

    /// The annotations of a workload's pod template.
    pub fn template_annotations(&self, workload: &str) -> Value {
        self.state().held[workload].object["spec"]["template"]["metadata"]["annotations"].clone()
    }

    fn answer(&self, method: &Method, uri: &Uri, body: &Value) -> (u16, Value) {
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        let mut state = self.state();
        let words: Vec<_> = path.trim_start_matches('/').split('/').collect();
        match (method.as_str(), words.as_slice()) {
            ("GET", _) if state.silent_reads > 0 => {
                state.silent_reads -= 1;
                (503, refusal(503, "etcdserver: leader changed"))
            }
            ("GET", [.., "pods"]) => (200, state.pods(query)),
            ("GET", [.., "events"]) => (200, json!({"metadata": {}, "items": []})),
            ("GET", [.., "log"]) => (404, refusal(404, "no log")),
            ("GET", [.., plural, name]) => state.read(&format!("{plural}/{name}")),
            ("PATCH", [.., plural, name]) => state.patch(&format!("{plural}/{name}"), body),
            _ => panic!("nobody has a right to {method} {path}"),
        }
    }
}

impl Held {
    fn image(&self) -> &str {
        self.object.pointer("/spec/template/spec/containers/0/image").unwrap().as_str().unwrap()
    }

    fn is_ready(&self) -> bool {
        let after = self.changed_at.elapsed();
        self.image() == OLD
            || match self.fate {
                Fate::Ready(time) | Fate::Waits(time, ..) => after >= time,
                Fate::Stays(..) => false,
            }
    }

    /// The object with the status that its controller would write.
    fn shown(&self) -> Value {
        let ready = i32::from(self.is_ready());
        let mut object = self.object.clone();
        object["status"] = json!({"observedGeneration": object["metadata"]["generation"], "replicas": 1,
            "updatedReplicas": 1, "availableReplicas": ready, "readyReplicas": ready, "currentReplicas": 1,
            "updateRevision": "a", "currentRevision": "a", "desiredNumberScheduled": 1,
            "updatedNumberScheduled": 1, "numberAvailable": ready});
        object
    }

    fn pod(&self) -> Value {
        let state = match self.fate {
            Fate::Waits(_, reason, message) | Fate::Stays(reason, message) if !self.is_ready() => {
                json!({"waiting": {"reason": reason, "message": message}})
            }
            _ => json!({"running": {}}),
        };
        let ready = self.is_ready();
        let name = format!("{}-0", self.object["metadata"]["name"].as_str().unwrap());
        let word = if ready { "True" } else { "False" };
        json!({"metadata": {"name": name, "annotations": self.object["spec"]["template"]["metadata"]["annotations"]},
            "status": {"conditions": [{"type": "Ready", "status": word}], "containerStatuses": [{"name": "web",
                "image": self.image(), "imageID": "", "ready": ready, "restartCount": 0, "state": state}]}})
    }
}

impl State {
    /// Those that `labelSelector=app%3DNAME` selects.
    fn pods(&self, query: &str) -> Value {
        let is_selected = |held: &&Held| {
            let name = held.object["metadata"]["name"].as_str().unwrap();
            query.split('&').any(|pair| {
                pair.ends_with(&format!("app%3D{name}")) || pair.ends_with(&format!("app={name}"))
            })
        };
        json!({"metadata": {}, "items": self.held.values().filter(is_selected).map(Held::pod).collect::<Vec<_>>()})
    }

    fn read(&self, workload: &str) -> (u16, Value) {
        match self.held.get(workload) {
            Some(held) => (200, held.shown()),
            None => (404, refusal(404, &format!("{workload} \"it\" not found"))),
        }
    }

    fn patch(&mut self, workload: &str, patch: &Value) -> (u16, Value) {
        self.version += 1;
        let version = self.version + 1;
        let Some(held) = self.held.get_mut(workload) else { return (404, refusal(404, "\"it\" not found")) };
        if held.fault == Some(PatchFault::Refused) {
            return (403, refusal(403, "admission webhook \"x\" denied the request: no"));
        }
        let wanted = &patch["metadata"]["resourceVersion"];
        if !wanted.is_null() && *wanted != held.object["metadata"]["resourceVersion"] {
            return (409, refusal(409, "the object has been modified"));
        }
        merge(&mut held.object, patch);
        held.object["metadata"]["resourceVersion"] = version.to_string().into();
        held.object["metadata"]["generation"] = version.into();
        held.changed_at = Instant::now();
        if held.fault == Some(PatchFault::Rewritten) {
            let image = held.object.pointer_mut("/spec/template/spec/containers/0/image").unwrap();
            *image = image.as_str().unwrap().replace("registry.example.com", "mirror.example.com").into();
        }
        if let Some(PatchFault::AnswerLost(times)) = held.fault {
            held.fault = (times > 1).then(|| PatchFault::AnswerLost(times - 1));
            return (500, refusal(500, "etcdserver: request timed out"));
        }
        (200, held.shown())
    }
}

fn refusal(code: u16, text: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": text, "reason": "", "code": code})
}

/// A strategic merge as far as it is used: objects by their names, lists of containers by the names of these.
fn merge(object: &mut Value, patch: &Value) {
    match patch {
        Value::Object(fields) => {
            if !object.is_object() {
                *object = Value::Object(Map::new());
            }
            for (name, value) in fields {
                if value.is_null() {
                    object.as_object_mut().unwrap().remove(name);
                } else {
                    merge(&mut object[name], value);
                }
            }
        }
        Value::Array(items) => {
            let list = object.as_array_mut().unwrap();
            for item in items {
                let own = list.iter_mut().find(|own| own["name"] == item["name"]).unwrap();
                merge(own, item);
            }
        }
        other => *object = other.clone(),
    }
}
