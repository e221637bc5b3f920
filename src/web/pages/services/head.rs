//! What stands above each page of a service.

use crate::domain::{Invalid, Service};

/// Longest name that stands in a button, in characters.
const LABEL_MAX: usize = 24;

/// Name, actions and tabs; see `components/service_head.html`.
#[derive(Debug, Clone)]
pub struct ServiceHead {
    /// The service.
    pub name: String,
    /// What Deploy deploys.
    pub default_branch: String,
    /// Why nothing may be deployed.
    pub frozen: Option<String>,
    /// Which tab is open: `deployments`, `general`, `hooks` or `notifications`.
    pub tab: &'static str,
    /// What was typed into the head's forms, where one comes back.
    pub typed: Typed,
}

/// The head's forms as they were sent.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    /// The branch.
    pub branch: String,
    /// The tag.
    pub tag: String,
    /// The commit.
    pub commit: String,
    /// The image.
    pub image: String,
    /// Why to deploy.
    pub note: String,
    /// Whether to build afresh.
    pub clear_cache: bool,
    /// Why to freeze.
    pub reason: String,
    /// The fields that were wrong.
    pub errors: Vec<Invalid>,
}

impl ServiceHead {
    /// The head of one of the service's pages.
    pub fn new(service: &Service, tab: &'static str) -> Self {
        let branch = service.default_branch.to_string();
        Self {
            name: service.name.to_string(),
            default_branch: branch.clone(),
            frozen: service.frozen.clone(),
            tab,
            typed: Typed { branch, ..Typed::default() },
        }
    }

    /// The address of a page or an action of the service.
    pub fn path(&self, rest: &str) -> String {
        format!("/services/{}{rest}", self.name)
    }

    /// The default branch as a button names it.
    pub fn short_branch(&self) -> String {
        label(&self.default_branch)
    }

    /// The service as a button names it.
    pub fn short_name(&self) -> String {
        label(&self.name)
    }

    /// What is wrong with this field of the head's forms, as a sentence.
    pub fn error(&self, field: &str) -> Option<String> {
        let error = self.typed.errors.iter().find(|error| error.field == field);
        error.map(|error| crate::web::pages::format::sentence(&error.detail))
    }

    /// Whether something is wrong with the form to deploy.
    pub fn has_deploy_error(&self) -> bool {
        ["branch", "tag", "commit", "note"].iter().any(|field| self.error(field).is_some())
    }

    /// Ids of the fields that were wrong, and what would be right.
    pub fn errors(&self) -> Vec<(&'static str, String)> {
        let line = |error: &Invalid| {
            let (id, label) = match error.field.as_str() {
                "branch" => ("b", "Branch"),
                "tag" => ("t", "Tag"),
                "commit" => ("c", "Commit"),
                "note" => ("n", "Note"),
                _ => ("why", "Reason"),
            };
            (id, format!("{label}: {}", crate::web::pages::format::sentence(&error.detail)))
        };
        self.typed.errors.iter().map(line).collect()
    }
}

fn label(text: &str) -> String {
    if text.chars().count() <= LABEL_MAX {
        return text.to_owned();
    }
    let head: String = text.chars().take(LABEL_MAX - 1).collect();
    head + "…"
}
