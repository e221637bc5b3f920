//! The form of a service's settings: what stands in its fields, and what is wrong with each.

mod body;

use std::collections::HashMap;

use crate::actions::service_settings::DEFAULT_TIMEOUT;
use crate::domain::{
    CloneSettings, DEFAULT_RELEASE_TIMEOUT, ExecutorKind, ExecutorSet, ImageRepository, Invalid, QueuePolicy,
    ReleaseCommand, Repository, Service, Span,
};
use crate::web::pages::format;
use crate::web::pages::services::form_lines::lines;

/// Fields as they are called in the form, which is as the API calls them, and as people read them.
const LABELS: [(&str, &str); 31] = [
    ("name", "Name"),
    ("repository", "Repository"),
    ("defaultBranch", "Default branch"),
    ("url", "Address"),
    ("history", "History"),
    ("submodules", "Submodules"),
    ("lfs", "Git LFS"),
    ("executor", "Where it builds"),
    ("image", "Image"),
    ("allowedImages", "Other images"),
    ("dockerfile", "Dockerfile"),
    ("context", "Folder"),
    ("cacheRepository", "Cache"),
    ("target", "Stage"),
    ("buildArgs", "Build arguments"),
    ("buildSecrets", "Build secrets"),
    ("resources", "Resources of steps"),
    ("gitSecret", "Git secret"),
    ("registrySecret", "Registry secret"),
    ("workloads", "Workloads"),
    ("releaseCommand", "Release command"),
    ("releaseTimeout", "Its time limit"),
    ("buildCommand", "Build command"),
    ("deployCommand", "Deploy command"),
    ("env", "Variables"),
    ("vars", "Plain variables"),
    ("gitTokenFile", "Git token file"),
    ("gitSshKeyFile", "Git key file"),
    ("settle", "Settle"),
    ("timeout", "Time limit"),
    ("queuePolicy", "When calls pile up"),
];
/// Units of the time limit: what the API writes, and seconds.
const UNITS: [(&str, u64); 3] = [("h", 3_600), ("m", 60), ("s", 1)];

/// The form, as it is shown and as it was sent.
#[derive(Debug)]
pub(super) struct ServiceForm {
    fields: HashMap<String, String>,
    /// Names of the variables that are set; their values are not shown.
    pub(super) variables: Vec<String>,
    /// What was wrong.
    pub(super) errors: Vec<Invalid>,
    /// Executors that can be chosen.
    pub(super) executors: Vec<ExecutorKind>,
}

impl ServiceForm {
    /// For a new service, with the defaults in their places.
    pub(super) fn empty(available: ExecutorSet) -> Self {
        let executors = executors(available, None);
        let mut form = Self { fields: HashMap::new(), variables: Vec::new(), errors: Vec::new(), executors };
        form.set("defaultBranch", "main");
        form.set("queuePolicy", QueuePolicy::Coalesce.as_str());
        form.set("executor", form.executors.first().map_or("local", |kind| kind.as_str()));
        form.set("dockerfile", "Dockerfile");
        form.set("context", ".");
        form.set("rollback", "true");
        form.set("settle", &Service::DEFAULT_SETTLE.to_string());
        form.set("releaseTimeout", &DEFAULT_RELEASE_TIMEOUT.to_string());
        form.set_fetch(&CloneSettings::default());
        form.set_timeout(DEFAULT_TIMEOUT);
        form
    }

    /// With what a service has.
    pub(super) fn of(service: &Service, available: ExecutorSet) -> Self {
        let mut form = Self::empty(available);
        form.executors = executors(available, Some(service.executor));
        form.variables = service.local.env.keys().map(|name| name.as_str().to_owned()).collect();
        form.set("name", service.name.as_str());
        form.set("repository", service.repository.as_ref().map(Repository::as_str).unwrap_or_default());
        form.set("imageOnly", if service.repository.is_none() { "true" } else { "" });
        form.set("image", service.own_image().map(ImageRepository::as_str).unwrap_or_default());
        let others: Vec<_> = service.allowed_images.iter().map(ImageRepository::as_str).collect();
        form.set("allowedImages", &others.join("\n"));
        form.set("defaultBranch", service.default_branch.as_str());
        form.set("executor", service.executor.as_str());
        form.set("queuePolicy", service.queue_policy.as_str());
        form.set("url", service.url.as_deref().unwrap_or_default());
        form.set("settle", &service.settle.to_string());
        form.set_timeout(service.timeout);
        form.set_fetch(&service.fetch);
        form.set("vars", &lines(&service.local.vars));
        form.set("buildCommand", &service.local.build_command);
        form.set("deployCommand", &service.local.deploy_command);
        form.set("gitTokenFile", service.local.git_token_file.as_deref().unwrap_or_default());
        form.set("gitSshKeyFile", service.local.git_ssh_key_file.as_deref().unwrap_or_default());
        if let Some(tekton) = &service.tekton {
            form.set("buildArgs", &lines(&tekton.build_args));
            form.set("buildSecrets", &lines(&tekton.build_secrets));
            form.set("resources", &lines(tekton.resources.named()));
            form.set("target", tekton.target.as_deref().unwrap_or_default());
            form.set("dockerfile", &tekton.dockerfile);
            form.set("context", &tekton.context);
            form.set("cacheRepository", tekton.cache_repository.as_str());
            form.set("gitSecret", tekton.git_secret.as_deref().unwrap_or_default());
            form.set("registrySecret", tekton.registry_secret.as_deref().unwrap_or_default());
            let workloads: Vec<_> = tekton.workloads.iter().map(ToString::to_string).collect();
            form.set("workloads", &workloads.join("\n"));
            let command = tekton.release.command.as_ref().map(ReleaseCommand::as_typed);
            form.set("releaseCommand", &command.unwrap_or_default());
            form.set("releaseTimeout", &tekton.release.timeout.to_string());
            form.set("rollback", if tekton.rollback { "true" } else { "" });
        }
        form
    }

