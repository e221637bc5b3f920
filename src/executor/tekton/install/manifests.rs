//! What an operator applies to a cluster: namespaces, accounts, exact rights, an admission policy and our own workload.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use sha2::{Digest, Sha256};

use crate::domain::{AddressRange, Invalid, Span, Workload, WorkloadKind, is_subdomain};
use crate::executor::tekton::BuilderSettings;
use crate::executor::tekton::workload_object::resource;

const BASE: &str = include_str!("manifests/base.yaml");
const METRICS: &str = include_str!("manifests/metrics.yaml");
const WORKLOADS: &str = include_str!("manifests/workloads.yaml");
const RELEASES: &str = include_str!("manifests/releases.yaml");
/// Port of `/metrics`.
const METRICS_PORT: u16 = 9464;
/// Whoever is in the cluster, and nobody else.
const METRICS_INGRESS: &str =
    "  - ports:\n    - port: {{metrics_port}}\n    from:\n    - namespaceSelector: {}\n";
/// Where the claim for copies is mounted.
const COPIES_DIR: &str = "/var/lib/stackblaze-copies";
/// Longest image, in bytes, with tag and digest.
const MAX_IMAGE: usize = 500;
/// Bytes of the name of a list of workloads.
const LIST_BYTES: usize = 6;
/// Where API servers listen: managed ones, kubeadm and k3s, minikube and kind, `MicroK8s`.
const API_PORTS: [u16; 4] = [443, 6443, 8443, 16443];

/// What the manifests are made from.
#[derive(Debug, Clone)]
pub struct ManifestSettings {
    /// Our image; the server and the deploy step run in it.
    pub image: String,
    /// The image of the clone and build steps.
    pub builder_image: String,
    /// How callers reach the server; none for its address inside the cluster.
    pub public_url: Option<String>,
    /// Where the server runs.
    pub namespace: String,
    /// Where runs are created.
    pub build_namespace: String,
    /// What the server is told of registries and profiles; checked where they were read.
    pub builder: BuilderSettings,
    /// What may be deployed to; rights name exactly these.
    pub workloads: Vec<Workload>,
    /// Namespaces in which the deploy task may make the Jobs of release commands.
    pub release_jobs: Vec<String>,
    /// A Secret, in both namespaces, by which the cluster may fetch our own images.
    pub image_pull_secret: Option<String>,
    /// Where the API server is; none where that is not known.
    pub api_servers: Vec<AddressRange>,
    /// Whether `/metrics` is served to the cluster.
    pub has_metrics: bool,
    /// Copies of the database that the server makes by itself.
    pub copies: Option<CopySettings>,
}

/// Where copies of the database go, and how often.
#[derive(Debug, Clone)]
pub struct CopySettings {
    /// A claim that exists in the server's namespace, of this server alone.
    pub claim: String,
    /// How often.
    pub every: Span,
    /// How many stay.
    pub keep: NonZeroU32,
}

impl ManifestSettings {
    /// The command that deletes the rights of an earlier list of workloads.
    pub fn prune_command(&self) -> String {
        let (namespace, list) = (&self.namespace, self.list());
        format!(
            "kubectl delete role,rolebinding -A -l 'app.kubernetes.io/instance={namespace},\
             stackblaze.dev/workloads,stackblaze.dev/workloads!={list}'"
        )
    }

    /// A name for this list of workloads, as a label takes it.
    fn list(&self) -> String {
        let all: BTreeSet<_> = self.workloads.iter().map(|own| own.without_container().to_string()).collect();
        let mut hash = Sha256::new();
        for workload in all {
            hash.update(format!("{workload}\n"));
        }
        for namespace in self.release_jobs.iter().collect::<BTreeSet<_>>() {
            hash.update(format!("release-jobs {namespace}\n"));
        }
        let first = hash.finalize().iter().take(LIST_BYTES).fold(0, |all, byte| all << 8 | u64::from(*byte));
        format!("{first:012x}")
    }
}

