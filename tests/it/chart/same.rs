//! Object by object the same as `stackblaze manifests` prints with the same flags.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::{BUILDER_IMAGE, IMAGE, NAMESPACE, objects, rendered};
use crate::harness::guest::output;

/// Labels that only one of the two has: helm's own, and the one by which `manifests` says what kubectl has to delete.
const OF_ONE: [&str; 3] = ["app.kubernetes.io/managed-by", "helm.sh/chart", "stackblaze.dev/workloads"];
/// By this annotation of the build namespace an uninstall leaves it.
const KEPT: &str = "helm.sh/resource-policy";

fn manifests(flags: &[&str]) -> BTreeMap<String, Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stackblaze"));
    command.args(["manifests", "--image", IMAGE, "--builder-image", BUILDER_IMAGE]);
    let printed = output(command.args(["--namespace", NAMESPACE]).args(flags));
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    objects(&String::from_utf8(printed.stdout).unwrap())
}

/// Takes away what differs, and that it is there.
fn compared(mut objects: BTreeMap<String, Value>, is_chart: bool) -> BTreeMap<String, Value> {
    let mut labels = [0; 3];
    for (name, object) in &mut objects {
        let metadata = object["metadata"].as_object_mut().unwrap();
        let own = metadata["labels"].as_object_mut().unwrap_or_else(|| panic!("{name} has no labels"));
        for (count, label) in labels.iter_mut().zip(OF_ONE) {
            *count += usize::from(own.remove(label).is_some());
        }
        if let Some(annotations) = metadata.remove("annotations") {
            assert!(is_chart && name.starts_with("Namespace /"), "{name} has annotations");
            assert_eq!(annotations, serde_json::json!({ KEPT: "keep" }));
        }
    }
    let total = objects.len();
    let rights = objects.keys().filter(|name| name.starts_with("Role") && !name.contains("-builds/")).count();
    assert_eq!(labels, if is_chart { [total, total, 0] } else { [0, 0, rights] });
    // Helm makes it itself, with --create-namespace.
    assert_eq!(objects.remove(&format!("Namespace /{NAMESPACE}")).is_some(), !is_chart);
    objects
}

#[track_caller]
fn assert_same(flags: &[&str], values: &[&str]) {
    let set: Vec<_> = values.iter().flat_map(|value| ["--set", value]).collect();
    let (chart, printed) = (compared(rendered(&set), true), compared(manifests(flags), false));

    assert_eq!(chart.keys().collect::<Vec<_>>(), printed.keys().collect::<Vec<_>>());
    assert!(chart.len() >= 14, "{}", chart.len());
    for (name, object) in &chart {
        assert_eq!(object, &printed[name], "{name}");
    }
}

#[test]
#[ignore = "needs helm"]
fn the_chart_makes_what_manifests_prints_where_only_images_are_named() {
    assert_same(&[], &[]);
}

#[test]
#[ignore = "needs helm"]
fn rights_on_workloads_of_all_kinds_are_the_same() {
    let workloads = [
        "apps/web",
        "cronjob:apps/bill",
        "apps/api/c",
        "shop/cart",
        "statefulset:shop/db",
        "daemonset:shop/a.b",
    ];
    let flags: Vec<_> =
        workloads.iter().chain(&["deployment:apps/web"]).flat_map(|own| ["--workload", own]).collect();
    let releases = ["--release-jobs", "shop", "--release-jobs", "apps", "--release-jobs", "shop"];

    assert_same(
        &[&flags[..], &releases].concat(),
        &[
            &format!("workloads={{{},deployment:apps/web}}", workloads.join(",")),
            "releaseJobs={shop,apps,shop}",
        ],
    );
}

#[test]
#[ignore = "needs helm"]
fn every_flag_has_a_value_that_does_the_same() {
    let flags = "--public-url https://deploy.example.com:8443 --build-namespace other-builds \
        --image-pull-secret pull.secret --api-server 10.96.0.1,fd00::1 --api-server 172.16.0.0/12 \
        --insecure-registry 10.0.0.1:5000,[fd00::2]:5000 --build-apparmor builder --build-seccomp profiles/builder.json \
        --metrics --backup-claim copies --backup-every 90m --backup-keep 30";
    let values = [
        "publicUrl=https://deploy.example.com:8443",
        "buildNamespace=other-builds",
        "imagePullSecret=pull.secret",
        "apiServers={10.96.0.1,fd00::1,172.16.0.0/12}",
        "insecureRegistries={10.0.0.1:5000,[fd00::2]:5000}",
        "buildApparmor=builder",
        "buildSeccomp=profiles/builder.json",
        "metrics.enabled=true",
        "backupClaim=copies",
        "backupEvery=90m",
        "backupKeep=30",
    ];

    assert_same(&flags.split_whitespace().collect::<Vec<_>>(), &values);
}

#[test]
#[ignore = "needs helm"]
fn copies_are_as_often_and_as_many_where_nothing_is_said() {
    assert_same(&["--backup-claim", "copies"], &["backupClaim=copies"]);
}

#[test]
#[ignore = "needs helm"]
fn no_flag_is_without_a_value() {
    let help = output(Command::new(env!("CARGO_BIN_EXE_stackblaze")).args(["manifests", "--help"]));
    let help = String::from_utf8(help.stdout).unwrap();
    let flags: BTreeSet<_> =
        help.lines().filter_map(|line| line.trim().strip_prefix("--")?.split(' ').next()).collect();
    // Helm says by flags of its own where a release is, and whom it speaks to.
    let not_values = ["namespace", "data-dir", "help"];
    let known = super::values::names();

    let camel = |flag: &str| {
        let mut words = flag.split('-');
        let first = words.next().unwrap().to_owned();
        words.fold(first, |text, word| format!("{text}{}{}", word[..1].to_uppercase(), &word[1..]))
    };
    let missing: Vec<_> = flags
        .iter()
        .filter(|flag| !not_values.contains(flag))
        .map(|flag| camel(flag))
        .filter(|name| !known.iter().any(|own| own == name || own == &format!("{name}.enabled")))
        .collect();
    assert_eq!(missing, ["apiServer", "insecureRegistry", "workload"], "lists are called by their plurals");
}
