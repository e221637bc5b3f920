//! How a repository is fetched, as plain values: words, variables, the ssh command and the credential file. Pure; each
//! executor runs them its way.

use std::ffi::OsString;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::{Branch, Commit, CommitError, Repository, Transport};

/// Where the head of the branch is kept in the clone.
const HEAD: &str = "refs/remotes/origin/";
/// A repository inside of the clone's own for the branch's history, which is needed to look for a commit only.
pub(super) const HISTORY: &str = ".git/history";
/// What git takes for all of a history that it has a part of.
const WHOLE: &str = "--depth=2147483647";
/// Settings of every git command: no stored passwords, no hooks, and nothing that goes on in the background.
const SETTINGS: &[&str] = &[
    "credential.helper=",
    "core.hooksPath=/dev/null",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "submodule.recurse=false",
];
/// Every fetch: of what is named, and nothing that belongs to it.
const FETCH: &[&str] = &["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"];

/// Longest first line of a commit's message that is told, in bytes.
pub(super) const MAX_SUBJECT: usize = 200;
/// User name beside a token where none is given: every forge takes it.
const TOKEN_USER: &str = "x-access-token";

/// Exit code of [`Git::look_for_branch`] for a branch that is not there.
pub(super) const NO_SUCH_BRANCH: i32 = 2;

/// Whether a host's key is believed that was never met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostKeys {
    /// Only one that is listed.
    Listed,
    /// At the first meeting, and from then on no other.
    FirstMet,
}

/// The arguments of git for each command of a clone. Names from outside stand behind `--`, or are 40 hexadecimal digits.
pub(super) struct Git<'a> {
    pub(super) repository: &'a Repository,
    pub(super) branch: &'a Branch,
    /// File with the line of [`credential_line`].
    pub(super) credential_file: Option<&'a Path>,
}

impl Git<'_> {
    /// Makes an empty repository in the current folder.
    pub(super) fn init(&self) -> Vec<OsString> {
        self.words(["init", "--quiet", "--template="])
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
        self.words(FETCH.iter().copied().chain([depth, "--", self.repository.as_str(), &refs]))
    }

    /// Makes an empty repository for [`fetch_history`](Self::fetch_history).
    pub(super) fn init_history(&self) -> Vec<OsString> {
        self.words(["init", "--quiet", "--bare", "--template=", HISTORY])
    }

    /// Fetches the history of the branch, its files only from a server that cannot leave them out. The address is not
    /// kept, so that git cannot go and ask for a commit that is missing there.
    pub(super) fn fetch_history(&self) -> Vec<OsString> {
        let (address, git_dir) =
            (format!("remote.origin.url={}", self.repository.as_str()), format!("--git-dir={HISTORY}"));
        let refs = format!("+{}:{}", self.branch.full_ref(), self.head());
        let fetch = FETCH.iter().copied().chain(["--filter=tree:0", "--", "origin", &refs]);
        self.words(["-c", &address, &git_dir].into_iter().chain(fetch))
    }

    /// Ends with 0 only where the commit is in the fetched history.
    pub(super) fn history_contains(&self, commit: &Commit) -> Vec<OsString> {
        let git_dir = format!("--git-dir={HISTORY}");
        self.words([git_dir.as_str(), "merge-base", "--is-ancestor", commit.as_str(), &self.head()])
    }

    /// Asks whether the branch exists: 0 where it does, 2 where it does not, anything else where nobody answers.
    pub(super) fn look_for_branch(&self) -> Vec<OsString> {
        self.words(["ls-remote", "--exit-code", "--", self.repository.as_str(), &self.branch.full_ref()])
    }

    /// Ends with 0 only where the commit is on the fetched branch.
    pub(super) fn contains(&self, commit: &Commit) -> Vec<OsString> {
        self.words(["merge-base", "--is-ancestor", commit.as_str(), &self.head()])
    }

    /// Writes the commit's digits and, on the next line, its subject.
    pub(super) fn describe(&self, commit: Option<&Commit>) -> Vec<OsString> {
        let head = self.head();
        self.words(["show", "--no-patch", "--format=%H%n%s", commit.map_or(&head, Commit::as_str), "--"])
    }

    /// Writes the commit's files.
    pub(super) fn checkout(&self, commit: &Commit) -> Vec<OsString> {
        self.words(["checkout", "--quiet", "--detach", commit.as_str(), "--"])
    }

    fn head(&self) -> String {
        format!("{HEAD}{}", self.branch)
    }

    fn words<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Vec<OsString> {
        let settings = SETTINGS.iter().flat_map(|&setting| ["-c", setting]);
        let mut all: Vec<_> = settings.map(OsString::from).collect();
        if let Some(file) = self.credential_file {
            let file = quote(&file.to_string_lossy());
            all.extend(["-c".into(), format!("credential.helper=store --file={file}").into()]);
        }
        all.extend(words.into_iter().map(OsString::from));
        all
    }
}

