//! A real Prometheus reads the metrics of a real server, and its own tool checks the rules.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::guest::{Guest, output, output_of};
use crate::harness::process::{Server, client, wait_until};
use crate::harness::soon;

/// Whether the program is here; says what is left out where it is not.
fn has(program: &str, what: &str) -> bool {
    let is_here = Command::new(program).arg("--version").output().is_ok();
    if !is_here {
        eprintln!("LEFT OUT, since {program} is missing: {what}");
    }
    is_here
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// A server that is watched, and where.
fn watched(data: &Path) -> (Server, String) {
    let server = Server::start(data, &["--metrics-listen", "127.0.0.1:0"]);
    let line = std::iter::from_fn(|| server.lines.recv_timeout(crate::harness::PATIENCE).ok())
        .find_map(|line| Some(line.strip_prefix("metrics    ")?.to_owned()));
    (server, line.unwrap())
}

async fn text(url: &str) -> String {
    soon(client().get(url).send()).await.unwrap().text().await.unwrap()
}

/// The same metrics as the older text that `promtool check metrics` reads: there a counter's type and help are told by the
/// name of its samples, an info is a gauge, and units are not known.
fn older(text: &str) -> String {
    let mut lines = Vec::new();
    let kind = |name: &str| {
        let head = format!("# TYPE {name} ");
        text.lines().find_map(|line| line.strip_prefix(&head)).unwrap_or_default().to_owned()
    };
    for line in text.lines().filter(|line| !line.starts_with("# UNIT") && *line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let (["#", what @ ("HELP" | "TYPE"), name, rest], kind) =
            (&words[..], kind(words.get(2).unwrap_or(&"")))
        else {
            lines.push(line.to_owned());
            continue;
        };
        let end = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let rest = if *what == "TYPE" && kind == "info" { "gauge" } else { rest };
        lines.push(format!("# {what} {name}{end} {rest}"));
    }
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn prometheus_reads_what_the_server_tells_it() {
    if !has("prometheus", "a real Prometheus that reads the metrics") {
        return;
    }
    let (data, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (server, url) = watched(data.path());
    let target = url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring/alerts.yaml");
    let configuration = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n  - job_name: stackblaze\n    static_configs: [{{targets: ['{target}']}}]\n",
        rules.display()
    );
    std::fs::write(folder.path().join("prometheus.yml"), configuration).unwrap();
    let log = std::fs::File::create(folder.path().join("said")).unwrap();
    let mut command = Command::new("prometheus");
    command
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    let _prometheus = Guest::start(&mut command);
    server.hook(serde_json::json!({ "name": "api", "repository": "/srv/api" })).await;

    let ask = |query: &str| {
        let found = Command::new("curl")
            .args(["-sG", "-m", "5", "--data-urlencode", &format!("query={query}")])
            .arg(format!("http://127.0.0.1:{port}/api/v1/query"))
            .output();
        let found: Value = serde_json::from_slice(&found.unwrap().stdout).unwrap_or_default();
        found["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    wait_until("the first scrape", || ask("up{job=\"stackblaze\"}").as_deref() == Some("1"));
    for (query, wanted) in [
        ("stackblaze_ready", "1"),
        ("count(stackblaze_build_info)", "1"),
        ("stackblaze_hook_calls_total{result=\"accepted\"}", "0"),
        ("count(stackblaze_step_duration_seconds_bucket{step=\"build\",result=\"success\"})", "13"),
        ("count(ALERTS) or vector(0)", "0"),
    ] {
        assert_eq!(ask(query).as_deref(), Some(wanted), "{query}");
    }
    let kinds = soon(client().get(format!("http://127.0.0.1:{port}/api/v1/metadata")).send()).await.unwrap();
    let kinds: Value = serde_json::from_str(&kinds.text().await.unwrap()).unwrap();
    assert_eq!(kinds["data"]["stackblaze_disk_free_bytes"][0]["unit"], "bytes");
    assert_eq!(kinds["data"]["stackblaze_writer_batch_duration_seconds"][0]["type"], "histogram");
}

#[tokio::test]
async fn promtool_finds_rules_and_metrics_good() {
    if !has("promtool", "its look at rules and metrics") {
        return;
    }
    let data = TempDir::new().unwrap();
    let (_server, url) = watched(data.path());
    let monitoring = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring");
    let tool = |arguments: &[&str]| {
        let mut command = Command::new("promtool");
        command.args(arguments).current_dir(&monitoring);
        command
    };

    let rules = output(&mut tool(&["check", "rules", "alerts.yaml"]));
    let tests = output(&mut tool(&["test", "rules", "alerts.test.yaml"]));
    let metrics = output_of(tool(&["check", "metrics"]), &older(&text(&url).await)).await;

    assert!(rules.status.success(), "{}", said(&rules));
    assert!(tests.status.success(), "{}", said(&tests));
    assert!(metrics.status.success() && said(&metrics).trim().is_empty(), "{}", said(&metrics));
}
