//! Deployments on this host, beside the same commands by hand, and a build that prints much.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::probe;
use crate::rows::Rows;
use crate::stage::{Target, call, open};
use crate::table::Goal;

/// Lines that the long build prints.
const LINES: usize = 300_000;

impl Rows {
    pub(super) fn deployments(&mut self) -> Result<()> {
        if !self.is_wanted(&["P23"]) {
            return Ok(());
        }
        probe::settle()?;
        let (folder, count) = (self.data.fresh(0)?, if self.is_quick { 5 } else { 40 });
        let server = self.product(&folder)?;
        let (took, cpu) = one_after_the_other(&server, &self.data.hooks[0].clone(), count)?;
        drop(server);
        let mut by_hand = Vec::new();
        for _ in 0..count {
            let began = Instant::now();
            let target = self.folder.join("by-hand");
            drop(std::fs::remove_dir_all(&target));
            let script = "git clone -q --depth 1 --single-branch -b main \"file://$0\" \"$1\" && cd \"$1\" \
                && git rev-parse HEAD && git log -1 --format=%s && sh -c true && sh -c true";
            let words = [self.folder.join("repository"), target];
            let done = Command::new("sh").args(["-c", script]).args(&words).stdout(Stdio::null()).status()?;
            ensure!(done.success(), "the same commands by hand failed");
            by_hand.push(began.elapsed());
        }
        let ratio = took.as_secs_f64() / median(by_hand).as_secs_f64();
        self.note("P23", "trivial deployment on this host / by hand, p50", Goal::AtMost(1.5), ratio);
        self.note("", "  ms of it", Goal::AtLeast(0.0), took.as_secs_f64() * 1e3);
        let cpu = cpu.as_secs_f64() * 1e3;
        self.note("P23", "ms of the server's processor for it", Goal::AtMost(5.0), cpu);
        Ok(())
    }

    /// A build that prints many lines, beside a pipe that nobody keeps.
    pub(super) fn long_log(&mut self) -> Result<()> {
        if !self.is_wanted(&["P22"]) {
            return Ok(());
        }
        probe::settle()?;
        let mut text = String::new();
        for line in 0..LINES {
            writeln!(
                text,
                "[{line:07}] compiling src/components/widget_{}/index.tsx with target es2022 and jsx automatic, \
                {} ms, from cache layer {}",
                line * 7_919 % 100_003,
                line % 977,
                line % 13
            )?;
        }
        let file = self.folder.join("lines.txt");
        std::fs::write(&file, &text)?;
        let script = format!("while read -r line; do echo \"$line\"; done < '{}'", file.display());
        let began = Instant::now();
        let plain = Command::new("sh")
            .args(["-c", &format!("{{ {script}; }} | cat")])
            .stdout(Stdio::null())
            .status()?;
        ensure!(plain.success(), "a plain pipe failed");
        let plain = began.elapsed();
        let folder = self.data.fresh(0)?;
        let hook = self.data.hooks[0].clone();
        let server = self.product(&folder)?;
        let name = self.data.set_build_command(&server, &hook, &script)?;
        let before = server.cpu();
        let build = deploy(&server, &hook)?;
        let cpu = server.cpu().saturating_sub(before).as_secs_f64() * 1e6 / LINES as f64;
        let took = seconds(&build["steps"][1]["finishedAt"])? - seconds(&build["steps"][1]["startedAt"])?;
        ensure!(took > 0.0, "{name}: {build}");
        drop(server);
        let file = folder.join("logs.db");
        open(&file)?.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        let disk = std::fs::metadata(file)?.len() as f64;
        self.note(
            "P22",
            "build of 300,000 lines / plain pipe",
            Goal::AtMost(1.5),
            took / plain.as_secs_f64(),
        );
        self.note("P22", "us of the server's processor a line", Goal::AtMost(2.0), cpu);
        let kept = text.len().min(16 << 20) as f64;
        self.note("P22", "bytes of the file / kept bytes of text", Goal::AtMost(1.2), disk / kept);
        Ok(())
    }
}

/// From the POST to the end of a deployment that does next to nothing.
fn one_after_the_other(server: &Target, hook: &str, count: u32) -> Result<(Duration, Duration)> {
    let (before, mut took) = (server.cpu(), Vec::new());
    for _ in 0..count {
        let began = Instant::now();
        deploy(server, hook)?;
        took.push(began.elapsed());
    }
    Ok((median(took), server.cpu().saturating_sub(before) / count))
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() / 2]
}

/// Deploys and waits for the good end.
fn deploy(server: &Target, hook: &str) -> Result<Value> {
    let id = begin(server, hook)?;
    let began = Instant::now();
    loop {
        let found = call(server.address, "GET", &format!("/deployments/{id}?wait=20"), None, None)?.2;
        let found: Value = serde_json::from_str(&found)?;
        match found["status"].as_str() {
            Some("succeeded") => return Ok(found),
            Some("failed") => anyhow::bail!("a deployment failed: {found}"),
            _ => ensure!(began.elapsed() < Duration::from_mins(5), "a deployment does not end: {found}"),
        }
    }
}

/// Deploys; the id.
pub(super) fn begin(server: &Target, hook: &str) -> Result<String> {
    let (status, _, body) = call(server.address, "POST", hook, None, None)?;
    ensure!(status == 202, "{status} {body}");
    let accepted: Value = serde_json::from_str(&body)?;
    Ok(accepted["deploymentId"].as_str().context("no id")?.to_owned())
}

/// A time of the API as seconds.
fn seconds(time: &Value) -> Result<f64> {
    let time: jiff::Timestamp = time.as_str().context("no time")?.parse()?;
    Ok(time.as_millisecond() as f64 / 1e3)
}
