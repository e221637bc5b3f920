//! A Kubernetes API without a cluster: a service in the test's own process that holds one PipelineRun with its two
//! TaskRuns, keeps the rules of lists, watches and preconditions, and fails where a test says so. What the objects show is
//! what a real cluster once showed, `tests/data/tekton/status`.

mod answers;
mod state;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use http_body_util::BodyExt;
use hyper::{Method, Request, Response, Uri};
use kube::Client;
use serde_json::{Value, json};
use stackblaze::executor::Run;
use stackblaze::executor::tekton::run::pipeline_run::pipeline_run;

use super::stage::common;

use answers::{AnswerBody, cut, line, refusal, streamed};
use state::State;

pub const NAMESPACE: &str = "scenarios";

/// What the executor asks of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    CreateRun,
    ReadRun,
    PatchRun,
    DeleteRun,
    ListRuns,
    WatchRuns,
    ListTaskRuns,
    WatchTaskRuns,
    ListWarnings,
    ReadLog,
    ReadWorkload,
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It is refused with this code and this text.
    Refused(u16, &'static str),
    /// It is refused with 429 for this many seconds, which only a header tells.
    Throttled(u32),
    /// The connection is cut before anything is done.
    Cut,
    /// It is done, and the connection is cut before the answer.
    ReplyLost,
    /// It is done, and there is never an answer.
    ReplyNeverSent,
    /// The version that a watch goes on from is not known any more.
    Expired,
}

/// A log as one stream gives it.
#[derive(Debug, Clone, Copy)]
pub struct LogStream {
    pub text: &'static str,
    /// Whether the connection is cut behind the text.
    pub is_cut: bool,
}

/// A call that was made.
#[derive(Debug, Clone)]
pub struct RecordedCall {
    pub call: Call,
    pub query: String,
    pub body: Value,
}

/// The cluster. Cheap to clone; all clones are the same one.
#[derive(Clone, Default)]
pub struct ScriptedCluster {
    state: Arc<Mutex<State>>,
}

