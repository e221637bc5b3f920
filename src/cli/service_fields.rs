//! The settings of a service as flags.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::remote::Session;
use crate::domain::{History, ReleaseCommand, read_env_lines};
use crate::wire::Change;
use crate::wire::service::{CloneFields, LocalFields, Pairs, ServiceBody, TektonFields};

/// Schemes over which a repository comes unprotected.
const UNPROTECTED: [&str; 2] = ["http://", "git://"];

/// The settings of a service as flags.
#[derive(Debug, Args)]
pub(super) struct Fields {
    /// Branch that is deployed when a call names none [default for a new service: main]
    #[arg(long)]
    branch: Option<String>,
    /// Build command, given to sh -e -c in the source folder: a failing line ends the step, `set +e` takes that back
    #[arg(long, value_name = "CMD")]
    build: Option<String>,
    /// Deploy command, given to sh -e -c in the source folder after the build; needed on the server's own host, `true`
    /// where the build deploys. The folder is set aside after the run, so copy an app out of it first; what is to go on
    /// running has to leave the process group: `setsid app &`
    #[arg(long, value_name = "CMD")]
    deploy: Option<String>,
    /// File with KEY=VALUE lines for both commands, taken literally but for values in double quotes, which may have
    /// several lines; stored in clear, never shown again
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Variable for both commands that is no secret: shown, and left as it is in logs; `$STACKBLAZE_CACHE_DIR` in it stands
    /// for the service's cache; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    var: Vec<String>,
    /// Fetch submodules too, and theirs [default for a new service: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    submodules: Option<bool>,
    /// Fetch the files that Git LFS keeps, where git-lfs is installed [default for a new service: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    lfs: Option<bool>,
    /// Commits that the source holds: a number, or all with the tags [default for a new service: 1]
    #[arg(long, value_name = "COMMITS|all", value_parser = read_history)]
    history: Option<History>,
    /// File on the server with a token or password for an https repository
    #[arg(long, value_name = "FILE")]
    git_token_file: Option<PathBuf>,
    /// File on the server with a private key for an ssh repository
    #[arg(long, value_name = "FILE")]
    git_ssh_key_file: Option<PathBuf>,
    /// Longest time that a deployment may run [default for a new service: 1h]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// How long what serves is watched before it counts as succeeded, 0 to 5m, in a cluster [default for a new service: 10s]
    #[arg(long, value_name = "DURATION")]
    settle: Option<String>,
    /// What a call does while others are queued: coalesce, latest or every [default for a new service: coalesce]
    #[arg(long, value_name = "POLICY", value_parser = ["coalesce", "latest", "every"])]
    queue_policy: Option<String>,
    /// What runs the deployments: tekton or local [default: what the server has]
    #[arg(long, value_parser = ["tekton", "local"])]
    executor: Option<String>,
    /// Where the service can be seen
    #[arg(long)]
    url: Option<String>,
    /// Repository of its images, with its registry, without a tag: where built ones are pushed, and of what a call means
    /// by :TAG or @sha256:…
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Another repository whose images may be deployed; replaces the list, '' empties it; repeatable
    #[arg(long, value_name = "IMAGE")]
    allowed_image: Vec<String>,
    #[command(flatten)]
    cluster: ClusterFields,
}