/// The variables of every git command. `home` is a folder that only the clone sees, `settings` a file with
/// [`settings`], and `ssh` a command of [`ssh_command`].
pub(super) fn variables(
    repository: &Repository,
    home: &Path,
    settings: Option<&Path>,
    ssh: Option<&str>,
) -> Vec<(OsString, OsString)> {
    let settings = settings.unwrap_or(Path::new("/dev/null"));
    let mut variables: Vec<(OsString, OsString)> = vec![
        ("HOME".into(), home.into()),
        // We read git's English words.
        ("LC_ALL".into(), "C.UTF-8".into()),
        ("GIT_ALLOW_PROTOCOL".into(), protocols(repository.transport()).into()),
        ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        ("GIT_CONFIG_GLOBAL".into(), settings.into()),
        ("GIT_TERMINAL_PROMPT".into(), "0".into()),
    ];
    variables.extend(ssh.map(|command| ("GIT_SSH_COMMAND".into(), command.into())));
    variables
}

/// The protocols that git may speak, also after a redirect.
const fn protocols(transport: Transport) -> &'static str {
    match transport {
        Transport::Https => "https",
        Transport::Http => "http:https",
        Transport::Ssh => "ssh",
        Transport::Git => "git",
        Transport::File => "file",
    }
}

/// git's settings file. The operator named the local repository, so git need not mind that another user owns it.
pub(super) fn settings(repository: &Repository) -> String {
    if repository.transport() != Transport::File {
        return String::new();
    }
    let path = repository.as_str().strip_prefix("file://").unwrap_or(repository.as_str());
    let quoted = path.trim_end_matches('/').replace('\\', "\\\\").replace('"', "\\\"");
    format!("[safe]\n\tdirectory = \"{quoted}\"\n\tdirectory = \"{quoted}/.git\"\n")
}

/// The ssh command for git, which gives it to a shell. Never asks, and reads no settings of a user or the machine.
pub(super) fn ssh_command(key: Option<&Path>, known_hosts: &Path, keys: HostKeys) -> String {
    let checking = match keys {
        HostKeys::Listed => "yes",
        HostKeys::FirstMet => "accept-new",
    };
    // ssh splits the value at blanks and reads `%` as a place for a value of its own.
    let plain = |path: &Path| path.to_string_lossy().replace('%', "%%");
    let known_hosts = quote(&format!("UserKnownHostsFile=\"{}\"", plain(known_hosts)));
    let mut command =
        format!("ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking={checking} -o {known_hosts}");
    // No key but the named one, whatever lies in the home of the account.
    command.push_str(" -o IdentitiesOnly=yes ");
    command
        .push_str(&key.map_or("-o IdentityFile=none".to_owned(), |key| format!("-i {}", quote(&plain(key)))));
    command
}

/// A private key as ssh takes it, whatever the editor or the web form did to it: with line feeds alone, and one at the end.
pub(super) fn private_key(text: &str) -> String {
    let lines: Vec<_> = text.trim_start_matches('\u{feff}').trim().lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n"))
}

/// User and password of a token file's first line: `user:password`, or a token alone. None where it is empty.
pub(super) fn read_token(text: &str) -> Option<(&str, &str)> {
    let line = text.lines().next().unwrap_or_default().trim_end();
    let (user, password) = line.split_once(':').unwrap_or((TOKEN_USER, line));
    (!password.is_empty()).then_some((user, password))
}

/// A line of git's own credential store. git gives it to this host only, also after a redirect. None where the address
/// names no host.
pub(super) fn credential_line(repository: &Repository, user: &str, password: &str) -> Option<String> {
    let (scheme, rest) = repository.as_str().split_once("://")?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    Some(format!("{scheme}://{}:{}@{host}\n", encoded(user), encoded(password)))
}

/// Reads what [`Git::describe`] writes: the commit, and the first line of its message as far as it is told.
pub(super) fn read_description(said: &str) -> Result<(Commit, &str), CommitError> {
    let (digits, rest) = said.split_once('\n').unwrap_or((said, ""));
    let subject = rest.lines().next().unwrap_or_default().trim();
    Ok((Commit::parse(digits.trim())?, clip(subject, MAX_SUBJECT)))
}

