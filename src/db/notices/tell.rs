//! How a notice comes into being: with what it tells.

use rusqlite::{OptionalExtension, named_params};

use crate::db::{Error, Reader, Tx, targets};
use crate::domain::{
    DeploymentId, Event, GitRef, HookId, NoticeId, Reason, ServiceId, Target, TargetId, Timestamp,
};

/// Ends of a service that are looked at for a failure before a success.
const ENDS: u32 = 200;

/// Something that happened.
struct Happening<'a> {
    event: Event,
    deployment: Option<&'a DeploymentId>,
    service: Option<&'a ServiceId>,
    reason: Option<Reason>,
    text: Option<&'a str>,
    at: Timestamp,
}

/// Tells that a deployment was accepted, or that its run begins.
pub(in crate::db) fn deployment_moved(
    tx: &Tx<'_>,
    event: Event,
    (id, service, branch): (&DeploymentId, &ServiceId, &GitRef),
    at: Timestamp,
) -> Result<(), Error> {
    let happening =
        Happening { event, deployment: Some(id), service: Some(service), reason: None, text: None, at };
    for target in targets::listening(tx, Some(service))? {
        if target.wants(event, Some(branch)) {
            insert(tx, &target.id, &happening)?;
        }
    }
    Ok(())
}

/// Tells how a deployment has ended. A success after a failure is a recovery too; a chat hears one of both.
pub(in crate::db) fn deployment_ended(
    tx: &Tx<'_>,
    id: &DeploymentId,
    reason: Option<Reason>,
    at: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "SELECT sequence, service_id, branch FROM deployments WHERE id = :id";
    let mut statement = tx.conn().prepare_cached(SQL)?;
    let found = statement.query_row(named_params! { ":id": id.as_str() }, |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    });
    let Some((sequence, service, branch)) = found.optional()? else { return Ok(()) };
    let (Some(service), Ok(branch)) = (ServiceId::parse(&service), GitRef::parse(&branch)) else {
        return Ok(());
    };
    let listening = targets::listening(tx, Some(&service))?;
    if listening.is_empty() {
        return wake_held(tx, id, at);
    }
    let event = if reason.is_some() { Event::Failed } else { Event::Succeeded };
    let is_recovery = reason.is_none() && has_failed_before(tx, &service, sequence)?;
    let happening =
        |event| Happening { event, deployment: Some(id), service: Some(&service), reason, text: None, at };
    for target in &listening {
        let hears_recovery = is_recovery && target.wants(Event::Recovered, Some(&branch));
        if target.wants(event, Some(&branch)) && !(hears_recovery && target.kind.is_chat()) {
            insert(tx, &target.id, &happening(event))?;
        }
        if hears_recovery {
            insert(tx, &target.id, &happening(Event::Recovered))?;
        }
    }
    wake_held(tx, id, at)
}

/// Whether what ended last before that deployment of a service, and not on purpose, has failed.
fn has_failed_before(reader: &Reader<'_>, service: &ServiceId, sequence: i64) -> Result<bool, Error> {
    const SQL: &str = "
        SELECT reason
          FROM (SELECT sequence, reason FROM deployments
                 WHERE service_id = :service_id AND status = 'succeeded' AND sequence < :sequence
             UNION ALL
                SELECT sequence, reason FROM deployments
                 WHERE service_id = :service_id AND status = 'failed' AND sequence < :sequence)
         ORDER BY sequence DESC
         LIMIT :ends";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let params = named_params! { ":service_id": service.as_str(), ":sequence": sequence, ":ends": ENDS };
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        let reason: Option<String> = row.get(0)?;
        match reason.as_deref().and_then(Reason::parse) {
            None => return Ok(false),
            Some(reason) if reason.is_intended() => {}
            Some(_) => return Ok(true),
        }
    }
    Ok(false)
}

