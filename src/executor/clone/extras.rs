//! What belongs to a commit and does not come with it: submodules, and files that Git LFS keeps. Fetched by the service's
//! settings; what is not fetched is said.

use crate::domain::{History, Repository};
use crate::executor::step_failure::{StepFailure, write_result};

use super::{Steps, failed, git};

/// Most submodules that are named.
const MAX_NAMED: usize = 5;
/// The mark of Git LFS among the attributes of files.
const LFS_ATTRIBUTE: &str = "filter=lfs";

impl Steps<'_> {
    /// Whether git finds Git LFS. To ask it takes a third of the time of a small clone.
    pub(super) fn has_lfs(&self) -> bool {
        if self.step.has_git_lfs {
            return true;
        }
        let found = self.ended_in(None, "", &["lfs".into(), "version".into()]);
        found.is_ok_and(|ended| ended.code == Some(0))
    }

    /// Fetches submodules into the source, and says what is not there.
    pub(super) fn fetch_extras(&self) -> Result<(), StepFailure> {
        let submodules = self.submodules("path")?;
        if !submodules.is_empty() && self.step.settings.submodules {
            println!("Fetching {} and what belongs to it", named(&submodules));
            self.update_submodules()?;
        } else if !submodules.is_empty() {
            println!("{}", not_fetched(&submodules));
        }
        if !self.git.lfs {
            let files = self.run(&self.git.lfs_files())?;
            let count = files.lines().count();
            if count > 0 {
                println!("{}", self.lfs_pointers(&format!("{count} files of Git LFS are")));
            }
        }
        Ok(())
    }

    fn update_submodules(&self) -> Result<(), StepFailure> {
        let protocols = git::submodule_protocols(self.step.repository.transport());
        let update =
            |history| self.ended_in(Some(&self.step.source), protocols, &self.git.update_submodules(history));
        let first = update(self.step.settings.history)?;
        if first.code == Some(0) {
            return Ok(());
        }
        // Not every server gives a commit by itself, as a short history needs it.
        if self.step.settings.history != History::All {
            let whole = update(History::All)?;
            if whole.code == Some(0) {
                return Ok(());
            }
            return Err(self.why(&whole.errors));
        }
        Err(self.why(&first.errors))
    }

    /// Looks whether everything could be fetched, and tells what would not be.
    pub(super) fn look(&self) -> Result<(), StepFailure> {
        let head = self.find_head()?;
        if head.is_plain {
            // That the head is there is all that is known without fetching everything.
            return Ok(());
        }
        self.prepare(&head.commit)?;
        self.run(&self.git.fetch_tree())?;
        let mut notes = Vec::new();
        if let Some(text) = self.file(".gitmodules")? {
            write_result(&self.step.source.join(".gitmodules"), &text).map_err(failed)?;
            let paths = self.submodules("path")?;
            if self.step.settings.submodules {
                self.look_at_submodules()?;
            } else {
                notes.push(not_fetched(&paths));
            }
        }
        let has_lfs = self.file(".gitattributes")?.is_some_and(|text| text.contains(LFS_ATTRIBUTE));
        if has_lfs && !self.git.lfs {
            notes.push(self.lfs_pointers("files of Git LFS are"));
        }
        write_result(&self.step.message_file, &notes.join("\n")).map_err(failed)
    }

    /// A file of the fetched commit, where it has it. Its text comes from the server only now.
    fn file(&self, path: &str) -> Result<Option<String>, StepFailure> {
        let ended = self.ended(&self.git.file(path))?;
        Ok(Some(ended.output).filter(|_| ended.code == Some(0)))
    }

    fn look_at_submodules(&self) -> Result<(), StepFailure> {
        let protocols = git::submodule_protocols(self.step.repository.transport());
        for address in self.submodules("url")? {
            // One beside the repository is on its host, which has answered.
            let Ok(repository) = Repository::parse(&address) else { continue };
            let ended = self.ended_in(None, protocols, &self.git.look_at(&address))?;
            if ended.code != Some(0) {
                let failure = self.why_from(&ended.errors, &repository);
                let message = format!("submodule {address}: {}", failure.message);
                return Err(StepFailure { message, ..failure });
            }
        }
        Ok(())
    }

    /// The values of one key of `.gitmodules`.
    fn submodules(&self, key: &str) -> Result<Vec<String>, StepFailure> {
        if !self.step.source.join(".gitmodules").is_file() {
            return Ok(Vec::new());
        }
        let ended = self.ended(&self.git.submodules(key))?;
        let values = ended.output.lines().filter_map(|line| line.split_once(' '));
        Ok(values.map(|(_, value)| value.to_owned()).collect())
    }

    fn lfs_pointers(&self, which: &str) -> String {
        let why = if self.step.settings.lfs {
            "git-lfs is not installed"
        } else {
            "the service's setting lfs is off"
        };
        format!("Warning: {which} there as pointers, not with their content: {why}")
    }
}

fn not_fetched(paths: &[String]) -> String {
    let verb = if paths.len() == 1 { "is" } else { "are" };
    format!("Warning: {} {verb} not fetched: the service's setting submodules is off", named(paths))
}

/// `submodule vendor/lib`, or how many there are and some of them.
fn named(paths: &[String]) -> String {
    match paths {
        [one] => format!("submodule {one}"),
        many => {
            let some: Vec<_> = many.iter().take(MAX_NAMED).map(String::as_str).collect();
            let more = if many.len() > MAX_NAMED { ", …" } else { "" };
            format!("{} submodules ({}{more})", many.len(), some.join(", "))
        }
    }
}
