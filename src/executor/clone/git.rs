//! git's words and variables for each command of a clone, as plain values. Pure.

use std::ffi::OsString;
use std::path::Path;

use crate::domain::{Commit, CommitError, GitRef, History, Repository, Transport};

/// Where the head of the branch is kept in the clone.
const HEAD: &str = "refs/remotes/origin/";
/// A repository inside of the clone's own for what is needed to find a commit only.
pub(super) const BESIDE: &str = ".git/beside";
/// Settings of every git command: no stored passwords, no hooks, and nothing that goes on in the background.
const SETTINGS: &[&str] = &[
    "credential.helper=",
    "core.hooksPath=/dev/null",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "submodule.recurse=false",
];
/// What lets git fetch the files that Git LFS keeps.
const LFS: &[&str] = &[
    "filter.lfs.process=git-lfs filter-process",
    "filter.lfs.smudge=git-lfs smudge -- %f",
    "filter.lfs.clean=git-lfs clean -- %f",
    "filter.lfs.required=true",
];
/// Every fetch: of what is named, and nothing that belongs to it.
const FETCH: &[&str] = &["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"];
/// Digits of a commit in a repository of SHA-256.
const SHA256_DIGITS: usize = 64;

/// Longest first line of a commit's message that is told, in bytes.
pub(super) const MAX_SUBJECT: usize = 200;

/// The arguments of git for each command of a clone. Names from outside stand behind `--`, or are hexadecimal digits.
pub(super) struct Git<'a> {
    pub(super) repository: &'a Repository,
    /// The branch or tag.
    pub(super) what: &'a GitRef,
    /// File in the form of git's own credential store.
    pub(super) credential_file: Option<&'a Path>,
    /// Whether files of Git LFS are fetched.
    pub(super) lfs: bool,
}

type Words = Vec<OsString>;

impl Git<'_> {
    /// Lists the branch or tag, and what a tag points to, and a tag of a branch's name.
    pub(super) fn look(&self) -> Words {
        let full = self.what.full_ref();
        let (peeled, tag) = (format!("{full}^{{}}"), format!("refs/tags/{}", self.what));
        let more = if self.what.tag().is_some() { &peeled } else { &tag };
        self.words(["ls-remote", "--", self.repository.as_str(), &full, more])
    }

    /// Asks a repository for its head.
    pub(super) fn look_at(&self, address: &str) -> Words {
        self.words(["ls-remote", "--quiet", "--", address, "HEAD"])
    }

    /// Makes an empty repository in the current folder, whose commits are named as `like` is.
    pub(super) fn init(&self, like: &Commit) -> Words {
        self.words(["init", "--quiet", "--template=", format(like)])
    }

    /// Makes an empty repository for [`fetch_beside`](Self::fetch_beside).
    pub(super) fn init_beside(&self, like: &Commit) -> Words {
        self.words(["init", "--quiet", "--bare", "--template=", format(like), BESIDE])
    }

    /// Names the repository in the clone, so that what is built can ask where it comes from.
    pub(super) fn add_origin(&self) -> Words {
        self.words(["remote", "add", "--no-tags", "origin", self.repository.as_str()])
    }

    /// Fetches the branch or tag: as many commits as the source is to hold, and all tags where it is to hold all.
    pub(super) fn fetch(&self, history: History) -> Words {
        self.fetch_from("origin", &self.what.full_ref(), history)
    }

    /// Fetches one commit, and as many before it as the source is to hold. Not every server gives it by itself.
    pub(super) fn fetch_commit(&self, commit: &Commit, history: History) -> Words {
        self.fetch_from("origin", commit.as_str(), history)
    }

    /// The same out of the repository beside it.
    pub(super) fn take_from_beside(&self, commit: &Commit, history: History) -> Words {
        self.fetch_from(BESIDE, commit.as_str(), history)
    }

    fn fetch_from(&self, from: &str, wanted: &str, history: History) -> Words {
        let refs = format!("+{wanted}:{}", self.kept());
        let depth = match history {
            History::Commits(number) => format!("--depth={number}"),
            History::All => "--tags".to_owned(),
        };
        self.words(FETCH.iter().copied().chain([depth.as_str(), "--", from, &refs]))
    }

    /// Fetches the tree of the newest commit without any file, from a server that can leave them out.
    pub(super) fn fetch_tree(&self) -> Words {
        let refs = format!("+{}:{}", self.what.full_ref(), self.kept());
        let fetch = FETCH.iter().copied();
        self.words(fetch.chain(["--depth=1", "--filter=blob:none", "--", "origin", &refs]))
    }

    /// Fetches the branch into the repository beside: its commits alone where the server can leave files out, or whole.
    /// The address is not kept there, so that git cannot go and ask for what is missing.
    pub(super) fn fetch_beside(&self, whole: bool) -> Words {
        let (address, git_dir) =
            (format!("remote.origin.url={}", self.repository.as_str()), format!("--git-dir={BESIDE}"));
        let refs = format!("+{}:{}", self.what.full_ref(), self.kept());
        let filter = (!whole).then_some("--filter=tree:0");
        let fetch = FETCH.iter().copied().chain(filter).chain(["--", "origin", &refs]);
        self.words(["-c", &address, &git_dir].into_iter().chain(fetch))
    }

    /// Ends with 0 only where the commit is in the history beside.
    pub(super) fn beside_contains(&self, commit: &Commit) -> Words {
        let git_dir = format!("--git-dir={BESIDE}");
        self.words([git_dir.as_str(), "merge-base", "--is-ancestor", commit.as_str(), &self.kept()])
    }

    /// Ends with 0 only where the commit's files are beside.
    pub(super) fn beside_has_files(&self, commit: &Commit) -> Words {
        let (git_dir, tree) = (format!("--git-dir={BESIDE}"), format!("{commit}^{{tree}}"));
        self.words([git_dir.as_str(), "cat-file", "-e", &tree])
    }

    /// Ends with 0 only where the commit is on what was fetched.
    pub(super) fn contains(&self, commit: &Commit) -> Words {
        self.words(["merge-base", "--is-ancestor", commit.as_str(), &self.kept()])
    }

    /// Writes the commit's digits and, on the next line, its subject.
    pub(super) fn describe(&self, commit: Option<&Commit>) -> Words {
        let head = format!("{}^{{commit}}", self.kept());
        self.words(["show", "--no-patch", "--format=%H%n%s", commit.map_or(&head, Commit::as_str), "--"])
    }

    /// Writes the commit's files.
    pub(super) fn checkout(&self, commit: &Commit) -> Words {
        self.words(["checkout", "--quiet", "--detach", commit.as_str(), "--"])
    }

    /// Fetches submodules and theirs.
    pub(super) fn update_submodules(&self, history: History) -> Words {
        let update = ["submodule", "--quiet", "update", "--init", "--recursive"];
        let depth = matches!(history, History::Commits(_)).then_some("--depth=1");
        self.words(update.into_iter().chain(depth))
    }

    /// Lists names and values of `.gitmodules` as `submodule.NAME.KEY VALUE`.
    pub(super) fn submodules(&self, key: &str) -> Words {
        let pattern = format!(r"^submodule\..*\.{key}$");
        self.words(["config", "--file", ".gitmodules", "--get-regexp", &pattern])
    }

    /// Lists the files that Git LFS keeps.
    pub(super) fn lfs_files(&self) -> Words {
        self.words(["ls-files", "--", ":(attr:filter=lfs)"])
    }

    /// Writes one file of the fetched commit.
    pub(super) fn file(&self, path: &str) -> Words {
        self.words(["show", &format!("{}^{{commit}}:{path}", self.kept())])
    }

    /// Where what was fetched is kept: a tag as a tag, so that what is built finds its name.
    fn kept(&self) -> String {
        match self.what {
            GitRef::Branch(branch) => format!("{HEAD}{branch}"),
            GitRef::Tag(_) => self.what.full_ref(),
        }
    }

    fn words<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Words {
        let lfs = if self.lfs { LFS } else { &[] };
        let settings = SETTINGS.iter().chain(lfs).flat_map(|&setting| ["-c", setting]);
        let mut all: Vec<_> = settings.map(OsString::from).collect();
        if let Some(file) = self.credential_file {
            let file = quote(&file.to_string_lossy());
            all.extend(["-c".into(), format!("credential.helper=store --file={file}").into()]);
        }
        all.extend(words.into_iter().map(OsString::from));
        all
    }
}

