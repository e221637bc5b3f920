//! The table: what is measured, against which goal. The goals are those of the product's own contract.

mod calls;
mod crowds;
mod disk;
mod history;
mod notices;
mod runs;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::driver::{Load, Outcome};
use crate::stage::{Data, Target};
use crate::table::{Goal, Table};

/// What is measured, and what was found.
pub struct Rows {
    data: Data,
    folder: PathBuf,
    is_quick: bool,
    only: Vec<String>,
    found: Table,
}

impl Rows {
    pub fn new(is_quick: bool, only: Vec<String>, processor: usize) -> Result<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
        Ok(Self { data: Data::make(&folder, processor)?, folder, is_quick, only, found: Table::default() })
    }

    pub fn found(&self) -> &Table {
        &self.found
    }

    pub fn measure(&mut self, rounds: usize) -> Result<()> {
        for round in 1..=rounds {
            println!("round {round} of {rounds}");
            self.accepts()?;
            self.refusals()?;
            self.polls()?;
            self.deployments()?;
            if !self.is_quick {
                self.webhook()?;
                self.paced()?;
                self.flood()?;
                self.overload()?;
                self.streams()?;
                self.accepts_with_history()?;
                self.one_post()?;
                self.long_log()?;
                self.backup()?;
                self.no_disk()?;
                self.stalled_disk()?;
                self.retention()?;
                self.accepts_with_notices()?;
            }
            self.starts()?;
            self.idle()?;
            self.pages()?;
        }
        self.sizes()
    }

    fn is_wanted(&self, ids: &[&str]) -> bool {
        self.only.is_empty() || ids.iter().any(|id| self.only.iter().any(|own| own == id))
    }

    fn note(&mut self, id: &'static str, what: &str, goal: Goal, value: f64) {
        self.found.note(id, what, goal, value);
    }

    /// The rows of the big history; few where it is to be quick.
    fn many(&self) -> usize {
        if self.is_quick { 10_000 } else { 1_000_000 }
    }

    fn time(&self) -> Duration {
        if self.is_quick { Duration::from_secs(1) } else { Duration::from_secs(3) }
    }

    fn product(&self, folder: &Path) -> Result<Target> {
        Target::product(folder, &[], self.data.processor)
    }

    /// Where all answers have to be of one status: a figure of others means nothing. A quick look only says so.
    fn all(&self, what: &str, outcome: &Outcome, status: u16) -> Result<()> {
        if self.is_quick && !outcome.is_all(status) {
            println!("{what}: {:?}", outcome.statuses);
            return Ok(());
        }
        ensure!(outcome.is_all(status), "{what}: {:?}", outcome.statuses);
        Ok(())
    }

    /// Runs a closed loop; the outcome and the processor time of one request in microseconds.
    fn closed(&self, target: &Target, requests: &[Vec<u8>], connections: usize) -> Result<(Outcome, f64)> {
        self.run(target, requests, connections, None)
    }

    fn run(
        &self,
        target: &Target,
        requests: &[Vec<u8>],
        connections: usize,
        rate: Option<f64>,
    ) -> Result<(Outcome, f64)> {
        let (warm_up, time) = (Duration::from_millis(500), self.time());
        let load = Load { address: target.address, requests, connections, rate, warm_up, time };
        let before = target.cpu();
        let outcome = load.run()?;
        let share = time.as_secs_f64() / (time + warm_up).as_secs_f64();
        let cpu =
            target.cpu().saturating_sub(before).as_secs_f64() * share * 1e6 / outcome.answers.max(1) as f64;
        Ok((outcome, cpu))
    }

    fn anchor(&self, connections: usize) -> Result<(Outcome, f64)> {
        let anchor = Target::anchor(self.data.processor)?;
        let found = self.closed(&anchor, &[request(&anchor, "POST", "/bare", "")], connections)?;
        self.all("the anchor", &found.0, 202)?;
        Ok(found)
    }

    /// The calls of all hooks in turn; each tenth names a branch.
    fn calls(&self, target: &Target) -> Vec<Vec<u8>> {
        let path = |(at, hook): (usize, &String)| {
            let query = if at % 10 == 0 { "?branch=feature/x" } else { "" };
            request(target, "POST", &format!("{hook}{query}"), "")
        };
        self.data.hooks.iter().enumerate().map(path).collect()
    }
}

fn request(target: &Target, method: &str, path: &str, header: &str) -> Vec<u8> {
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{header}{length}\r\n", target.address).into_bytes()
}
