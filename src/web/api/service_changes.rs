//! What a change of a service changes: whom it reaches, and how the audit tells it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{EnvName, ExecutorKind, LocalSettings, Service, TektonSettings, Transport};

/// Why only an admin of the whole server may make a change; none where an admin of the service may.
pub(super) fn needs_whole_server(before: &Service, after: &Service) -> Option<&'static str> {
    if sends_credential_elsewhere(before, after) {
        return Some("a git credential goes to another address only for");
    }
    if runs_other_code_here(before, after) {
        return Some("what runs on the server's own host is changed only by");
    }
    let shared = "workload, registry Secret, image and cache repository are changed only by";
    reaches_further(before, after).then_some(shared)
}

/// Whether the change names a git credential, or takes the repository elsewhere while one is named. Others may depend on
/// it, and whoever sets up a server at the address reads it. Over http everybody on the way does: each address counts.
fn sends_credential_elsewhere(before: &Service, after: &Service) -> bool {
    let (old, new) = (git_credentials(before), git_credentials(after));
    let is_other = old.iter().zip(&new).any(|(old, new)| new.is_some() && new != old);
    let (from, to) = (&before.repository, &after.repository);
    let moves = from != to && (to.transport() == Transport::Http || !from.shares_origin(to));
    is_other || (moves && new.iter().any(Option::is_some))
}

/// Of both executors, since a service may change its executor.
fn git_credentials(service: &Service) -> [Option<&String>; 3] {
    let secret = service.tekton.as_ref().and_then(|settings| settings.git_secret.as_ref());
    [secret, service.local.git_token_file.as_ref(), service.local.git_ssh_key_file.as_ref()]
}

/// Whether the change decides what runs on this host, as the user of this server: whoever may, may do anything here.
fn runs_other_code_here(before: &Service, after: &Service) -> bool {
    let settings =
        |service: &Service| (service.executor, service.repository.to_string(), service.local.clone());
    after.executor == ExecutorKind::Local && settings(before) != settings(after)
}

/// Whether the change decides which workload is replaced, which registry Secret is used, or where images go. Those belong
/// to other services as well.
fn reaches_further(before: &Service, after: &Service) -> bool {
    let reach = |service: &Service| {
        let settings = service.tekton.clone()?;
        Some((settings.workload, settings.registry_secret, settings.image, settings.cache_repository))
    };
    reach(before) != reach(after)
}

/// What changed, `field: old → new`; of variables the names alone.
pub(super) fn differences(before: &Service, after: &Service) -> String {
    let none = || "none".to_owned();
    let variables =
        |service: &Service| service.local.env.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    let pairs = [
        ("repository", before.repository.to_string(), after.repository.to_string()),
        ("defaultBranch", before.default_branch.to_string(), after.default_branch.to_string()),
        ("executor", before.executor.as_str().to_owned(), after.executor.as_str().to_owned()),
        ("queuePolicy", before.queue_policy.as_str().to_owned(), after.queue_policy.as_str().to_owned()),
        ("timeout", before.timeout.to_string(), after.timeout.to_string()),
        ("url", before.url.clone().unwrap_or_else(none), after.url.clone().unwrap_or_else(none)),
        ("buildCommand", before.local.build_command.clone(), after.local.build_command.clone()),
        ("deployCommand", before.local.deploy_command.clone(), after.local.deploy_command.clone()),
        ("env", variables(before).join(" "), variables(after).join(" ")),
    ];
    let mut changed: Vec<String> = pairs
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(field, old, new)| format!("{field}: {old} → {new}"))
        .collect();
    let (old, new) = (&before.local, &after.local);
    let is_kept = |(name, value): (&EnvName, &String)| new.env.get(name).is_none_or(|other| other == value);
    changed.extend((!old.env.iter().all(is_kept)).then(|| "variables set anew".to_owned()));
    let credentials = |local: &LocalSettings| (local.git_token_file.clone(), local.git_ssh_key_file.clone());
    changed.extend((credentials(old) != credentials(new)).then(|| "git credentials".to_owned()));
    changed.extend(tekton_differences(before.tekton.as_ref(), after.tekton.as_ref()));
    changed.join("; ")
}

fn tekton_differences(before: Option<&TektonSettings>, after: Option<&TektonSettings>) -> Vec<String> {
    let fields = |settings: Option<&TektonSettings>| {
        let Some(settings) = settings else { return BTreeMap::new() };
        let optional = |name: &Option<String>| name.clone().unwrap_or_else(|| "none".to_owned());
        BTreeMap::from([
            ("image", settings.image.to_string()),
            ("cacheRepository", settings.cache_repository.as_str().to_owned()),
            ("dockerfile", settings.dockerfile.clone()),
            ("context", settings.context.clone()),
            ("buildArgs", settings.build_args.keys().cloned().collect::<Vec<_>>().join(" ")),
            ("gitSecret", optional(&settings.git_secret)),
            ("registrySecret", optional(&settings.registry_secret)),
            ("workload", settings.workload.to_string()),
            ("rollback", settings.rollback.to_string()),
        ])
    };
    let (before, after) = (fields(before), fields(after));
    let text = |of: &BTreeMap<&str, String>, name| of.get(name).cloned().unwrap_or_default();
    let names: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let changed = names.into_iter().filter(|name| before.get(name) != after.get(name));
    changed.map(|name| format!("{name}: {} → {}", text(&before, name), text(&after, name))).collect()
}
