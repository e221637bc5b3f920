//! Reads a form of a service's settings: what stands in it as the body that the API takes.

use std::collections::BTreeMap;

use crate::domain::{
    EnvName, ExecutorKind, Faults, History, Invalid, ReleaseCommand, Service, read_env_lines,
};
use crate::web::pages::services::form::{ServiceForm, UNITS};
use crate::web::pages::services::form_lines::pairs;
use crate::wire::Change;
use crate::wire::service::{CloneFields, LocalFields, Pairs, ServiceBody, TektonFields};

impl ServiceForm {
    /// The body as the API takes it: for a new service, or for changes of `before`. Settings of the executor that is
    /// not chosen are left as they are. What cannot be read is left out and told in `faults`.
    pub(in crate::web::pages::services) fn body(
        &self,
        before: Option<&Service>,
        faults: &mut Faults,
    ) -> ServiceBody {
        let text = |field: &str| self.get(field).trim().to_owned();
        let optional = |field: &str| Change::from(Some(text(field)).filter(|text| !text.is_empty()));
        let executor = text("executor");
        let is_kept = before.is_some_and(|before| before.executor.as_str() == executor);
        let mut body = ServiceBody {
            name: before.is_none().then(|| text("name")),
            repository: if text("imageOnly") == "true" {
                Change::Empty
            } else {
                Change::Set(text("repository"))
            },
            default_branch: faults.take(self.default_branch()),
            executor: Some(executor.clone()).filter(|text| !text.is_empty() && !is_kept),
            queue_policy: Some(text("queuePolicy")).filter(|text| !text.is_empty()),
            timeout: self.timeout(),
            settle: Some(text("settle")).filter(|text| !text.is_empty()),
            url: optional("url"),
            allowed_images: Some(self.allowed_images()),
            fetch: faults.take(self.fetch_fields()).unwrap_or_default(),
            ..ServiceBody::default()
        };
        if executor == ExecutorKind::Tekton.as_str() {
            let before = before.and_then(|before| before.tekton.as_ref());
            let mut whole = |list: Result<Pairs, Invalid>| Change::given(faults.take(list));
            let build_args = whole(self.whole_list("buildArgs", before.map(|own| &own.build_args)));
            let build_secrets = whole(self.whole_list("buildSecrets", before.map(|own| &own.build_secrets)));
            let resources = whole(self.whole_list("resources", before.map(|own| own.resources.named())));
            body.tekton = TektonFields {
                image: optional("image"),
                cache_repository: optional("cacheRepository"),
                dockerfile: optional("dockerfile"),
                context: optional("context"),
                target: optional("target"),
                build_args,
                build_secrets,
                resources,
                git_secret: optional("gitSecret"),
                registry_secret: optional("registrySecret"),
                workloads: self.workloads(),
                release_command: self.release_command(),
                release_timeout: optional("releaseTimeout"),
                rollback: Change::Set(text("rollback") == "true"),
            };
        } else {
            body.tekton.image = optional("image");
            body.local = LocalFields {
                build_command: Some(self.get("buildCommand").trim().to_owned()),
                deploy_command: Some(self.get("deployCommand").trim().to_owned()),
                env: faults.take(self.env()),
                vars: faults.take(self.vars(before)),
                git_token_file: optional("gitTokenFile"),
                git_ssh_key_file: optional("gitSshKeyFile"),
            };
        }
        body
    }

    fn release_command(&self) -> Change<ReleaseCommand> {
        let text = Some(self.get("releaseCommand").trim()).filter(|text| !text.is_empty());
        Change::from(text.map(ReleaseCommand::read))
    }

    /// One a line, in its whole.
    fn workloads(&self) -> Change<Vec<String>> {
        let lines = self.get("workloads").lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<_> = lines.map(str::to_owned).collect();
        Change::from(Some(lines).filter(|lines| !lines.is_empty()))
    }

    /// One a line.
    fn allowed_images(&self) -> Vec<String> {
        let lines = self.get("allowedImages").lines().map(str::trim);
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    fn default_branch(&self) -> Result<String, Invalid> {
        match self.get("defaultBranch").trim() {
            "" => Err(Invalid::new("defaultBranch", "is missing: what is deployed when a call names none")),
            branch => Ok(branch.to_owned()),
        }
    }

    pub(super) fn timeout(&self) -> Option<String> {
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
