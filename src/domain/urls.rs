//! Every absolute URL. Built from settings alone, never from what a request says of itself.

use crate::domain::{DeploymentId, HookId, HookToken, LinkToken, ServiceId};

/// The addresses under which the server is known.
#[derive(Debug, Clone)]
pub struct Urls {
    public: String,
    dashboard: String,
}

impl Urls {
    /// Takes the base of hook URLs and API, and that of pages; both without a trailing slash.
    pub fn new(public: &str, dashboard: &str) -> Self {
        Self {
            public: public.trim_end_matches('/').to_owned(),
            dashboard: dashboard.trim_end_matches('/').to_owned(),
        }
    }

    /// The base of hook URLs and API.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The base of pages.
    pub fn dashboard(&self) -> &str {
        &self.dashboard
    }

    /// Whether browsers reach the pages by https.
    pub fn is_https(&self) -> bool {
        self.dashboard.starts_with("https://")
    }

    /// The URL of a hook: a secret, to be shown once.
    pub fn hook(&self, token: &HookToken) -> String {
        format!("{}/deploy-hooks/{}", self.public, token.reveal())
    }

    /// The URL of a hook without its secret, to be told from others.
    pub fn masked_hook(&self, service: &ServiceId, hook: &HookId) -> String {
        format!("{}/deploy-hooks/sbhook_{service}_…{}", self.public, hook.short())
    }

    /// The page of a deployment.
    pub fn deployment_page(&self, id: &DeploymentId) -> String {
        format!("{}{}", self.dashboard, Self::page_path(id))
    }

    /// The path of a deployment's page.
    pub fn page_path(id: &DeploymentId) -> String {
        format!("/deploys/{id}")
    }

    /// A one-time sign-in link: a secret, to be shown once.
    pub fn login_link(&self, token: &LinkToken) -> String {
        format!("{}/login?once={}", self.dashboard, token.reveal())
    }

    /// The one-time setup link: a secret, to be shown once.
    pub fn setup_link(&self, token: &LinkToken) -> String {
        format!("{}/setup?once={}", self.dashboard, token.reveal())
    }
}
