//! What the chart makes only when it is asked to.

use serde_json::{Value, json};

use super::{NAMESPACE, rendered};

const POD: &str = "/spec/template/spec";

/// The objects with values in JSON.
#[track_caller]
fn with(set: &[&str]) -> std::collections::BTreeMap<String, Value> {
    rendered(&set.iter().flat_map(|value| ["--set-json", value]).collect::<Vec<_>>())
}

fn own(kind: &str, name: &str) -> String {
    format!("{kind} {NAMESPACE}/{name}")
}

#[track_caller]
fn server(set: &[&str]) -> Value {
    with(set).remove(&own("StatefulSet", "stackblaze")).unwrap()
}

#[test]
#[ignore = "needs helm"]
fn an_ingress_and_a_route_lead_from_the_host_of_the_public_url_to_the_server() {
    let url = r#"publicUrl="https://deploy.example.com:8443""#;
    let ingress = ["ingress.enabled=true", r#"ingress.className="nginx""#, r#"ingress.tlsSecret="cert""#];
    let annotated = [r#"ingress.annotations={"a/b": "600"}"#, r#"httpRoute.annotations={"c/d": "e"}"#];
    let route =
        ["httpRoute.enabled=true", r#"httpRoute.parentRefs=[{"name": "public", "namespace": "gateways"}]"#];

    let objects = with(&[&[url][..], &ingress, &annotated, &route].concat());

    let ingress = &objects[&own("Ingress", "stackblaze")];
    let backend = json!({"service": {"name": "stackblaze", "port": {"name": "http"}}});
    assert_eq!(ingress["metadata"]["annotations"], json!({"a/b": "600"}));
    assert_eq!(
        ingress["spec"],
        json!({
            "ingressClassName": "nginx",
            "rules": [{"host": "deploy.example.com",
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
            "tls": [{"hosts": ["deploy.example.com"], "secretName": "cert"}],
        })
    );
    let route = &objects[&own("HTTPRoute", "stackblaze")];
    assert_eq!(route["metadata"]["annotations"], json!({"c/d": "e"}));
    assert_eq!(
        route["spec"],
        json!({
            "parentRefs": [{"name": "public", "namespace": "gateways"}],
            "hostnames": ["deploy.example.com"],
            "rules": [{"backendRefs": [{"name": "stackblaze", "port": 80}]}],
        })
    );
    let service = &objects[&own("Service", "stackblaze")]["spec"]["ports"][0];
    assert_eq!((&service["name"], &service["port"]), (&json!("http"), &json!(80)));
}

#[test]
#[ignore = "needs helm"]
fn a_service_monitor_asks_the_service_that_has_the_metrics() {
    let labels = r#"metrics.serviceMonitor.labels={"release": "prometheus"}"#;
    let enabled = ["metrics.enabled=true", "metrics.serviceMonitor.enabled=true"];
    let objects = with(&[enabled[0], enabled[1], labels, r#"metrics.serviceMonitor.interval="15s""#]);

    let monitor = &objects[&own("ServiceMonitor", "stackblaze")];
    let service = &objects[&own("Service", "stackblaze-metrics")];
    for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&service["metadata"]["labels"][label], value);
    }
    assert_eq!(monitor["spec"]["endpoints"], json!([{"port": "metrics", "interval": "15s"}]));
    assert_eq!(service["spec"]["ports"][0]["name"], "metrics");
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    assert!(!with(&[enabled[0]]).contains_key(&own("ServiceMonitor", "stackblaze")));
}

#[test]
#[ignore = "needs helm"]
fn who_may_reach_the_server_and_its_metrics_is_said_or_left_to_others() {
    let name = own("NetworkPolicy", "stackblaze");
    let gateways =
        json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}}}]);
    let watchers = json!([{"podSelector": {"matchLabels": {"app": "prometheus"}}}]);
    let said = [format!("networkPolicy.from={gateways}"), format!("networkPolicy.metricsFrom={watchers}")];

    let objects = with(&[&said[0], &said[1], "metrics.enabled=true"]);
    let without = with(&["networkPolicy.enabled=false", "metrics.enabled=true"]);

    assert_eq!(
        objects[&name]["spec"]["ingress"],
        json!([{"ports": [{"port": 8080}], "from": gateways}, {"ports": [{"port": 9464}], "from": watchers}])
    );
    assert!(!without.contains_key(&name));
    let fences: Vec<_> = without.keys().filter(|name| name.starts_with("NetworkPolicy ")).collect();
    assert_eq!(fences.len(), 2, "builds and deploys are fenced in any case: {fences:?}");
}

