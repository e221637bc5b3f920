//! What is to be sent: read from the rows, as it was when it happened.

use std::time::Duration;

use crate::db::{self, Reader, deployments, log_tail, notices, services, steps};
use crate::dispatch::outbox::Inner;
use crate::domain::{
    Deployment, DeploymentId, Event, Notice, NoticeState, Service, StepRecord, StepStatus, Target,
    TargetKind, WebhookSecret,
};
use crate::notify::{About, AboutDeployment, Message, Recipient};

/// A chat is told the same of a service once in this time.
const THINNED: Duration = Duration::from_hours(1);

/// What becomes of a notice before it is sent.
pub(super) enum Prepared {
    /// Nothing is sent to this target any more; why.
    Off(String),
    /// It ends without being sent.
    Ended(NoticeState),
    /// It is sent.
    Ready(Box<Recipient>, Box<Message>),
}

/// Rows that belong to the deployment of a notice.
struct Rows {
    deployment: Deployment,
    steps: Vec<StepRecord>,
    service: Service,
}

impl Inner {
    /// Reads what a notice to a target tells.
    pub(super) async fn prepare(&self, target: Target, notice: Notice) -> Result<Prepared, db::Error> {
        if let Some(why) = target.why_off() {
            return Ok(Prepared::Off(why));
        }
        let (own_target, own) = (target.clone(), notice.clone());
        let read = move |reader: &Reader<'_>| {
            let alike = if is_thinned(&own_target, &own) {
                notices::alike(reader, &own_target.id, &own, own.at.minus(THINNED))?
            } else {
                notices::Alike::default()
            };
            let Some(id) = &own.deployment else { return Ok((alike, None, None)) };
            let remote = notices::remote(reader, &own_target.id, id)?;
            Ok::<_, db::Error>((alike, remote, read_rows(reader, id)?))
        };
        let (alike, remote, rows) = self.db.core().read(read).await?;
        // What somebody asks for once more is sent.
        if alike.is_told && notice.since == notice.at {
            return Ok(Prepared::Ended(NoticeState::LeftOut));
        }
        let about = match (rows, &notice.text, &notice.deployment) {
            (Some(rows), ..) => {
                let lines = self.lines(&target, &notice, &rows).await?;
                let Rows { deployment, steps, service } = rows;
                let told = AboutDeployment::new(deployment, steps, service, lines, notice.event);
                About::Deployment(Box::new(told))
            }
            (None, Some(text), _) => About::Text(text.clone()),
            // The deployment is kept no longer.
            (None, None, _) => return Ok(Prepared::Ended(NoticeState::GivenUp)),
        };
        let is_repeated = notice.last.is_some() || notice.since < self.began;
        let message = Message {
            id: notice.id,
            event: notice.event,
            at: notice.at,
            about,
            left_out: alike.left_out,
            is_repeated,
        };
        let recipient = Recipient { secrets: self.secrets(&target), target, remote };
        Ok(Prepared::Ready(Box::new(recipient), Box::new(message)))
    }

    /// The present secret of a webhook, and the one before while it is good.
    fn secrets(&self, target: &Target) -> Vec<WebhookSecret> {
        if target.kind != TargetKind::Webhook {
            return Vec::new();
        }
        let is_rotating = target.previous_until.is_some_and(|until| self.clock.now() < until);
        let before = target.generation.checked_sub(1).filter(|_| is_rotating);
        let generations = std::iter::once(target.generation).chain(before);
        generations.map(|generation| (self.secret_of)(&target.id, generation)).collect()
    }

    /// The last lines of the step that failed, where the target asks for them.
    async fn lines(
        &self,
        target: &Target,
        notice: &Notice,
        rows: &Rows,
    ) -> Result<Option<Vec<String>>, db::Error> {
        if !target.with_lines {
            return Ok(None);
        }
        let failed =
            rows.steps.iter().find(|step| step.status == StepStatus::Failed).map(|record| record.step);
        let Some(step) = failed.filter(|_| notice.event == Event::Failed) else {
            return Ok(Some(Vec::new()));
        };
        let id = rows.deployment.id.clone();
        self.db.logs().read(move |reader| log_tail::tail(reader, &id, step)).await.map(Some)
    }
}

/// Whether people would read the same again and again.
fn is_thinned(target: &Target, notice: &Notice) -> bool {
    target.kind.is_chat() && notice.event == Event::Failed
}

fn read_rows(reader: &Reader<'_>, id: &DeploymentId) -> Result<Option<Rows>, db::Error> {
    let Some(deployment) = deployments::find(reader, id)? else { return Ok(None) };
    let Some(service) = services::find_deleted_too(reader, &deployment.service_id)? else { return Ok(None) };
    Ok(Some(Rows { steps: steps::list(reader, &deployment)?, deployment, service }))
}
