//! Dockerfiles as people write them, each built by the step itself in a container with exactly its rights.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};
use stackblaze::executor::tekton::run::pipeline_run::pipeline_run;

use crate::harness::cluster::{App, BUILDS, Cluster, in_time, kubectl, variable};

/// Most that a store may take where a case does not say otherwise, in bytes.
const STORE_LIMIT: u64 = 4_000_000_000;

/// What the end of a step's container does: no daemon is left, and no store.
const CLEAN: &str = "for one in /proc/[0-9]*; do ! grep -qx buildkitd $one/comm || kill -9 ${one#/proc/}; done 2>/dev/null\n\
    rootlesskit rm -rf /store/root; rm -rf /tmp/* 2>/dev/null";

/// One case of `tests/data/dockerfiles`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Case {
    files: BTreeMap<String, String>,
    links: BTreeMap<String, String>,
    args: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    target: String,
    store_limit: Option<u64>,
    /// What the step ends with, and what it tells.
    exit: i32,
    message: String,
    detail: String,
    /// What the log has, what it has not, and how many lines at least.
    says: Vec<String>,
    hides: Vec<String>,
    lines: usize,
    change: Option<Change>,
}

impl Case {
    /// One that is built as it is.
    pub(super) fn of(dockerfile: &str) -> Self {
        let files = BTreeMap::from([("Dockerfile".to_owned(), dockerfile.to_owned())]);
        Self { files, ..Self::default() }
    }

    /// Commands that write its files.
    pub(super) fn written(&self) -> String {
        written(&self.files, &self.links)
    }
}

/// What is changed before it is built again. Anything that is not the same has to give another digest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    links: BTreeMap<String, String>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    args: BTreeMap<String, String>,
    #[serde(default)]
    says: Vec<String>,
    #[serde(default = "yes")]
    rebuilds: bool,
}

const fn yes() -> bool {
    true
}

/// How a build ended.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub(super) code: i32,
    pub(super) digest: String,
    pub(super) message: String,
    pub(super) detail: String,
    log: String,
}

/// A container with exactly the rights of the build step, in which many things are built.
pub(super) struct Builder {
    pod: &'static str,
}

fn cases() -> Vec<(String, Case)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/dockerfiles");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let file = entry.unwrap().path();
            let text = std::fs::read_to_string(&file).unwrap();
            let case = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            (file.file_stem().unwrap().to_str().unwrap().to_owned(), case)
        })
        .collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

/// What stands for addresses of the cluster.
fn filled(text: &str) -> String {
    let (registry, git) = (variable("CLUSTER_REGISTRY"), variable("CLUSTER_GIT_HTTP"));
    let base = format!("{registry}/busybox");
    let git_base = git.rsplit_once('/').unwrap().0.to_owned();
    [
        ("@BASE@", format!("{base}:latest")),
        ("@BASE_NAME@", base),
        ("@REGISTRY@", registry),
        ("@GIT_BASE@", git_base),
        ("@GIT@", git),
    ]
    .iter()
    .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Commands that write these files into the present folder. Each is written anew, with the time of now.
pub(super) fn written(files: &BTreeMap<String, String>, links: &BTreeMap<String, String>) -> String {
    let mut script = String::new();
    for (name, text) in files {
        let name = quoted(name);
        let text = quoted(&filled(text));
        writeln!(script, "mkdir -p \"$(dirname {name})\"; printf %s {text} > {name}").unwrap();
    }
    for (name, to) in links {
        writeln!(script, "ln -sfn {} {}", quoted(to), quoted(name)).unwrap();
    }
    script
}

impl Builder {
    /// Builds what lies in the case's folder, with a store of its own and what an earlier build of the case left in its
    /// cache. Variables of the step can be set anew by `more`.
    pub(super) async fn build(&self, name: &str, case: &Case, prepare: &str, more: &str) -> Built {
        let registry = variable("CLUSTER_REGISTRY");
        let secrets = written(&case.secrets, &BTreeMap::new());
        let limit = case.store_limit.unwrap_or(STORE_LIMIT);
        // No layers of an earlier run of the tests.
        let kept = format!("{registry}/dockerfiles-cache-{name}-{}", std::process::id());
        let script = format!(
            "{CLEAN}\nmkdir -p /src/{name} && cd /src/{name}\n{prepare}\n\
             rm -rf /src/results /src/secrets; mkdir -p /src/results /src/secrets && cd /src/secrets\n{secrets}\n\
             export STACKBLAZE_SOURCE=/src/{name} STACKBLAZE_BUILD_ARGS={args} STACKBLAZE_TARGET={target}\n\
             export STACKBLAZE_IMAGE={registry}/dockerfiles STACKBLAZE_TAG={name}\n\
             export STACKBLAZE_CACHE={kept} STACKBLAZE_INSECURE_REGISTRIES={registry}\n\
             export STACKBLAZE_BUILD_SECRETS=/src/secrets STACKBLAZE_STORE=/store STACKBLAZE_STORE_LIMIT={limit}\n\
             for one in COMMIT DIGEST MESSAGE DETAIL; do export STACKBLAZE_${{one}}_FILE=/src/results/$one; done\n\
             {more}\n\
             stackblaze run-step build; code=$?\n\
             for one in DIGEST MESSAGE DETAIL; do printf '\\n@@%s' \"$(cat /src/results/$one 2>/dev/null)\"; done\n\
             printf '\\n@@%s' $code",
            args = quoted(&json!(case.args).to_string()),
            target = quoted(&case.target),
        );
        let told = kubectl(&["-n", BUILDS, "exec", "-i", self.pod, "--", "sh"], &script).await.unwrap();
        let mut parts: Vec<_> = told.split("\n@@").collect();
        let code = parts.pop().unwrap().trim().parse().unwrap();
        let [detail, message, digest] =
            [parts.pop(), parts.pop(), parts.pop()].map(|part| part.unwrap().to_owned());
        Built { code, digest, message, detail, log: parts.join("\n@@") }
    }

    /// A pod that has nothing but what the build's container of a run has.
    pub(super) async fn start(cluster: &Cluster, pod: &'static str) -> Self {
        let run = App { name: "api" }.deploys("main");
        let run = pipeline_run(&run, run.plan.cluster().unwrap(), &cluster.common).unwrap();
        let rights = run.pointer("/spec/pipelineSpec/tasks/0/taskSpec/steps/1/securityContext").unwrap();
        let mounts = [("src", "/src"), ("store", "/store")];
        let object: Value = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": pod, "namespace": BUILDS },
            "spec": {
                "restartPolicy": "Never", "automountServiceAccountToken": false, "enableServiceLinks": false,
                "terminationGracePeriodSeconds": 1,
                "volumes": mounts.map(|(name, _)| json!({ "name": name, "emptyDir": {} })),
                "containers": [{
                    "name": "build", "image": cluster.common.images.build, "command": ["sleep", "86400"],
                    "securityContext": rights,
                    "volumeMounts": mounts.map(|(name, path)| json!({ "name": name, "mountPath": path })),
                }],
            },
        });
        let own = Self { pod };
        own.end().await;
        kubectl(&["create", "-f", "-"], &object.to_string()).await.unwrap();
        let ready = ["-n", BUILDS, "wait", "--for=condition=Ready", "--timeout=600s", &format!("pod/{pod}")];
        in_time(kubectl(&ready, "")).await.unwrap();
        own
    }

    pub(super) async fn end(&self) {
        kubectl(&["-n", BUILDS, "delete", "pod", self.pod, "--ignore-not-found"], "").await.unwrap();
    }
}

