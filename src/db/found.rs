//! Deployments that a restored copy has lost, entered by what the runs tell that were made for them.

use rusqlite::named_params;

use super::deployments::{NewDeployment, find, insert_row};
use super::{Error, Tx, notices, runs, steps};
use crate::domain::{
    Commit, Deployment, DeploymentId, ExactImage, Reason, Status, Step, StepStatus, Timestamp, WorkloadState,
};

/// What is known of one.
#[derive(Debug)]
pub struct Found {
    /// Its id, which its callers have.
    pub id: DeploymentId,
    /// What it was asked for, as far as the run tells.
    pub new: NewDeployment,
    /// The uid of the run's object.
    pub uid: String,
    /// When the run began.
    pub began_at: Timestamp,
    /// How it ended, where it has.
    pub end: Option<FoundEnd>,
}

/// How one ended.
#[derive(Debug)]
pub struct FoundEnd {
    /// When.
    pub at: Timestamp,
    /// Reason, message and detail, where it failed.
    pub failure: Option<(Reason, String, Option<String>)>,
    /// The steps that have ended, each with whether it succeeded and its exit code.
    pub steps: Vec<(Step, bool, Option<i32>)>,
    /// What was built, and the first line of its message.
    pub commit: Option<(Commit, String)>,
    /// The image that was pushed or found.
    pub image: Option<ExactImage>,
    /// How the workloads were left.
    pub workloads: Vec<WorkloadState>,
}

/// Enters one as running, or as it ended; none where it is known. An end is told, perhaps once more: nobody knows whether a
/// server was there when it came.
pub fn enter(tx: &Tx<'_>, found: &Found) -> Result<Option<Deployment>, Error> {
    const RUNNING: &str = "
        UPDATE deployments
           SET status = 'building', started_at_ms = :began, run_uid = :uid, run_state = 'open', version = version + 1,
               stop_at_ms = :began + 1000 * (SELECT timeout_s FROM services WHERE id = deployments.service_id)
         WHERE id = :id";
    let id = &found.id;
    if find(tx, id)?.is_some() {
        return Ok(None);
    }
    insert_row(tx, id, &found.new, id.accepted_at())?;
    tx.conn().prepare_cached(RUNNING)?.execute(named_params! {
        ":id": id.as_str(),
        ":began": found.began_at.as_millis(),
        ":uid": found.uid,
    })?;
    if let Some(entered) = find(tx, id)? {
        steps::insert_all(tx, &entered)?;
    }
    if let Some(end) = &found.end {
        enter_end(tx, id, end)?;
    }
    tx.touch(id);
    find(tx, id)
}

fn enter_end(tx: &Tx<'_>, id: &DeploymentId, end: &FoundEnd) -> Result<(), Error> {
    const STEP: &str = "
        UPDATE steps
           SET status = :status, exit_code = :exit_code
         WHERE deployment_id = :id
           AND name = :name";
    const END: &str = "
        UPDATE deployments
           SET status = :status, reason = :reason, message = :message, detail = :detail, finished_at_ms = :at,
               commit_id = coalesce(:commit, commit_id), commit_subject = :subject, run_state = 'ended',
               version = version + 1
         WHERE id = :id";
    for (step, has_succeeded, exit_code) in &end.steps {
        let status = if *has_succeeded { StepStatus::Succeeded } else { StepStatus::Failed };
        tx.conn().prepare_cached(STEP)?.execute(named_params! {
            ":id": id.as_str(),
            ":name": step.as_str(),
            ":status": status.as_str(),
            ":exit_code": exit_code,
        })?;
    }
    steps::end_all(tx, id, end.at)?;
    if let Some(image) = &end.image {
        runs::set_image(tx, id, image)?;
    }
    runs::set_workloads(tx, id, &end.workloads)?;
    let status = if end.failure.is_some() { Status::Failed } else { Status::Succeeded };
    let (reason, message, detail) = match &end.failure {
        Some((reason, message, detail)) => (Some(reason.as_str()), Some(message.as_str()), detail.as_deref()),
        None => (None, None, None),
    };
    tx.conn().prepare_cached(END)?.execute(named_params! {
        ":id": id.as_str(),
        ":status": status.as_str(),
        ":reason": reason,
        ":message": message,
        ":detail": detail,
        ":at": end.at.as_millis(),
        ":commit": end.commit.as_ref().map(|(commit, _)| commit.as_str()),
        ":subject": end.commit.as_ref().map(|(_, subject)| subject.as_str()),
    })?;
    notices::deployment_ended(tx, id, end.failure.as_ref().map(|(reason, ..)| *reason), end.at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::db::testing::{Bench, T0, new};

    fn found(bench: &Bench, id: &str) -> Found {
        let service = bench.service("api");
        Found {
            id: DeploymentId::parse(id).unwrap(),
            new: new(&service, "main"),
            uid: "uid-1".to_owned(),
            began_at: T0,
            end: None,
        }
    }

    #[test]
    fn one_that_runs_is_entered_once_with_its_limit_of_time() {
        let bench = Bench::core();
        let found = found(&bench, "dep_mwuangvh9xk2mq7rz4tb");

        let entered = enter(&bench.tx(), &found).unwrap().unwrap();
        let again = enter(&bench.tx(), &found).unwrap();

        assert_eq!((entered.status, entered.run_uid.as_deref()), (Status::Building, Some("uid-1")));
        assert_eq!(entered.created_at, found.id.accepted_at());
        assert_eq!(entered.stop_at, Some(T0.plus(Duration::from_mins(10))));
        assert!(again.is_none());
        assert_eq!(bench.count("deployments"), 1);
    }

    #[test]
    fn one_that_has_ended_is_entered_with_its_end_and_counts_for_no_meter() {
        let bench = Bench::core();
        let commit = Commit::parse(&"a".repeat(40)).unwrap();
        let at = T0.plus(Duration::from_secs(90));
        let end = FoundEnd {
            at,
            failure: Some((Reason::BuildFailed, "build failed".to_owned(), Some("make: no rule".to_owned()))),
            steps: vec![(Step::Clone, true, Some(0)), (Step::Build, false, Some(2))],
            commit: Some((commit.clone(), "Say hello".to_owned())),
            image: None,
            workloads: Vec::new(),
        };
        let found = Found { end: Some(end), ..found(&bench, "dep_mwuangvh9xk2mq7rz4tb") };

        let entered = enter(&bench.tx(), &found).unwrap().unwrap();

        assert_eq!((entered.status, entered.reason), (Status::Failed, Some(Reason::BuildFailed)));
        assert_eq!((entered.finished_at, entered.commit), (Some(at), Some(commit)));
        assert_eq!(entered.detail.as_deref(), Some("make: no rule"));
        let shown: Vec<_> = steps::list(&bench.tx(), &bench.find(&found.id))
            .unwrap()
            .into_iter()
            .map(|step| (step.status, step.exit_code))
            .collect();
        let (good, bad, left) = (StepStatus::Succeeded, StepStatus::Failed, StepStatus::Skipped);
        assert_eq!(shown, [(good, Some(0)), (bad, Some(2)), (left, None)]);
        assert_eq!(bench.count("notices"), 0);
    }
}
