//! The steps of a run in a cluster that run in the builder image.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::domain::{Branch, Commit, Invalid, Repository};
use crate::executor::tekton::exit_codes::{BUILD_FAILED, CLONE_FAILED};
use crate::executor::tekton::steps::build::{BuildStep, read_build_args};
use crate::executor::tekton::steps::clone::CloneStep;

/// Where a step keeps what only it needs.
const SCRATCH: &str = "/tmp";

/// A step of a run in a cluster; takes its values from the environment.
#[derive(Debug, Args)]
pub(super) struct ClusterStepArgs {
    #[command(subcommand)]
    step: ClusterStep,
}

#[derive(Debug, Subcommand)]
enum ClusterStep {
    /// Fetch the commit
    Clone(CloneStepArgs),
    /// Build and push the image
    Build(BuildStepArgs),
}

#[derive(Debug, Args)]
struct CloneStepArgs {
    #[arg(long, env = "STACKBLAZE_REPOSITORY")]
    repository: String,
    #[arg(long, env = "STACKBLAZE_BRANCH")]
    branch: String,
    #[arg(long, env = "STACKBLAZE_COMMIT", default_value = "")]
    commit: String,
    #[arg(long, env = "STACKBLAZE_SOURCE")]
    source: PathBuf,
    #[arg(long, env = "STACKBLAZE_GIT_SECRET")]
    git_secret: Option<PathBuf>,
    #[arg(long, env = "STACKBLAZE_COMMIT_FILE")]
    commit_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_SUBJECT_FILE")]
    subject_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_MESSAGE_FILE")]
    message_file: PathBuf,
}

#[derive(Debug, Args)]
struct BuildStepArgs {
    #[arg(long, env = "STACKBLAZE_SOURCE")]
    source: PathBuf,
    #[arg(long, env = "STACKBLAZE_CONTEXT", default_value = ".")]
    context: String,
    #[arg(long, env = "STACKBLAZE_DOCKERFILE", default_value = "Dockerfile")]
    dockerfile: String,
    #[arg(long, env = "STACKBLAZE_BUILD_ARGS", default_value = "{}")]
    build_args: String,
    #[arg(long, env = "STACKBLAZE_IMAGE")]
    image: String,
    #[arg(long, env = "STACKBLAZE_TAG")]
    tag: String,
    #[arg(long, env = "STACKBLAZE_CACHE", default_value = "")]
    cache: String,
    #[arg(long, env = "STACKBLAZE_REGISTRY_AUTH")]
    registry_auth: Option<PathBuf>,
    #[arg(long, env = "STACKBLAZE_COMMIT_FILE")]
    commit_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_DIGEST_FILE")]
    digest_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_MESSAGE_FILE")]
    message_file: PathBuf,
}

impl ClusterStepArgs {
    pub(super) fn run(self) -> ExitCode {
        let (code, read) = match self.step {
            ClusterStep::Clone(arguments) => (CLONE_FAILED, arguments.into_step().map(|step| step.run())),
            ClusterStep::Build(arguments) => (BUILD_FAILED, arguments.into_step().map(|step| step.run())),
        };
        ExitCode::from(read.unwrap_or_else(|wrong| {
            println!("{wrong}");
            code
        }))
    }
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
            branch: Branch::parse(&self.branch).map_err(|error| told("branch", &error))?,
            commit,
            source: self.source,
            scratch: SCRATCH.into(),
            secret: self.git_secret,
            commit_file: self.commit_file,
            subject_file: self.subject_file,
            message_file: self.message_file,
        })
    }
}

impl BuildStepArgs {
    fn into_step(self) -> Result<BuildStep, String> {
        Ok(BuildStep {
            source: self.source,
            context: self.context,
            dockerfile: self.dockerfile,
            build_args: read_build_args(&self.build_args)?,
            image: format!("{}:{}", self.image, self.tag),
            cache: Some(self.cache).filter(|cache| !cache.is_empty()),
            registry_auth: self.registry_auth,
            commit_file: self.commit_file,
            digest_file: self.digest_file,
            message_file: self.message_file,
            scratch: SCRATCH.into(),
        })
    }
}
