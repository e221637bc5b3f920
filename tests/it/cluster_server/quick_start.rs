//! The README's way into a cluster, as it stands there.

use std::process::Command;

use crate::harness::cluster::App;
use crate::harness::cluster::BUILDS;
use crate::harness::cluster::Cluster;
use crate::harness::cluster::in_time;
use crate::harness::cluster::kubectl;
use crate::harness::cluster::stackblaze;
use crate::harness::cluster::until_ready;
use crate::harness::cluster::variable;
use crate::harness::guest::output_of;

const README: &str = include_str!("../../../README.md");

/// The indented lines of the section; a line that ends with `\` goes on.
fn commands() -> Vec<String> {
    let text = README.split("\n## In a Kubernetes cluster\n").nth(1).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    lines.join("\n").replace("\\\n", " ").lines().map(str::to_owned).collect()
}

/// Runs one command with the cluster's own names in place of the examples; what it printed.
async fn run(command: &str, cluster: &Cluster) -> String {
    let images = &cluster.common.images;
    let command = command
        .replace("registry.example.com/stackblaze-builder:1", &images.build)
        .replace("registry.example.com/stackblaze:1", &images.deploy)
        .replace("https://git.example.com/you/api.git", &variable("CLUSTER_GIT_HTTP"))
        .replace("registry.example.com", &variable("CLUSTER_PRIVATE_REGISTRY"))
        .replace("apps/api", "apps/quick")
        .replace("stackblaze manifests ", &format!("stackblaze manifests {} ", plain_http()));
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_stackblaze")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var_os("PATH").unwrap().to_string_lossy());
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &command]).env("PATH", path);
    shell.env("REGISTRY_USER", variable("CLUSTER_REGISTRY_USER"));
    shell.env("REGISTRY_PASSWORD", variable("CLUSTER_REGISTRY_PASSWORD"));
    let output = in_time(output_of(shell, "")).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{command}: {said}{printed}");
    printed
}

/// The cluster's registries speak http.
fn plain_http() -> String {
    ["CLUSTER_REGISTRY", "CLUSTER_PRIVATE_REGISTRY"]
        .map(|name| format!("--insecure-registry {}", variable(name)))
        .join(" ")
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn the_commands_lead_from_an_empty_cluster_to_a_deployment() {
    let (cluster, app) = (Cluster::alone().await, App::start("quick").await);
    until_ready().await;
    // An earlier run of the tests may have left them.
    drop(stackblaze(&["service", "rm", "api", "--yes"]).await);
    drop(kubectl(&["-n", BUILDS, "delete", "secret", "registry"], "").await);
    let commands = commands();
    assert!(commands.len() >= 6, "{commands:?}");

    let mut printed = Vec::new();
    for command in &commands {
        printed.push(run(command, &cluster).await);
    }
    cluster.apply_again().await;

    let checks = printed.iter().find(|text| text.contains("quick runs ")).unwrap();
    assert!(!checks.contains('✗'), "{checks}");

    let pages = app.pages("/").await;
    assert!(pages.len() == 2 && pages.iter().all(|page| page.starts_with("sample main ")), "{pages:?}");
    app.remove().await;
}
