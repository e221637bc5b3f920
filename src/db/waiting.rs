//! Limits of what waits and runs, kept true while somebody sets the wall clock and while no server runs: the moments that
//! they are counted from are moved along.

use rusqlite::named_params;

use super::facts;
use super::{Error, Reader, Tx};
use crate::domain::Timestamp;

/// The fact by which the next server knows how long none was there.
const SEEN: &str = "seen_at_ms";

/// The numbers of all that waits or runs.
const UNFINISHED: &str = "
    SELECT sequence FROM deployments INDEXED BY deployments_queued WHERE status = 'queued'
 UNION ALL
    SELECT sequence FROM deployments INDEXED BY deployments_running WHERE status IN ('building', 'deploying')";

/// Whether anything waits or runs.
pub fn is_anything_unfinished(reader: &Reader<'_>) -> Result<bool, Error> {
    let sql = format!("SELECT EXISTS ({UNFINISHED})");
    Ok(reader.conn().prepare_cached(&sql)?.query_row([], |row| row.get(0))?)
}

/// Notes that a server was there now.
pub fn note_seen(tx: &Tx<'_>, now: Timestamp) -> Result<(), Error> {
    facts::set(tx, SEEN, &now.as_millis().to_string())
}

/// The wall clock was set by so many milliseconds; what waited or ran `before`, by the clock as it was, moves with it.
pub fn move_by(tx: &Tx<'_>, millis: i64, before: Timestamp) -> Result<(), Error> {
    let sql = format!(
        "UPDATE deployments
            SET waits_since_ms = waits_since_ms + :millis, stop_at_ms = stop_at_ms + :millis
          WHERE sequence IN ({UNFINISHED})
            AND waits_since_ms <= :before"
    );
    let params = named_params! { ":millis": millis, ":before": before.as_millis() };
    tx.conn().prepare_cached(&sql)?.execute(params)?;
    Ok(())
}

/// Takes the time from when a server was last seen, or from when a call came, out of what is left of all limits.
pub fn skip_absence(tx: &Tx<'_>, now: Timestamp) -> Result<(), Error> {
    let sql = format!(
        "UPDATE deployments
            SET waits_since_ms = waits_since_ms + :now - max(:seen, waits_since_ms),
                stop_at_ms = stop_at_ms + :now - max(:seen, ifnull(started_at_ms, :seen))
          WHERE sequence IN ({UNFINISHED})"
    );
    let seen = facts::find(tx, SEEN)?.and_then(|text| text.parse::<i64>().ok());
    if let Some(seen) = seen {
        let params = named_params! { ":now": now.as_millis(), ":seen": seen };
        tx.conn().prepare_cached(&sql)?.execute(params)?;
    }
    note_seen(tx, now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::db::testing::{Bench, T0};

    fn waits_since(bench: &Bench) -> Timestamp {
        let sql = "SELECT waits_since_ms FROM deployments";
        Timestamp::from_millis(bench.tx().conn().query_row(sql, [], |row| row.get(0)).unwrap())
    }

    /// Whoever waited a minute has waited a minute, however long no server was there, and wherever the clock was put.
    #[test]
    fn time_without_a_server_counts_for_nothing() {
        let minute = Duration::from_mins(1);
        for (down, clock) in [(true, 48 * 60), (true, -48 * 60), (false, 0)] {
            let bench = Bench::core();
            bench.queued(&bench.service("api"), "main", T0);
            let seen = T0.plus(minute);
            note_seen(&bench.tx(), seen).unwrap();
            let now = Timestamp::from_millis(seen.as_millis() + clock * 60_000);

            if down {
                skip_absence(&bench.tx(), now).unwrap();
            }

            assert_eq!(now.as_millis() - waits_since(&bench).as_millis(), 60_000, "{clock}");
        }
    }

    #[test]
    fn what_came_after_the_server_was_last_seen_has_not_waited_before_it_came() {
        let bench = Bench::core();
        note_seen(&bench.tx(), Timestamp::from_millis(T0.as_millis() - 7 * 86_400_000)).unwrap();
        bench.queued(&bench.service("api"), "main", T0);

        skip_absence(&bench.tx(), T0.plus(Duration::from_hours(3))).unwrap();

        assert_eq!(waits_since(&bench), T0.plus(Duration::from_hours(3)));
    }
}