/// The manifests as YAML, several documents.
///
/// # Errors
/// Where a name is none, since each is written into the text as it is.
pub fn render(settings: &ManifestSettings) -> Result<String, Invalid> {
    check(settings)?;
    let mut text = base(settings)?;
    let list = settings.list();
    let namespaces: BTreeSet<_> = settings.workloads.iter().map(|own| own.namespace.as_str()).collect();
    for app in namespaces {
        let (deployer, server) = (rules(settings, app, "get, patch"), rules(settings, app, "get"));
        let of_pods = if has_stateful_sets(settings, app) { "list, delete" } else { "list" };
        let own = [("app", app), ("list", &list), ("deployer_rules", &deployer), ("server_rules", &server)];
        text.push_str(&fill(WORKLOADS, settings, &[&own[..], &[("of_pods", of_pods)]].concat()));
    }
    for app in settings.release_jobs.iter().collect::<BTreeSet<_>>() {
        text.push_str(&fill(RELEASES, settings, &[("app", app), ("list", &list)]));
    }
    Ok(text)
}

/// Names that are none, which would be written into YAML and into the policy's expressions.
fn check(settings: &ManifestSettings) -> Result<(), Invalid> {
    for (field, image) in [("image", &settings.image), ("builderImage", &settings.builder_image)] {
        check_image(field, image)?;
    }
    let of_releases = settings.release_jobs.iter().map(|name| ("releaseJobs", name));
    let own = [("namespace", &settings.namespace), ("buildNamespace", &settings.build_namespace)];
    for (field, name) in own.into_iter().chain(of_releases) {
        // The rules of a workload's namespace are those of any.
        Workload::parse(&format!("{name}/x"))
            .map_err(|_| Invalid::new(field, "is 1 to 63 of a-z, 0-9 and -"))?;
    }
    if settings.namespace == settings.build_namespace {
        return Err(Invalid::new("buildNamespace", "is another namespace than the server's"));
    }
    // Rights there would let the deploy task at the builds, or at the server's disk.
    if settings.workloads.iter().any(|own| own.namespace == settings.build_namespace) {
        return Err(Invalid::new("workloads", "are in other namespaces than the builds"));
    }
    if settings.release_jobs.iter().any(|own| [&settings.build_namespace, &settings.namespace].contains(&own))
    {
        return Err(Invalid::new("releaseJobs", "are other namespaces than the server's and the builds'"));
    }
    if settings.image_pull_secret.as_ref().is_some_and(|secret| !is_subdomain(secret)) {
        return Err(Invalid::new("imagePullSecret", "is the name of a Secret: a-z, 0-9, - and ."));
    }
    if settings.copies.as_ref().is_some_and(|copies| !is_subdomain(&copies.claim)) {
        return Err(Invalid::new("backupClaim", "is the name of a claim: a-z, 0-9, - and ."));
    }
    Ok(())
}

/// What there is whatever may be deployed to.
fn base(settings: &ManifestSettings) -> Result<String, Invalid> {
    let public_url = match &settings.public_url {
        Some(url) => url.clone(),
        None => format!("http://stackblaze.{}.svc", settings.namespace),
    };
    if !public_url.bytes().all(|b| b.is_ascii_alphanumeric() || b"./:-[]".contains(&b)) {
        return Err(Invalid::new("publicUrl", "must be like https://deploy.example.com"));
    }
    let of_family = |is_v4: bool| -> String {
        let own = settings.api_servers.iter().filter(|range| range.network().addr().is_ipv4() == is_v4);
        own.fold(String::new(), |text, range| text + &format!(", {range}"))
    };
    let metrics = |text: &str| if settings.has_metrics { text.to_owned() } else { String::new() };
    let (backup_mount, backup_volume) = backup_volume(settings.copies.as_ref());
    let more = [
        ("metrics_ingress", metrics(METRICS_INGRESS)),
        (
            "metrics_container_port",
            metrics("        - name: metrics\n          containerPort: {{metrics_port}}\n"),
        ),
        ("metrics_service", metrics(METRICS)),
        ("metrics_port", METRICS_PORT.to_string()),
        ("backup_mount", backup_mount),
        ("backup_volume", backup_volume),
        ("public_url", public_url),
        ("server_env", server_env(settings)),
        ("pull_secret", pull_secret(settings.image_pull_secret.as_deref())),
        ("api_servers_4", of_family(true)),
        ("api_servers_6", of_family(false)),
        ("to_api_servers", to_api_servers(&settings.api_servers)),
        ("prune", settings.prune_command()),
    ];
    Ok(fill(BASE, settings, &more.each_ref().map(|(name, value)| (*name, value.as_str()))))
}

