//! An executor that does what a test wrote down, and remembers what it was given.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use stackblaze::domain::Commit;
use stackblaze::domain::DeploymentId;
use stackblaze::domain::Finding;
use stackblaze::domain::Reason;
use stackblaze::domain::Service;
use stackblaze::domain::Step;
use stackblaze::executor::Error;
use stackblaze::executor::Event;
use stackblaze::executor::Events;
use stackblaze::executor::Executor;
use stackblaze::executor::FoundRun;
use stackblaze::executor::Outcome;
use stackblaze::executor::Run;
use stackblaze::executor::Settled;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::soon;

/// What the branch is resolved to where no commit was asked for.
pub const HEAD: &str = "4f2c1d7e8b9a0c1d2e3f4a5b6c7d8e9f0a1b2c3d";
/// First line of every commit's message.
pub const SUBJECT: &str = "Answer with 200";

#[derive(Clone)]
enum Act {
    Begin(Step),
    End(Step, i32),
    Say(Step, Vec<u8>),
    Resolve,
    Hang,
    IgnoreTheStop,
    Panic,
    Break(String),
    Fail(Reason),
    Tell(Event),
}

/// What one run does, in order. Without a failure it succeeds.
#[derive(Clone, Default)]
pub struct Script(Vec<Act>);

impl Script {
    /// Three steps that end well.
    pub fn succeeds() -> Self {
        Self::default().step(Step::Clone, b"").step(Step::Build, b"").step(Step::Deploy, b"")
    }

    /// A step that says something and ends well.
    pub fn step(mut self, step: Step, says: &[u8]) -> Self {
        self.0.push(Act::Begin(step));
        if !says.is_empty() {
            self.0.push(Act::Say(step, says.to_vec()));
        }
        if step == Step::Clone {
            self.0.push(Act::Resolve);
        }
        self.0.push(Act::End(step, 0));
        self
    }

    /// The step begins and stays open for what comes next.
    pub fn begins(self, step: Step) -> Self {
        self.and(Act::Begin(step))
    }

    /// More output of a step.
    pub fn says(self, step: Step, bytes: &[u8]) -> Self {
        self.and(Act::Say(step, bytes.to_vec()))
    }

    /// Waits until the test lets it go on, or until it is stopped.
    pub fn hangs(self) -> Self {
        self.and(Act::Hang)
    }

    /// The step ends with this exit code.
    pub fn ends(self, step: Step, exit_code: i32) -> Self {
        self.and(Act::End(step, exit_code))
    }

    /// The run ends for this reason.
    pub fn fails(self, reason: Reason) -> Self {
        self.and(Act::Fail(reason))
    }

    /// Never ends, not even when it is stopped.
    pub fn ignores_the_stop(self) -> Self {
        self.and(Act::IgnoreTheStop)
    }

    pub fn panics(self) -> Self {
        self.and(Act::Panic)
    }

    /// The executor itself fails.
    pub fn breaks(self, why: &str) -> Self {
        self.and(Act::Break(why.to_owned()))
    }

    /// Tells what only runs in a cluster tell.
    pub fn tells(self, event: Event) -> Self {
        self.and(Act::Tell(event))
    }

    fn and(mut self, act: Act) -> Self {
        self.0.push(act);
        self
    }
}

/// Hangs in `build` until the test lets it go on, then succeeds.
pub fn hanging() -> Script {
    Script::default()
        .step(Step::Clone, b"")
        .begins(Step::Build)
        .hangs()
        .ends(Step::Build, 0)
        .step(Step::Deploy, b"")
}

#[derive(Default)]
struct Book {
    next: VecDeque<Script>,
    otherwise: Option<Script>,
    runs: Vec<Run>,
    running: HashMap<String, usize>,
    most_of_one_service: usize,
    most_at_once: usize,
}

/// What an executor says of its cluster when it is asked, and what it was asked.
pub struct Cluster {
    pub problem: Option<String>,
    pub settled: Result<Settled, String>,
    pub findings: Vec<Finding>,
    pub asked: Vec<String>,
    pub deleted: Vec<String>,
    /// Runs that are there, whoever knows of them, or why that cannot be told.
    pub found: Result<Vec<FoundRun>, String>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            problem: None,
            settled: Ok(Settled::Ended),
            findings: vec![Finding::good("as scripted")],
            asked: Vec::new(),
            deleted: Vec::new(),
            found: Ok(Vec::new()),
        }
    }
}

/// Cheap to clone; clones are the same executor.
#[derive(Clone)]
pub struct Scripted {
    book: Arc<Mutex<Book>>,
    go_on: Arc<Semaphore>,
    hanging: watch::Sender<usize>,
    cluster: Arc<Mutex<Cluster>>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self {
            book: Arc::default(),
            go_on: Arc::new(Semaphore::new(0)),
            hanging: watch::Sender::new(0),
            cluster: Arc::default(),
        }
    }
}

