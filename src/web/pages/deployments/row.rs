//! One deployment in a list: how it stands, what it is, who began it, how long it took.

use crate::domain::{Deployment, DeploymentId, Reason, Source, Status, StepRecord, Timestamp, Trigger, Who};
use crate::web::pages::deployments::fuse::{self, Piece, Usual};
use crate::web::pages::deployments::verdict;
use crate::web::pages::format;
use crate::web::pages::relative::Relative;

/// Who began a deployment, and how.
#[derive(Debug)]
pub(in crate::web::pages) struct Beginner {
    pub(in crate::web::pages) who: String,
    pub(in crate::web::pages) how: &'static str,
}

impl Beginner {
    pub(in crate::web::pages) fn of(deployment: &Deployment) -> Self {
        let (who, how) = match &deployment.who {
            Who::Socket => ("operator", "shell"),
            Who::Server => ("the server", "by itself"),
            Who::Stranger => ("somebody", "unknown"),
            Who::Operator(name) => (name.as_str(), "dashboard"),
            Who::Token(name) => (name.as_str(), "API token"),
            Who::HookUrl(caller) => (caller.as_str(), "deploy"),
        };
        match &deployment.trigger {
            Trigger::Hook(_) => Self {
                who: deployment.hook.clone().unwrap_or_else(|| "a removed hook".to_owned()),
                how: "hook",
            },
            Trigger::Deploy => Self { who: who.to_owned(), how },
            Trigger::Redeploy(_) => Self { who: who.to_owned(), how: "redeploy" },
            Trigger::Rollback(_) => Self { who: who.to_owned(), how: "roll back" },
        }
    }
}

/// A row of the table.
#[derive(Debug)]
pub(in crate::web::pages) struct Row {
    pub(in crate::web::pages) id: DeploymentId,
    pub(in crate::web::pages) short_id: String,
    pub(in crate::web::pages) shape: &'static str,
    pub(in crate::web::pages) word: &'static str,
    pub(in crate::web::pages) reason: Option<&'static str>,
    pub(in crate::web::pages) is_off: bool,
    pub(in crate::web::pages) title: String,
    pub(in crate::web::pages) commit: Option<String>,
    pub(in crate::web::pages) branch: String,
    pub(in crate::web::pages) beginner: Beginner,
    pub(in crate::web::pages) took: String,
    pub(in crate::web::pages) has_run: bool,
    pub(in crate::web::pages) fuse: Vec<Piece>,
    pub(in crate::web::pages) at: Relative,
}

impl Row {
    /// The row of a deployment with its steps and, where it is queued, its place.
    pub(in crate::web::pages) fn new(
        deployment: &Deployment,
        steps: &[StepRecord],
        place: Option<i64>,
        usual: &Usual,
        now: Timestamp,
    ) -> Self {
        Self {
            id: deployment.id.clone(),
            short_id: format::short_id(&deployment.id),
            shape: verdict::shape(deployment),
            word: verdict::word(deployment.status),
            reason: deployment.reason.map(Reason::as_str),
            is_off: deployment.reason.is_some_and(Reason::is_intended),
            title: title(deployment),
            commit: deployment.commit.as_ref().map(|commit| commit.short().to_owned()),
            branch: deployment.branch.to_string(),
            beginner: Beginner::of(deployment),
            took: took(deployment, place, now),
            has_run: deployment.started_at.is_some(),
            fuse: fuse::pieces(deployment, steps, usual, now),
            at: Relative::new(deployment.started_at.unwrap_or(deployment.created_at), now),
        }
    }
}

fn title(deployment: &Deployment) -> String {
    if let Some(subject) = deployment.commit_subject.as_ref().filter(|subject| !subject.trim().is_empty()) {
        return subject.clone();
    }
    if let Some(asked) = &deployment.asked_image {
        let short = asked.digest.as_ref().map(|digest| digest.short().to_owned());
        let name = short.or_else(|| asked.tag.as_ref().map(|tag| format!(":{tag}"))).unwrap_or_default();
        return match deployment.source() {
            Source::Promoted => format!("Promoted image {name}"),
            Source::Kept => format!("Roll back to image {name}"),
            _ => format!("Image {name}"),
        };
    }
    match (&deployment.trigger, &deployment.commit, deployment.status) {
        (Trigger::Rollback(_), Some(commit), _) => format!("Roll back to {}", commit.short()),
        (_, _, Status::Queued) => "Waiting for its turn".to_owned(),
        (_, Some(commit), _) => format!("Commit {}", commit.short()),
        (_, None, Status::Failed) => "No commit was found".to_owned(),
        _ => "Looking for the commit".to_owned(),
    }
}

fn took(deployment: &Deployment, place: Option<i64>, now: Timestamp) -> String {
    match (deployment.started_at, place) {
        (Some(started), _) => {
            let span = deployment.finished_at.unwrap_or(now).since(started);
            format::duration(format::whole_seconds(span))
        }
        (None, Some(place)) => format!("{} in queue", ordinal(place)),
        (None, None) => "did not run".to_owned(),
    }
}

fn ordinal(number: i64) -> String {
    let suffix = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_english() {
        let places = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal);

        assert_eq!(places, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"]);
    }

    #[test]
    fn an_id_keeps_its_two_ends() {
        let id = DeploymentId::parse("dep_mwuangvh9xk2mq7rz4tb").unwrap();

        assert_eq!(format::short_id(&id), "dep_mwuangvh…z4tb");
    }
}
