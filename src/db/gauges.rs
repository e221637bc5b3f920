//! What waits and runs at this moment, for whoever watches the server.

use super::{Error, Reader};
use crate::domain::{ExecutorKind, Timestamp};

/// What waits and runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Deployments that are queued.
    pub queued: i64,
    /// Since when the oldest of them waits; time in which no server ran does not count.
    pub waits_since: Option<Timestamp>,
    /// Deployments whose steps run.
    pub executing: i64,
    /// Deployments whose run has ended well and that are watched before they count.
    pub settling: i64,
}

/// Counts. The queue is read from its index alone, and is as long as its limits allow.
pub fn gauges(reader: &Reader<'_>) -> Result<Gauges, Error> {
    const QUEUED: &str = "
        SELECT count(*), min(waits_since_ms)
          FROM deployments INDEXED BY deployments_waiting
         WHERE status = 'queued'
           AND executor = ?1";
    const RUNNING: &str = "
        SELECT count(*), ifnull(sum(is_settling), 0)
          FROM deployments INDEXED BY deployments_running
         WHERE status IN ('building', 'deploying')";
    let (running, settling): (i64, i64) =
        reader.conn().prepare_cached(RUNNING)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut gauges = Gauges { executing: running - settling, settling, ..Gauges::default() };
    let mut statement = reader.conn().prepare_cached(QUEUED)?;
    for kind in ExecutorKind::ALL {
        let (queued, since): (i64, Option<i64>) =
            statement.query_row([kind.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        gauges.queued += queued;
        gauges.waits_since = gauges.waits_since.into_iter().chain(since.map(Timestamp::from_millis)).min();
    }
    Ok(gauges)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::db::runs;
    use crate::db::testing::{Bench, T0};

    #[test]
    fn what_waits_runs_and_settles_is_counted_apart() {
        let bench = Bench::core();
        let (early, late) = (T0, T0.plus(Duration::from_secs(5)));
        assert_eq!(gauges(&bench.tx()).unwrap(), Gauges::default());
        for name in ["one", "two", "three"] {
            let service = bench.service(name);
            bench.queued(&service, "main", early);
            bench.queued(&service, "next", late);
        }
        bench.claim(late).unwrap();
        let settling = bench.claim(late).unwrap();
        crate::db::deployments::begin_deploying(&bench.tx(), &settling.id).unwrap();
        runs::set_settling(&bench.tx(), &settling.id, late).unwrap();

        let before = gauges(&bench.tx()).unwrap();
        bench.claim(late).unwrap();
        let after = gauges(&bench.tx()).unwrap();

        assert_eq!(before, Gauges { queued: 4, waits_since: Some(early), executing: 1, settling: 1 });
        assert_eq!(after, Gauges { queued: 3, waits_since: Some(late), executing: 2, settling: 1 });
    }
}
