//! A Kubernetes API with one Deployment, the right to make Jobs and nothing else, in the test's own process and on its
//! time. What becomes of a Job is what the test says.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, Response, Uri};
use kube::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What becomes of the command of a Job.
#[derive(Clone, Copy)]
pub enum Fate {
    /// It runs for so long and ends with this exit code.
    Ends(Duration, i32),
    /// It runs until somebody ends it.
    Runs,
    /// Its image cannot be pulled.
    NotFound,
    /// Its pod is refused.
    NoPod,
}

/// A POST that goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CreateFault {
    /// The account has no right.
    Forbidden,
    /// It is done once, and the answer is a 500.
    AnswerLost,
}

struct Held {
    object: Value,
    made_at: Instant,
}

struct State {
    jobs: BTreeMap<String, Held>,
    fate: Fate,
    fault: Option<CreateFault>,
    /// So many of the next reads are answered 503.
    silent_reads: usize,
    created: usize,
}

/// The API. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct ScriptedJobs {
    state: Arc<Mutex<State>>,
}

impl ScriptedJobs {
    pub fn new(fate: Fate) -> Self {
        let state = State { jobs: BTreeMap::new(), fate, fault: None, silent_reads: 0, created: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let api = api.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let (code, answer) = api.answer(&head.method, &head.uri, &body);
                let body = Full::new(Bytes::from(answer));
                Ok::<_, io::Error>(Response::builder().status(code).body(body).unwrap())
            }
        });
        Client::new(service, "apps")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn fails_to_create(&self, fault: CreateFault) {
        self.state().fault = Some(fault);
    }

    /// The next reads are answered 503.
    pub fn is_silent_for(&self, reads: usize) {
        self.state().silent_reads = reads;
    }

    /// Somebody else's Job.
    pub fn holds(&self, name: &str) {
        let object = json!({"metadata": {"name": name, "namespace": "apps"}});
        self.state().jobs.insert(name.to_owned(), Held { object, made_at: Instant::now() });
    }

    /// How many Jobs were ever made.
    pub fn created(&self) -> usize {
        self.state().created
    }

    /// The names of those that are there.
    pub fn names(&self) -> Vec<String> {
        self.state().jobs.keys().cloned().collect()
    }

    fn answer(&self, method: &Method, uri: &Uri, body: &Value) -> (u16, String) {
        let path = uri.path();
        let words: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let mut state = self.state();
        let (code, answer) = match (method.as_str(), words.as_slice()) {
            ("GET", _) if state.silent_reads > 0 => {
                state.silent_reads -= 1;
                refusal(503, "etcdserver: leader changed")
            }
            ("GET", [.., "pods", _, "log"]) => return (200, state.log()),
            ("GET", [.., "pods"]) => (200, json!({"metadata": {}, "items": state.pods()})),
            ("GET", [.., "events"]) => (200, json!({"metadata": {}, "items": state.events()})),
            ("GET", [.., "jobs", name]) => state.read(name),
            ("GET", [.., "deployments", "api"]) => (200, deployment()),
            ("POST", [.., "jobs"]) => state.create(body),
            ("DELETE", [.., "jobs", name]) => match state.jobs.remove(*name) {
                Some(_) => {
                    (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success", "code": 200}))
                }
                None => refusal(404, "it is not found"),
            },
            _ => panic!("nobody has a right to {method} {path}"),
        };
        (code, answer.to_string())
    }
}

impl State {
    fn create(&mut self, job: &Value) -> (u16, Value) {
        if self.fault == Some(CreateFault::Forbidden) {
            return refusal(
                403,
                "jobs.batch is forbidden: User \"deployer\" cannot create resource \"jobs\"",
            );
        }
        let name = job["metadata"]["name"].as_str().unwrap().to_owned();
        if self.jobs.contains_key(&name) {
            return refusal(409, "it exists already");
        }
        self.created += 1;
        self.jobs.insert(name, Held { object: job.clone(), made_at: Instant::now() });
        if self.fault.take() == Some(CreateFault::AnswerLost) {
            return refusal(500, "etcdserver: request timed out");
        }
        (201, job.clone())
    }

    fn read(&self, name: &str) -> (u16, Value) {
        let Some(held) = self.jobs.get(name) else { return refusal(404, "it is not found") };
        let mut object = held.object.clone();
        let condition = match (self.code(held), held.is_late()) {
            (Some(0), _) => json!([{"type": "Complete", "status": "True"}]),
            (Some(_), _) => {
                json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}])
            }
            (None, true) => json!([{"type": "Failed", "status": "True", "reason": "DeadlineExceeded",
                "message": "Job was active longer than specified deadline"}]),
            (None, false) => json!([]),
        };
        object["status"] = json!({"conditions": condition});
        (200, object)
    }

    /// What the command has ended with.
    fn code(&self, held: &Held) -> Option<i32> {
        match self.fate {
            Fate::Ends(after, code) if held.made_at.elapsed() >= after => Some(code),
            _ => None,
        }
    }

    fn pods(&self) -> Vec<Value> {
        let Some(held) = self.jobs.values().next() else { return Vec::new() };
        let state = match (self.fate, self.code(held)) {
            (Fate::NoPod, _) => return Vec::new(),
            _ if held.is_late() => return Vec::new(),
            (Fate::NotFound, _) => json!({"waiting": {"reason": "ErrImagePull", "message": "x: not found"}}),
            (_, Some(code)) => json!({"terminated": {"exitCode": code, "reason": "Error"}}),
            (_, None) => json!({"running": {}}),
        };
        vec![json!({"metadata": {"name": "job-x"}, "status": {"containerStatuses": [{"name": "web",
            "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state}]}})]
    }

    fn events(&self) -> Vec<Value> {
        let message = "pods \"job-x\" is forbidden: exceeded quota";
        let event = json!({"metadata": {"name": "e"}, "involvedObject": {}, "message": message});
        if matches!(self.fate, Fate::NoPod) { vec![event] } else { Vec::new() }
    }

    /// All of it each time, as kubelet gives the lines of the second that is asked for.
    fn log(&self) -> String {
        let has_ended = self.jobs.values().any(|held| self.code(held).is_some());
        let begun = "2026-01-01T00:00:01.5Z begins\n".to_owned();
        if has_ended { begun + "2026-01-01T00:00:01.5Z no such table: users\n" } else { begun }
    }
}

impl Held {
    fn is_late(&self) -> bool {
        let limit = self.object["spec"]["activeDeadlineSeconds"].as_u64();
        limit.is_some_and(|limit| self.made_at.elapsed() >= Duration::from_secs(limit))
    }
}

fn deployment() -> Value {
    let template = json!({"metadata": {}, "spec": {"containers": [{"name": "web", "image": "r/api:old"}]}});
    json!({"metadata": {"namespace": "apps", "name": "api"}, "spec": {"template": template}})
}

fn refusal(code: u16, text: &str) -> (u16, Value) {
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": text, "code": code});
    (code, status)
}