impl ScriptedCluster {
    pub fn client(&self) -> Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let cluster = cluster.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let (answer, is_held) = cluster.answer(&head.method, &head.uri, &body);
                if is_held {
                    std::future::pending::<()>().await;
                }
                answer
            }
        });
        Client::new(service, NAMESPACE)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next `times` calls of this kind go wrong.
    pub fn fails(&self, call: Call, times: usize, fault: Fault) {
        self.state().faults.push((call, times, fault));
    }

    /// Everything goes well from here on.
    pub fn recovers(&self) {
        self.state().faults.clear();
    }

    /// The run exists, under this uid.
    pub fn holds(&self, run: &Run, uid: &str) {
        let mut object = pipeline_run(run, run.plan.cluster().unwrap(), &common(NAMESPACE)).unwrap();
        object["metadata"]["uid"] = uid.into();
        self.state().put_run(object);
    }

    /// The run was made by another installation of the server.
    pub fn belongs_to_another(&self) {
        let mut state = self.state();
        state.run.as_mut().unwrap()["metadata"]["labels"]["stackblaze.dev/instance"] = "another".into();
    }

    /// The objects become what a recorded moment shows, and the watches tell.
    pub fn shows(&self, moment: &str) {
        self.state().show(moment, &[Call::WatchRuns, Call::WatchTaskRuns]);
    }

    /// The same, but only the run's watch tells.
    pub fn shows_by_the_runs_watch(&self, moment: &str) {
        self.state().show(moment, &[Call::WatchRuns]);
    }

    /// The same, but no watch tells.
    pub fn shows_in_silence(&self, moment: &str) {
        self.state().show(moment, &[]);
    }

    /// The build task becomes an object that nobody can read.
    pub fn shows_nonsense(&self) {
        let mut state = self.state();
        state.tasks.get_mut("build").unwrap()["status"] = json!({"steps": "none", "conditions": "none"});
        state.touch(&[Call::WatchTaskRuns]);
    }

    pub fn shows_when_cancelled(&self, moment: &'static str) {
        self.state().shown_when_cancelled = Some(moment);
    }

    /// The run says when it was made and when it ended, which no recorded moment does.
    pub fn says_when(&self, created: &str, completed: &str) {
        let mut state = self.state();
        let run = state.run.as_mut().unwrap();
        run["metadata"]["creationTimestamp"] = created.into();
        run["status"]["completionTime"] = completed.into();
    }

    /// Somebody deletes the run.
    pub fn loses_the_run(&self) {
        let mut state = self.state();
        state.version += 1;
        let (version, run) = (state.version.to_string(), state.run.take());
        let mut run = run.unwrap();
        run["metadata"]["resourceVersion"] = version.into();
        state.tell(Call::WatchRuns, &json!({"type": "DELETED", "object": run}));
    }

    /// All watches break.
    pub fn breaks_the_watches(&self) {
        for (_, watch) in self.state().watches.drain(..) {
            watch.send(Err(cut())).ok();
        }
    }

    /// The workload becomes this.
    pub fn workload_is(&self, workload: Value) {
        self.state().workload = Some(workload);
    }

    /// What the next streams of a log give; the rest give nothing.
    pub fn logs(&self, streams: &[LogStream]) {
        self.state().logs.extend(streams);
    }

    /// The calls of one kind, in order.
    pub fn made(&self, call: Call) -> Vec<RecordedCall> {
        self.state().made.iter().filter(|made| made.call == call).cloned().collect()
    }

    /// How many calls of one kind were made.
    pub fn count(&self, call: Call) -> usize {
        self.made(call).len()
    }

    /// The uid of the run that is there.
    pub fn uid(&self) -> Option<String> {
        Some(self.state().run.as_ref()?["metadata"]["uid"].as_str().unwrap().to_owned())
    }

    /// What is answered, and whether the answer is kept back.
    fn answer(&self, method: &Method, uri: &Uri, body: &[u8]) -> (io::Result<Response<AnswerBody>>, bool) {
        let mut state = self.state();
        let query = uri.query().unwrap_or_default().to_owned();
        let call = call_of(method, uri.path(), &query);
        let body = serde_json::from_slice(body).unwrap_or_default();
        state.made.push(RecordedCall { call, query: query.clone(), body });
        let body = state.made.last().unwrap().body.clone();
        match state.next_fault(call) {
            None => (Ok(state.do_call(call, &query, &body)), false),
            Some(Fault::Refused(code, text)) => (Ok(refusal(code, text)), false),
            Some(Fault::Throttled(seconds)) => {
                let mut answer = refusal(429, "too many requests");
                answer.headers_mut().insert("retry-after", seconds.into());
                (Ok(answer), false)
            }
            Some(Fault::Cut) => (Err(cut()), false),
            Some(Fault::ReplyLost) => {
                state.do_call(call, &query, &body);
                (Err(cut()), false)
            }
            Some(Fault::ReplyNeverSent) => (Ok(state.do_call(call, &query, &body)), true),
            Some(Fault::Expired) => {
                let status = json!({"kind": "Status", "code": 410, "reason": "Expired",
                    "message": "too old resource version", "status": "Failure"});
                let error = line(&json!({"type": "ERROR", "object": status}));
                (Ok(streamed(futures_util::stream::iter([Ok(error)]))), false)
            }
        }
    }
}

fn call_of(method: &Method, path: &str, query: &str) -> Call {
    let words: Vec<_> = path.trim_start_matches('/').split('/').collect();
    let is_watch = query.split('&').any(|pair| pair == "watch=true");
    match (method.as_str(), words.as_slice()) {
        ("POST", [.., "pipelineruns"]) => Call::CreateRun,
        ("GET", [.., "pipelineruns"]) if is_watch => Call::WatchRuns,
        ("GET", [.., "pipelineruns"]) => Call::ListRuns,
        ("GET", [.., "pipelineruns", _]) => Call::ReadRun,
        ("PATCH", [.., "pipelineruns", _]) => Call::PatchRun,
        ("DELETE", [.., "pipelineruns", _]) => Call::DeleteRun,
        ("GET", [.., "taskruns"]) if is_watch => Call::WatchTaskRuns,
        ("GET", [.., "taskruns"]) => Call::ListTaskRuns,
        ("GET", [.., "events"]) => Call::ListWarnings,
        ("GET", [.., "pods", _, "log"]) => Call::ReadLog,
        ("GET", [.., "deployments", _]) => Call::ReadWorkload,
        _ => panic!("nobody has a right to {method} {path}"),
    }
}
