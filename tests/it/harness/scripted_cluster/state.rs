//! What the scripted cluster holds, and what a call that goes well does to it.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use futures_util::stream;
use hyper::Response;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::answers::{AnswerBody, cut, line, missing, refusal, streamed, whole};
use super::{Call, Fault, LogStream, RecordedCall};

#[derive(Default)]
pub struct State {
    pub run: Option<Value>,
    pub tasks: BTreeMap<&'static str, Value>,
    pub version: u64,
    pub runs_created: u64,
    pub faults: Vec<(Call, usize, Fault)>,
    pub watches: Vec<(Call, mpsc::UnboundedSender<io::Result<Bytes>>)>,
    pub logs: VecDeque<LogStream>,
    /// What the run shows once it was asked to end.
    pub shown_when_cancelled: Option<&'static str>,
    pub made: Vec<RecordedCall>,
    pub workload: Option<Value>,
}

/// One that can be deployed to.
fn a_workload() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "apps", "name": "api"},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "api", "image": "old"}]}}}})
}

impl State {
    pub fn next_fault(&mut self, call: Call) -> Option<Fault> {
        let (_, times, fault) =
            self.faults.iter_mut().find(|(wanted, times, _)| *wanted == call && *times > 0)?;
        *times -= 1;
        Some(*fault)
    }

    pub fn do_call(&mut self, call: Call, query: &str, body: &Value) -> Response<AnswerBody> {
        match call {
            Call::CreateRun => self.create(body.clone()),
            Call::ReadRun => self.run.as_ref().map_or_else(missing, |run| whole(200, run)),
            Call::PatchRun => self.patch(body),
            Call::DeleteRun => self.delete(body),
            Call::ListRuns => self.list(self.run.iter()),
            Call::ListTaskRuns => self.list(self.tasks.values()),
            Call::ListWarnings => self.list([].iter()),
            Call::WatchRuns | Call::WatchTaskRuns => self.watch(call, query),
            Call::ReadLog => self.log(),
            Call::ReadWorkload => whole(200, self.workload.as_ref().unwrap_or(&a_workload())),
        }
    }

    fn create(&mut self, mut object: Value) -> Response<AnswerBody> {
        if self.run.is_some() {
            return refusal(409, "pipelineruns.tekton.dev \"it\" already exists");
        }
        self.runs_created += 1;
        object["metadata"]["uid"] = format!("uid-{}", self.runs_created).into();
        self.put_run(object);
        whole(201, self.run.as_ref().unwrap())
    }

    pub fn put_run(&mut self, object: Value) {
        self.run = Some(object);
        self.touch(&[Call::WatchRuns]);
    }

    fn patch(&mut self, patch: &Value) -> Response<AnswerBody> {
        let Some(run) = &mut self.run else { return missing() };
        run["spec"]["status"] = patch["spec"]["status"].clone();
        match self.shown_when_cancelled {
            Some(moment) => self.show(moment, &[Call::WatchRuns, Call::WatchTaskRuns]),
            None => self.touch(&[Call::WatchRuns]),
        }
        whole(200, self.run.as_ref().unwrap())
    }

    fn delete(&mut self, options: &Value) -> Response<AnswerBody> {
        let Some(run) = &self.run else { return missing() };
        if options["preconditions"]["uid"] != run["metadata"]["uid"] {
            return refusal(409, "the UID in the precondition is not that of the object");
        }
        let run = self.run.take().unwrap();
        whole(200, &run)
    }

    fn list<'a>(&self, items: impl Iterator<Item = &'a Value>) -> Response<AnswerBody> {
        let (version, items) = (self.version.to_string(), items.collect::<Vec<_>>());
        whole(200, &json!({"kind": "List", "metadata": {"resourceVersion": version}, "items": items}))
    }

    /// What changed since the version that is asked for, and then what changes.
    fn watch(&mut self, call: Call, query: &str) -> Response<AnswerBody> {
        let since = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
        let since: u64 = since.unwrap().parse().unwrap();
        let (sender, inbox) = mpsc::unbounded_channel();
        self.watches.push((call, sender.clone()));
        let objects: Vec<_> = match call {
            Call::WatchRuns => self.run.iter().collect(),
            _ => self.tasks.values().collect(),
        };
        for object in objects {
            let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
            if version > since {
                sender.send(Ok(line(&json!({"type": "MODIFIED", "object": object})))).ok();
            }
        }
        let frames = stream::unfold(inbox, async |mut inbox| Some((inbox.recv().await?, inbox)));
        streamed(frames)
    }

    fn log(&mut self) -> Response<AnswerBody> {
        let Some(LogStream { text, is_cut }) = self.logs.pop_front() else {
            return streamed(stream::empty());
        };
        let end = is_cut.then(|| Err(cut()));
        streamed(stream::iter([Ok(Bytes::from_static(text.as_bytes()))].into_iter().chain(end)))
    }

    pub fn show(&mut self, moment: &str, told: &[Call]) {
        let path = format!("{}/tests/data/tekton/status/{moment}.json", env!("CARGO_MANIFEST_DIR"));
        let moment: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let run = self.run.as_mut().expect("a run that exists shows something");
        run["status"] = moment["run"]["status"].clone();
        let name = run["metadata"]["name"].clone();
        for task in ["build", "deploy"] {
            if moment[task].is_null() {
                self.tasks.remove(task);
                continue;
            }
            let mut object = moment[task].clone();
            object["metadata"]["labels"] =
                json!({"tekton.dev/pipelineRun": name, "tekton.dev/pipelineTask": task});
            self.tasks.insert(task, object);
        }
        self.touch(told);
    }

    /// Everything has changed just now.
    pub fn touch(&mut self, told: &[Call]) {
        self.version += 1;
        for object in self.run.iter_mut().chain(self.tasks.values_mut()) {
            object["metadata"]["resourceVersion"] = self.version.to_string().into();
        }
        let changed = |object: &Value| json!({"type": "MODIFIED", "object": object});
        let runs: Vec<_> = self.run.iter().map(changed).collect();
        let tasks: Vec<_> = self.tasks.values().map(changed).collect();
        for call in told {
            let events = if *call == Call::WatchRuns { &runs } else { &tasks };
            for event in events {
                self.tell(*call, event);
            }
        }
    }

    pub fn tell(&self, call: Call, event: &Value) {
        for (_, watch) in self.watches.iter().filter(|(own, _)| *own == call) {
            watch.send(Ok(line(event))).ok();
        }
    }
}
