//! What follows from a try: the notice ends or is tried again, and a target where nothing arrives is switched off.

use std::time::Duration;

use crate::db::audit::{self, Actor, Record};
use crate::db::{Error, Tx, deployments, notices, targets};
use crate::domain::{Act, Event, Notice, NoticeState, Subject, Target, TargetId, Timestamp, Try, Who};
use crate::notify::{Delivery, Outcome};

/// Pauses before a notice is tried again: after the first try, the second, and so on; the last one for all later ones.
const BACK_OFF: [Duration; 8] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_mins(30),
    Duration::from_hours(1),
    Duration::from_hours(3),
    Duration::from_hours(6),
];
/// A notice is given up after this, and a target is switched off where nothing arrived for so long.
const PATIENCE: Duration = Duration::from_hours(3 * 24);
/// So often a notice was tried at least before it is given up.
const TRIES: u32 = 5;

/// Records what became of a try.
pub(super) fn settle(
    tx: &Tx<'_>,
    id: &TargetId,
    notice: &Notice,
    delivery: &Delivery,
    last: &Try,
) -> Result<(), Error> {
    let Some(target) = targets::find(tx, id)? else { return notices::delete_of(tx, id) };
    let remote = delivery.remote.as_deref();
    let end = |state| notices::end(tx, id, notice, state, Some(last), remote);
    let is_test = notice.event == Event::Test;
    // Somebody was quicker, with another notice or by hand.
    let is_off = target.off.is_some();
    match delivery.outcome {
        Outcome::Delivered => {
            end(NoticeState::Delivered)?;
            // A test says nothing about whether notices arrive.
            if is_test { Ok(()) } else { arrived(tx, target, last.at) }
        }
        Outcome::NotYet => hold(tx, id, notice, last.at),
        Outcome::Needless => notices::end(tx, id, notice, NoticeState::Needless, None, remote),
        Outcome::Again(after) if !is_test && !is_off && !is_overdue(notice, last.at) => {
            let next_at = last.at.plus(pause(notice.tries, after));
            notices::postpone(tx, notice, Some(next_at), Some(last), remote)?;
            failed(tx, target, last.at).map(drop)
        }
        outcome => {
            end(NoticeState::GivenUp)?;
            if is_test || is_off { Ok(()) } else { given_up(tx, target, notice, outcome, last) }
        }
    }
}

/// Whether a notice was tried for long enough: time in which nobody tried does not count by itself.
fn is_overdue(notice: &Notice, now: Timestamp) -> bool {
    now >= notice.since.plus(PATIENCE) && notice.tries + 1 >= TRIES
}

fn arrived(tx: &Tx<'_>, mut target: Target, now: Timestamp) -> Result<(), Error> {
    (target.delivered_at, target.failing_since) = (Some(now), None);
    targets::update(tx, &target).map(drop)
}

/// Notes since when nothing arrives; that moment.
fn failed(tx: &Tx<'_>, mut target: Target, now: Timestamp) -> Result<(Target, Timestamp), Error> {
    let since = *target.failing_since.get_or_insert(now);
    targets::update(tx, &target)?;
    Ok((target, since))
}

/// Switches a target off that wants nothing any more, or where nothing has arrived for too long. What is wrong with one
/// notice alone says nothing of the target.
fn given_up(tx: &Tx<'_>, target: Target, notice: &Notice, outcome: Outcome, last: &Try) -> Result<(), Error> {
    let (target, since) = failed(tx, target, last.at)?;
    let why = || format!("nothing has arrived there since {since}; the last answer: {}", last.answer);
    let is_refused_as_such = matches!(last.status, Some(401 | 403 | 404));
    match outcome {
        Outcome::Gone => {
            switch_off(tx, target, "it answered 410 Gone, so it wants nothing any more", last.at)
        }
        Outcome::Again(_) if target.delivered_at.is_none_or(|at| at < notice.since) => {
            switch_off(tx, target, &why(), last.at)
        }
        Outcome::Refused if is_refused_as_such && last.at >= since.plus(PATIENCE) => {
            switch_off(tx, target, &why(), last.at)
        }
        _ => Ok(()),
    }
}

/// The pause behind a try that was not the first: as the table has it, or longer where the target asks for that.
fn pause(tries_before: u32, after: Option<Duration>) -> Duration {
    let place = usize::try_from(tries_before).unwrap_or(usize::MAX).min(BACK_OFF.len() - 1);
    BACK_OFF[place].max(after.unwrap_or_default()).min(BACK_OFF[BACK_OFF.len() - 1])
}

/// Lets a notice wait until the commit of its deployment is known, which may have happened since it was asked; where none
/// will be, there is nothing to tell.
fn hold(tx: &Tx<'_>, target: &TargetId, notice: &Notice, now: Timestamp) -> Result<(), Error> {
    let found = notice.deployment.as_ref().map(|id| deployments::find(tx, id)).transpose()?.flatten();
    let is_known = found.as_ref().is_some_and(|deployment| deployment.commit.is_some());
    if !is_known && found.is_none_or(|deployment| deployment.status.is_final()) {
        return notices::end(tx, target, notice, NoticeState::Needless, None, None);
    }
    notices::postpone(tx, notice, is_known.then_some(now), None, None)
}

/// Switches a target off, says so in the audit and to the others, and gives up what waits for it.
fn switch_off(tx: &Tx<'_>, mut target: Target, why: &str, now: Timestamp) -> Result<(), Error> {
    target.off = Some((now, why.to_owned()));
    targets::update(tx, &target)?;
    let actor = Actor { who: Who::Server, address: "server".to_owned() };
    let record = Record::new(Act::TargetDisable, Subject::Target(target.described())).with(why);
    audit::record(tx, &actor, &record, now)?;
    let text = format!("the target {} was switched off: {why}", target.described());
    notices::target_disabled(tx, &target, &text, now)?;
    tracing::warn!(target.id = %target.id, why, "a target of notices was switched off");
    notices::give_up_all(tx, &target.id, &target.why_off().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_six_hours_and_a_target_may_ask_for_longer_ones() {
        let pauses: Vec<_> = (0..10).map(|tries| pause(tries, None).as_secs()).collect();
        assert_eq!(pauses, [5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 21_600, 21_600]);

        assert_eq!(pause(0, Some(Duration::from_mins(7))), Duration::from_mins(7));
        assert_eq!(pause(3, Some(Duration::from_secs(1))), Duration::from_mins(10));
        assert_eq!(pause(0, Some(Duration::from_hours(100))), Duration::from_hours(6));
    }
}