/// The beginning of a text: at most so many bytes, and no character in part.
pub(super) fn clip(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// One word for a shell, whatever is in it.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_private_key_ends_with_one_line_feed_whatever_was_done_to_it() {
        for given in ["begin\nkey\nend", "begin\r\nkey\r\nend\r\n\r\n", "\u{feff}begin\nkey  \nend\n"] {
            assert_eq!(private_key(given), "begin\nkey\nend\n");
        }
    }

    fn repository(text: &str) -> Repository {
        Repository::parse(text).unwrap()
    }

    fn line(words: &[OsString]) -> String {
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// What real git finds in the store for an address: `user password`, or nothing.
    fn found(file: &Path, address: &str) -> String {
        let (repository, branch) = (repository("https://git.example.com/a"), Branch::parse("main").unwrap());
        let git = Git { repository: &repository, branch: &branch, credential_file: Some(file) };
        let home = tempfile::tempdir().unwrap();
        let mut asked = Command::new("git")
            .args(git.words(["credential", "fill"]))
            .envs(variables(&repository, home.path(), None, None))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(asked.stdin.as_mut().unwrap(), format!("url={address}\n\n").as_bytes())
            .unwrap();
        let said = String::from_utf8(asked.wait_with_output().unwrap().stdout).unwrap();
        let value = |name| said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        format!("{} {}", value("username="), value("password=")).trim().to_owned()
    }

    #[test]
    fn names_from_outside_stand_behind_the_end_of_options() {
        let repository = repository("https://git.example.com/you/api.git");
        let branch = Branch::parse("feat/new-ui").unwrap();
        let git = Git { repository: &repository, branch: &branch, credential_file: None };

        let refs = "refs/heads/feat/new-ui:refs/remotes/origin/feat/new-ui";
        let address = "-- https://git.example.com/you/api.git";
        assert!(line(&git.fetch_head()).ends_with(&format!("--depth=1 {address} +{refs}")));
        assert!(line(&git.fetch_history()).ends_with(&format!("-- origin +{refs}")));
        assert!(line(&git.look_for_branch()).ends_with(&format!("{address} refs/heads/feat/new-ui")));
    }

    #[test]
    fn git_finds_the_credential_for_the_repositorys_own_host_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("it's a file");
        let own = repository("https://git.example.com:8443/you/api.git");
        std::fs::write(&file, credential_line(&own, "me@x", "p:/@#").unwrap()).unwrap();

        assert_eq!(found(&file, "https://git.example.com:8443/you/api.git"), "me@x p:/@#");
        assert_eq!(found(&file, "https://evil.example.com:8443/you/api.git"), "");
        assert_eq!(found(&file, "https://evil.example.com/@git.example.com:8443/a"), "");
        assert_eq!(found(&file, "http://git.example.com:8443/you/api.git"), "");
    }

    #[test]
    fn a_token_file_holds_a_user_and_a_password_or_a_token() {
        assert_eq!(read_token("mira:s3cret:with:colons\r\nmore"), Some(("mira", "s3cret:with:colons")));
        assert_eq!(read_token("just-a-token\n"), Some(("x-access-token", "just-a-token")));
        assert_eq!(read_token("\nsecond line"), None);
    }

    #[test]
    fn a_file_with_any_name_stays_one_word_of_the_ssh_command() {
        let key = Path::new("/etc/my key'; id %h");
        let command = ssh_command(Some(key), Path::new("/data/known_hosts"), HostKeys::FirstMet);

        let echo = format!("for w in {command}; do echo \"$w\"; done");
        let output = Command::new("sh").args(["-c", &echo]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.lines().any(|word| word == "/etc/my key'; id %%h"), "{said}");
        assert!(said.contains("BatchMode=yes") && said.contains("IdentitiesOnly=yes"));
        assert!(said.contains("StrictHostKeyChecking=accept-new"));
        assert!(ssh_command(None, key, HostKeys::Listed).contains("StrictHostKeyChecking=yes"));
    }

    #[test]
    fn texts_are_clipped_whole() {
        assert_eq!(clip("äöü", 3), "ä");
        assert_eq!(clip("größe", 3), "gr");
    }

    #[test]
    fn paths_of_repositories_are_quoted_for_git() {
        assert_eq!(settings(&repository("https://git.example.com/you/api.git")), "");
        let text = settings(&repository("/srv/\"git\"/api"));
        assert!(text.contains("directory = \"/srv/\\\"git\\\"/api\""), "{text}");
    }
}
