//! The steps of a run that are processes of ours with their values in the environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::release_step::ReleaseStepArgs;
use crate::config;
use crate::domain::{Commit, GitRef, ImageReference, Invalid, Repository};
use crate::executor::clone::{CloneStep, HostKeys};
use crate::executor::exit_codes::{BUILD_FAILED, CLONE_FAILED, IMAGE_UNAVAILABLE, SUCCEEDED};
use crate::executor::proxies;
use crate::executor::tekton::steps::build::probe::write_source;
use crate::executor::tekton::steps::build::store::Builder;
use crate::executor::tekton::steps::build::{BuildStep, read_build_args};
use crate::executor::tekton::steps::look_up::LookUpStep;

/// Where a step keeps what only it needs.
const SCRATCH: &str = "/tmp";

/// A step of a run; takes its values from the environment.
#[derive(Debug, Args)]
pub(super) struct RunStepArgs {
    #[command(subcommand)]
    step: RunStep,
}

#[derive(Debug, Subcommand)]
enum RunStep {
    /// Fetch the commit
    Clone(Box<CloneStepArgs>),
    /// Build and push the image
    Build(Box<BuildStepArgs>),
    /// Look an image up by its tag
    LookUp(LookUpStepArgs),
    /// Run the service's release command as a Job
    Release(Box<ReleaseStepArgs>),
    /// Run the builder's daemon within the limits of its store
    Builder(BuilderArgs),
}

#[derive(Debug, Args)]
struct CloneStepArgs {
    #[arg(long, env = "STACKBLAZE_REPOSITORY")]
    repository: String,
    #[arg(long, env = "STACKBLAZE_BRANCH")]
    branch: String,
    #[arg(long, env = "STACKBLAZE_COMMIT", default_value = "")]
    commit: String,
    /// As JSON
    #[arg(long, env = "STACKBLAZE_CLONE_SETTINGS", default_value = "{}")]
    settings: String,
    /// Look only whether all of it could be fetched
    #[arg(long, env = "STACKBLAZE_LOOK")]
    look: bool,
    #[arg(long, env = "STACKBLAZE_SOURCE")]
    source: PathBuf,
    #[arg(long, env = "STACKBLAZE_SCRATCH", default_value = SCRATCH)]
    scratch: PathBuf,
    #[arg(long, env = "STACKBLAZE_GIT_SECRET")]
    git_secret: Option<PathBuf>,
    /// File of the hosts that were met; without it only those of the Secret are believed
    #[arg(long, env = "STACKBLAZE_KNOWN_HOSTS")]
    known_hosts: Option<PathBuf>,
    #[arg(long, env = "STACKBLAZE_COMMIT_FILE")]
    commit_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_SUBJECT_FILE")]
    subject_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_MESSAGE_FILE")]
    message_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_DETAIL_FILE")]
    detail_file: PathBuf,
}

#[derive(Debug, Args)]
struct BuildStepArgs {
    /// Build something tiny and push nothing
    #[arg(long, env = "STACKBLAZE_PROBE")]
    probe: bool,
    #[arg(long, env = "PATH", default_value = "", hide_env_values = true)]
    search_path: OsString,
    #[arg(long, env = "STACKBLAZE_SOURCE", required_unless_present = "probe")]
    source: Option<PathBuf>,
    #[arg(long, env = "STACKBLAZE_CONTEXT", default_value = ".")]
    context: String,
    #[arg(long, env = "STACKBLAZE_DOCKERFILE", default_value = "Dockerfile")]
    dockerfile: String,
    #[arg(long, env = "STACKBLAZE_TARGET", default_value = "")]
    target: String,
    #[arg(long, env = "STACKBLAZE_BUILD_ARGS", default_value = "{}")]
    build_args: String,
    #[arg(long, env = "STACKBLAZE_BUILD_SECRETS")]
    build_secrets: Option<PathBuf>,
    #[arg(long, env = "STACKBLAZE_IMAGE", required_unless_present = "probe")]
    image: Option<String>,
    #[arg(long, env = "STACKBLAZE_TAG", default_value = "latest")]
    tag: String,
    #[arg(long, env = "STACKBLAZE_CACHE", default_value = "")]
    cache: String,
    #[arg(long, env = "STACKBLAZE_REGISTRY_SECRET")]
    registry_secret: Option<PathBuf>,
    #[arg(long, env = "STACKBLAZE_INSECURE_REGISTRIES", default_value = "")]
    insecure_registries: String,
    #[arg(long, env = "STACKBLAZE_STORE")]
    store: PathBuf,
    #[arg(long, env = "STACKBLAZE_STORE_LIMIT")]
    store_limit: u64,
    #[arg(long, env = "STACKBLAZE_COMMIT_FILE", required_unless_present = "probe")]
    commit_file: Option<PathBuf>,
    #[arg(long, env = "STACKBLAZE_DIGEST_FILE", required_unless_present = "probe")]
    digest_file: Option<PathBuf>,
    #[arg(long, env = "STACKBLAZE_MESSAGE_FILE")]
    message_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_DETAIL_FILE")]
    detail_file: PathBuf,
}

