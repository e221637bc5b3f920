//! Installations of the tests' own, by the commands of the documentation. `STACKBLAZE_TEST_TOOLS` is where helm is.

use std::process::Command;

use crate::harness::cluster::Cluster;
use crate::harness::cluster::{in_time, kubectl, variable};
use crate::harness::guest::output_of;

pub(super) const KUBERNETES: &str = include_str!("../../../docs/KUBERNETES.md");

fn section<'a>(page: &'a str, title: &str) -> &'a str {
    page.split(&format!("\n## {title}\n")).nth(1).unwrap().split("\n## ").next().unwrap()
}

/// The indented commands of a section; a line that ends with `\` goes on.
pub(super) fn commands(page: &str, title: &str) -> Vec<String> {
    let outside_of_blocks = section(page, title).split("```").step_by(2);
    let lines: Vec<_> =
        outside_of_blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("    ")).collect();
    lines.join("\n").replace("\\\n", " ").lines().map(str::to_owned).collect()
}

/// The YAML of a section, block by block.
pub(super) fn yaml(page: &'static str, title: &str) -> Vec<&'static str> {
    let blocks = section(page, title).split("```yaml\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Where an installation is, and what its commands are told beside.
pub(super) struct Place<'a> {
    pub(super) namespace: &'a str,
    pub(super) cluster: &'a Cluster,
}

impl Place<'_> {
    pub(super) fn builds(&self) -> String {
        format!("{}-builds", self.namespace)
    }

    /// A command as it stands in the documentation, with the cluster's own names in place of the examples.
    pub(super) fn own(&self, command: &str) -> String {
        let images = &self.cluster.common.images;
        let (registry, namespace) = (variable("CLUSTER_REGISTRY"), self.namespace);
        let values =
            format!("--set buildNamespace={} --set 'insecureRegistries={{{registry}}}'", self.builds());
        command
            .replace("registry.example.com/stackblaze-builder:1", &images.build)
            .replace("registry.example.com/stackblaze:1", &images.deploy)
            // The same program by another name.
            .replace("registry.example.com/stackblaze:2", &format!("{registry}/stackblaze:test"))
            .replace("apps/api", "apps/charted")
            .replace(
                "helm install stackblaze deploy/chart",
                &format!("helm install stackblaze deploy/chart {values}"),
            )
            .replace("-n stackblaze ", &format!("-n {namespace} "))
            .replace("namespace stackblaze ", &format!("namespace {namespace} "))
            .replace("stackblaze-builds stackblaze", &format!("{} {namespace}", self.builds()))
            .replace("create namespace stackblaze", &format!("create namespace {namespace}"))
    }

    pub(super) async fn run(&self, command: &str) -> String {
        shell(&self.own(command)).await.unwrap_or_else(|said| panic!("{command}: {said}"))
    }
}

pub(super) async fn shell(command: &str) -> Result<String, String> {
    let path = format!("{}/bin:{}", variable("STACKBLAZE_TEST_TOOLS"), variable("PATH"));
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", command]).env("PATH", path);
    let output = in_time(output_of(shell, "")).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Takes away what an earlier run of the tests left.
pub(super) async fn clear(namespace: &str) {
    drop(shell(&format!("helm uninstall stackblaze --namespace {namespace} --wait")).await);
    let both = [namespace.to_owned(), format!("{namespace}-builds")];
    let words = ["delete", "namespace", "--ignore-not-found", &both[0], &both[1]];
    kubectl(&words, "").await.unwrap();
}
