//! The form of a service's settings: what is typed becomes the body that the API takes, so that its rules hold here too.

use std::collections::{BTreeMap, HashMap};

use crate::actions::service_settings::DEFAULT_TIMEOUT;
use crate::domain::{
    CloneSettings, EnvName, ExecutorKind, ExecutorSet, History, Invalid, QueuePolicy, Service, Span,
    Workload, read_env_lines,
};
use crate::web::pages::format;
use crate::web::pages::services::form_lines::{lines, pairs};
use crate::wire::Change;
use crate::wire::service::{CloneFields, LocalFields, Pairs, ServiceBody, TektonFields, WorkloadBody};

/// Fields as they are called in the form, which is as the API calls them, and as people read them.
const LABELS: [(&str, &str); 27] = [
    ("name", "Name"),
    ("repository", "Repository"),
    ("defaultBranch", "Default branch"),
    ("url", "Address"),
    ("history", "History"),
    ("submodules", "Submodules"),
    ("lfs", "Git LFS"),
    ("executor", "Where it builds"),
    ("image", "Image"),
    ("dockerfile", "Dockerfile"),
    ("context", "Folder"),
    ("cacheRepository", "Cache"),
    ("target", "Stage"),
    ("buildArgs", "Build arguments"),
    ("buildSecrets", "Build secrets"),
    ("resources", "Resources of steps"),
    ("gitSecret", "Git secret"),
    ("registrySecret", "Registry secret"),
    ("workload", "Workload"),
    ("buildCommand", "Build command"),
    ("deployCommand", "Deploy command"),
    ("env", "Variables"),
    ("vars", "Plain variables"),
    ("gitTokenFile", "Git token file"),
    ("gitSshKeyFile", "Git key file"),
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
    pub(super) error: Option<Invalid>,
    /// Executors that can be chosen.
    pub(super) executors: Vec<ExecutorKind>,
}

