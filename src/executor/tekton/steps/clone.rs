//! The step `clone`: resolves the branch to a commit, once, and fetches it.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::{Branch, Commit, Repository, Transport};
use crate::executor::tekton::exit_codes::{BRANCH_NOT_FOUND, CLONE_FAILED, COMMIT_NOT_FOUND, SUCCEEDED};

use super::process::{Ended, Program, write_result};

/// Where the branch's head is kept; no name that a repository could have.
const HEAD_REF: &str = "refs/stackblaze/branch";
/// What `git ls-remote --exit-code` ends with where nothing matches.
const NO_MATCH: i32 = 2;
/// Longest first line of a commit's message that is told, in bytes.
const MAX_SUBJECT: usize = 200;
/// User name where a Secret holds none: every forge ignores it beside a token.
const ANY_USER: &str = "git";

/// What to fetch and where to.
#[derive(Debug, Clone)]
pub struct CloneStep {
    /// From where.
    pub repository: Repository,
    /// Which branch.
    pub branch: Branch,
    /// The commit that was asked for; it has to be on the branch.
    pub commit: Option<Commit>,
    /// The folder that is made.
    pub source: PathBuf,
    /// A folder that only this step sees, for what git has to find as a file.
    pub scratch: PathBuf,
    /// The mounted Secret.
    pub secret: Option<PathBuf>,
    /// Where the commit is told.
    pub commit_file: PathBuf,
    /// Where the first line of its message is told.
    pub subject_file: PathBuf,
    /// Where a failure is told.
    pub message_file: PathBuf,
}

/// An exit code and a sentence.
type Failure = (u8, String);

impl CloneStep {
    /// Fetches and gives the exit code of the table.
    pub fn run(&self) -> u8 {
        match self.fetch() {
            Ok(commit) => {
                println!("{} is at {commit}", self.branch);
                SUCCEEDED
            }
            Err((code, message)) => {
                println!("{message}");
                drop(write_result(&self.message_file, &message));
                code
            }
        }
    }

    fn fetch(&self) -> Result<Commit, Failure> {
        let access = self.access().map_err(failed)?;
        println!("fetching {} of {}", self.branch, self.repository);
        let head = self.head(&access)?;
        let is_head = self.commit.as_ref().is_none_or(|commit| *commit == head);
        self.git(&access, &["init", "--quiet", "--", &self.source.to_string_lossy()], None, "prepare")?;
        let refspec = format!("+{}:{HEAD_REF}", self.branch.full_ref());
        let mut fetch = vec!["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"];
        // To tell whether an older commit is on the branch takes the branch's whole history.
        fetch.extend(is_head.then_some("--depth=1"));
        fetch.extend(["--", self.repository.as_str(), &refspec]);
        self.git(&access, &fetch, Some(&self.source), "fetch")?;
        let commit = self.chosen(&access)?;
        self.git(
            &access,
            &["checkout", "--quiet", "--detach", commit.as_str()],
            Some(&self.source),
            "check out",
        )?;
        self.tell(&access, &commit)?;
        Ok(commit)
    }

    /// Where the branch is now. The branch may move before the fetch: what is fetched counts, this tells that it exists.
    fn head(&self, access: &Access) -> Result<Commit, Failure> {
        let full_ref = self.branch.full_ref();
        let arguments = ["ls-remote", "--exit-code", "--", self.repository.as_str(), &full_ref];
        let ended =
            self.program(access, &arguments, None).keep().map_err(|error| failed(format!("git: {error}")))?;
        let none = || (BRANCH_NOT_FOUND, format!("{} has no branch {}", self.repository, self.branch));
        match ended.code {
            // git also gives refs that merely end in this name.
            Some(0) => find_head(&ended.output, &full_ref).ok_or_else(none),
            Some(NO_MATCH) => Err(none()),
            _ => Err(failed(told("reach the repository", &ended))),
        }
    }

    /// The commit to build: the one that was asked for, if it is on the branch, else the branch's head.
    fn chosen(&self, access: &Access) -> Result<Commit, Failure> {
        if let Some(commit) = &self.commit {
            let arguments = ["merge-base", "--is-ancestor", commit.as_str(), HEAD_REF];
            let ended = self.program(access, &arguments, Some(&self.source)).keep();
            return match ended.map_err(|error| failed(format!("git: {error}")))?.code {
                Some(0) => Ok(commit.clone()),
                _ => Err((COMMIT_NOT_FOUND, format!("{commit} is not on the branch {}", self.branch))),
            };
        }
        let text =
            self.git(access, &["rev-parse", "--verify", HEAD_REF], Some(&self.source), "read the branch")?;
        Commit::parse(text.trim()).map_err(|error| failed(format!("git named a commit that {error}")))
    }

