//! The settings of a service out of its shape.

use std::collections::BTreeMap;

use crate::domain::{
    Branch, CacheRepository, CloneSettings, EnvName, ExecutorKind, ExecutorSet, ImageRepository, Invalid,
    LocalSettings, QueuePolicy, Repository, SecretKey, Service, ServiceId, ServiceName, Span, StepResources,
    TektonSettings, Timestamp, Workload,
};
use crate::wire::Change;
use crate::wire::service::{CloneFields, HIDDEN, LocalFields, Pairs, ServiceBody, TektonFields};

/// A run's timeout where nothing is said.
pub const DEFAULT_TIMEOUT: Span = Span::from_hours(1);
/// A service of this name would have its pages where the dashboard has another one.
const RESERVED: &str = "new";
/// What is said of executor `local` on a server that has none.
const NO_HOST_BUILDS: &str = "local builds on the server's own host, which this server does not do: it listens beyond \
    loopback, and was started without --allow-host-builds";
/// What is said of settings of a cluster on a server that has none.
const NO_CLUSTER: &str =
    "needs a cluster, and this server has none: start it with --kube-context or inside the cluster";
/// What is said of them for a service that runs elsewhere.
const OTHER_EXECUTOR: &str = "is for executor tekton, and this service's executor is local";

/// Makes a new service out of its shape.
///
/// # Errors
/// Names the field that is missing or wrong.
pub(super) fn create_from(
    body: ServiceBody,
    available: ExecutorSet,
    now: Timestamp,
) -> Result<Service, Invalid> {
    let need =
        |field: &str, value: &Option<String>| value.clone().ok_or_else(|| Invalid::new(field, "is missing"));
    if body.name.as_deref() == Some(RESERVED) {
        let detail = "\"new\" is the address of the form for new services; take another name";
        return Err(Invalid::new("name", detail));
    }
    let default = available.iter().next().unwrap_or(ExecutorKind::Local);
    let service = Service {
        id: ServiceId::generate(),
        name: ServiceName::parse(&need("name", &body.name)?)?,
        repository: Repository::parse(&need("repository", &body.repository)?)?,
        default_branch: branch(body.default_branch.as_deref().unwrap_or("main"))?,
        executor: executor(body.executor.as_deref().unwrap_or(default.as_str()), available)?,
        queue_policy: QueuePolicy::Coalesce,
        timeout: DEFAULT_TIMEOUT,
        url: None,
        fetch: CloneSettings::default(),
        local: LocalSettings::default(),
        tekton: None,
        frozen: None,
        created_at: now,
    };
    let service = change(body, service, available)?;
    check_deploys(&service)?;
    Ok(service)
}

/// Changes what the shape names in a service.
///
/// # Errors
/// Names the field that is wrong.
pub(super) fn change(
    body: ServiceBody,
    mut service: Service,
    available: ExecutorSet,
) -> Result<Service, Invalid> {
    if body.name.as_deref().is_some_and(|name| name != service.name.as_str()) {
        return Err(Invalid::new("name", "cannot be changed; add a service with the new name"));
    }
    if !body.frozen.is_keep() && body.frozen.value() != service.frozen.as_ref() {
        let path = format!("/api/v1/services/{}/freeze", service.name);
        return Err(Invalid::new("frozen", format!("is changed by PUT and DELETE of {path}")));
    }
    let before = service.executor;
    if let Some(text) = body.repository {
        service.repository = Repository::parse(&text)?;
    }
    if let Some(text) = body.default_branch {
        service.default_branch = branch(&text)?;
    }
    if let Some(text) = body.executor {
        service.executor = executor(&text, available)?;
    }
    if let Some(text) = body.queue_policy {
        service.queue_policy = QueuePolicy::parse(&text)
            .ok_or_else(|| Invalid::new("queuePolicy", "must be coalesce, latest or every"))?;
    }
    if let Some(text) = body.timeout {
        service.timeout = text.parse().map_err(|error: Invalid| Invalid::new("timeout", error.detail))?;
    }
    service.url = body.url.apply(service.url);
    let CloneFields { submodules, lfs, history } = body.fetch;
    let own = &mut service.fetch;
    own.submodules = submodules.unwrap_or(own.submodules);
    own.lfs = lfs.unwrap_or(own.lfs);
    own.history = history.unwrap_or(own.history);
    let asks_for_deploy = body.local.deploy_command.is_some() || service.executor != before;
    change_local(body.local, &mut service.local)?;
    if service.executor == ExecutorKind::Local {
        check_kept(&body.tekton, service.tekton.as_ref(), available.has(ExecutorKind::Tekton))?;
    }
    service.tekton = change_tekton(body.tekton, service.tekton)?;
    service.check()?;
    if asks_for_deploy {
        check_deploys(&service)?;
    }
    Ok(service)
}

