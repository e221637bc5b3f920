//! What a call asks to have deployed, by whichever door it came.

use crate::domain::{Branch, Commit, GitRef, Invalid, Note, Tag};
use crate::wire::deployment::Words;

/// What a caller's words say.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The service's default branch where none was named.
    pub what: Option<GitRef>,
    /// Exactly this commit of it.
    pub commit: Option<Commit>,
    /// Why.
    pub note: Option<Note>,
}

impl Wanted {
    /// Reads all of them, and adds what is wrong with each.
    pub fn read(words: Words<'_>, faults: &mut Vec<Invalid>) -> Self {
        let mut take = |found: Option<Result<GitRef, Invalid>>| keep(found, faults);
        let branch = take(words.branch.map(|text| {
            Branch::parse(text).map(GitRef::Branch).map_err(|error| Invalid::new("branch", error.to_string()))
        }));
        let tag = take(
            words
                .tag
                .map(|text| Tag::parse(text).map(GitRef::Tag).map_err(|detail| Invalid::new("tag", detail))),
        );
        let commit = words
            .commit
            .map(|text| Commit::parse(text).map_err(|error| Invalid::new("commit", error.to_string())));
        let (commit, note) = (keep(commit, faults), keep(words.note.map(Note::parse), faults));
        if words.tag.is_some() && (words.branch.is_some() || words.commit.is_some()) {
            let detail = "says by itself which commit; leave branch and commit out, or the tag";
            faults.push(Invalid::new("tag", detail));
        }
        Self { what: branch.or(tag), commit, note }
    }
}

fn keep<T>(read: Option<Result<T, Invalid>>, faults: &mut Vec<Invalid>) -> Option<T> {
    read?.map_err(|fault| faults.push(fault)).ok()
}
