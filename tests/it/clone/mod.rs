//! The step `clone`, which all executors share, against real servers: what it brings, and what it says where it cannot.

mod brings;
mod extras;
mod refused;
mod servers;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::git::GitRepo;
use crate::harness::guest::output;

/// Exit codes of the step.
const CLONE_FAILED: i32 = 80;
const BRANCH_NOT_FOUND: i32 = 81;
const COMMIT_NOT_FOUND: i32 = 82;
const TAG_NOT_FOUND: i32 = 83;

/// A step to be run.
struct Step {
    folder: TempDir,
    variables: Vec<(String, String)>,
    settings: Value,
}

/// What became of it.
struct Ended {
    step: Step,
    code: Option<i32>,
    log: String,
}

/// A step for the branch `main` of a repository.
fn clone(repository: &str) -> Step {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("scratch")).unwrap();
    let mut step = Step { folder, variables: Vec::new(), settings: json!({}) };
    let files =
        [("SOURCE", "source"), ("SCRATCH", "scratch"), ("COMMIT_FILE", "commit"), ("DETAIL_FILE", "detail")];
    for (name, file) in
        [files.as_slice(), &[("SUBJECT_FILE", "subject"), ("MESSAGE_FILE", "message")]].concat()
    {
        let path = step.folder.path().join(file).display().to_string();
        step = step.with(name, &path);
    }
    let path = option_env!("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin").to_owned() + ":/usr/sbin";
    step.with("REPOSITORY", repository).with("BRANCH", "main").variable("PATH", &path)
}

impl Step {
    fn with(self, name: &str, value: &str) -> Self {
        self.variable(&format!("STACKBLAZE_{name}"), value)
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn setting(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.settings[name] = value.into();
        self
    }

    /// A git Secret as it is mounted.
    fn secret(self, keys: &[(&str, &str)]) -> Self {
        let folder = self.folder.path().join("secret");
        std::fs::create_dir(&folder).unwrap();
        for (key, value) in keys {
            std::fs::write(folder.join(key), value).unwrap();
        }
        self.with("GIT_SECRET", &folder.display().to_string())
    }

    /// As on the server's own host: a host's key is taken at the first meeting.
    fn on_host(self) -> Self {
        let known = self.folder.path().join("known_hosts").display().to_string();
        self.with("KNOWN_HOSTS", &known)
    }

    fn run(self) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stackblaze"));
        command.args(["run-step", "clone"]).env_clear().envs(self.variables.iter().cloned());
        command.env("STACKBLAZE_CLONE_SETTINGS", self.settings.to_string());
        let output = output(&mut command);
        let log = [output.stdout, output.stderr].concat();
        Ended { step: self, code: output.status.code(), log: String::from_utf8(log).unwrap() }
    }
}

impl Ended {
    fn told(&self, file: &str) -> String {
        std::fs::read_to_string(self.step.folder.path().join(file)).unwrap_or_default()
    }

    fn source(&self) -> PathBuf {
        self.step.folder.path().join("source")
    }

    fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.source().join(path)).unwrap_or_default()
    }

    /// What git says in the source.
    fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git").args(words).current_dir(self.source()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[track_caller]
    fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.log);
        self
    }

    /// It failed, with a sentence of ours and git's own line, which is in the log too.
    #[track_caller]
    fn failed(&self, message: &str, detail: &str) {
        assert_eq!(self.code, Some(CLONE_FAILED), "{}", self.log);
        assert!(
            self.told("message").contains(message),
            "{} is not: {message}\n{}",
            self.told("message"),
            self.log
        );
        assert!(
            self.told("detail").contains(detail),
            "{} is not: {detail}\n{}",
            self.told("detail"),
            self.log
        );
        assert!(self.log.contains(&self.told("detail")), "{}", self.log);
    }
}

/// A bare copy of a repository, as servers have them.
fn bare(repo: &GitRepo, folder: &Path, name: &str) -> PathBuf {
    let to = folder.join(name);
    let url = repo.url();
    let done = Command::new("git").args(["clone", "--quiet", "--bare", &url]).arg(&to).status().unwrap();
    assert!(done.success());
    to
}

/// Whether a program is there; otherwise the test is left out, aloud.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("-V").output().is_ok();
    if !found {
        eprintln!("LEFT OUT, since {program} is missing");
    }
    found
}