    fn tell(&self, access: &Access, commit: &Commit) -> Result<(), Failure> {
        let arguments = ["log", "-1", "--no-show-signature", "--format=%s", commit.as_str()];
        let subject = self.git(access, &arguments, Some(&self.source), "read the commit")?;
        write_result(&self.subject_file, cut(subject.trim(), MAX_SUBJECT)).map_err(failed)?;
        write_result(&self.commit_file, commit.as_str()).map_err(failed)
    }

    fn git(
        &self,
        access: &Access,
        arguments: &[&str],
        folder: Option<&Path>,
        what: &str,
    ) -> Result<String, Failure> {
        let ended = self.program(access, arguments, folder).keep();
        let ended = ended.map_err(|error| failed(format!("git: {error}")))?;
        if ended.code == Some(0) { Ok(ended.output) } else { Err(failed(told(what, &ended))) }
    }

    fn program(&self, access: &Access, arguments: &[&str], folder: Option<&Path>) -> Program {
        let mut all: Vec<OsString> =
            ["-c", "core.hooksPath=/dev/null", "-c", "credential.helper="].map(Into::into).into();
        if let Some(store) = &access.store {
            let helper = format!("credential.helper=store --file={}", store.display());
            all.extend(["-c".into(), helper.into()]);
        }
        all.extend(arguments.iter().map(Into::into));
        let mut environment: Vec<(&'static str, OsString)> = vec![
            ("GIT_ALLOW_PROTOCOL", protocol(self.repository.transport()).into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
            ("HOME", self.scratch.clone().into()),
            ("LC_ALL", "C.UTF-8".into()),
        ];
        if let Some(command) = &access.ssh {
            environment.push(("GIT_SSH_COMMAND", command.into()));
        }
        Program { name: "git", arguments: all, environment, folder: folder.map(Path::to_owned) }
    }

    /// Reads the Secret. Its kind is told by its keys, as Kubernetes' two types of git Secrets have them.
    fn access(&self) -> Result<Access, String> {
        let Some(secret) = &self.secret else { return Ok(Access::default()) };
        let read = |key: &str| std::fs::read_to_string(secret.join(key)).ok().filter(|text| !text.is_empty());
        match self.repository.transport() {
            Transport::Https | Transport::Http => {
                let password = read("password").ok_or("the git Secret has no key password")?;
                let user = read("username").unwrap_or_else(|| ANY_USER.to_owned());
                let line = credential(self.repository.as_str(), user.trim_end(), password.trim_end())
                    .ok_or("the repository's address has no host")?;
                let store = self.scratch.join("git-credentials");
                keep_private(&store, &line)?;
                Ok(Access { store: Some(store), ssh: None })
            }
            Transport::Ssh => {
                let key = read("ssh-privatekey").ok_or("the git Secret has no key ssh-privatekey")?;
                // Without them the first server that answers would be believed.
                let hosts = read("known_hosts")
                    .ok_or("the git Secret has no key known_hosts; add what ssh-keyscan prints")?;
                let (key_file, hosts_file) = (self.scratch.join("ssh-key"), self.scratch.join("known_hosts"));
                keep_private(&key_file, &format!("{}\n", key.trim_end()))?;
                keep_private(&hosts_file, &hosts)?;
                Ok(Access { store: None, ssh: Some(ssh_command(&key_file, &hosts_file)) })
            }
            Transport::Git | Transport::File => Ok(Access::default()),
        }
    }
}

/// The one protocol that git may speak, also after a redirect.
const fn protocol(transport: Transport) -> &'static str {
    match transport {
        Transport::Https => "https",
        Transport::Http => "http:https",
        Transport::Ssh => "ssh",
        Transport::Git => "git",
        Transport::File => "file",
    }
}

/// How git authenticates.
#[derive(Debug, Default)]
struct Access {
    store: Option<PathBuf>,
    ssh: Option<String>,
}

/// Both paths are our own and have nothing that a shell would read.
fn ssh_command(key: &Path, hosts: &Path) -> String {
    let (key, hosts) = (key.display(), hosts.display());
    format!(
        "ssh -F /dev/null -i {key} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={hosts}"
    )
}

/// A line of git's own credential store. It is given to this host only, also after a redirect.
fn credential(repository: &str, user: &str, password: &str) -> Option<String> {
    let (scheme, rest) = repository.split_once("://")?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    Some(format!("{scheme}://{}:{}@{host}\n", encoded(user), encoded(password)))
}

fn keep_private(file: &Path, text: &str) -> Result<(), String> {
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    open.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("{} cannot be written: {error}", file.display()))
}

fn find_head(output: &str, full_ref: &str) -> Option<Commit> {
    let lines = output.lines().filter_map(|line| line.split_once('\t'));
    let mut own = lines.filter(|(_, name)| *name == full_ref);
    Commit::parse(own.next()?.0).ok()
}

