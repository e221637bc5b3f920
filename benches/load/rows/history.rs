//! What may not cost more with history: accepts, starts, rest, pages, backups; and sizes.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::probe;
use crate::rows::{Rows, request};
use crate::stage::{open, program};
use crate::table::Goal;

impl Rows {
    pub(super) fn accepts_with_history(&mut self) -> Result<()> {
        if !self.is_wanted(&["P10"]) {
            return Ok(());
        }
        let mut rates = Vec::new();
        for rows in [0, self.many()] {
            probe::settle()?;
            let server = self.data.busy(rows)?;
            rates.push(self.closed(&server, &self.calls(&server), 64)?.0.per_second());
        }
        self.note("P10", "accepts with 1 M rows / without", Goal::AtLeast(0.95), rates[1] / rates[0]);
        Ok(())
    }

    /// One POST to the service that has a third of the history, by each policy, beside the same without history.
    pub(super) fn one_post(&mut self) -> Result<()> {
        if !self.is_wanted(&["P10"]) {
            return Ok(());
        }
        let many = self.many();
        for policy in ["coalesce", "latest", "every"] {
            let mut medians = Vec::new();
            for rows in [0, many] {
                let folder = self.data.fresh(rows)?;
                let core = open(folder.join("core.db"))?;
                core.execute("UPDATE services SET queue_policy = ?1", [policy])?;
                drop(core);
                let server = self.product(&folder)?;
                let hook = self.first_hook();
                let request = [request(&server, "POST", &hook, "")];
                medians.push(self.closed(&server, &request, 1)?.0.latency(0.5));
            }
            let what = format!("a POST to a service with {} deployments, {policy} / with none", many / 3);
            self.note("P10", &what, Goal::AtMost(1.1), medians[1] / medians[0]);
        }
        Ok(())
    }

    /// The hook of which history has most.
    fn first_hook(&self) -> String {
        self.data.hooks[0].clone()
    }

    pub(super) fn starts(&mut self) -> Result<()> {
        if !self.is_wanted(&["P13"]) {
            return Ok(());
        }
        let many = self.many();
        let folder = self.data.fresh(many)?;
        let first = self.product(&folder)?.ready_after;
        let again = self.product(&folder)?.ready_after.min(first);
        self.note(
            "P13",
            "ms from start to answer, much history",
            Goal::AtMost(10.0),
            again.as_secs_f64() * 1e3,
        );
        let new = self.folder.join("new");
        drop(std::fs::remove_dir_all(&new));
        let made = self.product(&new)?.ready_after;
        self.note("P13", "ms from start to answer, new folder", Goal::AtMost(15.0), made.as_secs_f64() * 1e3);
        Ok(())
    }

    pub(super) fn idle(&mut self) -> Result<()> {
        if !self.is_wanted(&["P11", "P21"]) {
            return Ok(());
        }
        let many = self.many();
        for (rows, memory, processor) in [(0, 13.0, 0.3), (many, 18.0, 0.5)] {
            let server = self.product(&self.data.fresh(rows)?)?;
            std::thread::sleep(Duration::from_secs(2));
            let (before, began) = (server.cpu(), Instant::now());
            let what = if rows == 0 { "no history" } else { "much history" };
            self.note("P11", &format!("MB at rest, {what}"), Goal::AtMost(memory), server.memory());
            if !self.is_quick {
                std::thread::sleep(Duration::from_secs(20));
                let spent =
                    server.cpu().saturating_sub(before).as_secs_f64() * 1e3 / began.elapsed().as_secs_f64();
                self.note(
                    "P21",
                    &format!("ms of processor a second at rest, {what}"),
                    Goal::AtMost(processor),
                    spent,
                );
            }
            if rows == 0 {
                let requests = [request(&server, "GET", "/healthz", "")];
                drop(self.closed(&server, &requests, 256)?);
                self.note("P11", "MB after 256 connections", Goal::AtMost(24.0), server.memory());
            }
        }
        Ok(())
    }

