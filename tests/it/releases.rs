//! The release step before a scripted API and on time that passes by itself. The API has a right to nothing but Jobs: a
//! step that changed a workload would not get through.

use std::time::Duration;

use stackblaze::domain::{ReleaseCommand, Workload};
use stackblaze::executor::exit_codes::{RELEASE_FAILED, SUCCEEDED};
use stackblaze::executor::tekton::steps::release::{Release, end_left, run};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::harness::scripted_jobs::{CreateFault, Fate, ScriptedJobs};

const JOB: &str = "dep-b-release";
const MINUTE: Duration = Duration::from_mins(1);

struct Step {
    api: ScriptedJobs,
    release: Release,
    stop: CancellationToken,
    folder: tempfile::TempDir,
}

impl Step {
    fn new(fate: Fate) -> Self {
        let (api, folder) = (ScriptedJobs::new(fate), tempfile::tempdir().unwrap());
        let release = Release {
            workload: Workload::parse("apps/api").unwrap(),
            repository: "r/api".to_owned(),
            image: "r/api:dep-b@sha256:5".to_owned(),
            job: JOB.to_owned(),
            deployment: "dep_b".to_owned(),
            instance: "k3x9".to_owned(),
            service: "api".to_owned(),
            command: ReleaseCommand::read("./migrate"),
            limit: Duration::from_mins(10),
            message_file: folder.path().join("message"),
            detail_file: folder.path().join("detail"),
        };
        Self { api, release, stop: CancellationToken::new(), folder }
    }

    async fn runs(&self) -> u8 {
        run(self.api.client(), &self.release, &self.stop).await
    }

    /// Dies without a word after so long.
    async fn dies_after(&self, time: Duration) {
        assert!(tokio::time::timeout(time, self.runs()).await.is_err());
    }

    fn told(&self, result: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(result)).unwrap_or_default()
    }

    #[track_caller]
    fn assert_told(&self, message: &str, detail: &str) {
        assert_eq!((self.told("message").as_str(), self.told("detail").as_str()), (message, detail));
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_succeeds_leaves_its_job_so_that_no_second_one_is_made() {
    let step = Step::new(Fate::Ends(MINUTE, 0));

    assert_eq!(step.runs().await, SUCCEEDED);
    assert_eq!(step.runs().await, SUCCEEDED, "another pod of the same run");

    assert_eq!((step.api.created(), step.api.names()), (1, vec![JOB.to_owned()]));
    step.assert_told("", "");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_fails_tells_its_exit_code_and_its_last_line_and_is_not_run_again() {
    let step = Step::new(Fate::Ends(MINUTE, 3));

    assert_eq!([step.runs().await, step.runs().await], [RELEASE_FAILED; 2]);

    assert_eq!(step.api.created(), 1);
    step.assert_told("the release command ended with exit code 3", "no such table: users");
}

#[tokio::test(start_paused = true)]
async fn whenever_a_step_dies_the_next_one_follows_what_it_made() {
    for millis in [1, 500, 1_500, 30_000] {
        let step = Step::new(Fate::Ends(MINUTE, 0));

        step.dies_after(Duration::from_millis(millis)).await;

        assert_eq!((step.runs().await, step.api.created()), (SUCCEEDED, 1), "{millis}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_and_reads_that_fail_for_a_while_make_no_second_job() {
    let step = Step::new(Fate::Ends(MINUTE, 0));
    step.api.fails_to_create(CreateFault::AnswerLost);
    step.api.is_silent_for(5);

    assert_eq!((step.runs().await, step.api.created()), (SUCCEEDED, 1));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_told_to_stop_leaves_its_job_for_the_pod_that_takes_its_place() {
    let (step, begun) = (Step::new(Fate::Ends(MINUTE, 0)), Instant::now());
    let told = async {
        sleep(Duration::from_secs(5)).await;
        step.stop.cancel();
    };

    let (code, ()) = tokio::join!(step.runs(), told);
    assert_eq!((code, step.api.names()), (RELEASE_FAILED, vec![JOB.to_owned()]));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());

    let next = Step { stop: CancellationToken::new(), ..step };
    assert_eq!((next.runs().await, next.api.created()), (SUCCEEDED, 1));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_told_to_stop_at_once_runs_nothing() {
    let step = Step::new(Fate::Runs);
    step.api.is_silent_for(usize::MAX);
    step.stop.cancel();

    assert_eq!((step.runs().await, step.api.created()), (RELEASE_FAILED, 0));
}

#[tokio::test(start_paused = true)]
async fn a_job_of_that_name_that_somebody_else_made_is_left_alone() {
    let step = Step::new(Fate::Ends(MINUTE, 0));
    step.api.holds(JOB);

    assert_eq!(step.runs().await, RELEASE_FAILED);
    end_left(&step.api.client(), "apps", JOB, "dep_b").await;

    let told = "a Job of the release command's name is there and is not this deployment's";
    step.assert_told(told, "Job apps/dep-b-release");
    assert_eq!(step.api.names(), [JOB]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_told_with_the_flag_that_gives_it() {
    let step = Step::new(Fate::Runs);
    step.api.fails_to_create(CreateFault::Forbidden);

    assert_eq!(step.runs().await, RELEASE_FAILED);

    assert!(step.told("message").ends_with("apply stackblaze manifests with --release-jobs"));
    let detail = step.told("detail");
    assert!(detail.contains("cannot create") && detail.ends_with("; --release-jobs apps"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_command_without_an_end_is_over_at_its_time_limit() {
    let (step, begun) = (Step::new(Fate::Runs), Instant::now());

    assert_eq!(step.runs().await, RELEASE_FAILED);

    step.assert_told("the release command took longer than 10m and was ended", "begins");
    assert!((600..610).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_pulled_is_given_up_and_its_job_with_it() {
    let (step, begun) = (Step::new(Fate::NotFound), Instant::now());

    assert_eq!((step.runs().await, step.api.names()), (RELEASE_FAILED, vec![]));

    let told = "the release command could not begin: its image cannot be pulled";
    step.assert_told(told, "not found: image i of container web of pod job-x");
    assert!(begun.elapsed() < Duration::from_secs(5), "two looks are enough: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_the_cluster_refuses_is_told_with_the_clusters_words() {
    let step = Step::new(Fate::NoPod);

    assert_eq!(step.runs().await, RELEASE_FAILED);

    let told = "the release command did not end within 10m, or never began";
    step.assert_told(told, "pods \"job-x\" is forbidden: exceeded quota");
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_step_left_running_is_ended_after_it_and_what_has_ended_stays() {
    let (runs, ended) = (Step::new(Fate::Runs), Step::new(Fate::Ends(MINUTE, 0)));
    runs.dies_after(MINUTE).await;
    ended.dies_after(MINUTE / 2).await;
    sleep(MINUTE).await;

    for step in [&runs, &ended] {
        end_left(&step.api.client(), "apps", JOB, "dep_b").await;
    }

    assert_eq!((runs.api.names(), ended.api.names()), (vec![], vec![JOB.to_owned()]));
}
