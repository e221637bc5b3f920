//! What a run tells of itself, beside its steps and their output.

use std::time::Duration;

use super::Record;
use crate::db::{deployments, runs};
use crate::domain::{ExactImage, ImageDigest, ImageReference, plain_text};
use crate::executor::Event;

/// What serves is watched for five minutes at most, and a cluster that does not answer is asked for as long again.
const SETTLING_GIVEN_UP_AFTER: Duration = Duration::from_mins(15);
/// Longest message about what is waited for, in characters.
const MAX_MESSAGE: usize = 500;

impl Record<'_> {
    /// Stores what the run tells of itself; events of steps and of the log are stored elsewhere.
    pub(super) async fn run_event(&mut self, event: Event) {
        match event {
            Event::Created { uid } => self.persist(move |tx, id| runs::set_uid(tx, id, &uid)).await,
            Event::Image(digest) => self.image(digest).await,
            Event::ImageRevision(revision) => {
                let revision = self.redactor.redact_line(&plain_text(&revision));
                self.persist(move |tx, id| runs::set_image_revision(tx, id, &revision)).await;
            }
            Event::Settling => {
                let give_up = self.clock.now().plus(SETTLING_GIVEN_UP_AFTER);
                self.persist(move |tx, id| runs::set_settling(tx, id, give_up)).await;
            }
            Event::Workloads(workloads) => {
                self.persist(move |tx, id| runs::set_workloads(tx, id, &workloads)).await;
            }
            Event::Waiting(wait) => {
                let cut = |text: String| text.chars().take(MAX_MESSAGE).collect::<String>();
                let (message, detail) = wait.map(|wait| (wait.message, wait.detail)).unzip();
                let (message, detail) = (message.map(cut), detail.flatten().map(cut));
                let detail = detail.map(|detail| self.redactor.redact_line(&plain_text(&detail)));
                self.persist(move |tx, id| runs::set_waiting(tx, id, message.as_deref(), detail.as_deref()))
                    .await;
            }
            Event::Commit { commit, subject } => {
                let subject = self.redactor.redact_line(&plain_text(&subject));
                let now = self.clock.now();
                self.persist(move |tx, id| deployments::set_commit(tx, id, &commit, &subject, now)).await;
            }
            Event::Log { .. } | Event::LogMark(_) | Event::StepStarted(_) | Event::StepFinished { .. } => {}
        }
    }

    async fn image(&self, digest: ImageDigest) {
        let Some(name) = self.image.clone() else { return };
        let ImageReference { repository, tag, .. } = name;
        let image = ExactImage { repository, tag, digest };
        self.persist(move |tx, id| runs::set_image(tx, id, &image)).await;
    }
}
