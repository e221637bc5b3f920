//! Finds the head of what is deployed, and fetches the one commit: alone from any server that gives it so.

use crate::domain::{Branch, Commit, GitRef, History, Transport};
use crate::executor::exit_codes::{BRANCH_NOT_FOUND, COMMIT_NOT_FOUND, TAG_NOT_FOUND};
use crate::executor::step_failure::StepFailure;

use super::{Steps, failed, git};

/// The type of what a server answers that speaks git's protocol. One without is a server of plain files.
const SPEAKS_GIT: &str = "application/x-git-upload-pack-advertisement";

/// Where the branch or tag is.
pub(super) struct Head {
    pub(super) commit: Commit,
    /// Whether the server has but files to give, and so whole histories only. git must not ask it for less: it would ask
    /// itself for the rest without end.
    pub(super) is_plain: bool,
}

impl Steps<'_> {
    /// Where the branch or tag is now. It may move before the fetch: what is fetched counts, this tells that it exists,
    /// and how the repository names its commits.
    pub(super) fn find_head(&self) -> Result<Head, StepFailure> {
        let protocols = git::protocols(self.step.repository.transport());
        // The folder of the source may not be there yet.
        let ended = self.ended_in(None, protocols, &self.git.look())?;
        if ended.code != Some(0) {
            return Err(self.why(&ended.errors));
        }
        print!("{}", ended.errors);
        let full = self.step.what.full_ref();
        let peeled = format!("{full}^{{}}");
        // git also gives refs that merely end in this name.
        let find = |name: &str| {
            let mut lines = ended.output.lines().filter_map(|line| line.split_once('\t'));
            lines.find(|(_, other)| *other == name).and_then(|(digits, _)| Commit::parse(digits).ok())
        };
        let is_http = matches!(self.step.repository.transport(), Transport::Http | Transport::Https);
        let speaks_git =
            || std::fs::read_to_string(self.trace()).is_ok_and(|trace| trace.contains(SPEAKS_GIT));
        let is_plain = is_http && !speaks_git();
        let commit = find(&peeled).or_else(|| find(&full));
        commit.map(|commit| Head { commit, is_plain }).ok_or_else(|| match &self.step.what {
            GitRef::Tag(tag) => {
                StepFailure::new(TAG_NOT_FOUND, format!("the repository has no tag {}", tag.name()))
            }
            GitRef::Branch(branch) => no_branch(branch, find(&format!("refs/tags/{branch}")).is_some()),
        })
    }

    /// Fetches the commit, with as many before it as the settings say.
    pub(super) fn fetch(&self, head: &Head) -> Result<(), StepFailure> {
        let history = self.step.settings.history;
        if let Some(commit) =
            self.step.commit.as_ref().filter(|commit| commit.as_str().len() != head.commit.as_str().len())
        {
            return Err(self.no_commit(commit));
        }
        let wanted = self.step.commit.as_ref();
        if let Some(commit) = wanted.filter(|commit| **commit != head.commit && history != History::All) {
            return self.fetch_one(commit, history, head.is_plain);
        }
        self.fetch_head(head, history)?;
        match wanted {
            Some(commit) if !self.holds(&self.git.contains(commit))? => match history {
                History::All => Err(self.no_commit(commit)),
                // The branch has moved on.
                History::Commits(_) => self.fetch_one(commit, history, head.is_plain),
            },
            _ => Ok(()),
        }
    }

    fn fetch_head(&self, head: &Head, history: History) -> Result<(), StepFailure> {
        if !head.is_plain || history == History::All {
            return self.run(&self.git.fetch(history)).map(drop);
        }
        self.fetch_beside(&head.commit, true)?;
        self.take_from_beside(&head.commit, history)
    }

    /// Fetches a commit that is not the newest, without the files of the others where the server can.
    fn fetch_one(&self, commit: &Commit, history: History, is_plain: bool) -> Result<(), StepFailure> {
        self.fetch_beside(commit, is_plain)?;
        if !self.holds(&self.git.beside_contains(commit))? {
            return Err(self.no_commit(commit));
        }
        // A server that cannot leave files out has sent them.
        if !self.holds(&self.git.beside_has_files(commit))? {
            if self.holds(&self.git.fetch_commit(commit, history))? {
                return self.remove_beside();
            }
            self.remove_beside()?;
            self.fetch_beside(commit, true)?;
        }
        self.take_from_beside(commit, history)
    }

    fn take_from_beside(&self, commit: &Commit, history: History) -> Result<(), StepFailure> {
        let own_disk = git::protocols(Transport::File);
        let taken =
            self.ended_in(Some(&self.step.source), own_disk, &self.git.take_from_beside(commit, history))?;
        if taken.code == Some(0) { self.remove_beside() } else { Err(self.why(&taken.errors)) }
    }

    /// Fetches what leads to the head into a repository of its own; whole where the server cannot do otherwise.
    fn fetch_beside(&self, like: &Commit, whole: bool) -> Result<(), StepFailure> {
        self.run(&self.git.init_beside(like))?;
        if !whole {
            if self.holds(&self.git.fetch_beside(false))? {
                return Ok(());
            }
            // git remembers there what it was to leave out.
            self.remove_beside()?;
            self.run(&self.git.init_beside(like))?;
        }
        self.run(&self.git.fetch_beside(true)).map(drop)
    }

    fn remove_beside(&self) -> Result<(), StepFailure> {
        std::fs::remove_dir_all(self.step.source.join(git::BESIDE))
            .map_err(|error| failed(format!("the history of the branch could not be removed: {error}")))
    }

    fn no_commit(&self, commit: &Commit) -> StepFailure {
        StepFailure::new(COMMIT_NOT_FOUND, format!("{commit} is not on {}", self.step.what.described()))
    }
}

fn no_branch(branch: &Branch, is_tag: bool) -> StepFailure {
    let message = if is_tag {
        format!("the repository has no branch {branch}; {branch} is a tag, say tag={branch}")
    } else {
        format!("the repository has no branch {branch}")
    };
    StepFailure::new(BRANCH_NOT_FOUND, message)
}
