//! A service as JSON. What GET gives is what POST and PATCH take; values of variables are shown as `***` and, sent back
//! so, left as they are.

use std::collections::BTreeMap;
use std::mem::take;

use serde::{Deserialize, Serialize};

use crate::db::queue::Available;
use crate::domain::{
    Branch, EnvName, ExecutorKind, Invalid, LocalSettings, QueuePolicy, Repository, Service, ServiceId,
    ServiceName, Span, Timestamp,
};

use super::super::request::Change;
use super::tekton_body::{BuildArgs, NO_CLUSTER, TektonChanges, WorkloadBody};

/// Stands for a value that is not shown.
const HIDDEN: &str = "***";
/// A service of this name would have its pages where the dashboard has another one.
const RESERVED: &str = "new";
/// What is said of executor `local` on a server that has none.
const NO_HOST_BUILDS: &str = "local builds on the server's own host, which this server does not do: it listens beyond \
    loopback, and was started without --allow-host-builds";
/// A run's timeout where nothing is said.
pub(in crate::web) const DEFAULT_TIMEOUT: Span = Span::from_hours(1);

/// The writable part, all of it optional so that one shape serves POST and PATCH.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::web) struct ServiceBody {
    pub(in crate::web) name: Option<String>,
    pub(in crate::web) repository: Option<String>,
    pub(in crate::web) default_branch: Option<String>,
    pub(in crate::web) executor: Option<String>,
    pub(in crate::web) queue_policy: Option<String>,
    pub(in crate::web) timeout: Option<String>,
    pub(in crate::web) url: Change<String>,
    pub(in crate::web) build_command: Option<String>,
    pub(in crate::web) deploy_command: Option<String>,
    pub(in crate::web) env: Option<BTreeMap<String, Option<String>>>,
    pub(in crate::web) git_token_file: Change<String>,
    pub(in crate::web) git_ssh_key_file: Change<String>,
    pub(in crate::web) image: Change<String>,
    pub(in crate::web) cache_repository: Change<String>,
    pub(in crate::web) dockerfile: Change<String>,
    pub(in crate::web) context: Change<String>,
    pub(in crate::web) build_args: Change<BuildArgs>,
    pub(in crate::web) git_secret: Change<String>,
    pub(in crate::web) registry_secret: Change<String>,
    pub(in crate::web) workload: Change<WorkloadBody>,
    pub(in crate::web) rollback: Change<bool>,
    /// Read-only; accepted and ignored, so that what GET gives can be sent back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::web) id: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::web) frozen: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::web) created_at: Option<serde_json::Value>,
}

/// A service as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    id: String,
    #[serde(flatten)]
    body: ServiceBody,
    frozen: Option<String>,
    created_at: Timestamp,
}

impl Shown {
    pub(super) fn new(service: &Service) -> Self {
        let names = service.local.env.keys();
        let tekton = TektonChanges::of(service.tekton.as_ref());
        let body = ServiceBody {
            name: Some(service.name.to_string()),
            repository: Some(service.repository.to_string()),
            default_branch: Some(service.default_branch.to_string()),
            executor: Some(service.executor.as_str().to_owned()),
            queue_policy: Some(service.queue_policy.as_str().to_owned()),
            timeout: Some(service.timeout.to_string()),
            url: service.url.clone().into(),
            build_command: Some(service.local.build_command.clone()),
            deploy_command: Some(service.local.deploy_command.clone()),
            env: Some(names.map(|name| (name.as_str().to_owned(), Some(HIDDEN.to_owned()))).collect()),
            git_token_file: service.local.git_token_file.clone().into(),
            git_ssh_key_file: service.local.git_ssh_key_file.clone().into(),
            image: tekton.image,
            cache_repository: tekton.cache_repository,
            dockerfile: tekton.dockerfile,
            context: tekton.context,
            build_args: tekton.build_args,
            git_secret: tekton.git_secret,
            registry_secret: tekton.registry_secret,
            workload: tekton.workload,
            rollback: tekton.rollback,
            ..ServiceBody::default()
        };
        Self {
            id: service.id.to_string(),
            body,
            frozen: service.frozen.clone(),
            created_at: service.created_at,
        }
    }

    pub(super) fn name(&self) -> String {
        self.body.name.clone().unwrap_or_default()
    }
}