/// Rights on the workloads of a namespace by their names, a rule for each kind.
fn rules(settings: &ManifestSettings, namespace: &str, verbs: &str) -> String {
    WorkloadKind::ALL.into_iter().fold(String::new(), |text, kind| {
        let is_own = |own: &&Workload| own.kind == kind && own.namespace == namespace;
        let names: BTreeSet<_> =
            settings.workloads.iter().filter(is_own).map(|own| own.name.as_str()).collect();
        if names.is_empty() {
            return text;
        }
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        let (group, plural) = resource(kind);
        let rule = format!(
            "- apiGroups: [{group}]\n  resources: [{plural}]\n  resourceNames: [{names}]\n  verbs: [{verbs}]\n"
        );
        text + &rule
    })
}

fn has_stateful_sets(settings: &ManifestSettings, namespace: &str) -> bool {
    let mut own = settings.workloads.iter().filter(|own| own.namespace == namespace);
    own.any(|own| own.kind == WorkloadKind::StatefulSet)
}

/// Variables of the server, with the template's indentation.
fn server_env(settings: &ManifestSettings) -> String {
    let (builder, copies) = (&settings.builder, settings.copies.as_ref());
    let of_copies = |value: fn(&CopySettings) -> String| copies.map(value).unwrap_or_default();
    let metrics = if settings.has_metrics { format!("0.0.0.0:{METRICS_PORT}") } else { String::new() };
    let named = [
        ("INSECURE_REGISTRY", builder.insecure_registries.join(",")),
        ("BUILD_APPARMOR", builder.apparmor.clone().unwrap_or_default()),
        ("BUILD_SECCOMP", builder.seccomp.clone().unwrap_or_default()),
        ("METRICS_LISTEN", metrics),
        ("BACKUP_EVERY", of_copies(|copies| copies.every.to_string())),
        ("BACKUP_DIR", of_copies(|_| COPIES_DIR.to_owned())),
        ("BACKUP_KEEP", of_copies(|copies| copies.keep.to_string())),
    ];
    let set = named.into_iter().filter(|(_, value)| !value.is_empty());
    set.fold(String::new(), |text, (name, value)| {
        text + &format!("        - name: STACKBLAZE_{name}\n          value: \"{value}\"\n")
    })
}

/// Where the copies are mounted, and the volume that they are on.
fn backup_volume(copies: Option<&CopySettings>) -> (String, String) {
    let Some(CopySettings { claim, .. }) = copies else { return Default::default() };
    (
        format!("        - name: copies\n          mountPath: {COPIES_DIR}\n"),
        format!("      - name: copies\n        persistentVolumeClaim:\n          claimName: {claim}\n"),
    )
}

/// What every object is labelled with, beside its component.
fn labels(settings: &ManifestSettings) -> String {
    let own = [
        ("name", "stackblaze"),
        ("instance", &settings.namespace),
        ("version", concat!("\"", env!("CARGO_PKG_VERSION"), "\"")),
        ("part-of", "stackblaze"),
    ];
    own.map(|(name, value)| format!("    app.kubernetes.io/{name}: {value}")).join("\n")
}

/// The field of an account; pods that run as it have it too.
fn pull_secret(name: Option<&str>) -> String {
    name.map(|name| format!("imagePullSecrets:\n- name: {name}\n")).unwrap_or_default()
}

/// The rule that lets pods ask the API server, with the template's indentation.
fn to_api_servers(ranges: &[AddressRange]) -> String {
    if ranges.is_empty() {
        let ports = API_PORTS.map(|port| format!("    - port: {port}\n"));
        return format!("  - ports:\n{}", ports.concat());
    }
    ranges.iter().fold("  - to:\n".to_owned(), |text, range| {
        text + &format!("    - ipBlock:\n        cidr: {range}\n")
    })
}