/// The executor of that name, which the server has to have.
fn executor(text: &str, available: ExecutorSet) -> Result<ExecutorKind, Invalid> {
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

fn branch(text: &str) -> Result<Branch, Invalid> {
    Branch::parse(text).map_err(|error| Invalid::new("defaultBranch", error.to_string()))
}

fn change_local(fields: LocalFields, local: &mut LocalSettings) -> Result<(), Invalid> {
    if let Some(command) = fields.build_command {
        local.build_command = LocalSettings::command(&command);
    }
    if let Some(command) = fields.deploy_command {
        local.deploy_command = LocalSettings::command(&command);
    }
    local.git_token_file = fields.git_token_file.apply(local.git_token_file.take());
    local.git_ssh_key_file = fields.git_ssh_key_file.apply(local.git_ssh_key_file.take());
    merge_env("env", &mut local.env, fields.env.unwrap_or_default())?;
    merge_env("vars", &mut local.vars, fields.vars.unwrap_or_default())
}

/// Null removes a variable, `***` leaves it, anything else sets it.
fn merge_env(field: &str, env: &mut BTreeMap<EnvName, String>, changes: Pairs) -> Result<(), Invalid> {
    for (name, value) in changes {
        let own = EnvName::parse(field, &name)?;
        match value.as_deref() {
            None => drop(env.remove(&own)),
            Some(HIDDEN) if field == "env" && env.contains_key(&own) => {}
            Some(HIDDEN) if field == "env" => {
                let detail = "*** stands for a value that is kept, and there is none";
                return Err(Invalid::new(format!("env.{name}"), detail));
            }
            Some(value) => drop(env.insert(own, value.to_owned())),
        }
    }
    Ok(())
}

/// Refuses new settings of a cluster for a service that runs on this host. What it keeps from a time in a cluster may be
/// sent back.
fn check_kept(
    fields: &TektonFields,
    kept: Option<&TektonSettings>,
    has_cluster: bool,
) -> Result<(), Invalid> {
    let new = fields.first_new(&TektonFields::of(kept));
    let why = if has_cluster { OTHER_EXECUTOR } else { NO_CLUSTER };
    new.map_or(Ok(()), |field| Err(Invalid::new(field, why)))
}

/// The settings after these changes; `None` where nothing is set.
fn change_tekton(
    fields: TektonFields,
    before: Option<TektonSettings>,
) -> Result<Option<TektonSettings>, Invalid> {
    let bare = TektonFields { image: Change::Keep, workload: Change::Keep, ..fields.clone() };
    let sets_more = bare.first_new(&TektonFields::default()).is_some();
    let image = fields.image.try_map(|text| ImageRepository::parse("image", &text))?;
    let workload = fields.workload.try_map(|body| {
        let workload = Workload::from(body);
        workload.check().map(|()| workload)
    })?;
    let image = image.apply(before.as_ref().map(|before| before.image.clone()));
    let workload = workload.apply(before.as_ref().map(|before| before.workload.clone()));
    let (image, workload) = match (image, workload) {
        (Some(image), Some(workload)) => (image, workload),
        (None, None) if !sets_more => return Ok(None),
        (None, _) => return Err(Invalid::new("image", "is missing: where the built image is pushed")),
        (_, None) => {
            return Err(Invalid::new("workload", "is missing: which Deployment is given the image"));
        }
    };
    let default = TektonSettings::new(image, workload);
    let before = before.unwrap_or_else(|| default.clone());
    let cache = fields.cache_repository.try_map(|text| CacheRepository::parse(&text))?;
    let build_args = merged(before.build_args, fields.build_args, |_, value| Ok(value))?;
    let build_secrets = merged(before.build_secrets, fields.build_secrets, |name, value| {
        SecretKey::parse(&format!("buildSecrets.{name}"), &value)
    })?;
    let resources = merged(before.resources.named().clone(), fields.resources, |_, amount| Ok(amount))?;
    Ok(Some(TektonSettings {
        cache_repository: cache.apply(Some(before.cache_repository)).unwrap_or_default(),
        dockerfile: fields.dockerfile.apply(Some(before.dockerfile)).unwrap_or(default.dockerfile),
        context: fields.context.apply(Some(before.context)).unwrap_or(default.context),
        target: fields.target.apply(before.target),
        build_args,
        build_secrets,
        resources: StepResources::parse(resources)?,
        git_secret: fields.git_secret.apply(before.git_secret),
        registry_secret: fields.registry_secret.apply(before.registry_secret),
        rollback: fields.rollback.apply(Some(before.rollback)).unwrap_or(default.rollback),
        ..TektonSettings::new(default.image, default.workload)
    }))
}

/// Null removes one, a text sets it.
fn merged<T>(
    mut before: BTreeMap<String, T>,
    changes: Change<Pairs>,
    read: impl Fn(&str, String) -> Result<T, Invalid>,
) -> Result<BTreeMap<String, T>, Invalid> {
    match changes {
        Change::Keep => {}
        Change::Empty => before.clear(),
        Change::Set(changes) => {
            for (name, value) in changes {
                match value {
                    Some(value) => drop(before.insert(name.clone(), read(&name, value)?)),
                    None => drop(before.remove(&name)),
                }
            }
        }
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::read::read as read_shape;
    use crate::wire::service::ServiceJson;

    fn here() -> ExecutorSet {
        [ExecutorKind::Local].into_iter().collect()
    }

    fn both() -> ExecutorSet {
        ExecutorKind::ALL.into_iter().collect()
    }

    fn read(json: &str) -> ServiceBody {
        read_shape(json.as_bytes()).unwrap()
    }

    fn create(json: &str, available: ExecutorSet) -> Result<Service, Invalid> {
        create_from(read(json), available, Timestamp::from_millis(0))
    }

    fn service() -> Service {
        let json = r#"{"name":"api","repository":"/srv/api","deployCommand":"true","env":{"KEY":"secret-value"},
                       "url":"https://api.example.com"}"#;
        create(json, here()).unwrap()
    }

    fn in_cluster(more: &str) -> Result<Service, Invalid> {
        create(&format!(r#"{{"name":"api","repository":"https://example.com/api.git"{more}}}"#), both())
    }

    const WORKLOAD: &str =
        r#","image":"registry.example.com/api","workload":{"namespace":"apps","deployment":"api"}"#;

    #[test]
    fn what_get_gives_can_be_sent_back_and_changes_nothing() {
        for before in [service(), in_cluster(WORKLOAD).unwrap()] {
            let shown = serde_json::to_string(&ServiceJson::new(&before)).unwrap();
            let after = change(read(&shown), before.clone(), both()).unwrap();

            assert!(!shown.contains("secret-value"));
            assert_eq!((after.local, after.url, after.timeout), (before.local, before.url, before.timeout));
            assert_eq!(after.tekton, before.tekton);
        }
    }

    #[test]
    fn null_empties_and_a_missing_field_stays() {
        let after = change(read(r#"{"url":null,"env":{"KEY":null,"NEW":"x"}}"#), service(), here()).unwrap();

        assert_eq!(after.url, None);
        assert_eq!(after.local.env.keys().map(EnvName::as_str).collect::<Vec<_>>(), ["NEW"]);
    }

    #[test]
    fn a_service_of_a_cluster_needs_an_image_and_a_workload() {
        assert_eq!(in_cluster("").unwrap_err().field, "image");
        assert_eq!(in_cluster(r#","executor":"local","deployCommand":"true""#).unwrap().tekton, None);
        assert_eq!(in_cluster(WORKLOAD).unwrap().tekton.unwrap().workload.to_string(), "apps/api");
        let secret = in_cluster(&format!(r#"{WORKLOAD},"gitSecret":"A b""#));
        assert_eq!(secret.unwrap_err().field, "gitSecret");
        assert_eq!(in_cluster(r#","image":"registry.example.com/api""#).unwrap_err().field, "workload");
        assert_eq!(in_cluster(r#","rollback":true"#).unwrap_err().field, "image");
    }

    #[test]
    fn null_brings_a_default_back_and_removes_an_argument() {
        let before = in_cluster(&format!(
            r#"{WORKLOAD},"dockerfile":"deploy/Dockerfile","rollback":false,"buildArgs":{{"MODE":"fast"}}"#
        ));

        let changes = read(r#"{"dockerfile":null,"buildArgs":{"MODE":null,"NEW":"x"}}"#);
        let after = change(changes, before.unwrap(), both()).unwrap().tekton.unwrap();

        assert_eq!((after.dockerfile.as_str(), after.rollback), ("Dockerfile", false));
        assert_eq!(after.build_args.into_keys().collect::<Vec<_>>(), ["NEW"]);
    }

    #[test]
    fn errors_name_their_field() {
        let field = |json: &str| create(json, here()).unwrap_err().field;

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
    }
}
