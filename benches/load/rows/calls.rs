//! Calls of hooks and polls, beside bare poem, a webhook server and the bare disk.

use anyhow::{Context, Result};
use stackblaze::domain::{HookId, HookToken, ServiceId, TokenKey};

use crate::probe;
use crate::rows::{Rows, request};
use crate::stage::{Target, call};
use crate::table::Goal;

impl Rows {
    pub(super) fn accepts(&mut self) -> Result<()> {
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

    pub(super) fn refusals(&mut self) -> Result<()> {
        if !self.is_wanted(&["P5"]) {
            return Ok(());
        }
        probe::settle()?;
        let (anchor, _) = self.anchor(64)?;
        let server = self.product(&self.data.fresh(0)?)?;
        let (outcome, cpu) = self.closed(&server, &self.forged_calls(&server)?, 64)?;
        self.all("refusals", &outcome, 401)?;
        let share = outcome.per_second() / anchor.per_second();
        self.note("P5", "refusals of forged tokens / bare poem", Goal::AtLeast(0.85), share);
        self.note("", "  processor time of a refusal, us", Goal::AtLeast(0.0), cpu);
        Ok(())
    }

    pub(super) fn polls(&mut self) -> Result<()> {
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
    pub(super) fn paced(&mut self) -> Result<()> {
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

    /// Debian's webhook server, which starts a process with each call and waits for it, or refuses it.
    pub(super) fn webhook(&mut self) -> Result<()> {
        if !self.is_wanted(&["P4", "P5"]) {
            return Ok(());
        }
        probe::settle()?;
        let Some(webhook) = Target::webhook(&self.folder, self.data.processor)? else {
            println!("no webhook server is installed, which Debian has as `webhook`");
            return Ok(());
        };
        let [good, bad] = ["good", "bad"].map(|token| format!("/hooks/deploy?token={token}"));
        let runs = self.closed(&webhook, &[request(&webhook, "POST", &good, "")], 64)?.0;
        self.all("webhook", &runs, 202)?;
        let refusals = self.closed(&webhook, &[request(&webhook, "POST", &bad, "")], 64)?.0;
        self.all("webhook's refusals", &refusals, 401)?;
        drop(webhook);
        let server = self.data.busy(0)?;
        let accepts = self.closed(&server, &self.calls(&server), 64)?.0;
        self.all("accepts", &accepts, 202)?;
        self.note(
            "P4",
            "durable accepts / webhook that waits",
            Goal::AtLeast(25.0),
            accepts.per_second() / runs.per_second(),
        );
        let own = self.closed(&server, &self.forged_calls(&server)?, 64)?.0;
        self.note(
            "P5",
            "refusals of forged tokens / webhook's",
            Goal::AtLeast(2.5),
            own.per_second() / refusals.per_second(),
        );
        Ok(())
    }
}

impl Rows {
    /// The calls of all hooks in turn, each with a forged token.
    pub(super) fn forged_calls(&self, target: &Target) -> Result<Vec<Vec<u8>>> {
        let path = |hook: &String| Ok(request(target, "POST", &forged(hook)?, ""));
        self.data.hooks.iter().map(path).collect()
    }
}

/// The URL of the same hook with a token of another server's key: its checksum is right, its MAC is not.
fn forged(hook: &str) -> Result<String> {
    let (path, token) = hook.rsplit_once('/').context("a hook has no path")?;
    let ids = || Some((ServiceId::parse(token.get(7..19)?)?, HookId::parse(token.get(21..31)?)?));
    let (service, id) = ids().context("a token has no ids")?;
    Ok(format!("{path}/{}", HookToken::mint(&TokenKey::generate(), &service, &id).reveal()))
}
