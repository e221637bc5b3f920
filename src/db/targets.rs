//! The table of targets: who is told of what.

use rusqlite::{OptionalExtension, Row, ToSql, named_params};

use super::sql_types::{Fields, list as json_list, read_list};
use super::{Error, Reader, Tx};
use crate::domain::{
    BranchPattern, Event, ServiceId, Target, TargetId, TargetKind, TargetSecret, TargetUrl, Timestamp,
};

const SELECT: &str = "
    SELECT t.id, t.kind, t.url, t.service_id, s.name, t.events, t.branches, t.secret, t.with_lines, t.required_contexts,
           t.generation, t.previous_until_ms, t.off_at_ms, t.off_because, t.failing_since_ms, t.delivered_at_ms,
           t.created_at_ms, t.who_way, t.who_name
      FROM targets AS t
 LEFT JOIN services AS s ON s.id = t.service_id";
const TABLE: &str = "targets";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Target> {
    let mut fields = Fields::new(row, TABLE);
    Ok(Target {
        id: fields.text(TargetId::parse)?,
        kind: fields.text(TargetKind::parse)?,
        url: fields.text(|text| TargetUrl::parse(text).ok())?,
        service: {
            let id = fields.optional_text(ServiceId::parse)?;
            let name: Option<String> = fields.next()?;
            id.zip(name)
        },
        events: fields.text(|json| read_list(json, Event::parse))?,
        branches: fields.text(|json| read_list(json, |text| BranchPattern::parse(text).ok()))?,
        secret: fields.optional_text(|text| TargetSecret::parse(text).ok())?,
        with_lines: fields.next()?,
        required_contexts: fields.text(|json| read_list(json, |text| Some(text.to_owned())))?,
        generation: fields.next()?,
        previous_until: fields.optional_time()?,
        off: {
            let at = fields.optional_time()?;
            let because: Option<String> = fields.next()?;
            at.zip(because)
        },
        failing_since: fields.optional_time()?,
        delivered_at: fields.optional_time()?,
        created_at: fields.time()?,
        created_by: fields.who()?,
    })
}

fn select(reader: &Reader<'_>, behind: &str, params: &[(&str, &dyn ToSql)]) -> Result<Vec<Target>, Error> {
    let sql = format!("{SELECT} {behind}");
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let rows = statement.query_map(params, from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The target of that id.
pub fn find(reader: &Reader<'_>, id: &TargetId) -> Result<Option<Target>, Error> {
    Ok(select(reader, "WHERE t.id = :id", named_params! { ":id": id.as_str() })?.pop())
}

/// Whether people read what the target of that id is told.
pub(super) fn is_chat(reader: &Reader<'_>, id: &TargetId) -> Result<bool, Error> {
    const SQL: &str = "SELECT kind FROM targets WHERE id = :id";
    let kind = reader
        .conn()
        .prepare_cached(SQL)?
        .query_row(named_params! { ":id": id.as_str() }, |row| row.get::<_, String>(0));
    Ok(kind.optional()?.and_then(|kind| TargetKind::parse(&kind)).is_some_and(TargetKind::is_chat))
}

/// The targets of the installation, or those of one service alone, in the order in which they were made.
pub fn list(reader: &Reader<'_>, service: Option<&ServiceId>) -> Result<Vec<Target>, Error> {
    let params = named_params! { ":service_id": service.map(ServiceId::as_str) };
    select(reader, "WHERE t.service_id IS :service_id ORDER BY t.sequence", params)
}

/// The targets of the installation and of every service that is there, in the order in which they were made.
pub fn list_all(reader: &Reader<'_>) -> Result<Vec<Target>, Error> {
    select(reader, "WHERE t.service_id IS NULL OR s.deleted_at_ms IS NULL ORDER BY t.sequence", &[])
}

/// The targets that may be told of something that happens to a service, or to the installation alone: those of both that
/// are not switched off.
pub(super) fn listening(reader: &Reader<'_>, service: Option<&ServiceId>) -> Result<Vec<Target>, Error> {
    // Nearly every server has none, and this is asked with each call of a hook.
    const ANY: &str = "SELECT EXISTS (SELECT 1 FROM targets)";
    if !reader.conn().prepare_cached(ANY)?.query_row([], |row| row.get::<_, bool>(0))? {
        return Ok(Vec::new());
    }
    let behind = "WHERE (t.service_id IS NULL OR t.service_id = :service_id) AND t.off_at_ms IS NULL ORDER BY t.sequence";
    select(reader, behind, named_params! { ":service_id": service.map(ServiceId::as_str) })
}

/// Stores a new target; false where there is one of that kind, address and service already.
pub fn insert(tx: &Tx<'_>, target: &Target) -> Result<bool, Error> {
    const SQL: &str = "
        INSERT INTO targets (id, kind, url, service_id, events, branches, secret, with_lines, required_contexts, generation,
                             created_at_ms, who_way, who_name)
        VALUES (:id, :kind, :url, :service_id, :events, :branches, :secret, :with_lines, :required_contexts, :generation,
                :created_at_ms, :who_way, :who_name)";
    if is_taken(tx, target)? {
        return Ok(false);
    }
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":id": target.id.as_str(),
        ":kind": target.kind.as_str(),
        ":url": target.url.reveal().as_str(),
        ":service_id": target.service.as_ref().map(|(id, _)| id.as_str()),
        ":events": json_list(target.events.iter().map(|event| event.as_str())),
        ":branches": json_list(target.branches.iter().map(BranchPattern::as_str)),
        ":secret": target.secret.as_ref().map(TargetSecret::reveal),
        ":with_lines": target.with_lines,
        ":required_contexts": json_list(&target.required_contexts),
        ":generation": target.generation,
        ":created_at_ms": target.created_at.as_millis(),
        ":who_way": target.created_by.way(),
        ":who_name": target.created_by.name(),
    })?;
    Ok(true)
}

