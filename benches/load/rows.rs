//! The table: what is measured, against which goal. The goals are those of the product's own contract.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use stackblaze::domain::{HookId, HookToken, ServiceId, TokenKey};

use crate::driver::{Load, Outcome};
use crate::probe;
use crate::stage::{Data, Target, call, open, program};

/// What a figure has to be.
#[derive(Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(value) => f.pad(&format!(">= {value}")),
            Self::AtMost(value) => f.pad(&format!("<= {value}")),
        }
    }
}

/// How a figure stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Reached,
    /// Within 15 in a hundred.
    Near,
    FarOff,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reached => "reached",
            Self::Near => "near",
            Self::FarOff => "not reached",
        })
    }
}

/// One line of the table.
pub struct Row {
    pub id: &'static str,
    pub what: String,
    pub goal: Goal,
    /// One figure a round.
    pub rounds: Vec<f64>,
}

impl Row {
    pub fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub fn verdict(&self) -> Verdict {
        let share = match self.goal {
            Goal::AtLeast(goal) => self.median() / goal,
            Goal::AtMost(goal) => goal / self.median(),
        };
        match share {
            share if share >= 1.0 => Verdict::Reached,
            share if share >= 0.85 => Verdict::Near,
            _ => Verdict::FarOff,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |value: f64| match value.abs() {
            size if size >= 100.0 => format!("{value:.0}"),
            size if size >= 1.0 => format!("{value:.2}"),
            _ => format!("{value:.3}"),
        };
        let (min, max) =
            self.rounds.iter().fold((f64::MAX, f64::MIN), |(min, max), &one| (min.min(one), max.max(one)));
        let spread = format!("{} to {}", short(min), short(max));
        let median = short(self.median());
        write!(
            f,
            "{:<5} {:<58} {:>12} {median:>12} {spread:>16}  {}",
            self.id,
            self.what,
            self.goal,
            self.verdict()
        )
    }
}

/// What is measured, and what was found.
pub struct Rows {
    data: Data,
    folder: PathBuf,
    is_quick: bool,
    only: Vec<String>,
    found: Vec<Row>,
}

impl Rows {
    pub fn new(is_quick: bool, only: Vec<String>, processor: usize) -> Result<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
        Ok(Self { data: Data::make(&folder, processor)?, folder, is_quick, only, found: Vec::new() })
    }

    pub fn found(&self) -> &[Row] {
        &self.found
    }

    pub fn measure(&mut self, rounds: usize) -> Result<()> {
        for round in 1..=rounds {
            println!("round {round} of {rounds}");
            self.accepts()?;
            self.refusals()?;
            self.polls()?;
            if !self.is_quick {
                self.paced()?;
                self.accepts_with_history()?;
                self.one_post()?;
            }
            self.starts()?;
            self.idle()?;
            self.pages()?;
        }
        self.size()
    }

    fn is_wanted(&self, ids: &[&str]) -> bool {
        self.only.is_empty() || ids.iter().any(|id| self.only.iter().any(|own| own == id))
    }

