//! The table of deployments.

mod history;
mod neighbours;
mod transitions;

use rusqlite::{OptionalExtension, Row, named_params};

use crate::db::sql_types::{list, optional_text, optional_time, read_list, text, time, who};
use crate::db::{Error, Reader, Tx};
use crate::domain::{
    BuiltImage, Commit, Deployment, DeploymentId, ExecutorKind, GitRef, HookId, Note, Reason, ServiceId,
    Status, Timestamp, Trigger, Who,
};

pub use history::{End, last_ends};
pub use neighbours::{count_behind, newest_successes, queue_position, successes_around, unsettled_after};
pub(super) use transitions::end_all_of_service;
pub use transitions::{Cancel, begin_deploying, cancel, fail, succeed};

pub(super) const SELECT: &str = "
    SELECT d.sequence, d.id, d.service_id, s.name AS service, d.trigger, d.hook_id, h.name AS hook, d.origin_id,
           d.who_way, d.who_name, d.branch, d.commit_id, d.commit_requested, d.commit_subject, d.clear_cache, d.note,
           d.ignored_parameters, d.executor, d.status, d.reason, d.message, d.detail, d.superseded_by,
           d.cancel_reason,
           d.created_at_ms, d.started_at_ms, d.stop_at_ms, d.finished_at_ms, d.version, d.cache_epoch, d.image,
           d.replicas, d.run_uid
      FROM deployments AS d
      JOIN services AS s ON s.id = d.service_id
 LEFT JOIN hooks AS h ON h.id = d.hook_id";
pub(super) const TABLE: &str = "deployments";

pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Deployment> {
    Ok(Deployment {
        sequence: row.get("sequence")?,
        id: text(row, TABLE, "id", DeploymentId::parse)?,
        service_id: text(row, TABLE, "service_id", ServiceId::parse)?,
        service: row.get("service")?,
        trigger: read_trigger(row)?,
        hook: row.get("hook")?,
        who: who(row, TABLE)?,
        branch: text(row, TABLE, "branch", |text| GitRef::parse(text).ok())?,
        commit: optional_text(row, TABLE, "commit_id", |text| Commit::parse(text).ok())?,
        commit_requested: row.get("commit_requested")?,
        commit_subject: row.get("commit_subject")?,
        clear_cache: row.get("clear_cache")?,
        note: optional_text(row, TABLE, "note", |text| Note::parse(text).ok())?,
        cache_epoch: row.get("cache_epoch")?,
        image: optional_text(row, TABLE, "image", BuiltImage::parse)?,
        replicas: row.get("replicas")?,
        run_uid: row.get("run_uid")?,
        ignored_parameters: text(row, TABLE, "ignored_parameters", |json| {
            read_list(json, |text| Some(text.to_owned()))
        })?,
        executor: text(row, TABLE, "executor", ExecutorKind::parse)?,
        status: text(row, TABLE, "status", Status::parse)?,
        reason: optional_text(row, TABLE, "reason", Reason::parse)?,
        message: row.get("message")?,
        detail: row.get("detail")?,
        superseded_by: optional_text(row, TABLE, "superseded_by", DeploymentId::parse)?,
        cancel_reason: optional_text(row, TABLE, "cancel_reason", Reason::parse)?,
        created_at: time(row, "created_at_ms")?,
        started_at: optional_time(row, "started_at_ms")?,
        stop_at: optional_time(row, "stop_at_ms")?,
        finished_at: optional_time(row, "finished_at_ms")?,
        version: row.get("version")?,
    })
}

