//! The Helm chart: that it installs what `stackblaze manifests` prints, what it takes and what it refuses. What needs helm is
//! run by `./test`, which fetches it.

mod optional;
mod refused;
mod same;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::guest::output;
use crate::harness::tools;

const IMAGE: &str = "registry.example.com/stackblaze:1";
const BUILDER_IMAGE: &str = "registry.example.com/stackblaze-builder:1";
/// The release's namespace.
const NAMESPACE: &str = "deploys";

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/chart")
}

/// A file of the chart.
fn file(name: &str) -> String {
    std::fs::read_to_string(chart().join(name)).unwrap()
}

/// Runs helm with folders of its own. Which one it is, is no setting of the product.
fn helm(words: &[&str]) -> Output {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(tools().join("bin/helm"));
    command.args(words).env("HOME", home.path()).env("KUBECONFIG", home.path().join("none"));
    for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(folder, home.path());
    }
    output(&mut command)
}

/// What the chart makes with these values beside the two images: as YAML, or why it makes nothing.
fn render(more: &[&str]) -> Result<String, String> {
    // Helm takes values of JSON before others, in whatever order they are.
    let images = [format!("image={IMAGE:?}"), format!("builderImage={BUILDER_IMAGE:?}")];
    template(&[&["--set-json", &images[0], "--set-json", &images[1]], more].concat())
}

fn template(more: &[&str]) -> Result<String, String> {
    let chart = chart();
    let words = ["template", "release", chart.to_str().unwrap(), "--namespace", NAMESPACE];
    let made = helm(&[&words[..], &["--kube-version", "1.30.0"], more].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if made.status.success() { Ok(text(made.stdout)) } else { Err(text(made.stderr)) }
}

/// The objects of a text by kind, namespace and name.
fn objects(text: &str) -> BTreeMap<String, Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    let named = all.into_iter().filter(|object| !object.is_null()).map(|object| {
        let field = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{} {}/{}", field("/kind"), field("/metadata/namespace"), field("/metadata/name"));
        (name, object)
    });
    let mut objects = BTreeMap::new();
    for (name, object) in named {
        assert!(objects.insert(name.clone(), object).is_none(), "{name} is there twice");
    }
    objects
}

/// What the chart makes with these values.
#[track_caller]
fn rendered(more: &[&str]) -> BTreeMap<String, Value> {
    objects(&render(more).unwrap_or_else(|said| panic!("{more:?}: {said}")))
}