impl Scripted {
    /// What it says of its cluster from now on, and what it was asked.
    pub fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap()
    }

    /// The next run without a script does this.
    pub fn next(&self, script: Script) {
        self.book.lock().unwrap().next.push_back(script);
    }

    /// Runs without a script of their own do this; at first they succeed.
    pub fn otherwise(&self, script: Script) {
        self.book.lock().unwrap().otherwise = Some(script);
    }

    /// Lets one hanging run go on.
    pub fn go_on(&self) {
        self.go_on.add_permits(1);
    }

    /// Waits until so many runs hang at the same time.
    pub async fn hangs(&self, count: usize) {
        soon(self.hanging.subscribe().wait_for(|hanging| *hanging == count)).await.unwrap();
    }

    /// What it was given, in order.
    pub fn runs(&self) -> Vec<Run> {
        self.book.lock().unwrap().runs.clone()
    }

    /// Ids of what it was given, in order.
    pub fn ids(&self) -> Vec<String> {
        self.runs().iter().map(|run| run.deployment.to_string()).collect()
    }

    /// Runs that have not ended.
    pub fn running(&self) -> usize {
        self.book.lock().unwrap().running.values().sum()
    }

    /// Most runs of one service, and most in all, that ever went on at the same time.
    pub fn most(&self) -> (usize, usize) {
        let book = self.book.lock().unwrap();
        (book.most_of_one_service, book.most_at_once)
    }

    fn begin(&self, run: &Run) -> (Script, Place) {
        let mut book = self.book.lock().unwrap();
        book.runs.push(run.clone());
        let service = run.service.name.to_string();
        let of_service = book.running.entry(service.clone()).or_default();
        *of_service += 1;
        let of_service = *of_service;
        book.most_of_one_service = book.most_of_one_service.max(of_service);
        book.most_at_once = book.most_at_once.max(book.running.values().sum());
        let script = book.next.pop_front().or_else(|| book.otherwise.clone());
        let place = Place { book: Arc::clone(&self.book), service };
        (script.unwrap_or_else(Script::succeeds), place)
    }

    async fn hang(&self, stop: &CancellationToken) -> bool {
        let _hanging = Hanging::new(&self.hanging);
        tokio::select! {
            permit = self.go_on.acquire() => { permit.unwrap().forget(); true }
            () = stop.cancelled() => false,
        }
    }
}

/// Counts while it lives, also where the run is left.
struct Hanging<'a>(&'a watch::Sender<usize>);

impl<'a> Hanging<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|hanging| *hanging += 1);
        Self(count)
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|hanging| *hanging -= 1);
    }
}

/// Given back however the run ends.
struct Place {
    book: Arc<Mutex<Book>>,
    service: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.book.lock().unwrap().running.get_mut(&self.service).unwrap() -= 1;
    }
}

impl Executor for Scripted {
    async fn probe(&self) -> Result<(), String> {
        self.cluster.lock().unwrap().problem.clone().map_or(Ok(()), Err)
    }

    async fn settle(&self, id: &DeploymentId) -> Result<Settled, Error> {
        let mut cluster = self.cluster.lock().unwrap();
        cluster.asked.push(id.to_string());
        cluster.settled.clone().map_err(Error)
    }

    async fn delete(&self, id: &DeploymentId) -> Result<(), Error> {
        self.cluster.lock().unwrap().deleted.push(id.to_string());
        Ok(())
    }

    async fn runs(&self) -> Result<Vec<DeploymentId>, Error> {
        let found = self.cluster.lock().unwrap().found.clone().map_err(Error)?;
        Ok(found.into_iter().map(|run| run.deployment).collect())
    }

    async fn find_run(&self, id: &DeploymentId) -> Result<Option<FoundRun>, Error> {
        let found = self.cluster.lock().unwrap().found.clone().map_err(Error)?;
        Ok(found.into_iter().find(|run| run.deployment == *id))
    }

    async fn check(&self, _: &Service) -> Vec<Finding> {
        self.cluster.lock().unwrap().findings.clone()
    }

    async fn run(&self, run: &Run, events: &Events, stop: &CancellationToken) -> Result<Outcome, Error> {
        let (script, _place) = self.begin(run);
        for act in script.0 {
            let event = match act {
                Act::Begin(of) => Event::StepStarted(of),
                Act::End(of, code) => {
                    Event::StepFinished { step: of, succeeded: code == 0, exit_code: Some(code) }
                }
                Act::Say(of, bytes) => Event::Log { step: of, bytes },
                Act::Resolve => {
                    let commit = run.commit.clone().unwrap_or_else(|| Commit::parse(HEAD).unwrap());
                    Event::Commit { commit, subject: SUBJECT.to_owned() }
                }
                Act::Hang if self.hang(stop).await => continue,
                Act::Hang => return Ok(failed(Reason::Cancelled)),
                Act::IgnoreTheStop => std::future::pending().await,
                Act::Panic => panic!("on purpose"),
                Act::Break(why) => return Err(Error(why)),
                Act::Fail(reason) => return Ok(failed(reason)),
                Act::Tell(event) => event,
            };
            events.send(event).await.unwrap();
        }
        Ok(Outcome::Succeeded)
    }
}

fn failed(reason: Reason) -> Outcome {
    let message = format!("as scripted: {}", reason.as_str());
    Outcome::failed(reason, message).with_detail(Some("the tool's own words".to_owned()))
}