    /// Pages and lists with much history beside the same with little.
    pub(super) fn pages(&mut self) -> Result<()> {
        if !self.is_wanted(&["P9"]) {
            return Ok(());
        }
        let many = self.many();
        let middle = format!("dep_0{:019}", many / 2);
        let pages = [
            "/services".to_owned(),
            "/services/service-000".to_owned(),
            "/services/service-000?q=nothing-like-it".to_owned(),
            "/services/service-000?status=failed".to_owned(),
            format!("/services/service-000?before={middle}"),
            "/services/service-000/settings/deploy-hooks".to_owned(),
            format!("/deploys/{middle}"),
            "/audit".to_owned(),
            "/tokens".to_owned(),
        ];
        let mut worst: (f64, f64) = (0.0, 0.0);
        let header = format!("{}\r\n", self.data.cookie);
        let mut figures = Vec::new();
        for rows in [1_000, many] {
            let server = self.product(&self.data.fresh(rows)?)?;
            std::thread::sleep(Duration::from_secs(1));
            for page in &pages {
                let page = page.replace(&middle, &format!("dep_0{:019}", rows / 2));
                let (outcome, cpu) = self.closed(&server, &[request(&server, "GET", &page, &header)], 1)?;
                self.all(&page, &outcome, 200)?;
                figures.push((outcome.latency(0.99), cpu / 1e3));
            }
        }
        let (few, much) = figures.split_at(pages.len());
        for (page, (few, much)) in pages.iter().zip(few.iter().zip(much)) {
            let (grown, cpu) = (much.0 / few.0, much.1);
            worst = (worst.0.max(grown), worst.1.max(cpu));
            self.note(
                "",
                &format!("  {} p99, much history / little", page.replace(&middle, "…")),
                Goal::AtMost(1.3),
                grown,
            );
            self.note(
                "",
                &format!("  {} ms of processor", page.replace(&middle, "…")),
                Goal::AtMost(10.0),
                cpu,
            );
        }
        self.note("P9", "slowest page by growth: p99, much history / little", Goal::AtMost(1.3), worst.0);
        self.note("P9", "slowest page, ms of processor", Goal::AtMost(10.0), worst.1);
        Ok(())
    }

    /// A copy of a big database while it is in use, beside the bare copying of the same file.
    pub(super) fn backup(&mut self) -> Result<()> {
        if !self.is_wanted(&["P24"]) {
            return Ok(());
        }
        let folder = self.data.fresh(self.many())?;
        let (bare, own) = (self.folder.join("bare.db"), self.folder.join("backup.db"));
        for file in [&bare, &own] {
            drop(std::fs::remove_file(file));
        }
        let began = Instant::now();
        open(folder.join("core.db"))?.execute("VACUUM INTO ?1", [bare.to_string_lossy()])?;
        let bare = began.elapsed();
        let server = self.product(&folder)?;
        server.settle();
        let began = Instant::now();
        let done = Command::new(program()).arg("backup").arg(&own).arg("--data-dir").arg(&folder).output()?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let what = "backup of a big database / VACUUM INTO, which it also checks";
        self.note("P24", what, Goal::AtMost(1.2), began.elapsed().as_secs_f64() / bare.as_secs_f64());
        Ok(())
    }

    pub(super) fn sizes(&mut self) -> Result<()> {
        if self.is_wanted(&["P12"]) && !cfg!(debug_assertions) {
            let bytes = std::fs::metadata(program())?.len();
            self.note("P12", "MB of the program", Goal::AtMost(15.0), bytes as f64 / 1e6);
        }
        if self.is_wanted(&["P17"]) {
            let many = self.many();
            let size = |rows: usize| -> Result<u64> {
                Ok(std::fs::metadata(self.data.with_history(rows)?.join("core.db"))?.len())
            };
            let bytes = size(many)?.saturating_sub(size(1_000)?) as f64 / (many - 1_000) as f64;
            self.note("P17", "bytes of the file for a finished deployment", Goal::AtMost(330.0), bytes);
        }
        Ok(())
    }
}
