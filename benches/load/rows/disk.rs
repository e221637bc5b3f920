//! What the disk decides: no disk at all, one that stalls, and one that old rows are deleted from.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::driver::Load;
use crate::probe;
use crate::rows::{Rows, request};
use crate::stage::{Target, open};
use crate::table::Goal;

/// How long the disk stalls with each sync.
const STALL: Duration = Duration::from_millis(500);
/// Of a history that grows by a row each half minute, a seventh is older: less than what waits for the clock to be believed.
const KEPT: &str = "300d";

impl Rows {
    /// Calls at a rate, in memory.
    pub(super) fn no_disk(&mut self) -> Result<()> {
        const MEMORY: &str = "/dev/shm";
        if !self.is_wanted(&["P7"]) {
            return Ok(());
        }
        probe::settle()?;
        let folder = self.data.fresh_in(Path::new(MEMORY), 0)?;
        let server = Target::product(&folder, &["--concurrency", "1"], self.data.processor)?;
        self.data.block(&server)?;
        server.settle();
        let calls = self.calls(&server);
        for (rate, id, goal) in [(5_000.0, "", 0.0), (10_000.0, "P7", 1.0)] {
            let outcome = self.run(&server, &calls, 256, Some(rate))?.0;
            self.all("accepts in memory", &outcome, 202)?;
            let what = format!("{rate} calls a second without a disk: p99, ms");
            let goal = if id.is_empty() { Goal::AtLeast(goal) } else { Goal::AtMost(goal) };
            self.note(id, &what, goal, outcome.latency(0.99) / 1e3);
        }
        drop(server);
        Ok(std::fs::remove_dir_all(folder)?)
    }

    /// What needs no disk, while calls wait for one that stalls.
    pub(super) fn stalled_disk(&mut self) -> Result<()> {
        if !self.is_wanted(&["P18"]) {
            return Ok(());
        }
        probe::settle()?;
        let Some(server) = Target::stalled(&self.data.fresh(0)?, STALL, self.data.processor)? else {
            println!("no stalled disk: strace is not installed");
            return Ok(());
        };
        self.data.block(&server)?;
        server.settle();
        let (calls, forged) = (self.calls(&server), self.forged_calls(&server)?);
        let recent = [request(&server, "GET", &format!("/deployments/{}", self.newest()?), "")];
        let health = [request(&server, "GET", "/healthz", "")];
        for (what, requests, status) in [
            ("refusals beside a disk that stalls: p99, ms", &forged[..], 401),
            ("/healthz beside a disk that stalls: p99, ms", &health, 200),
            ("status beside a disk that stalls: p99, ms", &recent, 200),
        ] {
            let (warm_up, time) = (Duration::from_millis(500), self.time());
            let beside = Load {
                address: server.address,
                requests: &calls,
                connections: 64,
                rate: None,
                warm_up,
                time,
            };
            let (outcome, accepted) = std::thread::scope(|scope| {
                let accepts = scope.spawn(|| beside.run());
                (self.run(&server, requests, 16, Some(500.0)), accepts.join())
            });
            let outcome = outcome?.0;
            self.all(what, &outcome, status)?;
            self.all("accepts", &accepted.map_err(|_| anyhow!("the accepts panicked"))??, 202)?;
            self.note("P18", what, Goal::AtMost(2.0), outcome.latency(0.99) / 1e3);
        }
        Ok(())
    }

    /// The id of the newest deployment of the data directory in use.
    fn newest(&self) -> Result<String> {
        let core = open(self.folder.join("run/core.db"))?;
        Ok(core
            .query_row("SELECT id FROM deployments ORDER BY sequence DESC LIMIT 1", [], |row| row.get(0))?)
    }

    /// Old deployments go while calls come.
    pub(super) fn retention(&mut self) -> Result<()> {
        if !self.is_wanted(&["P24"]) {
            return Ok(());
        }
        probe::settle()?;
        let folder = self.data.fresh(self.many())?;
        let core = open(folder.join("core.db"))?;
        let rows = || core.query_row("SELECT count(*) FROM deployments", [], |row| row.get::<_, f64>(0));
        let flags = ["--concurrency", "1", "--keep-deployments", KEPT];
        let before = rows()?;
        let server = Target::product(&folder, &flags, self.data.processor)?;
        let began = Instant::now();
        self.data.block(&server)?;
        let beside = self.run(&server, &self.calls(&server), 16, Some(100.0))?.0;
        self.all("accepts beside the sweep", &beside, 202)?;
        let (passed, left) = (began.elapsed().as_secs_f64(), rows()?);
        let gone = (before + 100.0 * passed - left) / passed;
        self.note(
            "P24",
            "old deployments deleted a second, beside 100 accepts",
            Goal::AtLeast(10_000.0),
            gone,
        );
        let p99 = beside.latency(0.99) / 1e3;
        self.note("P24", "100 accepts a second beside that: p99, ms", Goal::AtMost(10.0), p99);
        Ok(())
    }
}