impl ServiceBody {
    /// Makes a new service out of it.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    pub(super) fn create(self, available: Available, now: Timestamp) -> Result<Service, Invalid> {
        let need = |field: &str, value: &Option<String>| {
            value.clone().ok_or_else(|| Invalid::new(field, "is missing"))
        };
        if self.name.as_deref() == Some(RESERVED) {
            return Err(Invalid::new(
                "name",
                "\"new\" is the address of the form for new services; take another name",
            ));
        }
        let default = if available.tekton { ExecutorKind::Tekton } else { ExecutorKind::Local };
        let service = Service {
            id: ServiceId::generate(),
            name: ServiceName::parse(&need("name", &self.name)?)?,
            repository: Repository::parse(&need("repository", &self.repository)?)?,
            default_branch: branch(self.default_branch.as_deref().unwrap_or("main"))?,
            executor: executor(self.executor.as_deref().unwrap_or(default.as_str()), available)?,
            queue_policy: QueuePolicy::Coalesce,
            timeout: DEFAULT_TIMEOUT,
            url: None,
            local: LocalSettings::default(),
            tekton: None,
            frozen: None,
            created_at: now,
        };
        let service = self.apply(service, available)?;
        check_deploys(&service)?;
        Ok(service)
    }

    /// Changes what it names in a service.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub(super) fn apply(mut self, mut service: Service, available: Available) -> Result<Service, Invalid> {
        if let Some(name) = &self.name
            && name != service.name.as_str()
        {
            return Err(Invalid::new("name", "cannot be changed; add a service with the new name"));
        }
        if let Some(text) = &self.repository {
            service.repository = Repository::parse(text)?;
        }
        if let Some(text) = &self.default_branch {
            service.default_branch = branch(text)?;
        }
        let before = service.executor;
        if let Some(text) = &self.executor {
            service.executor = executor(text, available)?;
        }
        if let Some(text) = &self.queue_policy {
            service.queue_policy = QueuePolicy::parse(text)
                .ok_or_else(|| Invalid::new("queuePolicy", "must be coalesce, latest or every"))?;
        }
        if let Some(text) = &self.timeout {
            service.timeout = text.parse().map_err(|error: Invalid| Invalid::new("timeout", error.detail))?;
        }
        service.url = take(&mut self.url).apply(service.url);
        let asks_for_deploy = self.deploy_command.is_some() || service.executor != before;
        self.apply_local(&mut service.local)?;
        let tekton = self.take_tekton();
        if service.executor == ExecutorKind::Local {
            tekton.check_kept(service.tekton.as_ref(), available.tekton)?;
        }
        service.tekton = tekton.apply(service.tekton)?;
        service.check()?;
        if asks_for_deploy {
            check_deploys(&service)?;
        }
        Ok(service)
    }

    fn apply_local(&mut self, local: &mut LocalSettings) -> Result<(), Invalid> {
        if let Some(command) = self.build_command.take() {
            local.build_command = LocalSettings::command(&command);
        }
        if let Some(command) = self.deploy_command.take() {
            local.deploy_command = LocalSettings::command(&command);
        }
        local.git_token_file = take(&mut self.git_token_file).apply(local.git_token_file.take());
        local.git_ssh_key_file = take(&mut self.git_ssh_key_file).apply(local.git_ssh_key_file.take());
        merge_env(&mut local.env, self.env.take().unwrap_or_default())
    }

    fn take_tekton(&mut self) -> TektonChanges {
        TektonChanges {
            image: take(&mut self.image),
            cache_repository: take(&mut self.cache_repository),
            dockerfile: take(&mut self.dockerfile),
            context: take(&mut self.context),
            build_args: take(&mut self.build_args),
            git_secret: take(&mut self.git_secret),
            registry_secret: take(&mut self.registry_secret),
            workload: take(&mut self.workload),
            rollback: take(&mut self.rollback),
        }
    }
}

/// The executor of that name, which the server has to have.
fn executor(text: &str, available: Available) -> Result<ExecutorKind, Invalid> {
    let Some(kind) = ExecutorKind::parse(text) else {
        return Err(Invalid::new("executor", format!("\"{text}\" is no executor; say tekton or local")));
    };
    match kind {
        kind if available.has(kind) => Ok(kind),
        ExecutorKind::Tekton => Err(Invalid::new("executor", format!("tekton {NO_CLUSTER}"))),
        ExecutorKind::Local => Err(Invalid::new("executor", NO_HOST_BUILDS)),
    }
}

/// Refuses a service whose runs on this host would put nothing into service. One may be stored so; it is refused where
/// a change asks for its deploy command.
fn check_deploys(service: &Service) -> Result<(), Invalid> {
    if service.executor == ExecutorKind::Local && service.local.deploy_command.trim().is_empty() {
        return Err(Invalid::new(
            "deployCommand",
            "is needed, since it puts the new version into service; say `true` where the build deploys",
        ));
    }
    Ok(())
}

