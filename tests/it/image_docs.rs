//! The texts of `docs/IMAGES.md`, run as CI systems and this host run them, with a program in docker's place.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::git::GitRepo;
use crate::harness::guest::output;
use crate::harness::process::{Server, serve};

const DOCS: &str = include_str!("../../docs/IMAGES.md");
const DIGEST: &str = "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b";
const COMMIT: &str = "4f2c1d7e0b9a8c6d5e4f3a2b1c0d9e8f7a6b5c4d";

/// A folder with a `docker` that notes its arguments and what it was given in `STACKBLAZE_IMAGE`.
struct Docker {
    folder: TempDir,
}

impl Docker {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (program, notes) = (folder.path().join("docker"), folder.path().join("notes"));
        let script = format!(
            "#!/bin/sh\necho \"$* [${{STACKBLAZE_IMAGE-}}]\" >>'{}'\n\
             case $1 in inspect) echo \"registry.example.com/shop/api@{DIGEST}\" ;; esac\n",
            notes.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// The search path with it in front.
    fn path(&self) -> String {
        format!("{}:{}", self.folder.path().display(), std::env::var_os("PATH").unwrap().display())
    }

    /// What it was asked for, in order.
    fn notes(&self) -> Vec<String> {
        let notes: PathBuf = self.folder.path().join("notes");
        let text = std::fs::read_to_string(&notes).unwrap_or_default();
        std::fs::remove_file(notes).ok();
        text.lines().map(str::to_owned).collect()
    }
}

/// The lines of a block behind a line, without their indent.
fn behind(head: &str, last: &str) -> String {
    let lines: Vec<_> =
        DOCS.split(head).nth(1).unwrap().lines().skip_while(|line| !line.contains(last)).collect();
    let lines = lines.iter().skip(1).take_while(|line| !line.starts_with("```"));
    let lines: Vec<_> = lines.map(|line| line.trim_start()).collect();
    lines.join("\n")
}

fn server(data: &Path, docker: &Docker) -> Server {
    let mut command = serve(data, &[]);
    command.env("PATH", docker.path());
    Server::from_command(command, data)
}

#[tokio::test]
async fn what_ci_has_built_is_deployed_by_its_digest_and_waited_for() {
    let (data, docker, repo) = (TempDir::new().unwrap(), Docker::new(), GitRepo::new());
    repo.commit("compose.yaml", "services: {}\n", "Describe it");
    let server = server(data.path(), &docker);
    let deploy = behind("## On one machine", "```sh");
    let service = json!({ "name": "api", "repository": repo.url(), "image": "registry.example.com/shop/api",
        "buildCommand": "docker build .", "deployCommand": deploy });
    let hook = format!("{}{}", server.url, server.hook(service).await);

    for (head, last, variables) in [
        ("## GitHub Actions", "run: |", ["GITHUB_RUN_ID", "GITHUB_SHA", "GITHUB_REF_NAME"]),
        ("## GitLab CI", "- |", ["CI_JOB_ID", "CI_COMMIT_SHA", "CI_COMMIT_BRANCH"]),
    ] {
        let script = behind(head, last).replace("https://deploy.example.com", &server.url);
        let folder = TempDir::new().unwrap();
        let mut command = Command::new("sh");
        command.args(["-e", "-c", &script]).current_dir(folder.path()).env("PATH", docker.path());
        command.env("STACKBLAZE_DEPLOY_HOOK", &hook).env("IMAGE", "registry.example.com/shop/api");
        for (name, value) in variables.into_iter().zip(["7", COMMIT, "main"]) {
            command.env(name, value);
        }

        let ran = output(&mut command);

        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success() && said.ends_with("succeeded\n"), "{head}: {said}{ran:?}");
        let image = format!("registry.example.com/shop/api@{DIGEST}");
        let notes = docker.notes();
        assert!(
            notes[0].starts_with(&format!("build -t registry.example.com/shop/api:{COMMIT}")),
            "{notes:?}"
        );
        assert_eq!(
            notes[3..],
            [
                format!("compose --project-name api pull [{image}]"),
                format!("compose --project-name api up --detach --wait [{image}]")
            ],
            "{head}"
        );
        let list = server.api("GET", "/api/v1/deployments?limit=1", None).await;
        let newest = &list["items"][0];
        assert_eq!((&newest["source"], &newest["commit"]), (&json!("image"), &json!(COMMIT)));
    }
}

#[tokio::test]
async fn the_commands_of_the_page_are_taken() {
    let (data, docker) = (TempDir::new().unwrap(), Docker::new());
    let server = server(data.path(), &docker);
    let image = json!("registry.example.com/shop/api");
    let service = |name: &str| json!({ "name": name, "repository": null, "image": image.clone(), "deployCommand": "docker run \"$STACKBLAZE_IMAGE\"" });
    for name in ["api-staging", "api-production"] {
        server.api("POST", "/api/v1/services", Some(service(name))).await;
    }
    let cli = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stackblaze"));
        output(command.args(arguments).arg("--data-dir").arg(data.path()))
    };

    let by_tag = cli(&["deploy", "api-staging", "--image", ":v1.2.3", "--wait"]);
    let id = String::from_utf8_lossy(&by_tag.stdout).lines().next().unwrap_or_default().to_owned();
    let tagged = cli(&["deploy", "api-production", "--from", &id, "--wait"]);
    let by_digest = cli(&["deploy", "api-staging", "--image", &format!("@{DIGEST}"), "--wait"]);
    let id = String::from_utf8_lossy(&by_digest.stdout).lines().next().unwrap_or_default().to_owned();
    let promoted = cli(&["deploy", "api-production", "--from", &id, "--wait"]);

    assert!(by_tag.status.success() && by_digest.status.success(), "{by_tag:?} {by_digest:?}");
    let why = String::from_utf8_lossy(&tagged.stderr).into_owned();
    assert!(!tagged.status.success() && why.contains("cannot be promoted"), "{why}");
    assert!(promoted.status.success(), "{promoted:?}");
    let image = "registry.example.com/shop/api";
    let wanted = [format!("{image}:v1.2.3"), format!("{image}@{DIGEST}"), format!("{image}@{DIGEST}")];
    assert_eq!(docker.notes(), wanted.map(|image| format!("run {image} [{image}]")));
    assert!(cli(&["hook", "create", "api-staging", "--name", "ci", "--source", "image"]).status.success());
    assert!(cli(&["hook", "set", "api-staging", "ci", "--source", "any"]).status.success());
}
