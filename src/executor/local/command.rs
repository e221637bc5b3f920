//! What is run for each step, as plain values: words, variables and the texts that git is given. Pure.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::domain::{Branch, Commit, DeploymentId, Repository, Service, Transport};
use crate::executor::Run;
use crate::executor::local::host::{Environment, HostEnvironment};
use crate::executor::local::workspace::Workspace;

/// Where the head of the branch is kept in the clone.
const HEAD: &str = "refs/remotes/origin/";
/// A repository inside of the clone's own for the branch's history, which is needed to look for a commit only.
pub(super) const HISTORY: &str = ".git/history";
/// What git takes for all of a history that it has a part of.
const WHOLE: &str = "--depth=2147483647";
/// Settings of every git command: no stored passwords, no hooks, and nothing that goes on in the background.
const GIT_SETTINGS: &[&str] = &[
    "credential.helper=",
    "core.hooksPath=/dev/null",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "submodule.recurse=false",
];
/// Every fetch: of what is named, and nothing that belongs to it.
const FETCH: &[&str] = &["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"];
/// Transports that git may use, also behind a redirect.
const GIT_PROTOCOLS: &str = "https:ssh:git:http:file";

/// One command: what is run, with which variables and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommandLine {
    /// The program and its arguments.
    pub(super) words: Vec<OsString>,
    /// All variables that it sees.
    pub(super) environment: Environment,
    /// The folder that it starts in.
    pub(super) directory: PathBuf,
}

/// The words for an operator's command; a failing line ends it. The `--` keeps one that begins with `-` from being an option.
pub(super) fn shell(command: &str) -> Vec<OsString> {
    ["sh", "-e", "-c", "--", command].map(OsString::from).into()
}

/// The git commands of a clone. Names from outside stand behind `--`, or are 40 hexadecimal digits.
pub(super) struct Git<'a> {
    pub(super) repository: &'a Repository,
    pub(super) branch: &'a Branch,
}

impl Git<'_> {
    /// Makes an empty repository in the current folder.
    pub(super) fn init() -> Vec<OsString> {
        git(["init", "--quiet", "--template="])
    }

    /// Fetches the newest commit of the branch.
    pub(super) fn fetch_head(&self) -> Vec<OsString> {
        self.fetch("--depth=1", &self.branch.full_ref())
    }

    /// Fetches the branch with all commits that lead to it.
    pub(super) fn fetch_branch(&self) -> Vec<OsString> {
        self.fetch(WHOLE, &self.branch.full_ref())
    }

    /// Fetches one commit and keeps it as if it were the newest of the branch. Not every server gives it by itself.
    pub(super) fn fetch_commit(&self, commit: &Commit) -> Vec<OsString> {
        self.fetch("--depth=1", commit.as_str())
    }

    fn fetch(&self, depth: &str, wanted: &str) -> Vec<OsString> {
        let refs = format!("+{wanted}:{}", self.head());
        git(FETCH.iter().copied().chain([depth, "--", self.repository.as_str(), &refs]))
    }

    /// Makes an empty repository for [`fetch_history`](Self::fetch_history).
    pub(super) fn init_history() -> Vec<OsString> {
        git(["init", "--quiet", "--bare", "--template=", HISTORY])
    }

    /// Fetches the history of the branch, its files only from a server that cannot leave them out. The address is not
    /// kept, so that git cannot go and ask for a commit that is missing there.
    pub(super) fn fetch_history(&self) -> Vec<OsString> {
        let (address, git_dir) =
            (format!("remote.origin.url={}", self.repository.as_str()), format!("--git-dir={HISTORY}"));
        let refs = format!("+{}:{}", self.branch.full_ref(), self.head());
        let fetch = FETCH.iter().copied().chain(["--filter=tree:0", "--", "origin", &refs]);
        git(["-c", &address, &git_dir].into_iter().chain(fetch))
    }

    /// Ends with 0 only where the commit is in the fetched history.
    pub(super) fn history_contains(&self, commit: &Commit) -> Vec<OsString> {
        let git_dir = format!("--git-dir={HISTORY}");
        git([git_dir.as_str(), "merge-base", "--is-ancestor", commit.as_str(), &self.head()])
    }

    /// Asks whether the branch exists: 0 where it does, 2 where it does not, anything else where nobody answers.
    pub(super) fn look_for_branch(&self) -> Vec<OsString> {
        git(["ls-remote", "--exit-code", "--", self.repository.as_str(), &self.branch.full_ref()])
    }

    /// Ends with 0 only where the commit is on the fetched branch.
    pub(super) fn contains(&self, commit: &Commit) -> Vec<OsString> {
        git(["merge-base", "--is-ancestor", commit.as_str(), &self.head()])
    }

    /// Writes the commit's digits and, on the next line, its subject.
    pub(super) fn describe(&self, commit: Option<&Commit>) -> Vec<OsString> {
        let head = self.head();
        git(["show", "--no-patch", "--format=%H%n%s", commit.map_or(&head, Commit::as_str), "--"])
    }

    /// Writes the commit's files.
    pub(super) fn checkout(commit: &Commit) -> Vec<OsString> {
        git(["checkout", "--quiet", "--detach", commit.as_str(), "--"])
    }

    fn head(&self) -> String {
        format!("{HEAD}{}", self.branch)
    }
}

