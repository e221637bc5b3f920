//! Watches one run and what belongs to it, and tells each new moment.
//!
//! Level-triggered: two watches (list, then changes, bookmarks, a new list after 410), and a look at everything now and
//! then, since a watch can fall silent. Nothing here fails: what the cluster does not tell is itself a moment.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::domain::Step;
use crate::executor::Wait;
use crate::executor::tekton::api::{pipeline_runs, task_runs};
use crate::executor::tekton::client::{Refusal, RefusalKind, answer};
use crate::executor::tekton::names::{OF_PIPELINE_RUN, OF_PIPELINE_TASK};
use crate::executor::tekton::types;

use super::snapshot::RunSnapshot;
use super::view::{View, view};

/// Time between two looks at everything, should a watch be silent.
const LOOK_INTERVAL: Duration = Duration::from_mins(1);
/// Time between two looks for what people should know: warnings about a pod that is waited for, and whether the cluster
/// answers again.
const HINT_INTERVAL: Duration = Duration::from_secs(5);

/// One moment of a run.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// What the objects say.
    pub(super) view: View,
    /// The pods of the steps, where they are known.
    pub(super) pods: [Option<String>; Step::ALL.len()],
    /// Whether the object was deleted.
    pub(super) is_gone: bool,
    /// Why nothing newer is known, where that is so.
    pub(super) problem: Option<Wait>,
}

/// What is watched.
pub(super) struct RunObserver<'a> {
    pub(super) client: &'a Client,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
}

/// What a watch gives.
type Change = watcher::Result<Event<DynamicObject>>;

/// What is known so far.
#[derive(Default)]
struct KnownState {
    snapshot: RunSnapshot,
    is_gone: bool,
    /// Whether the run has ended and its TaskRuns were read after that. Nothing changes any more.
    is_final: bool,
    problem: Option<Wait>,
}

impl Moment {
    /// Before anything was seen.
    pub(super) fn unseen() -> Self {
        KnownState::default().moment()
    }
}

impl KnownState {
    fn moment(&self) -> Moment {
        let pods = Step::ALL.map(|step| self.snapshot.pod_of(step).map(str::to_owned));
        let mut view = view(&self.snapshot);
        view.end = view.end.filter(|_| self.is_final);
        Moment { view, pods, is_gone: self.is_gone, problem: self.problem.clone() }
    }

    fn run(&mut self, object: &DynamicObject, uid: &str) {
        // An object of the same name and another uid is not this run.
        if object.metadata.uid.as_deref() == Some(uid) {
            match types::pipeline_run(object) {
                Ok(run) => self.snapshot.run = Some(run),
                Err(why) => self.unreadable(object, &why),
            }
        }
    }

    fn task(&mut self, object: &DynamicObject) {
        let task = match types::task_run(object) {
            Ok(task) => task,
            Err(why) => return self.unreadable(object, &why),
        };
        self.snapshot.take(object.labels().get(OF_PIPELINE_TASK).map(String::as_str), task);
    }

    /// Only this object's run suffers, and only until its next change.
    fn unreadable(&mut self, object: &DynamicObject, why: &str) {
        tracing::warn!(object = %object.name_any(), why, "an object of the cluster cannot be read");
        self.problem = Some(
            Wait::of("an object of the run cannot be read")
                .with_detail(format!("{}: {why}", object.name_any())),
        );
    }

    fn refused(&mut self, refusal: &Refusal) {
        self.problem = Some(Wait::of("the cluster does not tell").with_detail(&refusal.text));
    }
}