#[derive(Debug, Args)]
struct LookUpStepArgs {
    /// Look only whether the registry answers
    #[arg(long, env = "STACKBLAZE_LOOK")]
    look: bool,
    #[arg(long, env = "STACKBLAZE_IMAGE")]
    image: String,
    #[arg(long, env = "STACKBLAZE_TAG")]
    tag: String,
    #[arg(long, env = "STACKBLAZE_REGISTRY_SECRET")]
    registry_secret: Option<PathBuf>,
    #[arg(long, env = "STACKBLAZE_INSECURE_REGISTRIES", default_value = "")]
    insecure_registries: String,
    #[arg(long, env = "STACKBLAZE_DIGEST_FILE")]
    digest_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_REVISION_FILE")]
    revision_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_MESSAGE_FILE")]
    message_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_DETAIL_FILE")]
    detail_file: PathBuf,
}

#[derive(Debug, Args)]
struct BuilderArgs {
    #[arg(long)]
    store: PathBuf,
    #[arg(long)]
    store_limit: u64,
    #[arg(long)]
    verdict_file: PathBuf,
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

impl RunStepArgs {
    pub(super) fn run(self) -> ExitCode {
        let (code, read) = match self.step {
            RunStep::Clone(arguments) => (CLONE_FAILED, arguments.into_step().map(|step| step.run())),
            RunStep::Build(arguments) => (BUILD_FAILED, arguments.into_step().map(|step| step.run())),
            RunStep::Release(arguments) => return arguments.run(),
            RunStep::LookUp(arguments) => (IMAGE_UNAVAILABLE, arguments.run()),
            RunStep::Builder(arguments) => (BUILD_FAILED, arguments.run()),
        };
        ExitCode::from(read.unwrap_or_else(|wrong| {
            println!("{wrong}");
            code
        }))
    }
}

/// Whether a program of that name is where programs are looked for.
fn is_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        let found = std::fs::metadata(folder.join(name));
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

impl CloneStepArgs {
    fn into_step(self) -> Result<CloneStep, String> {
        let told = |field: &str, detail: &dyn std::fmt::Display| format!("{field} {detail}");
        let commit = match self.commit.as_str() {
            "" => None,
            text => Some(Commit::parse(text).map_err(|error| told("commit", &error))?),
        };
        Ok(CloneStep {
            repository: Repository::parse(&self.repository).map_err(|error: Invalid| error.to_string())?,
            what: GitRef::parse(&self.branch).map_err(|error| told("branch", &error))?,
            commit,
            settings: serde_json::from_str(&self.settings).map_err(|error| told("clone settings", &error))?,
            is_look: self.look,
            source: self.source,
            scratch: self.scratch,
            secret: self.git_secret,
            host_keys: self.known_hosts.map_or(HostKeys::Listed, HostKeys::FirstMet),
            has_git_lfs: is_program("git-lfs"),
            commit_file: self.commit_file,
            subject_file: self.subject_file,
            message_file: self.message_file,
            detail_file: self.detail_file,
        })
    }
}

impl BuildStepArgs {
    fn into_step(self) -> Result<BuildStep, String> {
        let source = match self.source.filter(|_| !self.probe) {
            Some(source) => source,
            None => write_source(SCRATCH.as_ref(), &builders_client(&self.search_path))
                .map_err(|error| format!("nothing to build could be written: {error}"))?,
        };
        Ok(BuildStep {
            source,
            context: self.context,
            dockerfile: self.dockerfile,
            target: Some(self.target).filter(|target| !target.is_empty()),
            build_args: with_proxies(read_build_args(&self.build_args)?),
            build_secrets: self.build_secrets,
            image: self.image.map(|image| format!("{image}:{}", self.tag)),
            cache: Some(self.cache).filter(|cache| !cache.is_empty()),
            registry_secret: self.registry_secret,
            insecure_registries: hosts(&self.insecure_registries),
            store: self.store,
            store_limit: self.store_limit,
            commit_file: self.commit_file.unwrap_or_default(),
            digest_file: self.digest_file.unwrap_or_default(),
            message_file: self.message_file,
            detail_file: self.detail_file,
            scratch: SCRATCH.into(),
        })
    }
}

impl LookUpStepArgs {
    fn run(self) -> Result<u8, String> {
        // Where another part of the program has chosen already, it is the same one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let image = format!("{}:{}", self.image, self.tag);
        let step = LookUpStep {
            is_look: self.look,
            image: ImageReference::parse(&image).ok_or_else(|| format!("{image} is no image's name"))?,
            registry_secret: self.registry_secret,
            insecure_registries: hosts(&self.insecure_registries),
            variables: config::variables(),
            digest_file: self.digest_file,
            revision_file: self.revision_file,
            message_file: self.message_file,
            detail_file: self.detail_file,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(runtime.map_err(|error| error.to_string())?.block_on(step.run()))
    }
}

/// What RUN commands need to leave the network, too. The builder knows these names and keeps them out of image and cache.
fn with_proxies(mut arguments: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for (name, value) in proxies(&config::variables()) {
        arguments.entry(name).or_insert(value);
    }
    arguments
}

/// The builder's own client: a program that is linked to nothing.
fn builders_client(search_path: &OsStr) -> PathBuf {
    const NAME: &str = "buildctl";
    let places = std::env::split_paths(search_path).map(|folder| folder.join(NAME));
    places.into_iter().find(|file| file.is_file()).unwrap_or_else(|| NAME.into())
}

fn hosts(text: &str) -> Vec<String> {
    text.split(',').filter(|host| !host.is_empty()).map(str::to_owned).collect()
}

impl BuilderArgs {
    fn run(self) -> Result<u8, String> {
        let Self { store, store_limit, verdict_file, command } = self;
        let builder = Builder { store, store_limit, verdict_file, command };
        let status = builder.run().map_err(|error| error.to_string())?;
        Ok(if status.success() { SUCCEEDED } else { BUILD_FAILED })
    }
}