fn git<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<OsString> {
    let settings = GIT_SETTINGS.iter().flat_map(|&setting| ["-c", setting]);
    std::iter::once("git").chain(settings).chain(words).map(OsString::from).collect()
}

/// The variables of every step. Home and language are those of `clone`, which nothing of the server's user may lead
/// astray, and whose words we read.
pub(super) fn base(host: &HostEnvironment, workspace: &Workspace, run: &Run) -> Environment {
    let id: &DeploymentId = &run.deployment;
    let ours: [(OsString, OsString); 8] = [
        ("HOME".into(), workspace.home().into()),
        ("LANG".into(), "C.UTF-8".into()),
        ("TMPDIR".into(), workspace.tmp().into()),
        ("CI".into(), "true".into()),
        ("TERM".into(), "dumb".into()),
        ("STACKBLAZE_DEPLOYMENT_ID".into(), id.as_str().into()),
        ("STACKBLAZE_SERVICE".into(), run.service.name.as_str().into()),
        ("STACKBLAZE_BRANCH".into(), run.branch.as_str().into()),
    ];
    host.shared.iter().cloned().chain(ours).collect()
}

/// What `build` and `deploy` see on top: the home of the server's user, the commit, the cache and the service's own
/// variables.
pub(super) fn for_commands(
    host: &HostEnvironment,
    commit: &Commit,
    cache: &Path,
    service: &Service,
) -> Environment {
    let own = service.local.env.iter().map(|(name, value)| (name.as_str().into(), value.into()));
    let ours: [(OsString, OsString); 4] = [
        ("STACKBLAZE_COMMIT".into(), commit.as_str().into()),
        ("STACKBLAZE_CACHE_DIR".into(), cache.into()),
        ("XDG_CACHE_HOME".into(), cache.join("xdg").into()),
        ("npm_config_cache".into(), cache.join("npm").into()),
    ];
    host.own.iter().cloned().chain(ours).chain(own).collect()
}

/// What `clone` sees on top. Where `askpass` is given it answers git's questions; nobody else is asked.
pub(super) fn for_git(gitconfig: &Path, ssh: OsString, askpass: Option<&Path>) -> Environment {
    let mut environment: Environment = vec![
        ("GIT_TERMINAL_PROMPT".into(), "0".into()),
        ("GIT_ALLOW_PROTOCOL".into(), GIT_PROTOCOLS.into()),
        ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        ("GIT_CONFIG_GLOBAL".into(), gitconfig.into()),
        ("GIT_SSH_COMMAND".into(), ssh),
    ];
    if let Some(askpass) = askpass {
        environment.push(("GIT_ASKPASS".into(), askpass.into()));
    }
    environment
}

/// git's settings file. The operator named the local repository, so git need not mind that another user owns it.
pub(super) fn gitconfig(repository: &Repository) -> String {
    if repository.transport() != Transport::File {
        return String::new();
    }
    let path = repository.as_str().strip_prefix("file://").unwrap_or(repository.as_str());
    let quoted = path.trim_end_matches('/').replace('\\', "\\\\").replace('"', "\\\"");
    format!("[safe]\n\tdirectory = \"{quoted}\"\n\tdirectory = \"{quoted}/.git\"\n")
}

/// The ssh command for git, which gives it to a shell. Never asks; takes a host's key at the first meeting.
pub(super) fn ssh_command(key: Option<&str>, known_hosts: &Path) -> OsString {
    let mut command = "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new".to_owned();
    // ssh splits the value at blanks and reads `%` as a place for a value of its own.
    let known_hosts = known_hosts.to_string_lossy().replace('%', "%%");
    command.push_str(" -o ");
    command.push_str(&quote(&format!("UserKnownHostsFile=\"{known_hosts}\"")));
    if let Some(key) = key {
        command.push_str(" -o IdentitiesOnly=yes -i ");
        command.push_str(&quote(&key.replace('%', "%%")));
    }
    command.into()
}

