//! What an operator applies to a cluster: namespaces, accounts, exact rights, an admission policy and our own workload.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Invalid, Workload};
use crate::executor::tekton::BuilderSettings;

const BASE: &str = include_str!("manifests/base.yaml");
const WORKLOADS: &str = include_str!("manifests/workloads.yaml");
/// Longest image, in bytes, with tag and digest.
const MAX_IMAGE: usize = 500;

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
}

/// The manifests as YAML, several documents.
///
/// # Errors
/// Where a name is none, since each is written into the text as it is.
pub fn render(settings: &ManifestSettings) -> Result<String, Invalid> {
    for (field, image) in [("image", &settings.image), ("builderImage", &settings.builder_image)] {
        check_image(field, image)?;
    }
    for (field, name) in [("namespace", &settings.namespace), ("buildNamespace", &settings.build_namespace)] {
        // The rules of a workload's namespace are those of any.
        Workload::parse(&format!("{name}/x"))
            .map_err(|_| Invalid::new(field, "is 1 to 63 of a-z, 0-9 and -"))?;
    }
    let public_url = match &settings.public_url {
        Some(url) => url.clone(),
        None => format!("http://stackblaze.{}.svc", settings.namespace),
    };
    if !public_url.bytes().all(|b| b.is_ascii_alphanumeric() || b"./:-[]".contains(&b)) {
        return Err(Invalid::new("publicUrl", "must be like https://deploy.example.com"));
    }
    let mut by_namespace = BTreeMap::<&str, BTreeSet<&str>>::new();
    for workload in &settings.workloads {
        by_namespace.entry(&workload.namespace).or_default().insert(&workload.deployment);
    }
    let builder_env = builder_env(&settings.builder);
    let mut text = fill(BASE, settings, &[("public_url", &public_url), ("builder_env", &builder_env)]);
    for (app, deployments) in by_namespace {
        let deployments = deployments.into_iter().collect::<Vec<_>>().join(", ");
        text.push_str(&fill(WORKLOADS, settings, &[("app", app), ("deployments", &deployments)]));
    }
    Ok(text)
}

/// Variables of the server, with the template's indentation.
fn builder_env(builder: &BuilderSettings) -> String {
    let named = [
        ("INSECURE_REGISTRY", builder.insecure_registries.join(",")),
        ("BUILD_APPARMOR", builder.apparmor.clone().unwrap_or_default()),
        ("BUILD_SECCOMP", builder.seccomp.clone().unwrap_or_default()),
    ];
    let set = named.into_iter().filter(|(_, value)| !value.is_empty());
    set.fold(String::new(), |text, (name, value)| {
        text + &format!("        - name: STACKBLAZE_{name}\n          value: \"{value}\"\n")
    })
}

fn fill(template: &str, settings: &ManifestSettings, more: &[(&str, &str)]) -> String {
    let common = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("image", settings.image.as_str()),
        ("builder_image", settings.builder_image.as_str()),
        ("namespace", settings.namespace.as_str()),
        ("builds", settings.build_namespace.as_str()),
    ];
    let all = common.iter().chain(more);
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
            workloads: ["apps/api", "apps/web", "shop/cart"]
                .map(|text| Workload::parse(text).unwrap())
                .to_vec(),
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
                let rule = rule.lines().map(str::trim).collect::<Vec<_>>().join(" ");
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
                "stackblaze-builds/stackblaze [tekton.dev] resources: [pipelineruns] verbs: [create, get, list, watch, patch, delete]",
                "stackblaze-builds/stackblaze [tekton.dev] resources: [taskruns] verbs: [list, watch]",
                "stackblaze-builds/stackblaze [\"\"] resources: [pods/log] verbs: [get]",
                "stackblaze-builds/stackblaze [\"\"] resources: [events] verbs: [list]",
                "apps/stackblaze-deployer [apps] resources: [deployments] resourceNames: [api, web] verbs: [get, patch]",
                "apps/stackblaze-deployer [\"\"] resources: [pods] verbs: [list]",
                "apps/stackblaze [apps] resources: [deployments] resourceNames: [api, web] verbs: [get]",
                "shop/stackblaze-deployer [apps] resources: [deployments] resourceNames: [cart] verbs: [get, patch]",
                "shop/stackblaze-deployer [\"\"] resources: [pods] verbs: [list]",
                "shop/stackblaze [apps] resources: [deployments] resourceNames: [cart] verbs: [get]",
            ]
        );
        assert!(
            !text.contains("ClusterRole") && !text.contains("secrets"),
            "no cluster-wide rights, no Secrets"
        );
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
    fn the_policy_names_the_command_of_the_deploy_step() {
        let run: Value =
            serde_json::from_str(include_str!("../../../../tests/data/tekton/pipeline_run.json")).unwrap();
        let command = run.pointer("/spec/pipelineSpec/tasks/1/taskSpec/steps/0/command").unwrap();
        let words: Vec<_> = command.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();

        assert!(render(&settings()).unwrap().contains(&format!("s.command == ['{}']", words.join("', '"))));
    }
}
