//! Refusals and replays of genuine hooks, for the hook's page. Accepted calls are read from the deployments.

use rusqlite::{OptionalExtension, named_params};

use super::hooks::accepted;
use super::sql_types::text;
use super::{Error, Reader, Tx};
use crate::domain::{HookId, ServiceId, Timestamp};

/// A call as the hook's page and the API show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When.
    pub at: Timestamp,
    /// `accepted`, `replayed`, or the code of the refusal.
    pub result: String,
    /// The deployment's id, or why it was refused.
    pub detail: String,
    /// Who called.
    pub caller: String,
    /// How often in that second.
    pub count: i64,
}

/// Counts a call; at most one row a hook, result and second, and none for a hook that is not there any more.
pub fn count(
    tx: &Tx<'_>,
    hook: &HookId,
    result: &str,
    detail: &str,
    caller: &str,
    times: i64,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "
        INSERT INTO hook_calls (hook_id, second, result, detail, caller, count)
        SELECT :hook_id, :second, :result, :detail, :caller, :count
         WHERE EXISTS (SELECT 1 FROM hooks WHERE id = :hook_id AND revoked_at_ms IS NULL)
            ON CONFLICT (hook_id, second, result) DO UPDATE SET count = count + excluded.count";
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":hook_id": hook.as_str(),
        ":second": now.as_seconds(),
        ":result": result,
        ":detail": detail,
        ":caller": caller,
        ":count": times,
    })?;
    Ok(())
}

