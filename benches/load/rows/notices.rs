//! Accepts while notices wait for somebody who does not answer.

use anyhow::Result;

use crate::probe;
use crate::rows::Rows;
use crate::stage::{Target, open};
use crate::table::Goal;

/// Notices that wait.
const WAITING: u32 = 10_000;
/// A webhook that is told everything and where nobody listens; the port is one that no system gives out.
const TARGET: &str = "
    INSERT INTO targets (id, kind, url, events, branches, with_lines, required_contexts, generation, created_at_ms, who_way,
                         who_name)
    VALUES ('tgt_000000000000', 'webhook', 'http://127.0.0.1:9/', ?1, '[]', 0, '[]', 1, unixepoch() * 1000, 'socket', '')";
const NOTICES: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
    INSERT INTO notices (id, target_id, event, text, at_ms, since_ms, next_at_ms)
    SELECT printf('ntc_0%019d', i), 'tgt_000000000000', 'test', 'waits', unixepoch() * 1000, unixepoch() * 1000,
           unixepoch() * 1000
      FROM n";

impl Rows {
    /// With a target that hears of each call, and one that hears of none.
    pub(super) fn accepts_with_notices(&mut self) -> Result<()> {
        if !self.is_wanted(&["N1"]) {
            return Ok(());
        }
        let mut rates = Vec::new();
        for events in ["", "[\"deployment.failed\"]", "[\"deployment.queued\"]"] {
            probe::settle()?;
            let folder = self.data.fresh(0)?;
            if !events.is_empty() {
                let core = open(folder.join("core.db"))?;
                core.execute(TARGET, [events])?;
                core.execute(NOTICES, [WAITING])?;
            }
            let flags = ["--concurrency", "1", "--allow-target", "127.0.0.1"];
            let server = Target::product(&folder, &flags, self.data.processor)?;
            self.data.block(&server)?;
            server.settle();
            let accepts = self.closed(&server, &self.calls(&server), 64)?.0;
            self.all("accepts beside notices", &accepts, 202)?;
            rates.push(accepts.per_second());
        }
        let of = |place: usize| rates[place] / rates[0];
        self.note("N1", "accepts while 10,000 notices wait / with no target", Goal::AtLeast(0.95), of(1));
        self.note("N1", "  the same where each accept is a notice too", Goal::AtLeast(0.5), of(2));
        Ok(())
    }
}