/// git's last complaint, which is the cause; all of it goes into the log.
fn told(what: &str, ended: &Ended) -> String {
    print!("{}", ended.errors);
    let mut complaints = ended.errors.lines().filter_map(|line| line.strip_prefix("fatal: "));
    let complaint =
        complaints.next_back().or_else(|| ended.errors.lines().next_back()).unwrap_or("it says nothing");
    format!("git could not {what}: {complaint}")
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn failed(message: impl Into<String>) -> Failure {
    (CLONE_FAILED, message.into())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, arguments: &[&str]) -> String {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
        let output = Command::new("git").args(who).args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(folder: &Path, subject: &str) -> Commit {
        git(folder, &["commit", "--quiet", "--allow-empty", "-m", subject]);
        Commit::parse(&git(folder, &["rev-parse", "HEAD"])).unwrap()
    }

    /// Branch `main` with two commits, and `other` with one of its own.
    fn repository(folder: &Path) -> (Commit, Commit, Commit) {
        git(folder, &["init", "--quiet"]);
        let first = commit(folder, "First");
        git(folder, &["checkout", "--quiet", "-b", "x/main"]);
        let other = commit(folder, "Elsewhere");
        git(folder, &["checkout", "--quiet", "main"]);
        (first, commit(folder, "Größe, with \"quotes\" and $(params.x)"), other)
    }

    fn step(repository: &Path, target: &Path, branch: &str, commit: Option<&Commit>) -> CloneStep {
        CloneStep {
            repository: Repository::parse(&repository.display().to_string()).unwrap(),
            branch: Branch::parse(branch).unwrap(),
            commit: commit.cloned(),
            source: target.join("tree"),
            scratch: target.to_owned(),
            secret: None,
            commit_file: target.join("commit"),
            subject_file: target.join("subject"),
            message_file: target.join("message"),
        }
    }

    fn told(target: &Path, file: &str) -> String {
        std::fs::read_to_string(target.join(file)).unwrap_or_default()
    }

    #[test]
    fn the_head_or_an_older_commit_of_the_branch_is_checked_out() {
        let from = tempfile::tempdir().unwrap();
        let (first, head, _) = repository(from.path());
        for (asked, expected) in [(None, &head), (Some(&head), &head), (Some(&first), &first)] {
            let to = tempfile::tempdir().unwrap();

            assert_eq!(step(from.path(), to.path(), "main", asked).run(), SUCCEEDED);

            assert_eq!(told(to.path(), "commit"), expected.as_str());
            assert_eq!(git(&to.path().join("tree"), &["rev-parse", "HEAD"]), expected.as_str());
        }
    }

    #[test]
    fn the_first_line_of_the_message_is_told_as_it_is() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        repository(from.path());

        step(from.path(), to.path(), "main", None).run();

        assert_eq!(told(to.path(), "subject"), "Größe, with \"quotes\" and $(params.x)");
        assert_eq!(cut("größe", 3), "gr");
    }

    #[test]
    fn a_missing_branch_a_foreign_commit_and_a_missing_repository_end_differently() {
        let from = tempfile::tempdir().unwrap();
        let (_, _, other) = repository(from.path());
        git(from.path(), &["branch", "--quiet", "-m", "x/main", "refs/heads/gone"]);
        let unknown = Commit::parse(&"0".repeat(40)).unwrap();
        let missing = Path::new("/nowhere/at/all.git");
        for (repository, branch, commit, code) in [
            (from.path(), "gone", None, BRANCH_NOT_FOUND),
            (from.path(), "main", Some(&other), COMMIT_NOT_FOUND),
            (from.path(), "main", Some(&unknown), COMMIT_NOT_FOUND),
            (missing, "main", None, CLONE_FAILED),
        ] {
            let to = tempfile::tempdir().unwrap();

            assert_eq!(step(repository, to.path(), branch, commit).run(), code, "{branch} {commit:?}");
            assert!(!told(to.path(), "message").is_empty());
        }
    }

    #[test]
    fn credentials_are_for_one_host_and_have_no_characters_of_urls() {
        let line = credential("https://git.example.com:8443/a/b.git", "me@x", "p:/@#").unwrap();

        assert_eq!(line, "https://me%40x:p%3A%2F%40%23@git.example.com:8443\n");
    }

    #[test]
    fn an_ssh_secret_without_known_hosts_is_refused() {
        let to = tempfile::tempdir().unwrap();
        std::fs::write(to.path().join("ssh-privatekey"), "key").unwrap();
        let mut step = step(to.path(), to.path(), "main", None);
        step.repository = Repository::parse("git@git.example.com:a/b.git").unwrap();
        step.secret = Some(to.path().to_owned());

        assert_eq!(step.run(), CLONE_FAILED);
        assert!(told(to.path(), "message").contains("known_hosts"));
    }
}