/// Stores what can be edited of a target, and what was learnt of it; false where another has its address by then.
pub fn update(tx: &Tx<'_>, target: &Target) -> Result<bool, Error> {
    const SQL: &str = "
        UPDATE targets
           SET url = :url, events = :events, branches = :branches, secret = :secret, with_lines = :with_lines,
               required_contexts = :required_contexts, generation = :generation, previous_until_ms = :previous_until_ms,
               off_at_ms = :off_at_ms, off_because = :off_because, failing_since_ms = :failing_since_ms,
               delivered_at_ms = :delivered_at_ms
         WHERE id = :id";
    if is_taken(tx, target)? {
        return Ok(false);
    }
    let off = target.off.as_ref();
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":id": target.id.as_str(),
        ":url": target.url.reveal().as_str(),
        ":events": json_list(target.events.iter().map(|event| event.as_str())),
        ":branches": json_list(target.branches.iter().map(BranchPattern::as_str)),
        ":secret": target.secret.as_ref().map(TargetSecret::reveal),
        ":with_lines": target.with_lines,
        ":required_contexts": json_list(&target.required_contexts),
        ":generation": target.generation,
        ":previous_until_ms": target.previous_until.map(Timestamp::as_millis),
        ":off_at_ms": off.map(|(at, _)| at.as_millis()),
        ":off_because": off.map(|(_, because)| because),
        ":failing_since_ms": target.failing_since.map(Timestamp::as_millis),
        ":delivered_at_ms": target.delivered_at.map(Timestamp::as_millis),
    })?;
    Ok(true)
}

fn is_taken(reader: &Reader<'_>, target: &Target) -> Result<bool, Error> {
    const SQL: &str = "
        SELECT EXISTS (SELECT 1
                         FROM targets
                        WHERE service_id IS :service_id
                          AND kind = :kind
                          AND url = :url
                          AND id <> :id)";
    let params = named_params! {
        ":service_id": target.service.as_ref().map(|(id, _)| id.as_str()),
        ":kind": target.kind.as_str(),
        ":url": target.url.reveal().as_str(),
        ":id": target.id.as_str(),
    };
    Ok(reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0))?)
}

/// Deletes a target; what it was told and was to be told is brought up by the table of notices.
pub fn delete(tx: &Tx<'_>, id: &TargetId) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM targets WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str() })?;
    Ok(())
}

/// How many targets there are of the installation, or of one service.
pub fn count(reader: &Reader<'_>, service: Option<&ServiceId>) -> Result<u32, Error> {
    const SQL: &str = "SELECT count(*) FROM targets WHERE service_id IS :service_id";
    let params = named_params! { ":service_id": service.map(ServiceId::as_str) };
    Ok(reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0)).optional()?.unwrap_or(0))
}
