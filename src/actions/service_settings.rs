//! The settings of a service out of its shape.

mod in_cluster;

use std::collections::BTreeMap;

use crate::domain::{
    Branch, CloneSettings, EnvName, ExecutorKind, ExecutorSet, Faults, ImageRepository, Invalid,
    LocalSettings, QueuePolicy, Repository, Service, ServiceId, ServiceName, Span, Timestamp,
};
use crate::wire::Change;
use crate::wire::service::{CloneFields, HIDDEN, LocalFields, Pairs, ServiceBody, TektonFields};

use in_cluster::{change_tekton, check_kept};

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

/// Makes a new service out of its shape.
///
/// # Errors
/// Names every field that is missing or wrong.
pub(super) fn create_from(
    body: ServiceBody,
    available: ExecutorSet,
    now: Timestamp,
) -> Result<Service, Vec<Invalid>> {
    let mut faults = Faults::default();
    let name = faults.take(new_name(body.name.as_deref()));
    let repository = match body.repository {
        Change::Keep => {
            Err(Invalid::new("repository", "is missing; null says that its images are built elsewhere"))
        }
        Change::Empty => Ok(None),
        Change::Set(text) => Repository::parse(&text).map(Some),
    };
    let repository = faults.take(repository);
    let default = available.iter().next().unwrap_or(ExecutorKind::Local);
    let is_known = repository.is_some();
    let service = Service {
        id: ServiceId::generate(),
        // Of what has no name or source, the rest is looked at all the same, and nothing is made.
        name: name.map_or_else(|| ServiceName::parse("nameless"), Ok).map_err(|invalid| vec![invalid])?,
        repository: repository.flatten(),
        default_branch: branch("main").map_err(|invalid| vec![invalid])?,
        executor: default,
        queue_policy: QueuePolicy::Coalesce,
        timeout: DEFAULT_TIMEOUT,
        settle: Service::DEFAULT_SETTLE,
        url: None,
        fetch: CloneSettings::default(),
        local: LocalSettings::default(),
        tekton: None,
        allowed_images: Vec::new(),
        frozen: None,
        created_at: now,
    };
    let executor = Some(body.executor.unwrap_or_else(|| default.as_str().to_owned()));
    let body = ServiceBody { name: None, repository: Change::Keep, executor, ..body };
    let mut change =
        Changing { service, available, faults, sets_deploy: true, is_known, knows_executor: true };
    change.take(body);
    change.finish()
}

/// The name of a new service.
fn new_name(name: Option<&str>) -> Result<ServiceName, Invalid> {
    match name {
        None => Err(Invalid::new("name", "is missing")),
        Some(RESERVED) => Err(Invalid::new(
            "name",
            "\"new\" is the address of the form for new services; take another name",
        )),
        Some(name) => ServiceName::parse(name),
    }
}

/// Changes what the shape names in a service.
///
/// # Errors
/// Names every field that is wrong.
pub(super) fn change(
    body: ServiceBody,
    service: Service,
    available: ExecutorSet,
) -> Result<Service, Vec<Invalid>> {
    let mut faults = Faults::default();
    if body.name.as_deref().is_some_and(|name| name != service.name.as_str()) {
        faults.add("name", "cannot be changed; add a service with the new name");
    }
    if !body.frozen.is_keep() && body.frozen.value() != service.frozen.as_ref() {
        let path = format!("/api/v1/services/{}/freeze", service.name);
        faults.add("frozen", format!("is changed by PUT and DELETE of {path}"));
    }
    let mut change =
        Changing { service, available, faults, sets_deploy: false, is_known: true, knows_executor: true };
    change.take(body);
    change.finish()
}

/// A service while it is changed, and what is wrong with the changes.
struct Changing {
    service: Service,
    available: ExecutorSet,
    faults: Faults,
    /// Whether it has to be said how the new version is put into service.
    sets_deploy: bool,
    /// Whether repository, executor and the cluster's settings could be read, so that what they have to do with each other
    /// can be judged.
    is_known: bool,
    /// Whether the executor could be read.
    knows_executor: bool,
}