impl RunObserver<'_> {
    /// Tells moments until the future is dropped.
    pub(super) async fn observe(&self, moments: &watch::Sender<Moment>) {
        let (client, namespace, name) = (self.client, self.namespace, self.name);
        let runs = changes(pipeline_runs(client, namespace), &format!("metadata.name={name}"), "");
        let tasks = changes(task_runs(client, namespace), "", &format!("{OF_PIPELINE_RUN}={name}"));
        futures_util::pin_mut!(runs, tasks);
        let (mut resync, mut hints) =
            (tokio::time::interval(LOOK_INTERVAL), tokio::time::interval(HINT_INTERVAL));
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        hints.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = KnownState::default();
        loop {
            tokio::select! {
                Some(event) = runs.next() => self.run_event(&mut known, event).await,
                Some(event) = tasks.next() => self.task_event(&mut known, event).await,
                _ = resync.tick() => self.look(&mut known).await,
                _ = hints.tick() => self.hint(&mut known).await,
            }
            if view(&known.snapshot).end.is_some() {
                known.is_final = self.tasks(&mut known).await;
            }
            moments.send_replace(known.moment());
            if known.is_final {
                return std::future::pending().await;
            }
        }
    }

    async fn run_event(&self, known: &mut KnownState, event: Change) {
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                known.problem = None;
                known.run(&object, self.uid);
            }
            // A list that lacks the object says the same as its deletion; one more look makes sure.
            Ok(Event::Delete(_) | Event::InitDone) => {
                known.problem = None;
                self.look(known).await;
            }
            Ok(Event::Init) => {}
            Err(_) => self.look(known).await,
        }
    }

    async fn task_event(&self, known: &mut KnownState, event: Change) {
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                known.problem = None;
                known.task(&object);
            }
            // A TaskRun that is deleted leaves what was known of it; its run tells what follows.
            Ok(Event::Delete(_) | Event::Init | Event::InitDone) => {}
            Err(_) => self.look(known).await,
        }
    }

    /// Reads everything as it is now. A watch that broke is a problem only where this fails as well: a watch says that
    /// it broke, but not that it goes on.
    async fn look(&self, known: &mut KnownState) {
        known.problem = None;
        match answer(pipeline_runs(self.client, self.namespace).get(self.name)).await {
            Ok(object) if object.metadata.uid.as_deref() == Some(self.uid) => known.run(&object, self.uid),
            Ok(_) => known.is_gone = true,
            Err(refusal) if is_absence(&refusal) => known.is_gone = true,
            Err(refusal) => return known.refused(&refusal),
        }
        self.tasks(known).await;
    }

    /// Reads the TaskRuns as they are now; false where that is worth another try.
    ///
    /// The two watches know nothing of each other: the run's end may be seen while its cause is not, or is seen as it was
    /// before. So the end counts only after this.
    async fn tasks(&self, known: &mut KnownState) -> bool {
        let of_run = ListParams::default().labels(&format!("{OF_PIPELINE_RUN}={}", self.name));
        match answer(task_runs(self.client, self.namespace).list(&of_run)).await {
            Ok(tasks) => {
                tasks.items.iter().for_each(|task| known.task(task));
                true
            }
            Err(refusal) => {
                known.refused(&refusal);
                !matches!(refusal.kind, RefusalKind::Busy(_))
            }
        }
    }

    /// Looks again while something is wrong, else for the last warning about the pod that is waited for. Without the right
    /// to read events there is none.
    async fn hint(&self, known: &mut KnownState) {
        if known.problem.is_some() {
            return self.look(known).await;
        }
        known.snapshot.warning = None;
        let pod = known.snapshot.pod_of(Step::Deploy).or_else(|| known.snapshot.pod_of(Step::Build));
        let is_waiting = view(&known.snapshot).waiting.is_some();
        let Some(pod) = pod.filter(|_| is_waiting) else { return };
        let events = Api::<core::Event>::namespaced(self.client.clone(), self.namespace);
        let about = ListParams::default().fields(&format!("involvedObject.name={pod},type=Warning"));
        let Ok(found) = answer(events.list(&about)).await else { return };
        let last = found
            .items
            .into_iter()
            .max_by_key(|event| event.resource_version().and_then(|v| v.parse::<u64>().ok()));
        known.snapshot.warning = last.map(|event| {
            format!("{}: {}", event.reason.unwrap_or_default(), event.message.unwrap_or_default())
        });
    }
}

fn changes(api: Api<DynamicObject>, fields: &str, labels: &str) -> impl Stream<Item = Change> + use<> {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let config = watcher::Config {
        field_selector: some(fields),
        label_selector: some(labels),
        ..watcher::Config::default()
    };
    watcher(api, config).default_backoff()
}

/// 404 with a name in it is this object's absence; without, the kind or the namespace is missing.
fn is_absence(refusal: &Refusal) -> bool {
    refusal.kind == RefusalKind::Missing && refusal.text.contains('"')
}
