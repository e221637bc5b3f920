//! The table of deployments.

mod history;
mod list;
mod neighbours;
mod transitions;

use rusqlite::{OptionalExtension, Row, named_params, params};

use crate::db::sql_types::{Fields, list, read_list};
use crate::db::{Error, Reader, Tx, notices};
use crate::domain::{
    Commit, Deployment, DeploymentId, Event, ExactImage, ExecutorKind, GitRef, HookId, ImageReference, Note,
    Reason, ServiceId, Status, Timestamp, Trigger, Who, WorkloadState,
};

pub use history::{End, last_ends};
pub use list::{Filter, Listed, WINDOW, list_all, list_for_service, newest};
pub use neighbours::{Standing, count_behind, queue_position, standing, successes_around, unsettled_after};
pub(super) use transitions::end_all_of_service;
pub use transitions::{Cancel, begin_deploying, cancel, fail, succeed};

pub(super) const SELECT: &str = "
    SELECT d.sequence, d.id, d.service_id, s.name AS service, h.name AS hook, d.hook_id, d.origin_id, d.trigger, d.who_way,
           d.who_name, d.branch, d.commit_id, d.commit_requested, d.commit_subject, d.clear_cache, d.note,
           d.ignored_parameters, d.executor, d.status, d.reason, d.message, d.detail, d.superseded_by,
           d.cancel_reason, d.created_at_ms, d.started_at_ms, d.stop_at_ms, d.finished_at_ms, d.version,
           d.cache_epoch, d.is_settling, d.asked_image, d.promoted_from, d.image_revision, d.image, d.workloads, d.run_uid,
           d.traceparent
      FROM deployments AS d
      JOIN services AS s ON s.id = d.service_id
 LEFT JOIN hooks AS h ON h.id = d.hook_id";
pub(super) const TABLE: &str = "deployments";

/// Reads a row of [`SELECT`].
pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Deployment> {
    let mut fields = Fields::new(row, TABLE);
    Ok(Deployment {
        sequence: fields.next()?,
        id: fields.text(DeploymentId::parse)?,
        service_id: fields.text(ServiceId::parse)?,
        service: fields.next()?,
        hook: fields.next()?,
        trigger: read_trigger(&mut fields)?,
        who: fields.who()?,
        branch: fields.text(|text| GitRef::parse(text).ok())?,
        commit: fields.optional_text(|text| Commit::parse(text).ok())?,
        commit_requested: fields.next()?,
        commit_subject: fields.next()?,
        clear_cache: fields.next()?,
        note: fields.optional_text(|text| Note::parse(text).ok())?,
        ignored_parameters: fields.text(|json| read_list(json, |text| Some(text.to_owned())))?,
        executor: fields.text(ExecutorKind::parse)?,
        status: fields.text(Status::parse)?,
        reason: fields.optional_text(Reason::parse)?,
        message: fields.next()?,
        detail: fields.next()?,
        superseded_by: fields.optional_text(DeploymentId::parse)?,
        cancel_reason: fields.optional_text(Reason::parse)?,
        created_at: fields.time()?,
        started_at: fields.optional_time()?,
        stop_at: fields.optional_time()?,
        finished_at: fields.optional_time()?,
        version: fields.next()?,
        cache_epoch: fields.next()?,
        is_settling: fields.next()?,
        asked_image: fields.optional_text(ImageReference::parse)?,
        promoted_from: fields.optional_text(DeploymentId::parse)?,
        image_revision: fields.next()?,
        image: fields.optional_text(ExactImage::parse)?,
        workloads: fields.text(|json| read_list(json, WorkloadState::parse))?,
        run_uid: fields.next()?,
        traceparent: fields.next()?,
    })
}

/// Reads hook, origin and the word for what brought it about.
fn read_trigger(fields: &mut Fields<'_>) -> rusqlite::Result<Trigger> {
    let hook = fields.optional_text(HookId::parse)?;
    let origin = fields.optional_text(DeploymentId::parse)?;
    fields.text(|word| match word {
        "hook" => hook.map(Trigger::Hook),
        "deploy" => Some(Trigger::Deploy),
        "redeploy" => origin.map(Trigger::Redeploy),
        "rollback" => origin.map(Trigger::Rollback),
        _ => None,
    })
}

/// The deployment of that id.
pub fn find(reader: &Reader<'_>, id: &DeploymentId) -> Result<Option<Deployment>, Error> {
    let sql = format!("{SELECT} WHERE d.id = :id");
    let found = reader.conn().prepare_cached(&sql)?.query_row(named_params! { ":id": id.as_str() }, from_row);
    Ok(found.optional()?)
}

