//! What stands above each page of a service.

use crate::domain::Service;

/// Name, actions and tabs; see `components/service_head.html`.
#[derive(Debug, Clone)]
pub struct ServiceHead {
    /// The service.
    pub name: String,
    /// What Deploy deploys.
    pub default_branch: String,
    /// Why nothing may be deployed.
    pub frozen: Option<String>,
    /// Which tab is open: `deployments`, `general` or `hooks`.
    pub tab: &'static str,
}

impl ServiceHead {
    /// The head of one of the service's pages.
    pub fn new(service: &Service, tab: &'static str) -> Self {
        Self {
            name: service.name.to_string(),
            default_branch: service.default_branch.to_string(),
            frozen: service.frozen.clone(),
            tab,
        }
    }

    /// The address of a page or an action of the service.
    pub fn path(&self, rest: &str) -> String {
        format!("/services/{}{rest}", self.name)
    }
}