    fn note(&mut self, id: &'static str, what: &str, goal: Goal, value: f64) {
        match self.found.iter_mut().find(|row| row.id == id && row.what == what) {
            Some(row) => row.rounds.push(value),
            None => self.found.push(Row { id, what: what.to_owned(), goal, rounds: vec![value] }),
        }
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

    fn accepts(&mut self) -> Result<()> {
        if !self.is_wanted(&["P1", "P2", "P3"]) {
            return Ok(());
        }
        for (id, connections, goal) in [("P1", 64, 0.35), ("P2", 256, 0.45)] {
            probe::settle()?;
            let (anchor, anchor_cpu) = self.anchor(connections)?;
            let server = self.data.busy(0)?;
            let (outcome, cpu) = self.closed(&server, &self.calls(&server), connections)?;
            self.all("accepts", &outcome, 202)?;
            let rate = outcome.per_second();
            let what = format!("durable accepts / bare poem, {connections} connections");
            self.note(id, &what, Goal::AtLeast(goal), rate / anchor.per_second());
            if connections == 64 {
                self.note(
                    "P3",
                    "processor time of an accept / bare poem's",
                    Goal::AtMost(3.0),
                    cpu / anchor_cpu,
                );
                self.note("", "  accepts a second", Goal::AtLeast(0.0), rate);
                self.note("", "  processor time of an accept, us", Goal::AtLeast(0.0), cpu);
            }
        }
        Ok(())
    }

    fn refusals(&mut self) -> Result<()> {
        if !self.is_wanted(&["P5"]) {
            return Ok(());
        }
        probe::settle()?;
        let (anchor, _) = self.anchor(64)?;
        let server = self.product(&self.data.fresh(0)?)?;
        let forged: Vec<_> = self.data.hooks.iter().map(|hook| forged(hook)).collect::<Result<_>>()?;
        let requests: Vec<_> = forged.iter().map(|path| request(&server, "POST", path, "")).collect();
        let (outcome, cpu) = self.closed(&server, &requests, 64)?;
        self.all("refusals", &outcome, 401)?;
        let share = outcome.per_second() / anchor.per_second();
        self.note("P5", "refusals of forged tokens / bare poem", Goal::AtLeast(0.85), share);
        self.note("", "  processor time of a refusal, us", Goal::AtLeast(0.0), cpu);
        Ok(())
    }

    fn polls(&mut self) -> Result<()> {
        if !self.is_wanted(&["P8"]) {
            return Ok(());
        }
        probe::settle()?;
        let (anchor, _) = self.anchor(64)?;
        let many = self.many();
        let server = self.data.busy(many)?;
        let of = |numbers: Vec<usize>, header: &str| -> Vec<Vec<u8>> {
            let path = |number: usize| format!("/deployments/dep_0{number:019}");
            numbers.into_iter().map(|number| request(&server, "GET", &path(number), header)).collect()
        };
        let recent = of((many - 200..=many).collect(), "");
        let old = of((1..=20_000).map(|at| at * 7_919 % many + 1).collect(), "");
        let first = call(server.address, "GET", &format!("/deployments/dep_0{many:019}"), None, None)?.1;
        let tag = first.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap_or_default().to_owned();
        let same = of(vec![many], &format!("If-None-Match: {tag}\r\n"));
        for (what, requests, status, goal) in [
            ("status of a recent deployment / bare poem", recent, 200, 0.6),
            ("status of an old one among many / bare poem", old, 200, 0.25),
            ("status that has not changed, 304 / bare poem", same, 304, 0.6),
        ] {
            let (outcome, _) = self.closed(&server, &requests, 64)?;
            self.all(what, &outcome, status)?;
            self.note("P8", what, Goal::AtLeast(goal), outcome.per_second() / anchor.per_second());
        }
        Ok(())
    }

    /// A thousand calls a second, beside a thousand syncs a second of the bare disk.
    fn paced(&mut self) -> Result<()> {
        if !self.is_wanted(&["P6"]) {
            return Ok(());
        }
        probe::settle()?;
        let raw = probe::disk(&self.folder, self.time(), [0.5, 0.99])?;
        let server = self.data.busy(0)?;
        let (outcome, _) = self.run(&server, &self.calls(&server), 64, Some(1_000.0))?;
        let (alone, _) = self.closed(&server, &self.calls(&server), 1)?;
        for (what, share, raw, goal) in [
            ("1,000 calls a second: p50 / a bare sync's", 0.5, raw[0], 2.0),
            ("1,000 calls a second: p99 / a bare sync's", 0.99, raw[1], 3.0),
        ] {
            self.note("P6", what, Goal::AtMost(goal), outcome.latency(share) / raw);
        }
        self.note("P6", "one caller: p50 / a bare sync's", Goal::AtMost(2.0), alone.latency(0.5) / raw[0]);
        Ok(())
    }

    fn accepts_with_history(&mut self) -> Result<()> {
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
    fn one_post(&mut self) -> Result<()> {
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

    fn starts(&mut self) -> Result<()> {
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

    fn idle(&mut self) -> Result<()> {
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
    fn pages(&mut self) -> Result<()> {
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

    fn size(&mut self) -> Result<()> {
        if self.is_wanted(&["P12"]) && !cfg!(debug_assertions) {
            let bytes = std::fs::metadata(program())?.len();
            self.note("P12", "MB of the program", Goal::AtMost(15.0), bytes as f64 / 1e6);
        }
        Ok(())
    }
}

fn request(target: &Target, method: &str, path: &str, header: &str) -> Vec<u8> {
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{header}{length}\r\n", target.address).into_bytes()
}

/// The URL of the same hook with a token of another server's key: its checksum is right, its MAC is not.
fn forged(hook: &str) -> Result<String> {
    let (path, token) = hook.rsplit_once('/').context("a hook has no path")?;
    let ids = || Some((ServiceId::parse(token.get(7..19)?)?, HookId::parse(token.get(21..31)?)?));
    let (service, id) = ids().context("a token has no ids")?;
    Ok(format!("{path}/{}", HookToken::mint(&TokenKey::generate(), &service, &id).reveal()))
}
