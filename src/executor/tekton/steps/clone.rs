//! The step `clone`: resolves the branch to a commit, once, and fetches it.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::domain::{Branch, Commit, Repository, Transport};
use crate::executor::git::{self, Git, HostKeys, NO_SUCH_BRANCH};
use crate::executor::tekton::exit_codes::{BRANCH_NOT_FOUND, CLONE_FAILED, COMMIT_NOT_FOUND, SUCCEEDED};
use crate::executor::tekton::steps::process::{Program, ProgramEnd, write_result};

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
        let credential_file = access.credential_file.as_deref();
        let git = Git { repository: &self.repository, branch: &self.branch, credential_file };
        let steps = Steps { git, access: &access, step: self };
        println!("fetching {} of {}", self.branch, self.repository);
        let head = steps.head()?;
        std::fs::create_dir_all(&self.source)
            .map_err(|error| failed(format!("{} cannot be made: {error}", self.source.display())))?;
        steps.run(steps.git.init(), "prepare")?;
        let wanted = self.commit.as_ref().filter(|commit| **commit != head);
        // To tell whether an older commit is on the branch takes the branch's whole history.
        let fetch = if wanted.is_none() { steps.git.fetch_head() } else { steps.git.fetch_branch() };
        steps.run(fetch, "fetch")?;
        let commit = steps.check_out()?;
        write_result(&self.commit_file, commit.as_str()).map_err(failed)?;
        Ok(commit)
    }

    /// Reads the Secret. Its kind is told by its keys, as Kubernetes' two types of git Secrets have them.
    fn access(&self) -> Result<Access, String> {
        let Some(secret) = &self.secret else { return Ok(Access::default()) };
        let read = |key: &str| std::fs::read_to_string(secret.join(key)).ok().filter(|text| !text.is_empty());
        match self.repository.transport() {
            Transport::Https | Transport::Http => {
                let password = read("password").ok_or("the git Secret has no key password")?;
                let user = read("username").unwrap_or_else(|| ANY_USER.to_owned());
                let line = git::credential_line(&self.repository, user.trim_end(), password.trim_end())
                    .ok_or("the repository's address has no host")?;
                let file = self.scratch.join("git-credentials");
                keep_private(&file, &line)?;
                Ok(Access { credential_file: Some(file), ssh: None })
            }
            Transport::Ssh => {
                let key = read("ssh-privatekey").ok_or("the git Secret has no key ssh-privatekey")?;
                // Without them the first server that answers would be believed.
                let hosts = read("known_hosts")
                    .ok_or("the git Secret has no key known_hosts; add what ssh-keyscan prints")?;
                let (key_file, hosts_file) = (self.scratch.join("ssh-key"), self.scratch.join("known_hosts"));
                keep_private(&key_file, &git::private_key(&key))?;
                keep_private(&hosts_file, &hosts)?;
                let ssh = git::ssh_command(Some(&key_file), &hosts_file, HostKeys::Listed);
                Ok(Access { credential_file: None, ssh: Some(ssh) })
            }
            Transport::Git | Transport::File => Ok(Access::default()),
        }
    }
}

/// How git authenticates.
#[derive(Debug, Default)]
struct Access {
    credential_file: Option<PathBuf>,
    ssh: Option<String>,
}

/// git's commands, one after another.
struct Steps<'a> {
    git: Git<'a>,
    access: &'a Access,
    step: &'a CloneStep,
}

impl Steps<'_> {
    /// Where the branch is now. The branch may move before the fetch: what is fetched counts, this tells that it exists.
    fn head(&self) -> Result<Commit, Failure> {
        let (repository, branch) = (self.git.repository, self.git.branch);
        // The folder of the source is not there yet.
        let ended = self.ended(self.git.look_for_branch(), None)?;
        let none = || (BRANCH_NOT_FOUND, format!("{repository} has no branch {branch}"));
        match ended.code {
            // git also gives refs that merely end in this name.
            Some(0) => find_head(&ended.output, &branch.full_ref()).ok_or_else(none),
            Some(NO_SUCH_BRANCH) => Err(none()),
            _ => Err(failed(told("reach the repository", &ended))),
        }
    }

    /// Writes the files of the commit to build: the one that was asked for, if it is on the branch, else the head's.
    fn check_out(&self) -> Result<Commit, Failure> {
        let wanted = self.step.commit.as_ref();
        if let Some(commit) = wanted
            && self.ended(self.git.contains(commit), Some(&self.step.source))?.code != Some(0)
        {
            return Err((COMMIT_NOT_FOUND, format!("{commit} is not on the branch {}", self.git.branch)));
        }
        let said = self.run(self.git.describe(wanted), "read the commit")?;
        let (commit, subject) = git::read_description(&said)
            .map_err(|error| failed(format!("git named a commit that {error}")))?;
        self.run(self.git.checkout(&commit), "check out")?;
        write_result(&self.step.subject_file, subject).map_err(failed)?;
        Ok(commit)
    }

    /// Runs a command in the source's folder and gives what it says.
    fn run(&self, arguments: Vec<OsString>, what: &str) -> Result<String, Failure> {
        let ended = self.ended(arguments, Some(&self.step.source))?;
        if ended.code == Some(0) { Ok(ended.output) } else { Err(failed(told(what, &ended))) }
    }

    fn ended(&self, arguments: Vec<OsString>, folder: Option<&Path>) -> Result<ProgramEnd, Failure> {
        let (repository, home) = (self.git.repository, &self.step.scratch);
        let environment = git::variables(repository, home, None, self.access.ssh.as_deref());
        let program = Program { name: "git", arguments, environment, folder: folder.map(Path::to_owned) };
        program.keep().map_err(|error| failed(format!("git: {error}")))
    }
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
fn told(what: &str, ended: &ProgramEnd) -> String {
    print!("{}", ended.errors);
    let mut complaints = ended.errors.lines().filter_map(|line| line.strip_prefix("fatal: "));
    let complaint =
        complaints.next_back().or_else(|| ended.errors.lines().next_back()).unwrap_or("it says nothing");
    format!("git could not {what}: {complaint}")
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
