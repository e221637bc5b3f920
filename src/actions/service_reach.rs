//! Whom a change of a service reaches beyond the service.

use crate::domain::{ExecutorKind, Repository, Service, Transport};

/// Why only an admin of the whole server may make a change; `None` where an admin of the service may.
pub(super) fn needs_whole_server(before: &Service, after: &Service) -> Option<&'static str> {
    if sends_credential_elsewhere(before, after) {
        return Some("a git credential goes to another address only for");
    }
    if runs_other_code_here(before, after) {
        return Some("what runs on the server's own host is changed only by");
    }
    let shared = "workloads, registry Secret, image, allowed images and cache repository are changed only by";
    reaches_further(before, after).then_some(shared)
}

/// Whether the change names a git credential, or takes the repository elsewhere while one is named. Others may depend on
/// it, and whoever sets up a server at the address reads it. Over http everybody on the way does: each address counts.
fn sends_credential_elsewhere(before: &Service, after: &Service) -> bool {
    let (old, new) = (git_credentials(before), git_credentials(after));
    let is_other = old.iter().zip(&new).any(|(old, new)| new.is_some() && new != old);
    let (from, to) = (&before.repository, &after.repository);
    let is_elsewhere = |from: Option<&Repository>, to: &Repository| {
        to.transport() == Transport::Http || !from.is_some_and(|from| from.shares_origin(to))
    };
    let moves = from != to && to.as_ref().is_some_and(|to| is_elsewhere(from.as_ref(), to));
    is_other || (moves && new.iter().any(Option::is_some))
}

/// Of both executors, since a service may change its executor.
fn git_credentials(service: &Service) -> [Option<&String>; 3] {
    let secret = service.tekton.as_ref().and_then(|settings| settings.git_secret.as_ref());
    [secret, service.local.git_token_file.as_ref(), service.local.git_ssh_key_file.as_ref()]
}

/// Whether the change decides what runs on this host, as the user of this server: whoever may, may do anything here.
fn runs_other_code_here(before: &Service, after: &Service) -> bool {
    let settings = |service: &Service| (service.executor, service.repository.clone(), service.local.clone());
    after.executor == ExecutorKind::Local && settings(before) != settings(after)
}

/// Whether the change decides which workloads are replaced, which registry Secret is used, or where images go. Those belong
/// to other services as well.
fn reaches_further(before: &Service, after: &Service) -> bool {
    let reach = |service: &Service| {
        let settings = service.tekton.clone()?;
        Some((settings.workloads, settings.registry_secret, settings.image, settings.cache_repository))
    };
    reach(before) != reach(after) || before.allowed_images != after.allowed_images
}
