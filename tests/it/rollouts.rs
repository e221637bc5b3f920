//! The deploy step and the step after a failed one, before a scripted API and on time that passes by itself: what takes
//! minutes, and what a real API server does only once in a while.

use std::time::Duration;

use serde_json::json;
use stackblaze::domain::{Workload, WorkloadState, WorkloadStatus};
use stackblaze::executor::exit_codes::{DEPLOY_FAILED, ROLLED_BACK, ROLLOUT_FAILED, SUCCEEDED, SUPERSEDED};
use stackblaze::executor::tekton::steps::rollout::{HalfDone, Results, Rollout, put_back_half_done, run};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::harness::scripted_workloads::{Fate, OLD, PatchFault, ScriptedWorkloads};

const NEW: &str = "registry.example.com/team/api:dep-b@sha256:5";
const GOOD: Fate = Fate::Ready(Duration::from_secs(2));
const NOT_FOUND: Fate = Fate::Stays("ErrImagePull", "failed to resolve reference \"x\": x: not found");
const ALL: [(&str, &str); 3] = [("deployments", "a"), ("statefulsets", "b"), ("daemonsets", "c")];

struct Step {
    api: ScriptedWorkloads,
    rollout: Rollout,
    stop: CancellationToken,
    folder: tempfile::TempDir,
}

impl Step {
    /// Three workloads of three kinds; the second has its own fate.
    fn new(second: Fate, fault: Option<PatchFault>) -> Self {
        let (api, folder) = (ScriptedWorkloads::default(), tempfile::tempdir().unwrap());
        for (at, (plural, name)) in ALL.into_iter().enumerate() {
            let (fate, fault) = if at == 1 { (second, fault) } else { (GOOD, None) };
            api.holds(plural, name, fate, fault);
        }
        let file = |name: &str| Some(folder.path().join(name));
        let results =
            Results { workloads: file("workloads"), message: file("message"), detail: file("detail") };
        let workloads = ["apps/a", "statefulset:apps/b", "daemonset:apps/c"];
        let rollout = Rollout {
            workloads: workloads.map(|text| Workload::parse(text).unwrap()).to_vec(),
            repository: "registry.example.com/team/api".to_owned(),
            image: NEW.to_owned(),
            deployment: "dep_b".to_owned(),
            commit: "4444".to_owned(),
            source: "build".to_owned(),
            caller: String::new(),
            returns: true,
            limit: Duration::from_mins(30),
            results,
        };
        Self { api, rollout, stop: CancellationToken::new(), folder }
    }

    async fn runs(&self) -> u8 {
        run(self.api.client(), &self.rollout, &self.stop).await
    }