    /// The same form as it was sent, to be read or to be shown again.
    pub(super) fn sent(self, fields: HashMap<String, String>) -> Self {
        Self { fields, ..self }
    }

    fn set(&mut self, field: &str, value: &str) {
        self.fields.insert(field.to_owned(), value.to_owned());
    }

    fn set_fetch(&mut self, clone: &CloneSettings) {
        self.set("history", &clone.history.to_string());
        for (field, is_on) in [("submodules", clone.submodules), ("lfs", clone.lfs)] {
            self.set(field, if is_on { "true" } else { "" });
        }
    }

    fn set_timeout(&mut self, timeout: Span) {
        let seconds = timeout.as_secs();
        let (unit, size) =
            UNITS.into_iter().find(|(_, size)| seconds.is_multiple_of(*size)).unwrap_or(("s", 1));
        self.set("timeout", &(seconds / size).to_string());
        self.set("timeoutUnit", unit);
    }

    /// What stands in a field.
    pub(super) fn get(&self, field: &str) -> &str {
        self.fields.get(field).map(String::as_str).unwrap_or_default()
    }

    /// What stands in the field for the new value of a variable.
    pub(super) fn typed(&self, variable: &str) -> &str {
        self.get(&format!("env.{variable}"))
    }

    /// Whether a variable is marked to be removed.
    pub(super) fn is_removed(&self, variable: &str) -> bool {
        self.get(&format!("remove.{variable}")) == "true"
    }

    /// Whether this executor can be chosen.
    pub(super) fn has(&self, executor: &str) -> bool {
        self.executors.iter().any(|kind| kind.as_str() == executor)
    }

    /// The field that an error is of, as the form calls it; a part belongs to its field.
    fn place<'e>(&self, error: &'e Invalid) -> &'e str {
        let field = error.field.as_str();
        let whole = field.split_once('.').map_or(field, |(whole, _)| whole);
        let is_shown =
            field.strip_prefix("env.").is_some_and(|name| self.variables.iter().any(|own| own == name));
        if is_shown { field } else { whole }
    }

    fn sentence(&self, error: &Invalid) -> String {
        let part = error.field.split_once('.').filter(|_| !self.place(error).contains('.'));
        match part {
            // An item of a list quotes itself.
            Some((_, part)) if part.bytes().all(|byte| byte.is_ascii_digit()) => error.detail.clone(),
            Some((_, part)) => format!("{part}: {}", format::sentence(&error.detail)),
            None => format::sentence(&error.detail),
        }
    }

    /// What is wrong with this field, in sentences.
    pub(super) fn error(&self, field: &str) -> Option<String> {
        let own = self.errors.iter().filter(|error| self.place(error) == field);
        let own: Vec<_> = own.map(|error| self.sentence(error)).collect();
        (!own.is_empty()).then(|| own.join(" "))
    }

    /// The same for the summary: ids, and sentences with the field's label in front.
    pub(super) fn summary(&self) -> Vec<(String, String)> {
        let line = |error: &Invalid| {
            let place = self.place(error);
            let label = LABELS.iter().find(|(field, _)| *field == place).map_or(place, |(_, label)| label);
            (place.to_owned(), format!("{label}: {}", self.sentence(error)))
        };
        self.errors.iter().map(line).collect()
    }

    /// `1 thing to fix`; nothing where all is well.
    pub(super) fn count(&self) -> Option<String> {
        let count = self.errors.len() as u64;
        (count > 0).then(|| format!("{} to fix", format::count(count, "thing")))
    }
}

/// Those of the server, and the one that a service has already.
fn executors(available: ExecutorSet, own: Option<ExecutorKind>) -> Vec<ExecutorKind> {
    ExecutorKind::ALL.into_iter().filter(|kind| available.has(*kind) || own == Some(*kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_limit_is_shown_in_its_largest_whole_unit() {
        let mut form = ServiceForm::empty([ExecutorKind::Local].into_iter().collect());
        for (seconds, shown) in [(3_600, "1h"), (5_400, "90m"), (45, "45s"), (86_400, "24h")] {
            form.set_timeout(Span::from_secs(seconds));
            assert_eq!(form.timeout().as_deref(), Some(shown));
        }
    }
}
