//! What the builder is told of registries, out of the mounted Secret.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::BuildStep;
use crate::executor::tekton::steps::docker_config::{self, AUTHORITY};

/// How registries are reached.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Access {
    /// A folder with a `config.json` as docker has it.
    pub(super) docker_config: Option<PathBuf>,
    /// A certificate, and the registries that it vouches for.
    pub(super) authority: Option<(PathBuf, Vec<String>)>,
}

/// Reads the step's Secret.
pub(super) fn access(step: &BuildStep) -> Result<Access, String> {
    let Some(secret) = &step.registry_secret else { return Ok(Access::default()) };
    let text = docker_config::read(secret)?;
    let folder = step.scratch.join("docker");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join("config.json"), &text))
        .map_err(|error| format!("{} cannot be written: {error}", folder.display()))?;
    let authority = secret.join(AUTHORITY);
    let hosts = || {
        let named = [step.image.as_ref(), step.cache.as_ref()].into_iter().flatten();
        let own = named.map(|image| image.split('/').next().unwrap_or_default().to_owned());
        own.chain(docker_config::hosts(&text)).filter(|host| is_host(host)).collect::<BTreeSet<_>>()
    };
    Ok(Access {
        docker_config: Some(folder),
        authority: authority.exists().then(|| (authority, hosts().into_iter().collect())),
    })
}

/// What may stand between quotes in the daemon's configuration.
fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::super::tests::step;
    use super::*;
    use crate::executor::tekton::steps::docker_config::CREDENTIALS;

    #[test]
    fn a_secret_becomes_a_config_and_vouches_for_its_registries() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::create_dir(&secret).unwrap();
        let config = r#"{"auths":{"https://index.docker.io/v1/":{},"r2.example.com:5000":{},"a\"b":{}}}"#;
        std::fs::write(secret.join(CREDENTIALS), config).unwrap();
        let step = BuildStep { registry_secret: Some(secret.clone()), ..step(folder.path()) };

        let without = access(&step).unwrap();
        std::fs::write(secret.join(AUTHORITY), "certificate").unwrap();
        let with = access(&step).unwrap();

        let written = std::fs::read_to_string(without.docker_config.unwrap().join("config.json")).unwrap();
        assert_eq!((written.as_str(), without.authority), (config, None));
        let hosts = ["index.docker.io", "r.example.com", "r2.example.com:5000"].map(str::to_owned).to_vec();
        assert_eq!(with.authority, Some((secret.join(AUTHORITY), hosts)));
    }

    #[test]
    fn a_secret_of_another_kind_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let step = BuildStep { registry_secret: Some(folder.path().to_owned()), ..step(folder.path()) };

        assert_eq!(access(&step).unwrap_err(), "the registry Secret has no key .dockerconfigjson");
    }
}
