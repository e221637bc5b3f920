//! How hooks are used: read from the deployments that they brought about.

use rusqlite::{OptionalExtension, named_params};

use crate::db::sql_types::{queued, time};
use crate::db::{Error, Reader};
use crate::domain::{Hook, Timestamp};

/// Accepted calls are counted up to this.
pub const COUNTED: u32 = 1_000;

/// How a hook is used, read from the deployments that it brought about.
#[derive(Debug, Default)]
pub struct Usage {
    /// The last accepted call: when, from where, and the deployment's id.
    pub last: Option<(Timestamp, String, String)>,
    /// Accepted calls since a moment, among the last [`COUNTED`]; the same of the others.
    pub calls: i64,
    /// Accepted calls with the previous secret since the last rotation.
    pub calls_with_previous: i64,
    /// Accepted calls with the present secret.
    pub calls_with_current: i64,
    /// Whether the last accepted call was made with a secret that is replaced.
    pub last_was_previous: bool,
}

impl Usage {
    /// One of the counts in words.
    pub fn counted(&self, count: i64) -> String {
        if count < i64::from(COUNTED) { count.to_string() } else { format!("{COUNTED} or more") }
    }
}

/// Reads a hook's usage; `since` bounds the count of calls.
pub fn usage(reader: &Reader<'_>, hook: &Hook, since: Timestamp) -> Result<Usage, Error> {
    const LAST: &str = "
        SELECT created_at_ms, who_name, id, hook_generation < :generation AS was_previous
          FROM deployments
         WHERE sequence = :sequence";
    let calls = format!(
        "SELECT max(sequence), count(*) FILTER (WHERE created_at_ms >= :since),
                count(*) FILTER (WHERE created_at_ms >= :since AND hook_generation < :generation
                                   AND created_at_ms >= :rotated_at),
                count(*) FILTER (WHERE created_at_ms >= :since AND hook_generation = :generation)
           FROM ({})",
        accepted("sequence, created_at_ms, hook_generation")
    );
    let id = hook.id.as_str();
    let params = named_params! {
        ":hook_id": id,
        ":since": since.as_millis(),
        ":generation": hook.generation,
        ":rotated_at": hook.rotated_at.map(Timestamp::as_millis),
        ":limit": COUNTED,
    };
    let (newest, calls, calls_with_previous, calls_with_current): (Option<i64>, _, _, _) = reader
        .conn()
        .prepare_cached(&calls)?
        .query_row(params, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let found = reader
        .conn()
        .prepare_cached(LAST)?
        .query_row(named_params! { ":sequence": newest, ":generation": hook.generation }, |row| {
            let was_previous: Option<bool> = row.get("was_previous")?;
            Ok(((time(row, "created_at_ms")?, row.get(1)?, row.get(2)?), was_previous.unwrap_or(false)))
        })
        .optional()?;
    let (last, last_was_previous) = found.map_or((None, false), |(last, was)| (Some(last), was));
    Ok(Usage { last, calls, calls_with_previous, calls_with_current, last_was_previous })
}

/// The statement that gives the last `:limit` calls of `:hook_id` that were accepted, newest first: those that have begun or
/// ended by their index, the queued ones from the queue of the hook's service.
pub(in crate::db) fn accepted(columns: &str) -> String {
    format!(
        "SELECT {columns} FROM deployments WHERE status <> 'queued' AND hook_id = :hook_id
      UNION ALL
         SELECT {columns} FROM deployments
          WHERE service_id = (SELECT service_id FROM hooks WHERE id = :hook_id) AND {} AND hook_id = :hook_id
          ORDER BY sequence DESC
          LIMIT :limit",
        queued()
    )
}
