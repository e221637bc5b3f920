//! What is run for each step, as plain values: words, variables and the texts that git is given. Pure.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::domain::{Commit, DeploymentId};
use crate::executor::Run;
use crate::executor::local::host::{Environment, HostEnvironment};
use crate::executor::local::workspace::Workspace;

/// One command: what is run, with which variables and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommandLine {
    /// The program and its arguments.
    pub(super) words: Vec<OsString>,
    /// All variables that it sees.
    pub(super) environment: Environment,
    /// The folder that it starts in.
    pub(super) directory: PathBuf,
}

/// The words for an operator's command; a failing line ends it. The `--` keeps one that begins with `-` from being an option.
pub(super) fn shell(command: &str) -> Vec<OsString> {
    ["sh", "-e", "-c", "--", command].map(OsString::from).into()
}

/// The variables of every step. Home and language are those of `clone`, which nothing of the server's user may lead
/// astray, and whose words we read.
pub(super) fn base(host: &HostEnvironment, workspace: &Workspace, run: &Run) -> Environment {
    let id: &DeploymentId = &run.deployment;
    let ours: [(OsString, OsString); 8] = [
        ("HOME".into(), workspace.home().into()),
        ("LANG".into(), "C.UTF-8".into()),
        ("TMPDIR".into(), workspace.tmp().into()),
        ("CI".into(), "true".into()),
        ("TERM".into(), "dumb".into()),
        ("STACKBLAZE_DEPLOYMENT_ID".into(), id.as_str().into()),
        ("STACKBLAZE_SERVICE".into(), run.service.name.as_str().into()),
        ("STACKBLAZE_BRANCH".into(), run.branch.as_str().into()),
    ];
    host.shared.iter().cloned().chain(ours).collect()
}

/// What `build` and `deploy` see on top: the home of the server's user, the commit, the image that was named, the cache and the service's own
/// variables.
pub(super) fn for_commands(
    host: &HostEnvironment,
    commit: Option<&Commit>,
    cache: &Path,
    run: &Run,
) -> Environment {
    let service = &run.service;
    let own = service.local.env.iter().map(|(name, value)| (name.as_str().into(), value.into()));
    let shown = cache.to_string_lossy();
    let vars = service.local.vars.iter().map(|(name, value)| {
        (
            name.as_str().into(),
            value.replace("${STACKBLAZE_CACHE_DIR}", &shown).replace("$STACKBLAZE_CACHE_DIR", &shown).into(),
        )
    });
    let commit = commit.map(|commit| ("STACKBLAZE_COMMIT".into(), commit.as_str().into()));
    let image = run.given.as_ref().map(|given| ("STACKBLAZE_IMAGE".into(), given.image.to_string().into()));
    let ours: [(OsString, OsString); 3] = [
        ("STACKBLAZE_CACHE_DIR".into(), cache.into()),
        ("XDG_CACHE_HOME".into(), cache.join("xdg").into()),
        ("npm_config_cache".into(), cache.join("npm").into()),
    ];
    host.own.iter().cloned().chain(commit).chain(image).chain(ours).chain(vars).chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_looks_like_an_option_is_none() {
        assert_eq!(shell("-x"), ["sh", "-e", "-c", "--", "-x"].map(OsString::from));
    }
}
