//! What the README says is run here, as it stands there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::git::GitRepo;
use crate::harness::guest::output;
use crate::harness::process::{Server, stackblaze};

const README: &str = include_str!("../../README.md");
const SETTINGS: &str = include_str!("../../docs/SETTINGS.md");

/// The indented commands of a section, in order.
fn commands(section: &str) -> Vec<&'static str> {
    let text = README.split(&format!("\n## {section}\n")).nth(1).unwrap();
    let text = text.split("\n## ").next().unwrap();
    text.lines().filter_map(|line| line.strip_prefix("    ")).collect()
}

/// Runs shell text in a folder, with our program on the path and a data directory.
fn shell(text: &str, folder: &Path, data: &Path, variables: &[(&str, &str)]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_stackblaze")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var_os("PATH").unwrap().to_string_lossy());
    let mut command = Command::new("sh");
    command
        .args(["-e", "-c", text])
        .current_dir(folder)
        .env("PATH", path)
        .env("STACKBLAZE_DATA_DIR", data)
        .envs(variables.iter().copied());
    output(&mut command)
}

#[tokio::test]
async fn the_lines_for_ci_deploy_and_tell_the_end_by_their_exit_code() {
    let (data, folder, repo) = (TempDir::new().unwrap(), TempDir::new().unwrap(), GitRepo::new());
    let commit = repo.commit("hello", "one\n", "Say hello");
    let server = Server::start(data.path(), &[]);
    let lines = commands("From CI").join("\n").replace("https://deploy.example.com", &server.url);
    let mut ends = Vec::new();

    for (name, build) in [("good", "true"), ("bad", "false")] {
        let service = json!({ "name": name, "repository": repo.url(), "buildCommand": build });
        let hook = format!("{}{}", server.url, server.hook(service).await);
        let variables = [
            ("STACKBLAZE_DEPLOY_HOOK", hook.as_str()),
            ("CI_JOB_ID", name),
            ("CI_COMMIT_BRANCH", "main"),
            ("CI_COMMIT_SHA", &commit),
        ];
        ends.push(shell(&lines, folder.path(), data.path(), &variables));
    }

    let text = |index: usize| String::from_utf8_lossy(&ends[index].stdout).into_owned();
    assert_eq!(ends[0].status.code(), Some(0), "{} {}", text(0), String::from_utf8_lossy(&ends[0].stderr));
    assert!(text(0).contains("succeeded"));
    assert_eq!(ends[1].status.code(), Some(22));
    assert!(text(1).contains("failed build_failed"));
}

#[tokio::test]
async fn the_first_service_and_hook_are_made_as_shown() {
    let (data, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let _server = Server::start(data.path(), &[]);
    let shown = commands("Install");
    let wanted = shown.iter().filter(|line| line.contains("service add") || line.contains("hook create"));

    for line in wanted.clone() {
        let output = shell(line, folder.path(), data.path(), &[]);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    assert_eq!(wanted.count(), 2);
}

#[tokio::test]
async fn the_commands_for_operating_work_as_shown() {
    let folder = TempDir::new().unwrap();
    // Made by the server, with the mode that it wants.
    let data = folder.path().join("data");
    let mut server = Server::start(&data, &[]);
    server.api("POST", "/api/v1/operators", Some(json!({ "name": "mira" }))).await;
    let shown = commands("Operating");
    let run = |verb: &str| {
        let line = shown.iter().find(|line| line.contains(verb)).unwrap().replace("NAME", "mira");
        // At a terminal it asks; here is nobody to ask.
        let line = line.replace("restore ", "restore --yes ");
        let output = shell(&line, folder.path(), &data, &[]);
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };

    for verb in ["backup", "doctor", "login-link"] {
        let (succeeded, said) = run(verb);
        assert!(succeeded, "{verb}: {said}");
    }
    assert!(!run("restore").0, "a server uses the folder");
    server.signal("TERM");
    assert!(server.wait().success());
    let (succeeded, said) = run("restore");
    assert!(succeeded, "{said}");
}

#[test]
fn the_table_has_flags_of_the_server_and_the_page_of_settings_has_all_of_them() {
    let help = stackblaze().args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flag = regex::Regex::new("--[a-z][a-z-]+").unwrap();
    let flags = |text: &str| {
        let found: BTreeSet<_> = flag.find_iter(text).map(|found| found.as_str().to_owned()).collect();
        found
    };
    let first_column = |text: &str| {
        let rows = text.lines().filter(|line| line.starts_with("| `--"));
        flags(&rows.map(|row| row.split('|').nth(1).unwrap()).collect::<Vec<_>>().join("\n"))
    };
    let section =
        |text: &'static str, head: &str| text.split(head).nth(1).unwrap().split("\n## ").next().unwrap();
    let options =
        help.lines().filter(|line| line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    let mut all = flags(&options);
    all.retain(|flag| !["--help", "--version"].contains(&flag.as_str()));

    let table = first_column(section(README, "\n## Settings\n"));

    assert!(table.len() > 10 && table.is_subset(&all), "{:?}", table.difference(&all));
    assert_eq!(first_column(section(SETTINGS, "\n## The server\n")), all);
}