/// Null removes a variable, `***` leaves it, anything else sets it.
fn merge_env(
    env: &mut BTreeMap<EnvName, String>,
    changes: BTreeMap<String, Option<String>>,
) -> Result<(), Invalid> {
    for (name, value) in changes {
        let own = EnvName::parse(&name)?;
        match value.as_deref() {
            None => drop(env.remove(&own)),
            Some(HIDDEN) if env.contains_key(&own) => {}
            Some(HIDDEN) => {
                return Err(Invalid::new(
                    format!("env.{name}"),
                    "*** stands for a value that is kept, and there is none",
                ));
            }
            Some(value) => drop(env.insert(own, value.to_owned())),
        }
    }
    Ok(())
}

fn branch(text: &str) -> Result<Branch, Invalid> {
    Branch::parse(text).map_err(|error| Invalid::new("defaultBranch", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Available = Available { local: true, tekton: false };

    fn read(json: &str) -> ServiceBody {
        serde_json::from_str(json).unwrap()
    }

    fn service() -> Service {
        let body = read(
            r#"{"name":"api","repository":"/srv/api","deployCommand":"true","env":{"KEY":"secret-value"},
                "url":"https://api.example.com"}"#,
        );
        body.create(BOTH, Timestamp::from_millis(0)).unwrap()
    }

    #[test]
    fn what_get_gives_can_be_sent_back_and_changes_nothing() {
        let before = service();

        let shown = serde_json::to_string(&Shown::new(&before)).unwrap();
        let after = read(&shown).apply(before.clone(), BOTH).unwrap();

        assert!(shown.contains("\"KEY\":\"***\"") && !shown.contains("secret-value"));
        assert_eq!((after.local, after.url, after.timeout), (before.local, before.url, before.timeout));
    }

    #[test]
    fn null_empties_and_a_missing_field_stays() {
        let after = read(r#"{"url":null,"env":{"KEY":null,"NEW":"x"}}"#).apply(service(), BOTH).unwrap();

        assert_eq!(after.url, None);
        assert_eq!(after.local.env.keys().map(EnvName::as_str).collect::<Vec<_>>(), ["NEW"]);
    }

    #[test]
    fn a_service_of_a_cluster_needs_an_image_and_a_workload() {
        let create = |more: &str| {
            let json = format!(r#"{{"name":"api","repository":"https://example.com/api.git"{more}}}"#);
            read(&json).create(Available { local: true, tekton: true }, Timestamp::from_millis(0))
        };

        assert_eq!(create("").unwrap_err().field, "image");
        assert_eq!(create(r#","executor":"local","deployCommand":"true""#).unwrap().tekton, None);
        let service = create(
            r#","image":"registry.example.com/api","workload":{"namespace":"apps","deployment":"api"}"#,
        );
        assert_eq!(service.unwrap().tekton.unwrap().workload.to_string(), "apps/api");
        let secret = create(
            r#","image":"registry.example.com/api","workload":{"namespace":"apps","deployment":"api"},"gitSecret":"A b""#,
        );
        assert_eq!(secret.unwrap_err().field, "gitSecret");
    }

    #[test]
    fn errors_name_their_field() {
        let field = |json: &str| read(json).create(BOTH, Timestamp::from_millis(0)).unwrap_err().field;

        assert_eq!(field("{}"), "name");
        assert_eq!(field(r#"{"name":"new","repository":"/x"}"#), "name");
        assert_eq!(field(r#"{"name":"api"}"#), "repository");
        assert_eq!(field(r#"{"name":"api","repository":"/x","executor":"tekton"}"#), "executor");
        assert_eq!(field(r#"{"name":"api","repository":"/x","queuePolicy":"all"}"#), "queuePolicy");
        assert_eq!(field(r#"{"name":"api","repository":"/x","timeout":"1w"}"#), "timeout");
        assert_eq!(field(r#"{"name":"api","repository":"/x","timeout":"0s"}"#), "timeout");
        assert_eq!(field(r#"{"name":"api","repository":"/x","env":{"A":"***"}}"#), "env.A");
        assert_eq!(field(r#"{"name":"api","repository":"/x","defaultBranch":"a b"}"#), "defaultBranch");
        assert_eq!(field(r#"{"name":"api","repository":"/x"}"#), "deployCommand");
        assert!(
            serde_json::from_str::<ServiceBody>(r#"{"nmae":"api"}"#)
                .unwrap_err()
                .to_string()
                .contains("nmae")
        );
    }
}
