//! What the chart does not take, and the sentence that says so.

use super::{chart, file, helm, render, template};

#[track_caller]
fn assert_refused(set: &[&str], told: &[&str]) {
    let words: Vec<_> = set.iter().flat_map(|value| ["--set-json", value]).collect();
    let said = render(&words).expect_err(&format!("{set:?} is taken"));
    for told in told {
        assert!(said.contains(told), "{set:?}: {said}");
    }
}

#[test]
#[ignore = "needs helm"]
fn a_second_server_is_refused_with_the_reason_and_none_is_taken() {
    assert_refused(
        &["replicas=2"],
        &["replicas: is 1, or 0", "One server has the database", "Tekton and Kubernetes"],
    );
    assert!(render(&["--set", "replicas=0"]).unwrap().contains("\n  replicas: 0\n"));
}

#[test]
#[ignore = "needs helm"]
fn what_does_not_go_together_is_told() {
    for (set, told) in [
        (&[r#"buildNamespace="deploys""#][..], "buildNamespace: is another namespace than the release's"),
        (
            &[r#"workloads=["stackblaze-builds/x"]"#],
            "workloads: stackblaze-builds/x is in the namespace of the builds",
        ),
        (
            &[r#"releaseJobs=["stackblaze-builds"]"#],
            "releaseJobs: stackblaze-builds is the server's or the builds'",
        ),
        (&[r#"releaseJobs=["deploys"]"#], "releaseJobs: deploys is the server's or the builds'"),
        (&["ingress.enabled=true"], "publicUrl: has to be given"),
        (&["httpRoute.enabled=true"], "publicUrl: has to be given"),
        (
            &["httpRoute.enabled=true", r#"publicUrl="https://x.test""#],
            "httpRoute.parentRefs: names the Gateway",
        ),
        (&["metrics.serviceMonitor.enabled=true"], "metrics.serviceMonitor.enabled: needs metrics.enabled"),
        (
            &[r#"extraEnv=[{"name": "STACKBLAZE_DATA_DIR", "value": "/tmp"}]"#],
            "extraEnv: STACKBLAZE_DATA_DIR is set by the chart",
        ),
    ] {
        assert_refused(set, &[told]);
    }
    let said = template(&[]).unwrap_err();
    assert!(said.contains("image, builderImage: have to be given"), "{said}");
}

#[test]
#[ignore = "needs helm"]
fn a_wrong_value_and_a_name_that_is_none_are_named() {
    for (set, told) in [
        (r#"image="x'; y""#, "/image"),
        (r#"image="stackblaze:1""#, "/image"),
        (r#"builderImage="registry.example.com/x\n""#, "/builderImage"),
        (r#"buildNamespace="a b""#, "/buildNamespace"),
        (r#"buildNamespace="""#, "/buildNamespace"),
        (r#"releaseJobs=["apps", "Apps"]"#, "/releaseJobs/1"),
        (r#"workloads=["job:apps/api"]"#, "/workloads/0"),
        (r#"publicUrl="https://a\"b""#, "/publicUrl"),
        (r#"publicUrl="https://x.test/path""#, "/publicUrl"),
        (r#"apiServers=["10.0.0.256"]"#, "/apiServers/0"),
        (r#"buildSeccomp="../x""#, "/buildSeccomp"),
        ("backupKeep=0", "/backupKeep"),
        (r#"backupEvery="daily""#, "/backupEvery"),
        (r#"storage.accessMode="ReadWriteMany""#, "/storage/accessMode"),
        (r#"replicas="1""#, "/replicas"),
        ("nodeSelector.disk=1", "/nodeSelector/disk"),
        ("workload=[]", "'workload'"),
        ("metrics.enable=true", "'enable'"),
        (r#"extraEnv=[{"nam": "A"}]"#, "'nam'"),
    ] {
        assert_refused(&[set], &["don't meet the specifications", told]);
    }
}

#[test]
#[ignore = "needs helm"]
fn helm_finds_nothing_to_say_against_the_chart() {
    let chart = chart();
    let linted = helm(&["lint", "--strict", "--kube-version", "1.30.0", chart.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&linted.stdout).into_owned();

    assert!(linted.status.success() && !said.contains("WARNING"), "{said}");
    assert!(file("Chart.yaml").contains("\nkubeVersion: \">=1.30.0-0\"\n"));
}
