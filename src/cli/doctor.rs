//! `stackblaze doctor`: looks at what a server needs, and says how to mend what is wrong.

mod check;
mod machine;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::failure::{FAILED, Failure};
use crate::cli::output::{Output, Style, has_colour, text};
use crate::config::{BuilderFlags, ClusterAt, ClusterFlags, DataDir, KEY_FILE, StepImage};
use crate::db::health::{self, Health};
use crate::domain::{Finding, Step};
use crate::executor::local::cache_sizes;
use crate::executor::tekton::Common;
use crate::executor::tekton::install::preflight;
use crate::executor::tekton::install::probe_build::probe_build;
use crate::server::executors::{builder, connect};

use check::Check;
use machine::{backup, caches, clock, database, disk, folder, git, server_key, volume};

/// Check data folder, disk, database, key, git, server, clock and cluster
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze doctor
  stackblaze doctor --data-dir /var/lib/stackblaze --json
  stackblaze doctor --kube-context prod
  stackblaze doctor --kube-context prod --probe-build \\
    --step-image build=registry.example.com/stackblaze-builder:1

A cluster is looked at in a pod of it, or by a context that is named; ! marks
what works and could work better. Exits 1 if anything is wrong, and says how
to mend it; it mends nothing itself.")]
pub(super) struct Doctor {
    /// File of the server key [default: secret.key in the data folder]
    #[arg(long, env = "STACKBLAZE_SECRET_KEY_FILE", value_name = "FILE")]
    secret_key_file: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterFlags,
    /// Build something tiny in the cluster too: shows whether its nodes let builds do what they have to
    #[arg(long)]
    probe_build: bool,
    /// Image of the build step, as the server has it; for --probe-build
    #[arg(long, env = "STACKBLAZE_STEP_IMAGE", value_name = "STEP=IMAGE", value_delimiter = ',')]
    step_image: Vec<StepImage>,
    #[command(flatten)]
    builder: BuilderFlags,
    #[command(flatten)]
    output: Output,
}

impl Doctor {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<ExitCode, Failure> {
        let dir = data_dir.path();
        let is_pod = self.cluster.at() == Some(ClusterAt::OwnPod);
        let mut checks = vec![if is_pod { volume(&dir) } else { folder(&dir) }];
        if dir.is_dir() {
            let health = health::health(&dir);
            let key = self.secret_key_file.clone().unwrap_or_else(|| dir.join(KEY_FILE));
            checks.push(disk(&health));
            checks.extend(database(&dir, &health));
            checks.push(server_key(&key, &health));
            checks.extend(caches(cache_sizes(&dir)));
            checks.push(clock(&dir));
            checks.extend((!is_pod).then(git));
            checks.extend(server(&dir, &health, is_pod).await?);
        } else {
            checks.extend((!is_pod).then(git));
        }
        checks.extend(self.cluster().await?);
        let is_ok = checks.iter().all(Check::is_ok);
        self.print(&checks, is_ok);
        Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }

    /// The cluster, where there is one to be used.
    async fn cluster(&self) -> Result<Vec<Check>, Failure> {
        let Some(at) = self.cluster.at() else {
            let refused = Failure::usage("--probe-build needs a cluster: name it with --kube-context");
            return if self.probe_build { Err(refused) } else { Ok(Vec::new()) };
        };
        let client = match connect(at).await {
            Ok(client) => client,
            Err(why) => {
                return Ok(vec![Finding::bad(why, Some("check --kubeconfig and --kube-context")).into()]);
            }
        };
        let namespace = &self.cluster.build_namespace;
        let mut findings = preflight::cluster(&client, namespace).await;
        if self.probe_build {
            let image = self.step_image.iter().rev().find(|named| named.step == Step::Build);
            let image = image.ok_or_else(|| {
                Failure::usage("--probe-build needs --step-image build=IMAGE, as the server has it")
            })?;
            let common = Common::for_builds(namespace, &image.image, builder(&self.builder));
            findings.push(probe_build(&client, &common).await);
        }
        Ok(findings.into_iter().map(Check::from).collect())
    }

    fn print(&self, checks: &[Check], is_ok: bool) {
        if self.output.json {
            let checks: Vec<Value> = checks.iter().map(Check::to_json).collect();
            self.output.value(&json!({ "ok": is_ok, "checks": checks }));
            return;
        }
        let has_colour = has_colour(&std::io::stdout());
        for check in checks {
            match &check.verdict {
                Ok(detail) if !self.output.quiet => {
                    let mark = Style::Good.paint("✓", has_colour);
                    self.output.line(&format!("{mark} {:12} {detail}", check.name));
                }
                Ok(_) => {}
                Err((detail, fix)) => {
                    let mark =
                        if check.is_advice { "!".to_owned() } else { Style::Bad.paint("✗", has_colour) };
                    self.output.line(&format!("{mark} {:12} {detail}", check.name));
                    self.output.line(&format!("  {:12} fix: {fix}", ""));
                }
            }
        }
    }
}

/// What a running server says of itself, and whether its public URL leads to it.
async fn server(dir: &Path, health: &Health, is_pod: bool) -> Result<Vec<Check>, Failure> {
    if !health.is_in_use {
        return Ok(vec![Check::ok("server", "does not run")]);
    }
    let ready = match Client::over_socket(dir)?.get("/readyz?verbose").await {
        Ok(ready) => ready,
        Err(failure) => {
            let fix = "look at its log; restart it";
            return Ok(vec![Check::wrong("server", format!("it is not ready: {}", failure.text), fix)]);
        }
    };
    let mut checks = vec![Check::ok("server", "runs and is ready")];
    let executors = text(&ready, "executors");
    checks.push(if executors.is_empty() {
        Check::wrong("executor", "none: deployments cannot run", "stackblaze serve --allow-host-builds")
    } else {
        Check::ok("executor", executors)
    });
    if ready["diskNearlyFull"] == true {
        checks.push(Check::wrong(
            "disk",
            "the server refuses calls: less is free than --min-free",
            "make room",
        ));
    }
    checks.extend(backup(&ready["backup"]));
    if let Some(address) = ready["unbelievedProxy"].as_str() {
        let detail = format!("{address} names other callers and is not believed: all of them count as one");
        checks.push(Check::advice(
            "proxy",
            detail,
            format!("if it is your proxy: serve --trusted-proxy {address}"),
        ));
    }
    let public = text(&ready, "publicUrl");
    checks.push(match Client::over_tcp(&public, None)?.text("/healthz").await {
        Ok(answer) if answer.trim() == "ok" => Check::ok("public URL", public),
        Ok(_) => unreachable(format!("{public} leads to something else"), is_pod),
        Err(failure) => unreachable(failure.text, is_pod),
    });
    Ok(checks)
}

/// From a pod the way out and in again may lead elsewhere than a caller's, or nowhere.
fn unreachable(detail: String, is_pod: bool) -> Check {
    let fix = "check --public-url, DNS and the reverse proxy; hook URLs begin with it";
    let make = if is_pod { Check::advice } else { Check::wrong };
    make("public URL", detail, fix.to_owned())
}