fn read_trigger(row: &Row<'_>) -> rusqlite::Result<Trigger> {
    let origin = optional_text(row, TABLE, "origin_id", DeploymentId::parse)?;
    let hook = optional_text(row, TABLE, "hook_id", HookId::parse)?;
    text(row, TABLE, "trigger", |word| match word {
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

/// Which deployments a list shows.
#[derive(Debug, Default)]
pub struct Filter {
    /// Only these statuses; none named: all.
    pub statuses: Vec<Status>,
    /// Only those whose branch, id or hook's name has this text in it, or whose commit begins with it; in any case.
    pub text: Option<String>,
    /// Only this branch or tag.
    pub branch: Option<GitRef>,
    /// Only those accepted before this one.
    pub before: Option<DeploymentId>,
    /// At most so many.
    pub limit: u32,
}

/// A page of a service's deployments, newest first.
pub fn list_for_service(
    reader: &Reader<'_>,
    service: &ServiceId,
    filter: &Filter,
) -> Result<Vec<Deployment>, Error> {
    select(reader, "d.service_id = :service_id", Some(service), filter)
}

/// A page of all deployments, newest first.
pub fn list_all(reader: &Reader<'_>, filter: &Filter) -> Result<Vec<Deployment>, Error> {
    select(reader, ":service_id IS NULL", None, filter)
}

fn select(
    reader: &Reader<'_>,
    of: &str,
    service: Option<&ServiceId>,
    filter: &Filter,
) -> Result<Vec<Deployment>, Error> {
    let sql = format!(
        "{SELECT}
          WHERE {of}
            AND (:statuses = '[]' OR d.status IN (SELECT value FROM json_each(:statuses)))
            AND (:text IS NULL
                 OR instr(lower(d.branch), :text) > 0
                 OR instr(d.id, :text) > 0
                 OR instr(lower(ifnull(h.name, '')), :text) > 0
                 OR substr(ifnull(d.commit_id, ''), 1, length(:text)) = :text)
            AND (:branch IS NULL OR d.branch = :branch)
            AND (:before IS NULL OR d.sequence < (SELECT sequence FROM deployments WHERE id = :before))
          ORDER BY d.sequence DESC
          LIMIT :limit"
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let params = named_params! {
        ":service_id": service.map(ServiceId::as_str),
        ":statuses": list(filter.statuses.iter().map(|status| status.as_str())),
        ":text": filter.text.as_ref().map(|text| text.to_ascii_lowercase()),
        ":branch": filter.branch.as_ref().map(GitRef::as_str),
        ":before": filter.before.as_ref().map(DeploymentId::as_str),
        ":limit": filter.limit,
    };
    let rows = statement.query_map(params, from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
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
    /// The image to serve again, where nothing is to be built.
    pub image: Option<BuiltImage>,
    /// Parameters that mean nothing here.
    pub ignored_parameters: Vec<String>,
}

impl NewDeployment {
    /// Whether a queued deployment is what this one would be.
    pub(super) fn asks_for_the_same(&self, queued: &Deployment) -> bool {
        (&queued.branch, queued.requested_commit(), queued.clear_cache, &queued.note, &queued.image)
            == (&self.branch, self.commit.as_ref(), self.clear_cache, &self.note, &self.image)
    }
}

/// Stores a new deployment as queued and gives its id. `clear_cache` turns the service to a new cache with it, which
/// nothing that was accepted before can meet.
pub(super) fn insert(tx: &Tx<'_>, new: &NewDeployment, now: Timestamp) -> Result<DeploymentId, Error> {
    const SQL: &str = "
        INSERT INTO deployments (id, service_id, trigger, hook_id, hook_generation, origin_id, who_way, who_name, branch,
                                 commit_id, commit_requested, clear_cache, note, cache_epoch, image, ignored_parameters,
                                 executor, status, created_at_ms, waits_since_ms)
        VALUES (:id, :service_id, :trigger, :hook_id, :hook_generation, :origin_id, :who_way, :who_name, :branch,
                :commit_id, :commit_requested, :clear_cache, :note, :cache_epoch, :image, :ignored_parameters,
                :executor, 'queued', :created_at_ms, :created_at_ms)";
    let cache_epoch = cache_epoch(tx, &new.service_id, new.clear_cache)?;
    let id = DeploymentId::generate(now);
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":id": id.as_str(),
        ":service_id": new.service_id.as_str(),
        ":trigger": new.trigger.as_str(),
        ":hook_id": new.trigger.hook().map(HookId::as_str),
        ":hook_generation": new.hook_generation,
        ":origin_id": new.trigger.origin().map(DeploymentId::as_str),
        ":who_way": new.who.way(),
        ":who_name": new.who.name(),
        ":branch": new.branch.as_str(),
        ":commit_id": new.commit.as_ref().map(Commit::as_str),
        ":commit_requested": new.commit.is_some(),
        ":clear_cache": new.clear_cache,
        ":note": new.note.as_ref().map(Note::as_str),
        ":cache_epoch": cache_epoch,
        ":image": new.image.as_ref().map(ToString::to_string),
        ":ignored_parameters": list(&new.ignored_parameters),
        ":executor": new.executor.as_str(),
        ":created_at_ms": now.as_millis(),
    })?;
    tx.touch(&id);
    Ok(id)
}

/// The epoch of the service's cache, after raising it where `clear` is wanted.
fn cache_epoch(tx: &Tx<'_>, service: &ServiceId, clear: bool) -> Result<u32, Error> {
    const SQL: &str =
        "UPDATE services SET cache_epoch = cache_epoch + :clear WHERE id = :id RETURNING cache_epoch";
    let params = named_params! { ":id": service.as_str(), ":clear": clear };
    Ok(tx.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0))?)
}

/// Stores what the branch was resolved to.
pub fn set_commit(tx: &Tx<'_>, id: &DeploymentId, commit: &Commit, subject: &str) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE deployments
           SET commit_id = :commit_id, commit_subject = :subject, version = version + 1
         WHERE id = :id";
    let params = named_params! { ":id": id.as_str(), ":commit_id": commit.as_str(), ":subject": subject };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    tx.touch(id);
    Ok(())
}

#[cfg(test)]
mod tests;
