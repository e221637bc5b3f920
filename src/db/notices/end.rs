//! What becomes of a notice.

use rusqlite::named_params;

use crate::db::notices::KEPT;
use crate::db::{Error, Tx};
use crate::domain::{Notice, NoticeId, NoticeState, TargetId, Timestamp, Try};

/// Most notices that one closure gives up.
const ROWS: u32 = 200;

/// Records how a notice has ended, lets the next one of its deployment go, and forgets the oldest of its target.
pub fn end(
    tx: &Tx<'_>,
    target: &TargetId,
    notice: &Notice,
    state: NoticeState,
    last: Option<&Try>,
    remote: Option<&str>,
) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE notices
           SET state = :state, next_at_ms = NULL, remote = coalesce(:remote, remote)
         WHERE sequence = :sequence";
    const OLD: &str = "
        DELETE FROM notices
         WHERE sequence IN (SELECT sequence
                              FROM notices
                             WHERE target_id = :target
                               AND sequence <= (SELECT sequence
                                                  FROM notices
                                                 WHERE target_id = :target
                                                 ORDER BY sequence DESC
                                                 LIMIT 1 OFFSET :kept)
                               AND state <> 'waiting'
                             ORDER BY sequence
                             LIMIT 10)";
    let conn = tx.conn();
    conn.prepare_cached(SQL)?.execute(named_params! {
        ":sequence": notice.sequence,
        ":state": state.as_str(),
        ":remote": remote,
    })?;
    last.map_or(Ok(()), |last| note_try(tx, notice, last))?;
    if let Some(deployment) = &notice.deployment {
        let_next_go(tx, target, deployment.as_str())?;
    }
    conn.prepare_cached(OLD)?.execute(named_params! { ":target": target.as_str(), ":kept": KEPT })?;
    tx.touch_notices();
    Ok(())
}

/// Records when a notice is tried again; none: once more is known of its deployment.
pub fn postpone(
    tx: &Tx<'_>,
    notice: &Notice,
    next_at: Option<Timestamp>,
    last: Option<&Try>,
    remote: Option<&str>,
) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE notices
           SET next_at_ms = :next_at, remote = coalesce(:remote, remote)
         WHERE sequence = :sequence
           AND state = 'waiting'";
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":sequence": notice.sequence,
        ":next_at": next_at.map(Timestamp::as_millis),
        ":remote": remote,
    })?;
    last.map_or(Ok(()), |last| note_try(tx, notice, last))?;
    tx.touch_notices();
    Ok(())
}

fn note_try(tx: &Tx<'_>, notice: &Notice, last: &Try) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE notices
           SET tries = tries + 1, tried_at_ms = :at, took_ms = :took_ms, status = :status, answer = :answer
         WHERE sequence = :sequence";
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":sequence": notice.sequence,
        ":at": last.at.as_millis(),
        ":took_ms": last.took_ms,
        ":status": last.status,
        ":answer": last.answer,
    })?;
    Ok(())
}

/// Gives up what waits for a target that wants nothing any more, a few at a time.
pub fn give_up_all(tx: &Tx<'_>, target: &TargetId, why: &str) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE notices
           SET state = 'given_up', next_at_ms = NULL, answer = :why
         WHERE sequence IN (SELECT sequence
                              FROM notices
                             WHERE target_id = :target
                               AND state = 'waiting'
                             ORDER BY sequence
                             LIMIT :rows)
     RETURNING deployment_id";
    let mut statement = tx.conn().prepare_cached(SQL)?;
    let params = named_params! { ":target": target.as_str(), ":why": why, ":rows": ROWS };
    let deployments = statement.query_map(params, |row| row.get(0))?;
    let deployments: Vec<Option<String>> = deployments.collect::<Result<_, _>>()?;
    if !deployments.is_empty() {
        tx.touch_notices();
    }
    // What waited behind one of them has no time of its own.
    let mut deployments: Vec<_> = deployments.into_iter().flatten().collect();
    deployments.dedup();
    deployments.iter().try_for_each(|deployment| let_next_go(tx, target, deployment))
}

/// Makes the first notice due that still waits of a deployment.
fn let_next_go(tx: &Tx<'_>, target: &TargetId, deployment: &str) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE notices
           SET next_at_ms = coalesce(next_at_ms, at_ms)
         WHERE sequence = (SELECT min(sequence)
                             FROM notices
                            WHERE deployment_id = :deployment
                              AND target_id = :target
                              AND state = 'waiting')";
    let params = named_params! { ":deployment": deployment, ":target": target.as_str() };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    Ok(())
}

/// Deletes what a target was told and was to be told that is gone, a few at a time.
pub fn delete_of(tx: &Tx<'_>, target: &TargetId) -> Result<(), Error> {
    const SQL: &str = "
        DELETE FROM notices
         WHERE sequence IN (SELECT sequence FROM notices WHERE target_id = :target ORDER BY sequence LIMIT :rows)";
    let params = named_params! { ":target": target.as_str(), ":rows": ROWS };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    bring_up(tx, target)
}

/// Makes one notice of a target that is gone due, so that the outbox comes by and finds it gone.
pub fn bring_up(tx: &Tx<'_>, target: &TargetId) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE notices
           SET state = 'waiting', next_at_ms = 0
         WHERE sequence = (SELECT max(sequence) FROM notices WHERE target_id = :target)";
    if tx.conn().prepare_cached(SQL)?.execute(named_params! { ":target": target.as_str() })? > 0 {
        tx.touch_notices();
    }
    Ok(())
}

/// Lets a notice that has ended be delivered once more, under the same id; false where it waits anyway.
pub fn redeliver(tx: &Tx<'_>, id: &NoticeId, now: Timestamp) -> Result<bool, Error> {
    const SQL: &str = "
        UPDATE notices
           SET state = 'waiting', since_ms = :now, tries = 0,
               next_at_ms = iif(EXISTS (SELECT 1
                                          FROM notices AS other
                                         WHERE other.deployment_id = notices.deployment_id
                                           AND other.target_id = notices.target_id
                                           AND other.state = 'waiting'), NULL, :now)
         WHERE id = :id
           AND state <> 'waiting'";
    let params = named_params! { ":id": id.as_str(), ":now": now.as_millis() };
    let changed = tx.conn().prepare_cached(SQL)?.execute(params)? == 1;
    if changed {
        tx.touch_notices();
    }
    Ok(changed)
}