/// How a repository names its commits, for `git init`.
fn format(like: &Commit) -> &'static str {
    if like.as_str().len() == SHA256_DIGITS { "--object-format=sha256" } else { "--object-format=sha1" }
}

/// The variables of every git command that stay the same. `home` is a folder that only the clone sees, `settings` a file
/// with [`settings`].
pub(super) fn variables(home: &Path, settings: &Path) -> Vec<(OsString, OsString)> {
    vec![
        ("HOME".into(), home.into()),
        // We read git's English words.
        ("LC_ALL".into(), "C.UTF-8".into()),
        ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        ("GIT_CONFIG_GLOBAL".into(), settings.into()),
        ("GIT_TERMINAL_PROMPT".into(), "0".into()),
    ]
}

/// The protocols that git may speak with a repository, also after a redirect.
pub(super) const fn protocols(transport: Transport) -> &'static str {
    match transport {
        Transport::Https => "https",
        Transport::Http => "http:https",
        Transport::Ssh => "ssh",
        Transport::Git => "git",
        Transport::File => "file",
    }
}

/// The protocols that git may speak with submodules, whose addresses the repository chooses: never a path of this
/// machine, unless the repository itself is one.
pub(super) const fn submodule_protocols(transport: Transport) -> &'static str {
    match transport {
        Transport::File => "https:http:ssh:git:file",
        _ => "https:http:ssh:git",
    }
}

/// git's settings file. The operator named the local repository, so git need not mind that another user owns it, nor its
/// submodules, which may lie anywhere beside it.
pub(super) fn settings(repository: &Repository, submodules: bool) -> String {
    if repository.transport() != Transport::File {
        return String::new();
    }
    if submodules {
        return "[safe]\n\tdirectory = *\n".to_owned();
    }
    let path = repository.as_str().strip_prefix("file://").unwrap_or(repository.as_str());
    let quoted = path.trim_end_matches('/').replace('\\', "\\\\").replace('"', "\\\"");
    format!("[safe]\n\tdirectory = \"{quoted}\"\n\tdirectory = \"{quoted}/.git\"\n")
}

/// Reads what [`Git::describe`] writes: the commit, and the first line of its message as far as it is told.
pub(super) fn read_description(said: &str) -> Result<(Commit, String), CommitError> {
    let (digits, rest) = said.split_once('\n').unwrap_or((said, ""));
    let subject = rest.lines().next().unwrap_or_default().trim();
    Ok((Commit::parse(digits.trim())?, clip(subject, MAX_SUBJECT)))
}

/// A text of at most so many bytes; what is left out shows.
pub(super) fn clip(text: &str, bytes: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{}{MARK}", &text[..text.floor_char_boundary(bytes - MARK.len())])
}

/// One word for a shell, whatever is in it.
pub(super) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
