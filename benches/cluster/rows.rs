//! What is measured.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use kube::api::{DynamicObject, PostParams};
use serde_json::Value;

use crate::api::ScriptedApi;
use crate::installation::{Installation, SERVICES};
use crate::stage::{Target, call};
use crate::table::{Goal, Table};

/// Between two calls of a client that is alone.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two calls at a rate of 100 a second.
const DUE: Duration = Duration::from_millis(10);

/// A call to a hook.
struct Called {
    run: String,
    began: Instant,
    answered: Instant,
}

/// What is measured, and what was found.
pub struct Rows {
    installation: Installation,
    folder: PathBuf,
    pub found: Table,
    /// Runs that the bare client made.
    made: usize,
}

impl Rows {
    pub async fn new() -> Result<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-cluster");
        Ok(Self { installation: Installation::new(&folder).await?, folder, found: Table::default(), made: 0 })
    }

    pub async fn measure(&mut self, rounds: usize) -> Result<()> {
        for round in 1..=rounds {
            println!("round {round} of {rounds}");
            self.create_calls().await?;
            self.burst().await?;
            self.alone().await?;
        }
        Ok(())
    }

    pub async fn leave(&self) -> Result<()> {
        self.installation.leave().await
    }

    /// Calls at a rate; how long after each the API server is asked for the run.
    async fn create_calls(&mut self) -> Result<()> {
        let api = ScriptedApi::start()?;
        let cluster = api.kubeconfig(&self.folder)?;
        let server = self.installation.fresh(Some(&cluster)).await?;
        let mut calls = Vec::new();
        for hook in &self.installation.hooks {
            calls.push(post(&server, hook));
            tokio::time::sleep(DUE).await;
        }
        let (mut from_answer, mut from_call) = (Vec::new(), Vec::new());
        for called in try_join_all(calls).await? {
            let called = called?;
            let asked = api.asked(&called.run).await?;
            let after = |from: Instant| {
                asked.saturating_duration_since(from).as_secs_f64()
                    - from.saturating_duration_since(asked).as_secs_f64()
            };
            from_answer.push(after(called.answered) * 1e3);
            from_call.push(after(called.began) * 1e3);
        }
        let found = &mut self.found;
        found.note(
            "P14",
            "ms from the answer to the create call, 100/s, p99",
            Goal::AtMost(0.5),
            at(0.99, &mut from_answer),
        );
        found.note("", "  the same, p50", Goal::AtLeast(0.0), at(0.5, &mut from_answer));
        found.note(
            "",
            "  from the call to the create call, p50",
            Goal::AtLeast(0.0),
            at(0.5, &mut from_call),
        );
        found.note("", "  the same, p99", Goal::AtLeast(0.0), at(0.99, &mut from_call));
        Ok(())
    }

    /// All services are called at once, and as many runs created at once by hand.
    async fn burst(&mut self) -> Result<()> {
        let server = self.installation.fresh(None).await?;
        let began = Instant::now();
        let calls: Vec<_> = self.installation.hooks.iter().map(|hook| post(&server, hook)).collect();
        let mut names = Vec::new();
        for called in try_join_all(calls).await? {
            names.push(called?.run);
        }
        let own = self.rate(began, &names).await?;
        let template = self.installation.template(&names[0]).await?;
        drop(server);
        // The cluster has as much to do with the runs as before, and nothing that was left of those.
        drop(self.installation.fresh(None).await?);
        let objects: Vec<_> = (0..SERVICES).map(|_| self.next(&template)).collect();
        let runs = &self.installation.runs;
        let began = Instant::now();
        let params = PostParams::default();
        let creations = objects.iter().map(|object| runs.create(&params, object));
        try_join_all(creations).await?;
        let names: Vec<_> = objects.iter().filter_map(|object| object.metadata.name.clone()).collect();
        let bare = self.rate(began, &names).await?;
        self.found.note("P15", "creates a second / bare client, 50 at once", Goal::AtLeast(0.95), own / bare);
        self.found.note("", "  creates a second of it", Goal::AtLeast(0.0), own);
        Ok(())
    }

    /// One client that waits until the run exists, in turn with a bare one.
    async fn alone(&mut self) -> Result<()> {
        let server = self.installation.fresh(None).await?;
        let (mut own, mut bare, mut template) = (Vec::new(), Vec::new(), None);
        for hook in self.installation.hooks.clone() {
            let called = post(&server, &hook).await??;
            let appeared = self.installation.appearance(&called.run).await?;
            own.push(appeared.saturating_duration_since(called.began).as_secs_f64() * 1e3);
            if template.is_none() {
                template = Some(self.installation.template(&called.run).await?);
            }
            tokio::time::sleep(PAUSE).await;
            let object = self.next(template.as_ref().context("no run")?);
            let name = object.metadata.name.clone().unwrap_or_default();
            let began = Instant::now();
            self.installation.runs.create(&PostParams::default(), &object).await?;
            let appeared = self.installation.appearance(&name).await?;
            bare.push(appeared.saturating_duration_since(began).as_secs_f64() * 1e3);
            tokio::time::sleep(PAUSE).await;
        }
        let (own, bare) = (at(0.5, &mut own), at(0.5, &mut bare));
        self.found.note(
            "P25",
            "call to run / bare create to run, one client, p50",
            Goal::AtMost(1.5),
            own / bare,
        );
        self.found.note("", "  ms of it", Goal::AtLeast(0.0), own);
        Ok(())
    }

    /// The same run under a name that no other has.
    fn next(&mut self, template: &DynamicObject) -> DynamicObject {
        self.made += 1;
        let mut object = template.clone();
        object.metadata.name = Some(format!("bare-{:016}", self.made));
        object
    }

    /// Runs a second, until the last has appeared.
    async fn rate(&self, began: Instant, names: &[String]) -> Result<f64> {
        let mut last = began;
        for name in names {
            last = last.max(self.installation.appearance(name).await?);
        }
        Ok(names.len() as f64 / last.saturating_duration_since(began).as_secs_f64())
    }
}

/// Calls a hook.
fn post(server: &Target, hook: &str) -> tokio::task::JoinHandle<Result<Called>> {
    let (address, hook) = (server.address, hook.to_owned());
    tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let (status, _, body) = call(address, "POST", &hook, None, None)?;
        let answered = Instant::now();
        ensure!(status == 202, "{status} {body}");
        let accepted: Value = serde_json::from_str(&body)?;
        let id = accepted["deploymentId"].as_str().context("no id")?;
        Ok(Called { run: id.replace('_', "-"), began, answered })
    })
}

/// The figure below which this share of them is.
fn at(share: f64, figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    let last = figures.len().saturating_sub(1);
    figures.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}