/// For the executor tekton
#[derive(Debug, Args)]
#[command(next_help_heading = "In a cluster")]
pub(super) struct ClusterFields {
    /// What is given the image: KIND is deployment (default), statefulset, daemonset or cronjob; the container, where it
    /// has more than one and not the service's image; repeatable, the whole list [at most: 16]
    #[arg(long, value_name = "[KIND:]NAMESPACE/NAME[/CONTAINER]")]
    workload: Vec<String>,
    /// Repository for layers of earlier builds, or none [default: the image's name and -cache]
    #[arg(long, value_name = "IMAGE|none")]
    cache_repository: Option<String>,
    /// File to build by [default: Dockerfile]
    #[arg(long, value_name = "PATH")]
    dockerfile: Option<String>,
    /// Folder that the build sees [default: the repository's root]
    #[arg(long, value_name = "PATH")]
    context: Option<String>,
    /// Stage of the Dockerfile to build [default: the last]
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// Argument of the build, which ends in the image: no secrets; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    build_arg: Vec<String>,
    /// Key of a Secret in the build namespace, for RUN --mount=type=secret,id=ID; repeatable
    #[arg(long, value_name = "ID=SECRET/KEY")]
    build_secret: Vec<String>,
    /// CPU, memory or disk of a step as Kubernetes has them, such as build.limits.memory=4Gi; repeatable [default: the
    /// `LimitRange` of the build namespace]
    #[arg(long, value_name = "STEP.requests|limits.RESOURCE=AMOUNT")]
    resource: Vec<String>,
    /// Secret in the build namespace with the repository's credentials, for the clone step
    #[arg(long, value_name = "NAME")]
    git_secret: Option<String>,
    /// Secret in the build namespace with the registry's credentials, for the build step
    #[arg(long, value_name = "NAME")]
    registry_secret: Option<String>,
    /// What runs once with the new image before any workload is changed: given to sh -e -c, or a JSON list of a program
    /// and its arguments
    #[arg(long, value_name = "CMD")]
    release_command: Option<String>,
    /// How long it may take, within the timeout of all [default: 10m]
    #[arg(long, value_name = "DURATION")]
    release_timeout: Option<String>,
    /// Whether a version that does not come up gives way to the one before [default: true]
    #[arg(long, value_name = "BOOL")]
    rollback: Option<bool>,
}

impl Fields {
    /// The settings that are named.
    pub(super) fn body(&self, client: &Client, repo: &Change<String>) -> Result<ServiceBody, Failure> {
        let file = |path: &Option<PathBuf>| path.as_deref().map(|path| on_server(client, path)).transpose();
        Ok(ServiceBody {
            name: None,
            repository: repo.clone().try_map(|repo| repository(client, &repo))?,
            default_branch: self.branch.clone(),
            executor: self.executor.clone(),
            queue_policy: self.queue_policy.clone(),
            timeout: self.timeout.clone(),
            settle: self.settle.clone(),
            url: Change::given(self.url.clone()),
            allowed_images: self.allowed_images(),
            frozen: Change::Keep,
            fetch: CloneFields { submodules: self.submodules, lfs: self.lfs, history: self.history },
            local: LocalFields {
                build_command: self.build.clone(),
                deploy_command: self.deploy.clone(),
                env: self.env_file.as_deref().map(read_env).transpose()?,
                vars: pairs("--var", "KEY=VALUE", &self.var)?.apply(None),
                git_token_file: Change::given(file(&self.git_token_file)?),
                git_ssh_key_file: Change::given(file(&self.git_ssh_key_file)?),
            },
            tekton: TektonFields { image: Change::given(self.image.clone()), ..self.cluster.body()? },
        })
    }

    /// The whole list; one empty word empties it.
    fn allowed_images(&self) -> Option<Vec<String>> {
        let given = self.allowed_image.iter().filter(|image| !image.is_empty()).cloned();
        Some(given.collect()).filter(|_| !self.allowed_image.is_empty())
    }

    /// Warns of what is less safe than it looks.
    pub(super) fn warn(&self, session: &Session, repo: Option<&str>) {
        warn_unprotected(session, repo);
        if self.env_file.is_some() {
            session.out.note("The values of the variables are stored in clear and are not shown again.");
        }
    }
}

/// Warns of a repository that comes without protection.
pub(super) fn warn_unprotected(session: &Session, repo: Option<&str>) {
    let scheme = UNPROTECTED.iter().find(|&&scheme| repo.is_some_and(|repo| repo.starts_with(scheme)));
    if let Some(scheme) = scheme {
        session.out.warn(&format!(
            "over {scheme} whoever is on the way can change the source; use https:// or ssh://"
        ));
    }
}

/// Reads a file of variables. Errors never quote a value.
pub(super) fn read_env(file: &Path) -> Result<Pairs, Failure> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let read = read_env_lines("env", &text);
    let variables = read.map_err(|wrong| Failure::usage(format!("{}: {}", file.display(), wrong.detail)))?;
    Ok(variables.into_iter().map(|(name, value)| (name, Some(value))).collect())
}

/// A path as the server has to read it: on the same machine a relative one is completed.
fn on_server(client: &Client, path: &Path) -> Result<String, Failure> {
    let path = if client.is_local() {
        std::path::absolute(path).with_context(|| format!("cannot read {}", path.display()))?
    } else {
        path.to_owned()
    };
    path.into_os_string().into_string().map_err(|_| Failure::usage("a path must be UTF-8 text"))
}

