//! The user's application: where it comes from, how it is built, and how its calls queue.

use std::fmt;

use crate::domain::digits::is_base36;
use crate::domain::entropy::{BASE36, random_digits};
use crate::domain::{
    Branch, CloneSettings, ExecutorKind, Faults, ImageRepository, Invalid, LocalSettings, Repository, Span,
    TektonSettings, Timestamp, Transport,
};

/// Characters of a service id.
const ID_LENGTH: usize = 12;
/// Longest DNS label.
const MAX_NAME: usize = 63;
/// Most repositories whose images may be deployed beside its own.
const MAX_ALLOWED_IMAGES: usize = 16;

/// Twelve of `[0-9a-z]`; part of every hook token of the service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceId(String);

impl ServiceId {
    /// Draws a new id.
    pub fn generate() -> Self {
        Self(random_digits(BASE36, ID_LENGTH))
    }

    /// Reads an id; `None` where it has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == ID_LENGTH && is_base36(text)).then(|| Self(text.to_owned()))
    }

    /// The twelve characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A service's name: a DNS label, 1–63 of `[a-z0-9-]`, no `-` at either end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceName(String);

impl ServiceName {
    /// Reads a name.
    ///
    /// # Errors
    /// Where it is no DNS label.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let label = (1..=MAX_NAME).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if label {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(
            "name",
            "a service's name is 1 to 63 of a-z, 0-9 and -, with no - at either end, for example api-service",
        ))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What of a service decides on a call.
#[derive(Debug, Clone)]
pub struct CalledService {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: ServiceName,
    /// Whether there is nothing to build it from.
    pub is_image_only: bool,
    /// Deployed where the call names none.
    pub default_branch: Branch,
    /// What runs its deployments.
    pub executor: ExecutorKind,
    /// What happens to a call while others are queued.
    pub queue_policy: QueuePolicy,
    /// Why it takes no call, where it does not.
    pub frozen: Option<String>,
}

impl From<&Service> for CalledService {
    fn from(service: &Service) -> Self {
        Self {
            id: service.id.clone(),
            name: service.name.clone(),
            is_image_only: service.repository.is_none(),
            default_branch: service.default_branch.clone(),
            executor: service.executor,
            queue_policy: service.queue_policy,
            frozen: service.frozen.clone(),
        }
    }
}

/// What happens to a call while others of the service are queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueuePolicy {
    /// A call that equals the last queued one joins it; all others wait in order.
    Coalesce,
    /// A call that equals the last queued one joins it; any other ends the queued ones as superseded.
    Latest,
    /// Each call runs.
    Every,
}

impl QueuePolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Coalesce, Self::Latest, Self::Every];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coalesce => "coalesce",
            Self::Latest => "latest",
            Self::Every => "every",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text)
    }
}

/// A service as stored.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its id, part of its hooks' tokens.
    pub id: ServiceId,
    /// Its name; unique among the services that exist.
    pub name: ServiceName,
    /// Where its source comes from; none where CI builds its images.
    pub repository: Option<Repository>,
    /// The branch that is deployed when a call names none.
    pub default_branch: Branch,
    /// What a run fetches of the repository.
    pub fetch: CloneSettings,
    /// What runs its deployments.
    pub executor: ExecutorKind,
    /// What happens to a call while others are queued.
    pub queue_policy: QueuePolicy,
    /// How long a run may take, from the claim.
    pub timeout: Span,
    /// How long what serves is watched before it counts as succeeded, in a cluster; 0 is not at all.
    pub settle: Span,
    /// Where the service can be seen.
    pub url: Option<String>,
    /// Repositories beside its own whose images may be deployed.
    pub allowed_images: Vec<ImageRepository>,
    /// How the local executor builds and deploys it.
    pub local: LocalSettings,
    /// How the executor `tekton` builds and deploys it; there for each service that has this executor.
    pub tekton: Option<TektonSettings>,
    /// Why hooks, deploy and redeploy are refused for now, in the operator's words.
    pub frozen: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Service {
    /// How long what serves is watched where nothing is said.
    pub const DEFAULT_SETTLE: Span = Span::from_secs(10);
    /// Longest time for it.
    pub const MAX_SETTLE: Span = Span::from_secs(300);
    /// Shortest and longest timeout.
    pub const TIMEOUT_RANGE: (Span, Span) = (Span::from_secs(1), Span::from_hours(24));

    /// Checks the fields that say nothing about others.
    pub fn check_fields(&self, faults: &mut Faults) {
        let (shortest, longest) = Self::TIMEOUT_RANGE;
        if self.timeout < shortest || self.timeout > longest {
            faults.add("timeout", format!("must be between {shortest} and {longest}"));
        }
        if self.settle > Self::MAX_SETTLE {
            faults.add("settle", format!("must be between 0s and {}", Self::MAX_SETTLE));
        }
        faults.take(self.url.as_deref().map_or(Ok(()), check_url));
        if self.allowed_images.len() > MAX_ALLOWED_IMAGES {
            faults.add("allowedImages", format!("at most {MAX_ALLOWED_IMAGES} repositories"));
        }
        self.local.check(faults);
    }

    /// Checks what repository, executor and their settings have to do with each other.
    pub fn check_together(&self, faults: &mut Faults) {
        let transport = self.repository.as_ref().map(Repository::transport);
        if transport == Some(Transport::File) && self.executor != ExecutorKind::Local {
            faults.add("repository", "a local path can be used with executor local only");
        }
        if self.local.git_ssh_key_file.is_some() && transport != Some(Transport::Ssh) {
            faults.add("gitSshKeyFile", "works with an ssh repository only");
        }
        if self.local.git_token_file.is_some()
            && !matches!(transport, Some(Transport::Https | Transport::Http))
        {
            faults.add("gitTokenFile", "works with an https or http repository only");
        }
        match &self.tekton {
            Some(tekton) => tekton.check(faults),
            None if self.executor == ExecutorKind::Tekton => {
                faults.add("image", "is missing: executor tekton needs an image and workloads");
            }
            None => {}
        }
    }

    /// Where its source comes from, for people.
    pub fn source_text(&self) -> &str {
        self.repository.as_ref().map_or("images that CI has built", Repository::as_str)
    }

    /// Where an image of it is that is named without a repository: where built ones are pushed, or what is said for this
    /// host.
    pub fn own_image(&self) -> Option<&ImageRepository> {
        match self.executor {
            ExecutorKind::Tekton => self.tekton.as_ref().map(|settings| &settings.image),
            ExecutorKind::Local => self.local.image.as_ref(),
        }
    }

    /// Whether an image of that repository may be deployed.
    pub fn admits_image(&self, repository: &ImageRepository) -> bool {
        self.own_image() == Some(repository) || self.allowed_images.contains(repository)
    }
}

fn check_url(text: &str) -> Result<(), Invalid> {
    let web =
        url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    let Some(web) = web.filter(|_| text.len() <= 1_000) else {
        return Err(Invalid::new("url", "must be an http or https URL"));
    };
    if web.password().is_some() || !web.username().is_empty() {
        return Err(Invalid::new("url", "must not carry a user name or password: everybody reads it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_name_is_a_dns_label() {
        assert!(ServiceName::parse("api-service-2").is_ok());
        for wrong in ["", "API", "-a", "a-", "a_b", "a.b", "a b", &"x".repeat(64)] {
            assert!(ServiceName::parse(wrong).is_err(), "{wrong}");
        }
    }
}
