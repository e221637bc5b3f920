//! What a change of a service changes: whom it reaches, and how the audit tells it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{EnvName, ExecutorKind, LocalSettings, Service, TektonSettings};

/// Whether the change decides what runs on this host, as the user of this server: whoever may, may do anything here.
pub(super) fn runs_other_code_here(before: &Service, after: &Service) -> bool {
    let settings =
        |service: &Service| (service.executor, service.repository.to_string(), service.local.clone());
    after.executor == ExecutorKind::Local && settings(before) != settings(after)
}

/// Whether the change decides which workload is replaced, which Secrets are used, or where images go. Those belong to
/// other services as well.
pub(super) fn reaches_further(before: &Service, after: &Service) -> bool {
    let reach = |service: &Service| {
        let settings = service.tekton.clone()?;
        let secrets = (settings.git_secret, settings.registry_secret);
        Some((settings.workload, secrets, settings.image, settings.cache_repository))
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
