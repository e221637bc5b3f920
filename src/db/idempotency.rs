//! First answers by Idempotency-Key, in the transaction of their deployment.

use std::time::Duration;

use rusqlite::{OptionalExtension, named_params};

use super::{Error, Reader, Tx};
use crate::domain::{DeploymentId, HookId, Timestamp};

/// How long a key is kept.
pub const KEPT: Duration = Duration::from_hours(24);

/// A first answer.
#[derive(Debug)]
pub struct Answer {
    /// The parameters of the call as they were sent.
    pub parameters: String,
    /// The body, byte for byte.
    pub body: String,
    /// The deployment that it names.
    pub deployment_id: String,
}

/// The answer that was first given to this key, if it is still kept.
pub fn find(reader: &Reader<'_>, hook: &HookId, key: &str, now: Timestamp) -> Result<Option<Answer>, Error> {
    const SQL: &str = "
        SELECT parameters, body, deployment_id
          FROM idempotency_keys
         WHERE hook_id = :hook_id
           AND key = :key
           AND created_at_ms > :oldest";
    let params = named_params! {
        ":hook_id": hook.as_str(),
        ":key": key,
        ":oldest": now.minus(KEPT).as_millis(),
    };
    let answer = reader.conn().prepare_cached(SQL)?.query_row(params, |row| {
        Ok(Answer { parameters: row.get(0)?, body: row.get(1)?, deployment_id: row.get(2)? })
    });
    Ok(answer.optional()?)
}

/// Keeps an answer; one that is no longer kept gives way.
pub fn insert(
    tx: &Tx<'_>,
    hook: &HookId,
    key: &str,
    parameters: &str,
    id: &DeploymentId,
    body: &str,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "
        INSERT OR REPLACE INTO idempotency_keys (hook_id, key, parameters, deployment_id, body, created_at_ms)
        VALUES (:hook_id, :key, :parameters, :deployment_id, :body, :now)";
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":hook_id": hook.as_str(),
        ":key": key,
        ":parameters": parameters,
        ":deployment_id": id.as_str(),
        ":body": body,
        ":now": now.as_millis(),
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::{Bench, T0};
    use crate::domain::Hook;

    fn kept() -> (Bench, Hook, Hook, DeploymentId) {
        let bench = Bench::core();
        let service = bench.service("api");
        let ((hook, _), (other, _)) = (bench.hook(&service, "ci"), bench.hook(&service, "other"));
        let id = bench.queued(&service, "main", T0);
        insert(&bench.tx(), &hook.id, "run-1", "branch=main", &id, "{\"a\": 1}", T0).unwrap();
        (bench, hook, other, id)
    }

    #[test]
    fn an_answer_is_found_byte_for_byte() {
        let (bench, hook, _, id) = kept();

        let answer = find(&bench.tx(), &hook.id, "run-1", T0).unwrap().unwrap();

        assert_eq!((answer.parameters.as_str(), answer.body.as_str()), ("branch=main", "{\"a\": 1}"));
        assert_eq!(answer.deployment_id, id.as_str());
    }

    #[test]
    fn a_key_belongs_to_its_hook_and_is_compared_byte_by_byte() {
        let (bench, hook, other, _) = kept();

        assert!(find(&bench.tx(), &other.id, "run-1", T0).unwrap().is_none());
        assert!(find(&bench.tx(), &hook.id, "RUN-1", T0).unwrap().is_none());
    }

    #[test]
    fn a_key_is_kept_for_a_day_to_the_millisecond() {
        let (bench, hook, ..) = kept();
        let last = T0.plus(KEPT).minus(Duration::from_millis(1));

        assert!(find(&bench.tx(), &hook.id, "run-1", last).unwrap().is_some());
        assert!(find(&bench.tx(), &hook.id, "run-1", T0.plus(KEPT)).unwrap().is_none());
    }

    #[test]
    fn a_key_that_is_no_longer_kept_gives_way() {
        let (bench, hook, _, id) = kept();
        let later = T0.plus(KEPT);

        insert(&bench.tx(), &hook.id, "run-1", "branch=dev", &id, "{}", later).unwrap();

        assert_eq!(find(&bench.tx(), &hook.id, "run-1", later).unwrap().unwrap().parameters, "branch=dev");
    }
}