impl Changing {
    fn take(&mut self, body: ServiceBody) {
        let before = self.service.executor;
        let read = body.repository.try_map(|text| Repository::parse(&text));
        self.is_known &= read.is_ok();
        let repository = self.read(read).unwrap_or_default();
        self.service.repository = repository.apply(self.service.repository.take());
        if let Some(images) = body.allowed_images {
            let read = images.iter().map(|text| ImageRepository::parse("allowedImages", text));
            set(&mut self.service.allowed_images, self.faults.take_each(read));
        }
        let read = body.default_branch.map(|text| branch(&text));
        let default_branch = read.and_then(|read| self.read(read));
        set(&mut self.service.default_branch, default_branch);
        let read = body.executor.map(|text| executor(&text, self.available));
        self.knows_executor = read.as_ref().is_none_or(Result::is_ok);
        let executor = read.and_then(|read| self.read(read));
        set(&mut self.service.executor, executor);
        let policy = |text: String| {
            QueuePolicy::parse(&text)
                .ok_or_else(|| Invalid::new("queuePolicy", "must be coalesce, latest or every"))
        };
        let queue_policy = body.queue_policy.map(policy).and_then(|read| self.read(read));
        set(&mut self.service.queue_policy, queue_policy);
        let timeout =
            |text: String| text.parse::<Span>().map_err(|error| Invalid::new("timeout", error.detail));
        let timeout = body.timeout.map(timeout).and_then(|read| self.read(read));
        set(&mut self.service.timeout, timeout);
        let settle =
            |text: String| text.parse::<Span>().map_err(|error| Invalid::new("settle", error.detail));
        let settle = body.settle.map(settle).and_then(|read| self.read(read));
        set(&mut self.service.settle, settle);
        self.service.url = body.url.apply(self.service.url.take());
        let CloneFields { submodules, lfs, history } = body.fetch;
        set(&mut self.service.fetch.submodules, submodules);
        set(&mut self.service.fetch.lfs, lfs);
        set(&mut self.service.fetch.history, history);
        self.sets_deploy |= body.local.deploy_command.is_some() || self.service.executor != before;
        change_local(body.local, &mut self.service.local, &mut self.faults);
        let mut tekton = body.tekton;
        self.take_image(&mut tekton);
        if self.service.executor == ExecutorKind::Local {
            let has_cluster = self.available.has(ExecutorKind::Tekton);
            check_kept(&tekton, self.service.tekton.as_ref(), has_cluster, &mut self.faults);
        }
        let tekton = change_tekton(tekton, self.service.tekton.clone(), &mut self.faults);
        self.is_known &= tekton.is_ok() && self.knows_executor;
        set(&mut self.service.tekton, tekton.ok());
    }

    /// The image's repository has one name for both executors, and goes along when a service changes from one to the
    /// other.
    fn take_image(&mut self, tekton: &mut TektonFields) {
        let kept = self.service.tekton.as_ref().map(|settings| settings.image.clone());
        if self.service.executor == ExecutorKind::Tekton {
            let known =
                self.service.local.image.as_ref().filter(|_| kept.is_none() && tekton.image.is_keep());
            if let Some(image) = known {
                tekton.image = Change::Set(image.to_string());
            }
            return;
        }
        let read = std::mem::take(&mut tekton.image).try_map(|text| ImageRepository::parse("image", &text));
        let before = self.service.local.image.take().or(kept);
        let change = self.read(read).unwrap_or_default();
        self.service.local.image = change.apply(before);
    }

    fn read<T>(&mut self, read: Result<T, Invalid>) -> Option<T> {
        self.faults.take(read)
    }

    fn finish(mut self) -> Result<Service, Vec<Invalid>> {
        self.service.check_fields(&mut self.faults);
        if self.is_known {
            self.service.check_together(&mut self.faults);
        }
        if self.sets_deploy && self.knows_executor {
            self.faults.take(check_deploys(&self.service));
        }
        self.faults.finish(self.service)
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
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

fn change_local(fields: LocalFields, local: &mut LocalSettings, faults: &mut Faults) {
    set(&mut local.build_command, fields.build_command.map(|text| LocalSettings::command(&text)));
    set(&mut local.deploy_command, fields.deploy_command.map(|text| LocalSettings::command(&text)));
    local.git_token_file = fields.git_token_file.apply(local.git_token_file.take());
    local.git_ssh_key_file = fields.git_ssh_key_file.apply(local.git_ssh_key_file.take());
    merge_env("env", &mut local.env, fields.env.unwrap_or_default(), faults);
    merge_env("vars", &mut local.vars, fields.vars.unwrap_or_default(), faults);
}

/// Null removes a variable, `***` leaves it, anything else sets it.
fn merge_env(field: &str, env: &mut BTreeMap<EnvName, String>, changes: Pairs, faults: &mut Faults) {
    for (name, value) in changes {
        let Some(own) = faults.take(EnvName::parse(field, &name)) else { continue };
        match value.as_deref() {
            None => drop(env.remove(&own)),
            Some(HIDDEN) if field == "env" && env.contains_key(&own) => {}
            Some(HIDDEN) if field == "env" => {
                faults.add(format!("env.{name}"), "*** stands for a value that is kept, and there is none");
            }
            Some(value) => drop(env.insert(own, value.to_owned())),
        }
    }
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
        create_from(read(json), available, Timestamp::from_millis(0)).map_err(|faults| faults[0].clone())
    }

    fn service() -> Service {
        let json = r#"{"name":"api","repository":"/srv/api","deployCommand":"true","env":{"KEY":"secret-value"},
                       "url":"https://api.example.com"}"#;
        create(json, here()).unwrap()
    }

    fn in_cluster(more: &str) -> Result<Service, Invalid> {
        create(&format!(r#"{{"name":"api","repository":"https://example.com/api.git"{more}}}"#), both())
    }

    const WORKLOAD: &str = r#","image":"registry.example.com/api","workloads":["apps/api"]"#;

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
    fn a_service_of_a_cluster_needs_an_image_and_workloads() {
        assert_eq!(in_cluster("").unwrap_err().field, "image");
        assert_eq!(in_cluster(r#","executor":"local","deployCommand":"true""#).unwrap().tekton, None);
        assert_eq!(in_cluster(WORKLOAD).unwrap().tekton.unwrap().workloads[0].to_string(), "apps/api");
        let secret = in_cluster(&format!(r#"{WORKLOAD},"gitSecret":"A b""#));
        assert_eq!(secret.unwrap_err().field, "gitSecret");
        assert_eq!(in_cluster(r#","image":"registry.example.com/api""#).unwrap_err().field, "workloads");
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