/// Fills in what is named between braces; what is filled in may name something that comes later.
fn fill(template: &str, settings: &ManifestSettings, more: &[(&str, &str)]) -> String {
    let labels = labels(settings);
    let common = [
        ("labels", labels.as_str()),
        ("version", env!("CARGO_PKG_VERSION")),
        ("image", settings.image.as_str()),
        ("builder_image", settings.builder_image.as_str()),
        ("namespace", settings.namespace.as_str()),
        ("builds", settings.build_namespace.as_str()),
    ];
    let all = more.iter().chain(&common);
    all.fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

/// Only characters that mean nothing to YAML and to the policy's expressions.
fn check_image(field: &str, image: &str) -> Result<(), Invalid> {
    let is_image = (1..=MAX_IMAGE).contains(&image.len())
        && image.starts_with(|c: char| c.is_ascii_alphanumeric())
        && image.bytes().all(|b| b.is_ascii_alphanumeric() || b"./:@_-".contains(&b))
        && image.contains('/')
        && !image.ends_with(':');
    if is_image {
        return Ok(());
    }
    Err(Invalid::new(
        field,
        "is an image with its registry, for example registry.example.com/stackblaze:1.0.0",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn settings() -> ManifestSettings {
        ManifestSettings {
            image: "registry.example.com/stackblaze:1".to_owned(),
            builder_image: "registry.example.com/stackblaze-builder:1".to_owned(),
            public_url: None,
            namespace: "stackblaze".to_owned(),
            build_namespace: "stackblaze-builds".to_owned(),
            builder: BuilderSettings::default(),
            workloads: ["apps/api", "apps/web/c", "cronjob:apps/bill", "shop/cart", "statefulset:shop/db"]
                .map(|text| Workload::parse(text).unwrap())
                .to_vec(),
            release_jobs: Vec::new(),
            image_pull_secret: None,
            api_servers: Vec::new(),
            has_metrics: false,
            copies: None,
        }
    }

    /// Lines of the rules that mention a verb, by the object that grants it.
    fn granted(text: &str) -> Vec<String> {
        let mut granted = Vec::new();
        for document in text.split("\n---\n").filter(|document| document.contains("\nkind: Role\n")) {
            let field =
                |name: &str| document.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
            let rules = document.split("rules:\n").nth(1).unwrap().split("- apiGroups: ").skip(1);
            for rule in rules {
                let rule = rule
                    .lines()
                    .map(str::trim)
                    .filter(|line| !line.starts_with('#'))
                    .collect::<Vec<_>>()
                    .join(" ");
                granted.push(format!("{}/{} {rule}", field("  namespace: "), field("  name: ")));
            }
        }
        granted
    }

    #[test]
    fn rights_are_exactly_these() {
        let text = render(&settings()).unwrap();

        assert_eq!(
            granted(&text),
            [
                "stackblaze-builds/stackblaze-server [tekton.dev] resources: [pipelineruns] verbs: [create, get, list, watch, patch, delete]",
                "stackblaze-builds/stackblaze-server [tekton.dev] resources: [taskruns] verbs: [list, watch]",
                "stackblaze-builds/stackblaze-server [\"\"] resources: [pods/log] verbs: [get]",
                "stackblaze-builds/stackblaze-server [\"\"] resources: [events, resourcequotas, limitranges] verbs: [list]",
                "stackblaze-builds/stackblaze-server [\"\"] resources: [namespaces] resourceNames: [stackblaze-builds] verbs: [get]",
                "apps/stackblaze-deployer [apps] resources: [deployments] resourceNames: [api, web] verbs: [get, patch]",
                "apps/stackblaze-deployer [batch] resources: [cronjobs] resourceNames: [bill] verbs: [get, patch]",
                "apps/stackblaze-deployer [\"\"] resources: [pods] verbs: [list]",
                "apps/stackblaze-deployer [\"\"] resources: [pods/log] verbs: [get]",
                "apps/stackblaze-deployer [\"\"] resources: [events] verbs: [list]",
                "apps/stackblaze-server [apps] resources: [deployments] resourceNames: [api, web] verbs: [get]",
                "apps/stackblaze-server [batch] resources: [cronjobs] resourceNames: [bill] verbs: [get]",
                "shop/stackblaze-deployer [apps] resources: [deployments] resourceNames: [cart] verbs: [get, patch]",
                "shop/stackblaze-deployer [apps] resources: [statefulsets] resourceNames: [db] verbs: [get, patch]",
                "shop/stackblaze-deployer [\"\"] resources: [pods] verbs: [list, delete]",
                "shop/stackblaze-deployer [\"\"] resources: [pods/log] verbs: [get]",
                "shop/stackblaze-deployer [\"\"] resources: [events] verbs: [list]",
                "shop/stackblaze-server [apps] resources: [deployments] resourceNames: [cart] verbs: [get]",
                "shop/stackblaze-server [apps] resources: [statefulsets] resourceNames: [db] verbs: [get]",
            ]
        );
        assert!(
            !text.contains("ClusterRole") && !text.contains("secrets"),
            "no cluster-wide rights, no Secrets"
        );
    }

    #[test]
    fn jobs_may_be_made_where_that_is_said_and_nowhere_else() {
        let plain = render(&settings()).unwrap();
        let named =
            ManifestSettings { release_jobs: vec!["apps".to_owned(), "apps".to_owned()], ..settings() };
        let text = render(&named).unwrap();

        let more: Vec<_> = granted(&text).into_iter().skip(granted(&plain).len()).collect();
        assert_eq!(
            more,
            [
                "apps/stackblaze-releases [batch] resources: [jobs] verbs: [create, get, list, watch, delete]",
                "apps/stackblaze-releases [\"\"] resources: [pods] verbs: [get, list]",
                "apps/stackblaze-releases [\"\"] resources: [pods/log] verbs: [get]",
            ]
        );
        assert!(!text.contains("{{") && text.matches("\n  name: stackblaze-releases\n").count() == 3);
        assert_ne!(named.prune_command(), settings().prune_command(), "what is left out is pruned");
        let broken = ManifestSettings { release_jobs: vec!["a b".to_owned()], ..settings() };
        assert_eq!(render(&broken).unwrap_err().field, "releaseJobs");
    }

    #[test]
    fn nothing_is_left_to_fill_in_and_names_that_are_none_are_refused() {
        assert!(!render(&settings()).unwrap().contains("{{"));

        let broken = ManifestSettings { image: "x'; y".to_owned(), ..settings() };
        assert_eq!(render(&broken).unwrap_err().field, "image");
        let broken = ManifestSettings { public_url: Some("https://a\"b".to_owned()), ..settings() };
        assert_eq!(render(&broken).unwrap_err().field, "publicUrl");
        let broken = ManifestSettings { namespace: "a b".to_owned(), ..settings() };
        assert_eq!(render(&broken).unwrap_err().field, "namespace");
        let broken = ManifestSettings { namespace: "stackblaze-builds".to_owned(), ..settings() };
        assert_eq!(render(&broken).unwrap_err().field, "buildNamespace");
        let of_builds = Workload::parse("stackblaze-builds/x").unwrap();
        let broken = ManifestSettings { workloads: vec![of_builds], ..settings() };
        assert_eq!(render(&broken).unwrap_err().field, "workloads");
        for own in ["stackblaze", "stackblaze-builds"] {
            let broken = ManifestSettings { release_jobs: vec![own.to_owned()], ..settings() };
            assert_eq!(render(&broken).unwrap_err().field, "releaseJobs");
        }
    }

    #[test]
    fn what_the_builder_needs_to_know_goes_to_the_server() {
        let builder = BuilderSettings {
            insecure_registries: vec!["10.0.0.1:5000".to_owned(), "r.example.com".to_owned()],
            apparmor: Some("builder".to_owned()),
            seccomp: None,
            proxies: Vec::new(),
        };

        let text = render(&ManifestSettings { builder, ..settings() }).unwrap();

        assert!(text.contains(
            "- name: STACKBLAZE_INSECURE_REGISTRY\n          value: \"10.0.0.1:5000,r.example.com\"\n"
        ));
        assert!(
            text.contains("- name: STACKBLAZE_BUILD_APPARMOR\n          value: \"builder\"\n        ports:")
        );
        assert!(!text.contains("BUILD_SECCOMP") && !render(&settings()).unwrap().contains("BUILD_APPARMOR"));
    }

    #[test]
    fn metrics_and_copies_are_there_where_they_are_asked_for() {
        let plain = render(&settings()).unwrap();
        let copies = |claim: &str| {
            let (claim, keep) = (claim.to_owned(), NonZeroU32::new(30).unwrap());
            ManifestSettings {
                has_metrics: true,
                copies: Some(CopySettings { claim, every: Span::from_hours(6), keep }),
                ..settings()
            }
        };

        let text = render(&copies("copies")).unwrap();

        for part in [
            "value: \"0.0.0.0:9464\"",
            "  name: stackblaze-metrics\n",
            "containerPort: 9464",
            "    - port: 9464\n    from:\n    - namespaceSelector: {}\n---",
            "- name: STACKBLAZE_BACKUP_EVERY\n          value: \"6h\"",
            "- name: STACKBLAZE_BACKUP_KEEP\n          value: \"30\"",
            "        - name: copies\n          mountPath: /var/lib/stackblaze-copies\n      volumes:",
            "          claimName: copies\n  volumeClaimTemplates:",
        ] {
            assert!(text.contains(part) && !plain.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("{{") && !plain.contains("9464") && !plain.contains("copies"));
        assert_eq!(render(&copies("a b")).unwrap_err().field, "backupClaim");
    }

    #[test]
    fn every_object_outside_of_its_own_namespaces_is_named_after_the_installation() {
        let settings = ManifestSettings {
            namespace: "sb2".to_owned(),
            build_namespace: "sb2-builds".to_owned(),
            ..settings()
        };
        let text = render(&settings).unwrap();

        for document in text.split("\n---\n").filter(|document| document.contains("\nmetadata:\n")) {
            let field = |name: &str| document.lines().find_map(|line| line.strip_prefix(name));
            let is_own = field("  namespace: ").is_some_and(|namespace| namespace.starts_with("sb2"));
            let name = field("  name: ").unwrap();
            assert!(is_own || name.starts_with("sb2"), "{document}");
        }
    }

    #[test]
    fn a_shorter_list_of_workloads_has_another_name_and_the_command_spares_it() {
        let all = settings();
        let mut fewer = settings();
        fewer.workloads.truncate(1);
        let mut turned = settings();
        turned.workloads.reverse();

        assert!(all.list() != fewer.list() && all.list() == turned.list());
        let text = render(&fewer).unwrap();
        assert!(text.contains(&format!("#   {}\n", fewer.prune_command())));
        assert_eq!(text.matches(&format!("stackblaze.dev/workloads: {}\n", fewer.list())).count(), 4);
    }

    #[test]
    fn every_account_may_fetch_our_images_by_the_secret_that_was_named() {
        let named = ManifestSettings { image_pull_secret: Some("pull".to_owned()), ..settings() };
        let wrong = ManifestSettings { image_pull_secret: Some("a b".to_owned()), ..settings() };

        let text = render(&named).unwrap();

        let accounts = text.split("\n---\n").filter(|document| document.contains("\nkind: ServiceAccount\n"));
        assert!(accounts.clone().count() == 3);
        assert!(accounts.into_iter().all(|account| account.contains("imagePullSecrets:\n- name: pull")));
        assert_eq!(render(&wrong).unwrap_err().field, "imagePullSecret");
        assert!(!render(&settings()).unwrap().contains("imagePullSecrets"));
    }

    #[test]
    fn builds_do_not_reach_the_api_server_and_deploys_nothing_else() {
        let of = |text: &str, name: &str| {
            let name = format!("  name: {name}\n");
            let mut documents = text.split("\n---\n").filter(|own| own.contains("kind: NetworkPolicy"));
            documents.find(|own| own.contains(&name)).unwrap().to_owned()
        };
        let api_servers = ["10.96.0.1", "fd00::1/128"].map(|range| range.parse().unwrap()).to_vec();
        let known = render(&ManifestSettings { api_servers, ..settings() }).unwrap();
        let unknown = render(&settings()).unwrap();

        let builds = of(&known, "stackblaze-builds");
        assert!(builds.contains("except: [169.254.0.0/16, 168.63.129.16/32, 10.96.0.1/32]"), "{builds}");
        assert!(builds.contains("fd00:ec2::254/128, fd00::1/128]") && builds.contains("endPort: 6442"));
        let deploys = of(&known, "stackblaze-deploys");
        assert!(deploys.contains("cidr: 10.96.0.1/32") && deploys.contains("cidr: fd00::1/128"));
        assert!(!deploys.contains("port: 443") && !deploys.contains("0.0.0.0/0"));
        let deploys = of(&unknown, "stackblaze-deploys");
        assert!(deploys.contains("port: 6443") && !deploys.contains("ipBlock"), "{deploys}");
    }

    #[test]
    fn the_policy_names_the_commands_of_the_steps_that_may_deploy() {
        let plain = include_str!("../../../../tests/data/tekton/pipeline_run.json");
        let release = include_str!("../../../../tests/data/tekton/pipeline_run_release.json");
        for (run, task) in [(plain, "tasks/1"), (plain, "finally/0"), (release, "tasks/0")] {
            let run: Value = serde_json::from_str(run).unwrap();
            let command =
                run.pointer(&format!("/spec/pipelineSpec/{task}/taskSpec/steps/0/command")).unwrap();
            let words: Vec<_> =
                command.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            let told = format!("s.command == ['{}']", words.join("', '"));
            assert!(render(&settings()).unwrap().contains(&told), "{told}");
        }
    }
}