    fn told(&self, result: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(result)).unwrap_or_default()
    }

    fn left(&self) -> Vec<WorkloadStatus> {
        WorkloadState::parse_lines(&self.told("workloads")).into_iter().map(|state| state.status).collect()
    }

    fn images(&self) -> Vec<String> {
        ALL.iter().flat_map(|(plural, name)| self.api.images(&format!("{plural}/{name}"))).collect()
    }

    #[track_caller]
    fn assert_all_have(&self, image: &str) {
        assert_eq!(self.images(), [image; 6]);
        for (plural, name) in ALL {
            let annotations = self.api.template_annotations(&format!("{plural}/{name}"));
            let is_ours = annotations["stackblaze.dev/deployment"] == "dep_b";
            assert_eq!(is_ours, image == NEW, "{name}: {annotations}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_get_the_new_image_with_what_runs_before_them() {
    let step = Step::new(GOOD, None);

    assert_eq!(step.runs().await, SUCCEEDED);

    step.assert_all_have(NEW);
    assert_eq!(step.left(), [WorkloadStatus::Complete; 3]);
    assert_eq!(step.told("workloads").lines().next(), Some("apps/a/web complete 1/1"));
    assert_eq!(step.told("message"), "");
}

#[tokio::test(start_paused = true)]
async fn where_one_does_not_come_up_all_get_back_what_they_had() {
    let (step, begun) = (Step::new(NOT_FOUND, None), Instant::now());

    assert_eq!(step.runs().await, ROLLED_BACK);

    step.assert_all_have(OLD);
    assert_eq!(step.left(), [WorkloadStatus::Returned; 3]);
    let told = "the new version did not come up: its image cannot be pulled; the old one serves again";
    assert_eq!(step.told("message"), told);
    assert!(
        step.told("detail").starts_with("statefulset:apps/b: not found: image"),
        "{}",
        step.told("detail")
    );
    assert!(begun.elapsed() < Duration::from_secs(5), "two looks are enough: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn with_rollback_off_the_new_image_stays() {
    let mut step = Step::new(NOT_FOUND, None);
    step.rollout.returns = false;

    assert_eq!(step.runs().await, ROLLOUT_FAILED);

    step.assert_all_have(NEW);
    assert_eq!(step.left()[1], WorkloadStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_does_not_answer_for_most_of_a_minute_undoes_nothing() {
    let busy = |seconds| {
        let message = "failed to resolve reference \"x\": unexpected status: 503 Service Unavailable";
        Fate::Waits(Duration::from_secs(seconds), "ImagePullBackOff", message)
    };
    let (short, long) = (Step::new(busy(50), None), Step::new(busy(70), None));

    assert_eq!(short.runs().await, SUCCEEDED);
    assert_eq!(long.runs().await, ROLLED_BACK);

    assert!(long.told("detail").contains("503 Service Unavailable"), "{}", long.told("detail"));
    long.assert_all_have(OLD);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_waits_for_its_configuration_gets_a_minute_too() {
    let missing = |seconds| {
        let time = Duration::from_secs(seconds);
        Fate::Waits(time, "CreateContainerConfigError", "configmap \"x\" not found")
    };

    assert_eq!(Step::new(missing(50), None).runs().await, SUCCEEDED);
    assert_eq!(Step::new(missing(70), None).runs().await, ROLLED_BACK);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_deadline_of_its_own_is_given_up_after_ten_minutes_without_progress() {
    let (step, begun) = (Step::new(Fate::Stays("ContainerCreating", ""), None), Instant::now());

    assert_eq!(step.runs().await, ROLLED_BACK);

    assert!((600..620).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    step.assert_all_have(OLD);
}

#[tokio::test(start_paused = true)]
async fn a_patch_that_is_refused_leaves_nothing_changed() {
    let step = Step::new(GOOD, Some(PatchFault::Refused));

    assert_eq!(step.runs().await, DEPLOY_FAILED);

    step.assert_all_have(OLD);
    assert_eq!(step.left()[0], WorkloadStatus::Returned);
    assert_eq!(step.left()[1..], [WorkloadStatus::Unchanged; 2]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_there_leaves_the_others_untouched() {
    let mut step = Step::new(GOOD, None);
    step.rollout.workloads.push(Workload::parse("cronjob:apps/none").unwrap());

    assert_eq!(step.runs().await, DEPLOY_FAILED);

    step.assert_all_have(OLD);
    assert_eq!(step.told("detail"), "there is no CronJob apps/none");
    assert_eq!(step.left(), [WorkloadStatus::Unchanged; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_and_reads_that_fail_for_a_while_change_nothing() {
    let step = Step::new(GOOD, Some(PatchFault::AnswerLost(2)));
    step.api.is_silent_for(5);

    assert_eq!(step.runs().await, SUCCEEDED);

    step.assert_all_have(NEW);
}

#[tokio::test(start_paused = true)]
async fn an_admission_policy_that_rewrites_the_image_is_no_stranger() {
    let step = Step::new(GOOD, Some(PatchFault::Rewritten));

    assert_eq!(step.runs().await, SUCCEEDED);

    assert_eq!(step.api.images("statefulsets/b")[0], NEW.replace("registry", "mirror"));
}

#[tokio::test(start_paused = true)]
async fn who_takes_one_over_keeps_it_and_the_others_get_back_what_they_had() {
    let step = Step::new(Fate::Stays("ContainerCreating", ""), None);
    let meddle = async {
        sleep(Duration::from_secs(5)).await;
        step.api.is_given("statefulsets/b", "theirs");
    };

    let (code, ()) = tokio::join!(step.runs(), meddle);

    assert_eq!(code, SUPERSEDED);
    assert_eq!(step.api.images("statefulsets/b")[0], "theirs");
    assert_eq!([step.api.images("deployments/a"), step.api.images("daemonsets/c")], [[OLD; 2]; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_told_to_stop_puts_all_back() {
    let step = Step::new(Fate::Stays("ContainerCreating", ""), None);
    let asked = async {
        sleep(Duration::from_secs(5)).await;
        step.stop.cancel();
    };

    let (code, ()) = tokio::join!(step.runs(), asked);

    assert_eq!(code, ROLLED_BACK);
    step.assert_all_have(OLD);
}

/// The step dies after so long without a word; then the one after it comes.
async fn dies_after(step: &Step, time: Duration) -> (u8, String) {
    drop(tokio::time::timeout(time, step.runs()).await);
    let outcome = step.folder.path().join("put-back");
    let half_done = HalfDone {
        workloads: step.rollout.workloads.clone(),
        deployment: step.rollout.deployment.clone(),
        outcome: Some(outcome),
        results: step.rollout.results.clone(),
    };
    let code = put_back_half_done(step.api.client(), &half_done).await;
    (code, step.told("put-back"))
}

#[tokio::test(start_paused = true)]
async fn wherever_a_step_dies_all_are_new_or_all_are_old() {
    for millis in [0, 1, 500, 1_500] {
        let step = Step::new(GOOD, None);
        let (code, word) = dies_after(&step, Duration::from_millis(millis)).await;
        assert_eq!(code, SUCCEEDED, "{millis} {word}");
        step.assert_all_have(OLD);
    }
    let step = Step::new(GOOD, Some(PatchFault::AnswerLost(100)));
    step.api.is_silent_for(0);
    let (_, word) = dies_after(&step, Duration::from_millis(500)).await;
    assert_eq!(word, "returned");
    step.assert_all_have(OLD);

    let step = Step::new(GOOD, None);
    assert_eq!(dies_after(&step, Duration::from_mins(5)).await, (SUCCEEDED, "complete".to_owned()));
    step.assert_all_have(NEW);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_changed_nothing_leaves_nothing_to_put_back() {
    let mut step = Step::new(GOOD, None);
    step.rollout.image = String::new();
    step.stop.cancel();

    assert_eq!(dies_after(&step, Duration::from_mins(1)).await, (SUCCEEDED, "nothing".to_owned()));

    step.assert_all_have(OLD);
}

#[tokio::test(start_paused = true)]
async fn what_a_step_put_back_itself_is_said_again_by_the_one_after_it() {
    let step = Step::new(NOT_FOUND, None);

    assert_eq!(dies_after(&step, Duration::from_mins(5)).await, (SUCCEEDED, "returned".to_owned()));

    step.assert_all_have(OLD);
    assert_eq!(step.api.template_annotations("deployments/a"), json!({}));
}
