//! What is asked for to deploy, and the first answer to it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{DeploymentId, GitRef, Status, Urls};
use crate::wire::read::{Fields, Shape};

/// The words as they were sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Words<'a> {
    /// The head of this branch.
    pub branch: Option<&'a str>,
    /// What this tag points to.
    pub tag: Option<&'a str>,
    /// Exactly this commit of the branch.
    pub commit: Option<&'a str>,
    /// An image that is there already.
    pub image: Option<&'a str>,
    /// A deployment whose image is promoted.
    pub from: Option<&'a str>,
    /// Why.
    pub note: Option<&'a str>,
}

/// What to deploy now.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeployBody {
    /// The branch whose head is deployed.
    pub branch: Option<String>,
    /// The git tag to deploy, instead of branch and commit.
    pub tag: Option<String>,
    /// Exactly this commit of the branch.
    pub commit: Option<String>,
    /// Whether to build without what earlier builds have left.
    pub clear_cache: bool,
    /// An image that is there already.
    pub image: Option<String>,
    /// A deployment whose image is deployed once more.
    pub from: Option<String>,
    /// Why, for people.
    pub note: Option<String>,
}

impl DeployBody {
    /// The words of what is wanted.
    pub fn words(&self) -> Words<'_> {
        let (branch, tag) = (self.branch.as_deref(), self.tag.as_deref());
        let (image, from) = (self.image.as_deref(), self.from.as_deref());
        Words { branch, tag, commit: self.commit.as_deref(), image, from, note: self.note.as_deref() }
    }
}

impl Shape for DeployBody {
    fn take(fields: &mut Fields) -> Self {
        Self {
            branch: fields.change("branch", "a text").apply(None),
            tag: fields.change("tag", "a text").apply(None),
            commit: fields.change("commit", "a text").apply(None),
            clear_cache: fields.take("clearCache", "true or false").unwrap_or_default(),
            image: fields.change("image", "a text").apply(None),
            from: fields.change("from", "a text").apply(None),
            note: fields.change("note", "a text").apply(None),
        }
    }
}

/// The five keys of the contract, in their order.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Accepted")]
pub struct AcceptedJson<'a> {
    deployment_id: &'a DeploymentId,
    service: &'a str,
    #[schemars(with = "Status")]
    status: &'a str,
    branch: &'a GitRef,
    dashboard_url: String,
}

impl<'a> AcceptedJson<'a> {
    /// Of a deployment that was just accepted.
    pub fn new(urls: &Urls, id: &'a DeploymentId, service: &'a str, branch: &'a GitRef) -> Self {
        let (status, dashboard_url) = (Status::Queued.as_str(), urls.deployment_page(id));
        Self { deployment_id: id, service, status, branch, dashboard_url }
    }
}
