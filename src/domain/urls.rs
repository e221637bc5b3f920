//! Every absolute URL. Built from settings alone, never from what a request says of itself.

use crate::domain::{DeploymentId, HookId, HookToken, LinkToken};

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

    /// Whether nobody but this machine reaches hook URLs: the host is loopback, or no address at all.
    pub fn is_public_loopback(&self) -> bool {
        is_this_machine(&self.public)
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
    pub fn masked_hook(&self, hook: &HookId) -> String {
        format!("{}/deploy-hooks/sbhook_••{}••", self.public, hook.short())
    }

    /// The status badge of that key.
    pub fn badge(&self, key: &str) -> String {
        format!("{}/badges/{key}.svg", self.public)
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

/// What is wrong with an address for callers elsewhere: nobody reaches it, or others read along. A sentence without a full
/// stop.
pub fn trouble_of_address(address: &str) -> Option<&'static str> {
    if is_this_machine(address) {
        return Some(
            "hook URLs lead to this machine, so that CI elsewhere cannot reach them; start the server with --public-url",
        );
    }
    let reads_along = "hook URLs begin with http, so that whoever is on the way reads the secret; put https before the server";
    address.starts_with("http://").then_some(reads_along)
}

/// Whether an address leads to the machine that it is read on.
pub fn is_this_machine(address: &str) -> bool {
    let Ok(url) = url::Url::parse(address) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(url::Host::Ipv6(ip)) => {
            let mapped = ip.to_ipv4_mapped();
            ip.is_loopback() || ip.is_unspecified() || mapped.is_some_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_says_whether_an_address_is_this_machines() {
        for own in [
            "http://localhost:80",
            "http://127.3.2.1",
            "http://[::1]:9",
            "http://0.0.0.0:8080",
            "http://[::]",
        ] {
            assert!(is_this_machine(own), "{own}");
        }
        for other in ["https://localhost.example.com", "https://127.example.com", "http://10.0.0.1", ""] {
            assert!(!is_this_machine(other), "{other}");
        }
    }
}