#[test]
#[ignore = "needs helm"]
fn the_pod_goes_where_it_is_told_and_gets_what_it_is_given() {
    let plain = server(&[]);
    let server = server(&[
        r#"tolerations=[{"key": "only", "operator": "Exists"}]"#,
        r#"nodeSelector={"disk": "fast"}"#,
        r#"priorityClassName="high""#,
        r#"extraEnv=[{"name": "STACKBLAZE_TRUSTED_PROXY", "value": "10.0.0.0/8"}, {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]"#,
        r#"resources={"requests": {"cpu": 1}, "limits": {"memory": null, "cpu": "2"}}"#,
    ]);

    let pod = server.pointer(POD).unwrap();
    let tolerated = |pod: &Value| pod["tolerations"].as_array().unwrap().clone();
    let before = tolerated(plain.pointer(POD).unwrap());
    assert!(before.iter().all(|own| own["tolerationSeconds"] == 30) && before.len() == 2, "{before:?}");
    assert_eq!(tolerated(pod), [&before[..], &[json!({"key": "only", "operator": "Exists"})]].concat());
    assert_eq!(pod["nodeSelector"], json!({"disk": "fast"}));
    assert_eq!(pod["priorityClassName"], "high");
    let container = &pod["containers"][0];
    let env = container["env"].as_array().unwrap();
    assert_eq!(
        env[env.len() - 2..],
        [
            json!({"name": "STACKBLAZE_TRUSTED_PROXY", "value": "10.0.0.0/8"}),
            json!({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}),
        ]
    );
    assert_eq!(
        container["resources"],
        json!({"requests": {"cpu": 1, "memory": "64Mi"}, "limits": {"cpu": "2"}})
    );
    let plain = plain.pointer(POD).unwrap();
    assert!(plain.get("nodeSelector").is_none() && plain.get("priorityClassName").is_none());
}

#[test]
#[ignore = "needs helm"]
fn a_container_beside_the_server_sees_its_disk() {
    let page = include_str!("../../../docs/OPERATIONS.md");
    let block = page.split("```yaml\nsidecars:\n").nth(1).unwrap().split("```").next().unwrap();
    let wanted: Value = serde_saphyr::from_str(&format!("sidecars:\n{block}")).unwrap();

    let server = server(&[&format!("sidecars={}", wanted["sidecars"])]);

    let pod = server.pointer(POD).unwrap();
    let containers = pod["containers"].as_array().unwrap();
    assert_eq!(containers[0]["name"], "stackblaze");
    assert_eq!(containers[1..], *wanted["sidecars"].as_array().unwrap());
    let disk = |container: &Value| container["volumeMounts"][0].clone();
    assert_eq!(disk(&containers[1]), disk(&containers[0]), "both have the disk at the same place");
}

#[test]
#[ignore = "needs helm"]
fn the_disk_is_a_claim_that_is_made_or_one_that_exists() {
    let made =
        server(&[r#"storage={"size": "20Gi", "storageClass": "fast", "accessMode": "ReadWriteOnce"}"#]);
    let found = server(&[r#"existingClaim="old""#]);

    let claim = &made["spec"]["volumeClaimTemplates"][0];
    assert_eq!(
        claim["spec"],
        json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": {"requests": {"storage": "20Gi"}}})
    );
    assert!(found["spec"].get("volumeClaimTemplates").is_none());
    let volumes = found.pointer(&format!("{POD}/volumes")).unwrap().as_array().unwrap();
    assert!(
        volumes.contains(&json!({"name": "data", "persistentVolumeClaim": {"claimName": "old"}})),
        "{volumes:?}"
    );
    let names: Vec<_> = volumes.iter().map(|volume| &volume["name"]).collect();
    assert_eq!(names, ["tmp", "data"]);
}

#[test]
#[ignore = "needs helm"]
fn the_build_namespace_is_made_and_kept_or_left_to_others() {
    let name = "Namespace /stackblaze-builds";
    let (made, without) = (with(&[]), with(&["createBuildNamespace=false"]));

    assert_eq!(made[name]["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    assert!(!without.keys().any(|name| name.starts_with("Namespace ")));
    assert_eq!(made.len() - 1, without.len());
}
