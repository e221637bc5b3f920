//! One run from its creation to its end: moments become events, in order.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kube::Client;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::{Reason, Step, WorkloadState};
use crate::executor::tekton::api::pipeline_runs;
use crate::executor::tekton::client::{RefusalKind, answer};
use crate::executor::{Event, Events, Outcome, Wait};

use super::Seen;
use super::log_position::Position;
use super::logs::{StepLog, StepLogFollower};
use super::observe::{Moment, RunObserver};

/// Pause before a cancel is asked for again.
const STOP_RETRY: Duration = Duration::from_secs(1);

/// A run that exists.
pub(super) struct RunFollower<'a> {
    pub(super) client: &'a Client,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
    pub(super) log_mark: Option<&'a str>,
    /// Whether the build step only looks an image up.
    pub(super) looks_up: bool,
    pub(super) events: &'a Events,
    pub(super) stop: &'a CancellationToken,
    pub(super) seen: &'a Seen,
}

/// What was told already.
#[derive(Default)]
struct ToldEvents {
    /// The last step that was said to have begun.
    step: Option<Step>,
    commit: bool,
    image: bool,
    workloads: Vec<WorkloadState>,
    waiting: Option<Wait>,
}

impl RunFollower<'_> {
    /// Follows to the end. Dropping the future leaves the run alone.
    pub(super) async fn follow(&self) -> Outcome {
        let (sender, moments) = watch::channel(Moment::unseen());
        let ends = moments.clone();
        let Self { client, namespace, name, uid, .. } = *self;
        let observer = RunObserver { client, namespace, name, uid };
        tokio::select! {
            outcome = self.drive(moments) => outcome,
            never = self.end_when_asked(ends.clone()) => match never {},
            () = observer.observe(&sender) => Outcome::failed(Reason::Internal, "the run is not observed any more"),
        }
    }

    async fn drive(&self, mut moments: watch::Receiver<Moment>) -> Outcome {
        let (mut told, logged) = (ToldEvents::default(), self.log_mark.and_then(Position::parse));
        for step in Step::ALL {
            if !self.reach(step, &mut moments, &mut told).await {
                continue;
            }
            told.step = Some(step);
            self.send(Event::StepStarted(step)).await;
            let position = match &logged {
                Some(logged) if logged.step() == step => Some(logged.clone()),
                Some(logged) if logged.step() > step => None,
                _ => Some(Position::start(step)),
            };
            self.log(position, &mut moments, &mut told).await;
            self.finish(step, &mut moments, &mut told).await;
        }
        loop {
            let moment = moments.borrow_and_update().clone();
            self.tell(&moment, &mut told).await;
            if let Some(outcome) = end(&moment) {
                return outcome;
            }
            if moments.changed().await.is_err() {
                return Outcome::failed(Reason::Internal, "the run is not observed any more");
            }
        }
    }

    /// Waits until the step has begun; false where it never will.
    async fn reach(&self, step: Step, moments: &mut watch::Receiver<Moment>, told: &mut ToldEvents) -> bool {
        loop {
            let moment = moments.borrow_and_update().clone();
            self.tell(&moment, told).await;
            if moment.view.step(step).has_begun {
                return true;
            }
            let is_passed =
                Step::ALL.into_iter().any(|later| later > step && moment.view.step(later).has_begun);
            if is_passed || end(&moment).is_some() || moments.changed().await.is_err() {
                return false;
            }
        }
    }

    /// Sends the step's log, while what else happens is told.
    async fn log(
        &self,
        position: Option<Position>,
        moments: &mut watch::Receiver<Moment>,
        told: &mut ToldEvents,
    ) {
        let Some(position) = position else { return };
        let log = StepLog::new(self.events, position, self.looks_up);
        let follower = StepLogFollower { client: self.client, namespace: self.namespace, log };
        let log = follower.follow(moments.clone());
        tokio::pin!(log);
        loop {
            tokio::select! {
                () = &mut log => return,
                changed = moments.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let moment = moments.borrow_and_update().clone();
                    self.tell(&moment, told).await;
                }
            }
        }
    }

    async fn finish(&self, step: Step, moments: &mut watch::Receiver<Moment>, told: &mut ToldEvents) {
        loop {
            let moment = moments.borrow_and_update().clone();
            self.tell(&moment, told).await;
            let finished = moment.view.step(step).finished;
            if let Some(finished) = finished {
                if self.looks_up {
                    // What the step said it waits for.
                    self.send(Event::Waiting(told.waiting.clone())).await;
                }
                let (succeeded, exit_code) = (finished.succeeded, finished.exit_code);
                return self.send(Event::StepFinished { step, succeeded, exit_code }).await;
            }
            if let Some(outcome) = end(&moment) {
                let succeeded = outcome == Outcome::Succeeded;
                return self.send(Event::StepFinished { step, succeeded, exit_code: None }).await;
            }
            if moments.changed().await.is_err() {
                return;
            }
        }
    }

    /// One moment may show several steps at once; what a step left is told only after the step was.
    async fn tell(&self, moment: &Moment, told: &mut ToldEvents) {
        let has_begun = |step| told.step >= Some(step);
        let (is_cloning, is_building) = (has_begun(Step::Clone), has_begun(Step::Build));
        if let Some((commit, subject)) = moment.view.commit.clone().filter(|_| is_cloning && !told.commit) {
            told.commit = true;
            self.send(Event::Commit { commit, subject }).await;
        }
        if let Some(digest) = moment.view.digest.clone().filter(|_| is_building && !told.image) {
            told.image = true;
            self.seen.digest.set(digest.clone()).ok();
            self.send(Event::Image(digest)).await;
            if let Some(revision) = moment.view.revision.clone() {
                self.send(Event::ImageRevision(revision)).await;
            }
        }
        let workloads = &moment.view.workloads;
        if has_begun(Step::Deploy) && !workloads.is_empty() && *workloads != told.workloads {
            told.workloads.clone_from(workloads);
            self.send(Event::Workloads(workloads.clone())).await;
        }
        let waiting = moment.problem.clone().or_else(|| moment.view.waiting.clone());
        if waiting != told.waiting && end(moment).is_none() {
            told.waiting.clone_from(&waiting);
            self.send(Event::Waiting(waiting)).await;
        }
    }

    /// A reader that is gone ends the run's record, not the run.
    async fn send(&self, event: Event) {
        drop(self.events.send(event).await);
    }

    /// Asks the run to end once that is wanted, until the cluster has heard it; what then comes of it is observed.
    async fn end_when_asked(&self, moments: watch::Receiver<Moment>) -> Infallible {
        self.stop.cancelled().await;
        loop {
            // The step after this one may have begun already.
            let has_begun = |step| moments.borrow().view.step(step).has_begun;
            let has_deployed = has_begun(Step::Release) || has_begun(Step::Deploy);
            self.seen.is_rolling.store(has_deployed, Ordering::Relaxed);
            if cancel(self.client, self.namespace, self.name, has_deployed).await.is_ok() {
                break;
            }
            tokio::time::sleep(STOP_RETRY).await;
        }
        std::future::pending().await
    }
}

/// Asks a run to end; one that has begun to deploy goes on with the task that puts back. One that has ended or is gone needs
/// no asking.
pub(super) async fn cancel(
    client: &Client,
    namespace: &str,
    name: &str,
    has_deployed: bool,
) -> Result<(), String> {
    let how = if has_deployed { "CancelledRunFinally" } else { "Cancelled" };
    let patch = Patch::Merge(json!({"spec": {"status": how}}));
    match answer(pipeline_runs(client, namespace).patch(name, &PatchParams::default(), &patch)).await {
        Ok(_) => Ok(()),
        Err(refusal) if matches!(refusal.kind, RefusalKind::Missing | RefusalKind::Invalid) => Ok(()),
        Err(refusal) => Err(refusal.text),
    }
}

fn end(moment: &Moment) -> Option<Outcome> {
    let deleted = || Outcome::failed(Reason::RunDeleted, "the run was deleted from the cluster");
    moment.view.end.clone().or_else(|| moment.is_gone.then(deleted))
}