impl ServiceForm {
    /// For a new service, with the defaults in their places.
    pub(super) fn empty(available: ExecutorSet) -> Self {
        let executors = executors(available, None);
        let mut form = Self { fields: HashMap::new(), variables: Vec::new(), error: None, executors };
        form.set("defaultBranch", "main");
        form.set("queuePolicy", QueuePolicy::Coalesce.as_str());
        form.set("executor", form.executors.first().map_or("local", |kind| kind.as_str()));
        form.set("dockerfile", "Dockerfile");
        form.set("context", ".");
        form.set("rollback", "true");
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
        form.set("repository", service.repository.as_str());
        form.set("defaultBranch", service.default_branch.as_str());
        form.set("executor", service.executor.as_str());
        form.set("queuePolicy", service.queue_policy.as_str());
        form.set("url", service.url.as_deref().unwrap_or_default());
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
            form.set("image", tekton.image.as_str());
            form.set("dockerfile", &tekton.dockerfile);
            form.set("context", &tekton.context);
            form.set("cacheRepository", tekton.cache_repository.as_str());
            form.set("gitSecret", tekton.git_secret.as_deref().unwrap_or_default());
            form.set("registrySecret", tekton.registry_secret.as_deref().unwrap_or_default());
            form.set("workload", &tekton.workload.to_string());
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

    /// The field that was wrong, as the form calls it; a part belongs to its field.
    pub(super) fn wrong(&self) -> Option<&str> {
        let field = self.error.as_ref()?.field.as_str();
        let whole = field.split_once('.').map_or(field, |(whole, _)| whole);
        let is_shown =
            field.strip_prefix("env.").is_some_and(|name| self.variables.iter().any(|own| own == name));
        Some(if is_shown { field } else { whole })
    }

    /// What is wrong with this field, as a sentence.
    pub(super) fn error(&self, field: &str) -> Option<String> {
        let error = self.error.as_ref().filter(|_| self.wrong() == Some(field))?;
        let part = error.field.split_once('.').filter(|_| !field.contains('.'));
        Some(match part {
            Some((_, part)) => format!("{part}: {}", format::sentence(&error.detail)),
            None => format::sentence(&error.detail),
        })
    }

    /// The same for the summary: with the field's label in front.
    pub(super) fn summary(&self) -> Option<String> {
        let wrong = self.wrong()?;
        let label = LABELS.iter().find(|(field, _)| *field == wrong).map_or(wrong, |(_, label)| label);
        Some(format!("{label}: {}", self.error(wrong)?))
    }

    /// The body as the API takes it: for a new service, or for changes of `before`. Settings of the executor that is
    /// not chosen are left as they are.
    ///
    /// # Errors
    /// Names the field that cannot be read.
    pub(super) fn body(&self, before: Option<&Service>) -> Result<ServiceBody, Invalid> {
        let text = |field: &str| self.get(field).trim().to_owned();
        let optional = |field: &str| Change::from(Some(text(field)).filter(|text| !text.is_empty()));
        let executor = text("executor");
        let is_kept = before.is_some_and(|before| before.executor.as_str() == executor);
        let mut body = ServiceBody {
            name: before.is_none().then(|| text("name")),
            repository: Some(text("repository")),
            default_branch: Some(self.default_branch()?),
            executor: Some(executor.clone()).filter(|text| !text.is_empty() && !is_kept),
            queue_policy: Some(text("queuePolicy")).filter(|text| !text.is_empty()),
            timeout: self.timeout(),
            url: optional("url"),
            fetch: self.fetch_fields()?,
            ..ServiceBody::default()
        };
        if executor == ExecutorKind::Tekton.as_str() {
            let before = before.and_then(|before| before.tekton.as_ref());
            body.tekton = TektonFields {
                image: optional("image"),
                cache_repository: optional("cacheRepository"),
                dockerfile: optional("dockerfile"),
                context: optional("context"),
                target: optional("target"),
                build_args: Change::Set(self.whole_list("buildArgs", before.map(|own| &own.build_args))?),
                build_secrets: Change::Set(
                    self.whole_list("buildSecrets", before.map(|own| &own.build_secrets))?,
                ),
                resources: Change::Set(
                    self.whole_list("resources", before.map(|own| own.resources.named()))?,
                ),
                git_secret: optional("gitSecret"),
                registry_secret: optional("registrySecret"),
                workload: optional("workload")
                    .try_map(|text| Workload::parse(&text).map(WorkloadBody::from))?,
                rollback: Change::Set(text("rollback") == "true"),
            };
        } else {
            body.local = LocalFields {
                build_command: Some(self.get("buildCommand").trim().to_owned()),
                deploy_command: Some(self.get("deployCommand").trim().to_owned()),
                env: Some(self.env()?),
                vars: Some(self.vars(before)?),
                git_token_file: optional("gitTokenFile"),
                git_ssh_key_file: optional("gitSshKeyFile"),
            };
        }
        Ok(body)
    }

    fn default_branch(&self) -> Result<String, Invalid> {
        match self.get("defaultBranch").trim() {
            "" => Err(Invalid::new("defaultBranch", "is missing: what is deployed when a call names none")),
            branch => Ok(branch.to_owned()),
        }
    }

    fn timeout(&self) -> Option<String> {
        let number = self.get("timeout").trim();
        let unit = UNITS.iter().map(|(unit, _)| *unit).find(|unit| *unit == self.get("timeoutUnit"));
        (!number.is_empty()).then(|| format!("{number}{}", unit.unwrap_or("m")))
    }

    /// Lines are the whole list: what is there and not among them goes.
    fn whole_list<T>(&self, field: &str, known: Option<&BTreeMap<String, T>>) -> Result<Pairs, Invalid> {
        let mut list: Pairs = known.into_iter().flatten().map(|(name, _)| (name.clone(), None)).collect();
        for (name, value) in pairs(field, self.get(field))? {
            list.insert(name, Some(value));
        }
        Ok(list)
    }

    fn fetch_fields(&self) -> Result<CloneFields, Invalid> {
        let is_on = |field: &str| Some(self.get(field) == "true");
        let history = Some(self.get("history").trim()).filter(|text| !text.is_empty());
        let history = history.map(History::parse).transpose()?.or(Some(History::default()));
        Ok(CloneFields { submodules: is_on("submodules"), lfs: is_on("lfs"), history })
    }

    /// Lines are the whole list here too.
    fn vars(&self, before: Option<&Service>) -> Result<Pairs, Invalid> {
        let known = before.into_iter().flat_map(|before| before.local.vars.keys());
        let mut vars: Pairs = known.map(|name| (name.as_str().to_owned(), None)).collect();
        for (name, value) in read_env_lines("vars", self.get("vars"))? {
            vars.insert(name, Some(value));
        }
        Ok(vars)
    }

    /// An empty value leaves a variable as it is.
    fn env(&self) -> Result<Pairs, Invalid> {
        let mut env = Pairs::new();
        for name in &self.variables {
            match self.typed(name) {
                _ if self.is_removed(name) => drop(env.insert(name.clone(), None)),
                "" => {}
                value => drop(env.insert(name.clone(), Some(value.to_owned()))),
            }
        }
        for (name, value) in read_env_lines("env", self.get("env"))? {
            EnvName::parse("env", &name)?;
            env.insert(name, Some(value));
        }
        Ok(env)
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