/// What is stored when a deployment is accepted.
#[derive(Debug)]
pub struct NewDeployment {
    pub service_id: ServiceId,
    /// What runs it.
    pub executor: ExecutorKind,
    /// What brought it about, and with which generation of the hook's secret.
    pub trigger: Trigger,
    /// See [`Trigger::Hook`]; none for the others.
    pub hook_generation: Option<i64>,
    /// Who called.
    pub who: Who,
    /// What to deploy.
    pub branch: GitRef,
    /// Exactly this commit.
    pub commit: Option<Commit>,
    /// Whether to build afresh.
    pub clear_cache: bool,
    /// Why, in the caller's words.
    pub note: Option<Note>,
    /// The image that was named, in full.
    pub asked_image: Option<ImageReference>,
    /// The deployment whose image it is.
    pub promoted_from: Option<DeploymentId>,
    /// Exactly the image to serve, where that is known.
    pub image: Option<ExactImage>,
    /// Parameters that mean nothing here.
    pub ignored_parameters: Vec<String>,
    /// The W3C trace context that the caller sent.
    pub traceparent: Option<String>,
}

impl NewDeployment {
    /// Whether a queued deployment is what this one would be.
    pub(super) fn asks_for_the_same(&self, queued: &Deployment) -> bool {
        let is_same_image = (&queued.asked_image, &queued.image) == (&self.asked_image, &self.image);
        is_same_image
            && (&queued.branch, queued.requested_commit(), queued.clear_cache, &queued.note)
                == (&self.branch, self.commit.as_ref(), self.clear_cache, &self.note)
    }
}

/// Stores a new deployment as queued and gives its id. `clear_cache` turns the service to a new cache with it, which
/// nothing that was accepted before can meet.
pub(super) fn insert(tx: &Tx<'_>, new: &NewDeployment, now: Timestamp) -> Result<DeploymentId, Error> {
    if new.clear_cache {
        turn_cache(tx, &new.service_id)?;
    }
    let id = DeploymentId::generate(now);
    insert_row(tx, &id, new, now)?;
    notices::deployment_moved(tx, Event::Queued, (&id, &new.service_id, &new.branch), now)?;
    Ok(id)
}

/// Stores the row of a deployment as queued.
pub(super) fn insert_row(
    tx: &Tx<'_>,
    id: &DeploymentId,
    new: &NewDeployment,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "
        INSERT INTO deployments (id, service_id, trigger, hook_id, hook_generation, origin_id, who_way, who_name, branch,
                                 commit_id, commit_requested, clear_cache, note, cache_epoch, asked_image,
                                 promoted_from, image, ignored_parameters, traceparent,
                                 executor, status, created_at_ms, waits_since_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT cache_epoch FROM services WHERE id = ?2), ?, ?, ?, ?, ?, ?,
                'queued', ?20, ?20)";
    tx.conn().prepare_cached(SQL)?.execute(params![
        id.as_str(),
        new.service_id.as_str(),
        new.trigger.as_str(),
        new.trigger.hook().map(HookId::as_str),
        new.hook_generation,
        new.trigger.origin().map(DeploymentId::as_str),
        new.who.way(),
        new.who.name(),
        new.branch.as_str(),
        new.commit.as_ref().map(Commit::as_str),
        new.commit.is_some(),
        new.clear_cache,
        new.note.as_ref().map(Note::as_str),
        new.asked_image.as_ref().map(ToString::to_string),
        new.promoted_from.as_ref().map(DeploymentId::as_str),
        new.image.as_ref().map(ToString::to_string),
        list(&new.ignored_parameters),
        new.traceparent,
        new.executor.as_str(),
        now.as_millis(),
    ])?;
    tx.touch(id);
    Ok(())
}

/// Raises the epoch of the service's cache.
fn turn_cache(tx: &Tx<'_>, service: &ServiceId) -> Result<(), Error> {
    const SQL: &str = "UPDATE services SET cache_epoch = cache_epoch + 1 WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": service.as_str() })?;
    Ok(())
}

/// Stores what the branch was resolved to.
pub fn set_commit(
    tx: &Tx<'_>,
    id: &DeploymentId,
    commit: &Commit,
    subject: &str,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE deployments
           SET commit_id = :commit_id, commit_subject = :subject, version = version + 1
         WHERE id = :id";
    let params = named_params! { ":id": id.as_str(), ":commit_id": commit.as_str(), ":subject": subject };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    tx.touch(id);
    notices::wake_held(tx, id, now)
}

#[cfg(test)]
mod tests;
