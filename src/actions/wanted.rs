//! What a call asks to have deployed, by whichever door it came.

use crate::domain::{Branch, Commit, DeploymentId, GitRef, Invalid, NamedImage, Note, Tag};
use crate::wire::deploy::Words;

/// What a caller's words say.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The service's default branch where none was named.
    pub what: Option<GitRef>,
    /// Exactly this commit of it.
    pub commit: Option<Commit>,
    /// What is deployed without a build.
    pub image: Option<WantedImage>,
    /// Why.
    pub note: Option<Note>,
}

/// An image that is there already.
#[derive(Debug, Clone)]
pub enum WantedImage {
    /// This one.
    Named(NamedImage),
    /// That of a deployment.
    Of(DeploymentId),
}

impl Wanted {
    /// Reads all of them, and adds what is wrong with each. `clear_cache` is how that is spelled, where it is asked for.
    pub fn read(words: Words<'_>, clear_cache: Option<&str>, faults: &mut Vec<Invalid>) -> Self {
        check_image_words(words, clear_cache, faults);
        let image = keep(words.image.map(NamedImage::parse), faults).map(WantedImage::Named);
        let from = words.from.map(|text| {
            let no_id = || Invalid::new("from", "is the id of a deployment, dep_ and 20 of 0-9 and a-z");
            DeploymentId::parse(text).ok_or_else(no_id)
        });
        let image = image.or(keep(from, faults).map(WantedImage::Of));
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
        Self { what: branch.or(tag), commit, image, note }
    }
}

/// What an image has to do with the other words.
fn check_image_words(words: Words<'_>, clear_cache: Option<&str>, faults: &mut Vec<Invalid>) {
    if words.image.is_none() && words.from.is_none() {
        return;
    }
    let mut refuse = |name: &str, detail: &str| faults.push(Invalid::new(name, detail));
    if words.image.is_some() && words.from.is_some() {
        refuse("from", "names an image as image does; give one of them");
    }
    if let Some(name) = clear_cache {
        refuse(name, "is for builds, and nothing is built where image or from is given");
    }
    if words.tag.is_some() {
        refuse("tag", "is a git tag to build from; an image's tag is written image=:v1");
    }
    let of_origin = [("branch", words.branch), ("commit", words.commit)];
    for (name, _) in of_origin.into_iter().filter(|(_, word)| word.is_some() && words.from.is_some()) {
        refuse(name, "is that of the promoted deployment; leave it out where from is given");
    }
}

fn keep<T>(read: Option<Result<T, Invalid>>, faults: &mut Vec<Invalid>) -> Option<T> {
    read?.map_err(|fault| faults.push(fault)).ok()
}
