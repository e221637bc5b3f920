//! Settings that are emptied: `service set --unset`.

use crate::cli::failure::Failure;
use crate::wire::Change;
use crate::wire::service::{ServiceBody, TektonFields};

/// The one setting that can be emptied and is no mere text.
const RELEASE_COMMAND: &str = "release-command";

/// Empties a setting, or takes one variable or argument away.
pub(super) fn empty(body: &mut ServiceBody, setting: &str) -> Result<(), Failure> {
    let local = &mut body.local;
    for (prefix, pairs) in [("env.", &mut local.env), ("var.", &mut local.vars)] {
        if let Some(name) = setting.strip_prefix(prefix) {
            pairs.get_or_insert_default().insert(name.to_owned(), None);
            return Ok(());
        }
    }
    let TektonFields { build_args, build_secrets, resources, .. } = &mut body.tekton;
    for (prefix, pairs) in
        [("build-arg.", build_args), ("build-secret.", build_secrets), ("resource.", resources)]
    {
        if let Some(name) = setting.strip_prefix(prefix) {
            let mut all = std::mem::take(pairs).apply(None).unwrap_or_default();
            all.insert(name.to_owned(), None);
            *pairs = Change::Set(all);
            return Ok(());
        }
    }
    if setting == RELEASE_COMMAND {
        return make_empty(setting, &mut body.tekton.release_command);
    }
    let known = emptiable(body);
    let names = known.each_ref().map(|(name, _)| *name).join(", ");
    let Some((_, field)) = known.into_iter().find(|(name, _)| *name == setting) else {
        let known = format!(
            "{names}, {RELEASE_COMMAND}, env.NAME, var.NAME, build-arg.NAME, build-secret.ID or resource.NAME"
        );
        return Err(Failure::usage(format!("--unset: \"{setting}\" cannot be emptied; say {known}")));
    };
    make_empty(setting, field)
}

fn make_empty<T>(setting: &str, field: &mut Change<T>) -> Result<(), Failure> {
    if field.is_set() {
        return Err(Failure::usage(format!("--unset: {setting} is given a value too; do one of both")));
    }
    *field = Change::Empty;
    Ok(())
}

/// The settings that can be emptied, by the names of their flags.
fn emptiable(body: &mut ServiceBody) -> [(&'static str, &mut Change<String>); 9] {
    let (local, tekton) = (&mut body.local, &mut body.tekton);
    [
        ("url", &mut body.url),
        ("git-token-file", &mut local.git_token_file),
        ("git-ssh-key-file", &mut local.git_ssh_key_file),
        ("cache-repository", &mut tekton.cache_repository),
        ("dockerfile", &mut tekton.dockerfile),
        ("context", &mut tekton.context),
        ("target", &mut tekton.target),
        ("git-secret", &mut tekton.git_secret),
        ("registry-secret", &mut tekton.registry_secret),
    ]
}