fn repository(client: &Client, repo: &str) -> Result<String, Failure> {
    let is_relative = matches!(repo, "." | "..") || repo.starts_with("./") || repo.starts_with("../");
    if !is_relative || !client.is_local() {
        return Ok(repo.to_owned());
    }
    let found = std::fs::canonicalize(repo).with_context(|| format!("cannot read {repo}"))?;
    on_server(client, &found)
}

impl ClusterFields {
    /// The settings that are named.
    fn body(&self) -> Result<TektonFields, Failure> {
        Ok(TektonFields {
            image: Change::Keep,
            cache_repository: Change::given(self.cache_repository.clone()),
            dockerfile: Change::given(self.dockerfile.clone()),
            context: Change::given(self.context.clone()),
            target: Change::given(self.target.clone()),
            build_args: pairs("--build-arg", "NAME=VALUE", &self.build_arg)?,
            build_secrets: pairs("--build-secret", "ID=SECRET/KEY", &self.build_secret)?,
            resources: pairs("--resource", "STEP.limits.RESOURCE=AMOUNT", &self.resource)?,
            git_secret: Change::given(self.git_secret.clone()),
            registry_secret: Change::given(self.registry_secret.clone()),
            workloads: Change::given(Some(self.workload.clone()).filter(|all| !all.is_empty())),
            release_command: Change::given(self.release_command.as_deref().map(ReleaseCommand::read)),
            release_timeout: Change::given(self.release_timeout.clone()),
            rollback: Change::given(self.rollback),
        })
    }
}

/// The values of a flag that is given once for each pair.
fn pairs(name: &str, shape: &str, given: &[String]) -> Result<Change<Pairs>, Failure> {
    let mut pairs = Pairs::new();
    for pair in given {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| flag(name, &format!("\"{pair}\" is not {shape}")))?;
        pairs.insert(key.to_owned(), Some(value.to_owned()));
    }
    Ok(Change::given(Some(pairs).filter(|pairs| !pairs.is_empty())))
}

fn read_history(text: &str) -> Result<History, String> {
    History::parse(text).map_err(|wrong| wrong.detail)
}

fn flag(name: &str, why: &str) -> Failure {
    Failure::usage(format!("{name}: {why}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::service_unset::empty;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        fields: Fields,
    }

    #[test]
    fn flags_of_a_build_fill_the_shape() {
        let words =
            ["x", "--target", "release", "--build-arg", "A=b=c", "--build-secret", "npm=npm-token/token"];
        let client = Client::over_tcp("http://127.0.0.1:1", None).unwrap();

        let mut body = Line::parse_from(words).fields.body(&client, &Change::Keep).unwrap();
        empty(&mut body, "build-secret.old").unwrap();

        assert_eq!(
            serde_json::to_value(&body).unwrap(),
            serde_json::json!({
                "target": "release", "buildArgs": { "A": "b=c" },
                "buildSecrets": { "npm": "npm-token/token", "old": null },
            })
        );
        let words = ["x", "--release-command", r#"["./migrate", "up"]"#, "--release-timeout", "2m"];
        let body = Line::parse_from(words).fields.body(&client, &Change::Keep).unwrap();
        assert_eq!(
            serde_json::to_value(&body).unwrap(),
            serde_json::json!({ "releaseCommand": ["./migrate", "up"], "releaseTimeout": "2m" })
        );
        let words = ["x", "--release-command", "[ -f up ] && ./up"];
        let mut body = Line::parse_from(words).fields.body(&client, &Change::Keep).unwrap();
        assert_eq!(serde_json::to_value(&body).unwrap()["releaseCommand"], "[ -f up ] && ./up");
        assert!(empty(&mut body, "release-command").is_err(), "it is given a value too");
        let mut body = ServiceBody::default();
        empty(&mut body, "release-command").unwrap();
        assert_eq!(serde_json::to_value(&body).unwrap(), serde_json::json!({ "releaseCommand": null }));
        let broken =
            Line::parse_from(["x", "--build-secret", "npm"]).fields.body(&client, &Change::Keep).unwrap_err();
        assert_eq!(broken.text, "--build-secret: \"npm\" is not ID=SECRET/KEY");
    }
}