/// A script that answers git's questions for user and password from the operator's file, so that the secret is in no
/// argument, no variable and no other file. It answers for the repository's own host only: git also asks for a host
/// to which a server has redirected it.
pub(super) fn askpass(repository: &Repository, token_file: &str) -> String {
    let address = repository.as_str();
    let (scheme, rest) = address.split_once("://").unwrap_or(("https", address));
    let host = rest.split('/').next().unwrap_or_default();
    let user = quote(&format!("Username for '{scheme}://{host}'"));
    let (before, behind) = (quote(&format!("Password for '{scheme}://")), quote(&format!("@{host}'")));
    let file = quote(token_file);
    format!(
        r#"#!/bin/sh
IFS= read -r line < {file} || [ -n "$line" ] || exit 1
line=$(printf '%s' "$line" | tr -d '\r')
case $line in
*:*) user=${{line%%:*}} password=${{line#*:}} ;;
*) user=x-access-token password=$line ;;
esac
case $1 in
{user}*) printf '%s\n' "$user" ;;
{before}*/*{behind}*) exit 1 ;;
{before}*{behind}*) printf '%s\n' "$password" ;;
*) exit 1 ;;
esac
"#
    )
}

/// One word for a shell, whatever is in it.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The beginning of a text: at most so many bytes, and no character in part.
pub(super) fn clip(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// What a failed git command says to people: why nobody can clone from there.
pub(super) fn why_unreachable(git_output: &str, service: &Service) -> String {
    const REFUSALS: &[&str] = &[
        "could not read username",
        "could not read password",
        "authentication failed",
        "terminal prompts disabled",
        "permission denied",
        "access denied",
        "repository not found",
        "returned error: 401",
        "returned error: 403",
        "returned error: 404",
        "not found",
    ];
    let lower = git_output.to_lowercase();
    let local = &service.local;
    let advice = if lower.contains("host key verification failed") {
        "the host's ssh key is not the one that is known; remove its line from known_hosts in the data directory \
         if it has changed on purpose"
    } else if !REFUSALS.iter().any(|refusal| lower.contains(refusal)) {
        "the repository could not be reached"
    } else if local.git_token_file.is_some() {
        "the repository does not exist, or the token in gitTokenFile gives no access to it"
    } else if local.git_ssh_key_file.is_some() {
        "the repository does not exist, or the key in gitSshKeyFile gives no access to it"
    } else {
        "the repository does not exist or is private; for a private one name a token file (gitTokenFile, for https) \
         or an ssh key file (gitSshKeyFile, for ssh), or give the URL of a public one"
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Command;

    use super::*;

    fn words(line: &[OsString]) -> String {
        line.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// What the askpass script answers to one of git's questions.
    fn answer(token: &str, question: &str) -> Option<String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(token.as_bytes()).unwrap();
        let repository = Repository::parse("https://git.example.com/you/api.git").unwrap();
        let script = askpass(&repository, &file.path().to_string_lossy());
        let output = Command::new("sh").args(["-c", &script, "askpass", question]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    }

    #[test]
    fn names_from_outside_stand_behind_the_end_of_options() {
        let repository = Repository::parse("https://git.example.com/you/api.git").unwrap();
        let branch = Branch::parse("feat/new-ui").unwrap();
        let git = Git { repository: &repository, branch: &branch };

        let refs = "refs/heads/feat/new-ui:refs/remotes/origin/feat/new-ui";
        assert!(
            words(&git.fetch_head())
                .ends_with(&format!("--depth=1 -- https://git.example.com/you/api.git +{refs}"))
        );
        assert!(words(&git.fetch_history()).ends_with(&format!("-- origin +{refs}")));
        assert!(
            words(&git.look_for_branch())
                .ends_with("-- https://git.example.com/you/api.git refs/heads/feat/new-ui")
        );
        assert_eq!(words(&shell("-x")), "sh -e -c -- -x");
    }

    #[test]
    fn askpass_answers_for_the_repositorys_own_host_only() {
        let user = "Username for 'https://git.example.com': ";
        let password = "Password for 'https://mira@git.example.com': ";

        assert_eq!(answer("mira:s3cret:with:colons\n", user).unwrap(), "mira");
        assert_eq!(answer("mira:s3cret:with:colons\r\nmore", password).unwrap(), "s3cret:with:colons");
        assert_eq!(answer("just-a-token", user).unwrap(), "x-access-token");
        assert_eq!(answer("just-a-token", password).unwrap(), "just-a-token");
        assert_eq!(answer("just-a-token", "Password for 'https://mira@evil.example.com': "), None);
        assert_eq!(
            answer("just-a-token", "Password for 'https://evil.example.com/@git.example.com': "),
            None
        );
        assert_eq!(answer("", user), None);
    }

    #[test]
    fn a_key_file_with_any_name_stays_one_word_of_the_ssh_command() {
        let command = ssh_command(Some("/etc/my key'; id %h"), Path::new("/data/known_hosts"));

        let echo = format!("for w in {}; do echo \"$w\"; done", command.to_string_lossy());
        let output = Command::new("sh").args(["-c", &echo]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.lines().any(|word| word == "/etc/my key'; id %%h"), "{said}");
        assert!(said.contains("BatchMode=yes") && said.contains("IdentitiesOnly=yes"));
    }

    #[test]
    fn local_paths_are_quoted_for_git_and_texts_are_clipped_whole() {
        let repository = Repository::parse("https://git.example.com/you/api.git").unwrap();
        assert_eq!(gitconfig(&repository), "");
        let local = Repository::parse("/srv/\"git\"/api").unwrap();
        assert!(gitconfig(&local).contains("directory = \"/srv/\\\"git\\\"/api\""));
        assert_eq!(clip("äöü", 3), "ä");
    }
}
