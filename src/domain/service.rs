//! The user's application: where it comes from, how it is built, and how its calls queue.

use std::collections::BTreeMap;
use std::fmt;

use super::digits::is_base36;
use super::entropy::{BASE36, random_digits};
use super::{Branch, Invalid, Repository, Span, TektonSettings, Timestamp, Transport};

/// Characters of a service id.
const ID_LENGTH: usize = 12;
/// Longest DNS label.
const MAX_NAME: usize = 63;
/// Longest command, in bytes.
const MAX_COMMAND: usize = 4_096;
/// Most variables, and longest value in bytes.
const MAX_VARIABLES: usize = 200;
const MAX_VALUE: usize = 32_768;

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

/// What runs a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExecutorKind {
    /// A Tekton `PipelineRun` in a Kubernetes cluster.
    Tekton,
    /// Process groups on the server's own host; trusted code only.
    Local,
}

impl ExecutorKind {
    /// All of them; a new service gets the first that its server has.
    pub const ALL: [Self; 2] = [Self::Tekton, Self::Local];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tekton => "tekton",
            Self::Local => "local",
        }
    }

    /// Whether its runs go on when the server dies, so that the next one attaches to them again.
    pub const fn survives_restart(self) -> bool {
        match self {
            Self::Tekton => true,
            Self::Local => false,
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Some of the executors, such as those that a server has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExecutorSet([bool; ExecutorKind::ALL.len()]);

impl ExecutorSet {
    /// Whether this one is among them.
    pub const fn has(self, kind: ExecutorKind) -> bool {
        self.0[kind as usize]
    }

    /// Those that are among them, in the order of [`ExecutorKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = ExecutorKind> {
        ExecutorKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl FromIterator<ExecutorKind> for ExecutorSet {
    fn from_iter<I: IntoIterator<Item = ExecutorKind>>(kinds: I) -> Self {
        let mut set = Self::default();
        for kind in kinds {
            set.0[kind as usize] = true;
        }
        set
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
        [Self::Coalesce, Self::Latest, Self::Every].into_iter().find(|policy| policy.as_str() == text)
    }
}

/// The name of a variable that a service gives its steps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnvName(String);

impl EnvName {
    /// Reads a name: letters, digits and `_`, not beginning with a digit, and none of the names that steps are given.
    ///
    /// # Errors
    /// Says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let shape = !text.is_empty()
            && text.len() <= 100
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !text.as_bytes()[0].is_ascii_digit();
        if !shape {
            return Err(Invalid::new(format!("env.{text}"), "a variable's name is letters, digits and _"));
        }
        if text.starts_with("STACKBLAZE_") || text.starts_with("GIT_") {
            return Err(Invalid::new(
                format!("env.{text}"),
                "names that begin with STACKBLAZE_ or GIT_ are set by the server",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the local executor builds and deploys a service.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LocalSettings {
    /// Given to `sh -e -c` in the source folder. Empty: nothing to build.
    pub build_command: String,
    /// Given to `sh -e -c` in the source folder after the build. Empty: nothing to deploy.
    pub deploy_command: String,
    /// Variables of the build and deploy commands. Values are never shown or logged again; stored in clear.
    pub env: BTreeMap<EnvName, String>,
    /// A file on the server with a token or password, used in `clone` only.
    pub git_token_file: Option<String>,
    /// A file on the server with an ssh private key, used in `clone` only.
    pub git_ssh_key_file: Option<String>,
}

impl fmt::Debug for LocalSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSettings").field("env", &self.env.keys()).finish_non_exhaustive()
    }
}

impl LocalSettings {
    /// A command as a shell takes it: with line feeds alone, whatever it was typed on.
    pub fn command(text: &str) -> String {
        text.replace("\r\n", "\n")
    }

    /// Checks lengths, paths and that at most one git credential is named.
    ///
    /// # Errors
    /// Names the field.
    pub fn check(&self) -> Result<(), Invalid> {
        for (field, command) in
            [("buildCommand", &self.build_command), ("deployCommand", &self.deploy_command)]
        {
            if command.len() > MAX_COMMAND || command.contains('\0') {
                return Err(Invalid::new(
                    field,
                    format!("a command has at most {MAX_COMMAND} bytes and no NUL"),
                ));
            }
        }
        if self.env.len() > MAX_VARIABLES {
            return Err(Invalid::new("env", format!("at most {MAX_VARIABLES} variables")));
        }
        for (name, value) in &self.env {
            if value.len() > MAX_VALUE || value.contains('\0') {
                let detail = format!("a value has at most {MAX_VALUE} bytes and no NUL");
                return Err(Invalid::new(format!("env.{}", name.as_str()), detail));
            }
        }
        for (field, path) in
            [("gitTokenFile", &self.git_token_file), ("gitSshKeyFile", &self.git_ssh_key_file)]
        {
            if path.as_ref().is_some_and(|path| !path.starts_with('/') || path.contains('\0')) {
                return Err(Invalid::new(field, "must be an absolute path on the server"));
            }
        }
        if self.git_token_file.is_some() && self.git_ssh_key_file.is_some() {
            return Err(Invalid::new("gitSshKeyFile", "give gitTokenFile or gitSshKeyFile, not both"));
        }
        Ok(())
    }
}

/// A service as stored.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its id, part of its hooks' tokens.
    pub id: ServiceId,
    /// Its name; unique among the services that exist.
    pub name: ServiceName,
    /// Where its source comes from.
    pub repository: Repository,
    /// The branch that is deployed when a call names none.
    pub default_branch: Branch,
    /// What runs its deployments.
    pub executor: ExecutorKind,
    /// What happens to a call while others are queued.
    pub queue_policy: QueuePolicy,
    /// How long a run may take, from the claim.
    pub timeout: Span,
    /// Where the service can be seen.
    pub url: Option<String>,
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
    /// Shortest and longest timeout.
    pub const TIMEOUT_RANGE: (Span, Span) = (Span::from_secs(1), Span::from_hours(24));

    /// Checks what concerns more than one field.
    ///
    /// # Errors
    /// Names the field.
    pub fn check(&self) -> Result<(), Invalid> {
        let (shortest, longest) = Self::TIMEOUT_RANGE;
        if self.timeout < shortest || self.timeout > longest {
            return Err(Invalid::new("timeout", format!("must be between {shortest} and {longest}")));
        }
        if self.repository.transport() == Transport::File && self.executor != ExecutorKind::Local {
            return Err(Invalid::new("repository", "a local path can be used with executor local only"));
        }
        if self.local.git_ssh_key_file.is_some() && self.repository.transport() != Transport::Ssh {
            return Err(Invalid::new("gitSshKeyFile", "works with an ssh repository only"));
        }
        if self.local.git_token_file.is_some()
            && !matches!(self.repository.transport(), Transport::Https | Transport::Http)
        {
            return Err(Invalid::new("gitTokenFile", "works with an https or http repository only"));
        }
        if let Some(url) = &self.url {
            let web = url::Url::parse(url)
                .is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
            if !web || url.len() > 1_000 {
                return Err(Invalid::new("url", "must be an http or https URL"));
            }
        }
        match &self.tekton {
            Some(tekton) => tekton.check()?,
            None if self.executor == ExecutorKind::Tekton => {
                return Err(Invalid::new(
                    "image",
                    "is missing: executor tekton needs an image and a workload",
                ));
            }
            None => {}
        }
        self.local.check()
    }
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

    #[test]
    fn names_that_the_server_sets_are_not_for_services() {
        assert!(EnvName::parse("DATABASE_URL").is_ok());
        for wrong in ["", "1A", "A-B", "A=B", "STACKBLAZE_COMMIT", "GIT_ASKPASS"] {
            assert!(EnvName::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_of_variables_do_not_show_in_debug_output() {
        let env = BTreeMap::from([(EnvName::parse("KEY").unwrap(), "hunter2hunter2".to_owned())]);

        let shown = format!("{:?}", LocalSettings { env, ..LocalSettings::default() });

        assert!(shown.contains("KEY") && !shown.contains("hunter2"));
    }
}