/// The last calls of a hook, newest first: accepted ones and those of this table.
pub fn last(reader: &Reader<'_>, hook: &HookId, limit: u32) -> Result<Vec<Call>, Error> {
    let sql = format!(
        "SELECT at_ms, result, detail, caller, count
           FROM (SELECT * FROM (SELECT second * 1000 AS at_ms, result, detail, caller, count
                                  FROM hook_calls
                                 WHERE hook_id = :hook_id
                                 ORDER BY second DESC
                                 LIMIT :limit)
              UNION ALL
                 SELECT created_at_ms, 'accepted', id, who_name, 1
                   FROM deployments
                  WHERE sequence IN ({}))
          ORDER BY at_ms DESC
          LIMIT :limit",
        accepted("sequence")
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let rows = statement.query_map(named_params! { ":hook_id": hook.as_str(), ":limit": limit }, |row| {
        Ok(Call {
            at: Timestamp::from_millis(row.get(0)?),
            result: row.get(1)?,
            detail: row.get(2)?,
            caller: row.get(3)?,
            count: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When a call of the hook was last accepted without a deployment of its own: it was a repetition, or joined one that
/// was queued.
pub fn last_joined(reader: &Reader<'_>, hook: &HookId) -> Result<Option<Timestamp>, Error> {
    const SQL: &str = "
        SELECT max(second) * 1000
          FROM hook_calls
         WHERE hook_id = :hook_id
           AND result IN ('replayed', 'coalesced')";
    let at: Option<i64> = reader
        .conn()
        .prepare_cached(SQL)?
        .query_row(named_params! { ":hook_id": hook.as_str() }, |row| row.get(0))?;
    Ok(at.map(Timestamp::from_millis))
}

/// A call of one of a service's hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCall {
    /// The hook's name.
    pub hook: String,
    /// The branch that was asked for, where a deployment knows it.
    pub branch: Option<String>,
    pub call: Call,
}

/// The last calls of all hooks of a service, newest first.
pub fn last_of_service(
    reader: &Reader<'_>,
    service: &ServiceId,
    limit: u32,
) -> Result<Vec<ServiceCall>, Error> {
    const HOOKS: &str = "SELECT id, name FROM hooks WHERE service_id = :service_id";
    const BRANCH: &str = "SELECT branch FROM deployments WHERE id = :id";
    let mut statement = reader.conn().prepare_cached(HOOKS)?;
    let hooks = statement.query_map(named_params! { ":service_id": service.as_str() }, |row| {
        Ok((text(row, "hooks", "id", HookId::parse)?, row.get::<_, String>(1)?))
    })?;
    let mut calls = Vec::new();
    for hook in hooks {
        let (id, name) = hook?;
        calls.extend(last(reader, &id, limit)?.into_iter().map(|call| (name.clone(), call)));
    }
    calls.sort_by_key(|(_, call)| std::cmp::Reverse(call.at));
    calls.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let mut statement = reader.conn().prepare_cached(BRANCH)?;
    let mut with_branch = |(hook, call): (String, Call)| {
        let branch =
            statement.query_row(named_params! { ":id": call.detail }, |row| row.get(0)).optional()?;
        Ok(ServiceCall { hook, branch, call })
    };
    calls.into_iter().map(&mut with_branch).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::db::queue;
    use crate::db::testing::{Bench, NO_LIMIT, T0, new};
    use crate::domain::{QueuePolicy, Trigger};

    #[test]
    fn equal_calls_of_a_second_are_one_row_with_their_number() {
        let bench = Bench::core();
        let (hook, _) = bench.hook(&bench.service("api"), "ci");
        for (result, after) in
            [("over_budget", 0), ("over_budget", 999), ("hook_paused", 0), ("over_budget", 1_000)]
        {
            let at = T0.plus(Duration::from_millis(after));
            count(&bench.tx(), &hook.id, result, "detail", "curl", 2, at).unwrap();
        }

        let calls = last(&bench.tx(), &hook.id, 50).unwrap();

        let mut counts: Vec<_> = calls.iter().map(|call| (call.result.as_str(), call.count)).collect();
        assert_eq!(counts.remove(0), ("over_budget", 2), "the newest first");
        counts.sort_unstable();
        assert_eq!(counts, [("hook_paused", 2), ("over_budget", 4)]);
    }

    #[test]
    fn accepted_calls_are_read_from_the_deployments() {
        let bench = Bench::core();
        let service = bench.service("api");
        let ((hook, _), (other, _)) = (bench.hook(&service, "ci"), bench.hook(&service, "other"));
        for own in [&hook, &other] {
            let mut call = new(&service, "main");
            call.trigger = Trigger::Hook(own.id.clone());
            let at = T0.plus(Duration::from_secs(1));
            queue::enqueue(&bench.tx(), &call, QueuePolicy::Every, NO_LIMIT, at).unwrap();
        }
        count(&bench.tx(), &hook.id, "replayed", "", "curl", 1, T0).unwrap();

        let results: Vec<_> =
            last(&bench.tx(), &hook.id, 50).unwrap().into_iter().map(|call| call.result).collect();

        assert_eq!(results, ["accepted", "replayed"]);
        assert_eq!(last(&bench.tx(), &hook.id, 1).unwrap().len(), 1);
        assert_eq!(
            last_joined(&bench.tx(), &hook.id).unwrap().map(Timestamp::as_seconds),
            Some(T0.as_seconds())
        );
        assert_eq!(last_joined(&bench.tx(), &other.id).unwrap(), None);
    }

    #[test]
    fn the_calls_of_a_service_are_those_of_all_its_hooks() {
        let bench = Bench::core();
        let (service, foreign) = (bench.service("api"), bench.service("other"));
        let ((hook, _), (second, _)) = (bench.hook(&service, "ci"), bench.hook(&service, "cd"));
        let (stranger, _) = bench.hook(&foreign, "ci");
        let mut call = new(&service, "main");
        call.trigger = Trigger::Hook(hook.id.clone());
        queue::enqueue(&bench.tx(), &call, QueuePolicy::Every, NO_LIMIT, T0).unwrap();
        for (own, after) in [(&second, 1), (&stranger, 2)] {
            let at = T0.plus(Duration::from_secs(after));
            count(&bench.tx(), &own.id, "hook_paused", "holidays", "curl", 3, at).unwrap();
        }

        let calls = last_of_service(&bench.tx(), &service.id, 50).unwrap();

        let told = |call: &ServiceCall| (call.hook.clone(), call.branch.clone(), call.call.result.clone());
        assert_eq!(
            calls.iter().map(told).collect::<Vec<_>>(),
            [
                ("cd".to_owned(), None, "hook_paused".to_owned()),
                ("ci".to_owned(), Some("main".to_owned()), "accepted".to_owned())
            ]
        );
        assert_eq!(last_of_service(&bench.tx(), &service.id, 1).unwrap().len(), 1);
    }
}