/// Lets go what waits until more is known of a deployment: a forge takes a status of a commit only.
pub(in crate::db) fn wake_held(tx: &Tx<'_>, id: &DeploymentId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE notices
           SET next_at_ms = :now
         WHERE deployment_id = :deployment
           AND state = 'waiting'
           AND next_at_ms IS NULL
           AND NOT EXISTS (SELECT 1
                             FROM notices AS before
                            WHERE before.deployment_id = :deployment
                              AND before.target_id = notices.target_id
                              AND before.state = 'waiting'
                              AND before.sequence < notices.sequence)";
    let params = named_params! { ":deployment": id.as_str(), ":now": now.as_millis() };
    if tx.conn().prepare_cached(SQL)?.execute(params)? > 0 {
        tx.touch_notices();
    }
    Ok(())
}

/// Tells that a hook was called by the URL that was rotated away, for the first time since; nothing at any other time.
pub fn old_url_used(
    tx: &Tx<'_>,
    (service, hook): (&ServiceId, &HookId),
    text: &str,
    at: Timestamp,
) -> Result<(), Error> {
    const FIRST: &str = "UPDATE hooks SET old_used_at_ms = :at WHERE id = :hook AND old_used_at_ms IS NULL";
    let params = named_params! { ":hook": hook.as_str(), ":at": at.as_millis() };
    if tx.conn().prepare_cached(FIRST)?.execute(params)? == 0 {
        return Ok(());
    }
    tell_all(tx, Event::OldUrlUsed, Some(service), text, at)
}

/// Tells the others that a target was switched off.
pub fn target_disabled(tx: &Tx<'_>, target: &Target, text: &str, at: Timestamp) -> Result<(), Error> {
    tell_all(tx, Event::TargetDisabled, target.service.as_ref().map(|(id, _)| id), text, at)
}

fn tell_all(
    tx: &Tx<'_>,
    event: Event,
    service: Option<&ServiceId>,
    text: &str,
    at: Timestamp,
) -> Result<(), Error> {
    let happening = Happening { event, deployment: None, service, reason: None, text: Some(text), at };
    for target in targets::listening(tx, service)? {
        if target.wants(event, None) && !target.kind.is_forge() {
            insert(tx, &target.id, &happening)?;
        }
    }
    Ok(())
}

/// Sends a target something to see whether it arrives.
pub fn test(tx: &Tx<'_>, target: &Target, text: &str, at: Timestamp) -> Result<NoticeId, Error> {
    let service = target.service.as_ref().map(|(id, _)| id);
    let event = Event::Test;
    insert(
        tx,
        &target.id,
        &Happening { event, deployment: None, service, reason: None, text: Some(text), at },
    )
}

/// Writes a notice; it is due now, or once those before it of the same deployment have ended.
fn insert(tx: &Tx<'_>, target: &TargetId, happening: &Happening<'_>) -> Result<NoticeId, Error> {
    const SQL: &str = "
        INSERT INTO notices (id, target_id, event, deployment_id, service_id, reason, text, at_ms, since_ms, next_at_ms)
        VALUES (:id, :target, :event, :deployment, :service_id, :reason, :text, :at, :at,
                iif(EXISTS (SELECT 1
                              FROM notices
                             WHERE deployment_id = :deployment
                               AND target_id = :target
                               AND state = 'waiting'), NULL, :next_at))";
    let id = NoticeId::generate();
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":id": id.as_str(),
        ":target": target.as_str(),
        ":event": happening.event.as_str(),
        ":deployment": happening.deployment.map(DeploymentId::as_str),
        ":service_id": happening.service.map(ServiceId::as_str),
        ":reason": happening.reason.map(Reason::as_str),
        ":text": happening.text,
        ":at": happening.at.as_millis(),
        // Somebody waits for a test, and what waits already may be why.
        ":next_at": if happening.event == Event::Test { 0 } else { happening.at.as_millis() },
    })?;
    tx.touch_notices();
    Ok(id)
}