/// What is wrong with a build of a case; nothing where all is as it should be.
fn wrong(case: &Case, built: &Built) -> Vec<String> {
    let mut all = Vec::new();
    if built.code != case.exit {
        all.push(format!("exit code {} instead of {}", built.code, case.exit));
    }
    for (what, part, whole) in
        [("message", &case.message, &built.message), ("detail", &case.detail, &built.detail)]
    {
        if !whole.contains(part.as_str()) || (case.exit == 0 && !whole.is_empty()) {
            all.push(format!("{what} is {whole:?}, not {part:?}"));
        }
    }
    all.extend(
        case.says
            .iter()
            .filter(|part| !built.log.contains(*part))
            .map(|part| format!("does not say {part:?}")),
    );
    let told = [&built.log, &built.message, &built.detail];
    let shown = |part: &&String| told.iter().any(|text| text.contains(part.as_str()));
    all.extend(case.hides.iter().filter(shown).map(|part| format!("shows {part:?}")));
    if built.log.lines().count() < case.lines {
        all.push(format!("has only {} lines", built.log.lines().count()));
    }
    all
}

async fn judge(builder: &Builder, name: &str, mut case: Case) -> Vec<String> {
    let first = builder.build(name, &case, &case.written(), "").await;
    let mut all = wrong(&case, &first);
    if let Some(change) = case.change.take() {
        let removed: Vec<_> = change.remove.iter().map(|file| format!("rm {}", quoted(file))).collect();
        let prepare = format!("{}\n{}", removed.join("\n"), written(&change.files, &change.links));
        case.args.extend(change.args);
        let second = builder.build(name, &case, &prepare, "").await;
        all.extend(wrong(&case, &second).into_iter().map(|wrong| format!("the second time: {wrong}")));
        if (first.digest == second.digest) == change.rebuilds {
            all.push(format!(
                "the second digest is {:?}, the first {:?}\n{}",
                second.digest, first.digest, second.log
            ));
        }
        let unsaid = change.says.iter().filter(|part| !second.log.contains(*part));
        all.extend(unsaid.map(|part| format!("the second time it does not say {part:?}\n{}", second.log)));
    }
    if !all.is_empty() {
        let end: Vec<_> = first.log.lines().rev().take(40).collect();
        all.push(end.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    all
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn dockerfiles_of_every_kind_are_built_rightly_or_refused_in_words() {
    let cluster = Cluster::connect().await;
    let builder = Builder::start(&cluster, "dockerfiles").await;
    let mut report = String::new();

    for (name, case) in cases() {
        for wrong in judge(&builder, &name, case).await {
            writeln!(report, "{name}: {wrong}").unwrap();
        }
    }

    builder.end().await;
    assert!(report.is_empty(), "\n{report}");
}
