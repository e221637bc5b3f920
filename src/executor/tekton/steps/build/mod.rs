//! The step `build`: builds the image with rootless BuildKit and pushes it, and its layers for the next build.

mod cause;
mod client;
mod daemon;
mod frontend;
pub mod probe;
mod progress;
mod registries;
pub mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::executor::exit_codes::{BUILD_FAILED, PUSH_FAILED, SUCCEEDED};
use crate::executor::step_failure::StepFailure;
use crate::executor::step_failure::write_result;

use cause::Evidence;
use client::Client;
use daemon::{Daemon, DaemonSettings};
use frontend::foreign_frontend;

/// What to build and where to push it.
#[derive(Debug, Clone)]
pub struct BuildStep {
    /// What `clone` fetched.
    pub source: PathBuf,
    /// The folder that the build sees, below the source.
    pub context: String,
    /// The file to build by, below the source.
    pub dockerfile: String,
    /// The stage to build; none is the last one.
    pub target: Option<String>,
    /// Arguments of the build.
    pub build_args: BTreeMap<String, String>,
    /// A folder with a file for each secret of the build, by its id.
    pub build_secrets: Option<PathBuf>,
    /// The image's repository and tag; none where nothing is pushed.
    pub image: Option<String>,
    /// Where layers are kept, if they are.
    pub cache: Option<String>,
    /// The mounted Secret with the registry's credentials.
    pub registry_secret: Option<PathBuf>,
    /// Registries that speak http, or whose certificates nobody checks.
    pub insecure_registries: Vec<String>,
    /// Where `clone` told the commit.
    pub commit_file: PathBuf,
    /// Where the digest is told.
    pub digest_file: PathBuf,
    /// Where a failure is told: in a sentence, and in the builder's own line.
    pub message_file: PathBuf,
    /// The latter.
    pub detail_file: PathBuf,
    /// A folder of the step's own.
    pub scratch: PathBuf,
    /// The daemon's folder, and the most that it may take in bytes.
    pub store: PathBuf,
    /// The latter.
    pub store_limit: u64,
}

/// Reads arguments of a build as they travel: a JSON object.
///
/// # Errors
/// Where it is none.
pub fn read_build_args(text: &str) -> Result<BTreeMap<String, String>, String> {
    serde_json::from_str(text).map_err(|error| format!("STACKBLAZE_BUILD_ARGS: {error}"))
}

/// A failure that no builder had a part in.
fn failed(message: String) -> StepFailure {
    StepFailure::new(BUILD_FAILED, message)
}

impl BuildStep {
    /// Builds and pushes, and gives the exit code of the table; a failing RUN keeps its own.
    pub fn run(&self) -> u8 {
        match self.build_and_push() {
            Ok(()) => SUCCEEDED,
            Err(failure) => failure.tell(&self.message_file, &self.detail_file),
        }
    }

    fn build_and_push(&self) -> Result<(), StepFailure> {
        let places = self.places().map_err(failed)?;
        let text =
            std::fs::read(&places.dockerfile).map_err(|error| failed(format!("the Dockerfile: {error}")))?;
        if let Some(image) = foreign_frontend(&String::from_utf8_lossy(&text)) {
            let message = "the Dockerfile asks for a frontend of its own (syntax=), and only docker/dockerfile is built";
            return Err(StepFailure::new(BUILD_FAILED, message).with_detail(format!("syntax={image}")));
        }
        let secrets = self.secrets()?;
        let access = registries::access(self).map_err(failed)?;
        let daemon = Daemon::start(&DaemonSettings {
            store: self.store.clone(),
            store_limit: self.store_limit,
            scratch: self.scratch.clone(),
            insecure_registries: self.insecure_registries.clone(),
            authority: access.authority,
        })?;
        let commit = std::fs::read_to_string(&self.commit_file).unwrap_or_default();
        let client = Client {
            step: self,
            places: &places,
            address: daemon.address(),
            commit: commit.trim(),
            secrets: &secrets,
            docker_config: access.docker_config.as_deref(),
        };
        let ended = client.build()?;
        if !ended.is_good {
            return Err(cause(&ended.evidence, &daemon));
        }
        let Some(image) = &self.image else { return Ok(()) };
        let unknown = |message| StepFailure::new(PUSH_FAILED, message);
        let digest = client.digest().map_err(unknown)?;
        write_result(&self.digest_file, digest.as_str()).map_err(unknown)?;
        println!("pushed {image}@{digest}");
        Ok(())
    }

    /// The secrets of the build, by their ids. They are known to the log, so that it can hide them.
    fn secrets(&self) -> Result<BTreeMap<String, PathBuf>, StepFailure> {
        let Some(folder) = &self.build_secrets else { return Ok(BTreeMap::new()) };
        let unreadable = |error: std::io::Error| {
            failed("the build secrets cannot be read".to_owned()).with_detail(error.to_string())
        };
        let mut secrets = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            // Kubernetes keeps the files themselves in folders whose names begin with two dots.
            if let Some(id) = entry.file_name().to_str().filter(|id| !id.starts_with("..")) {
                secrets.insert(id.to_owned(), entry.path());
            }
        }
        Ok(secrets)
    }

    /// Where Dockerfile and context really are. A link out of the source could show this step's own files, the
    /// registry's password among them, in the log.
    fn places(&self) -> Result<Places, String> {
        let source =
            self.source.canonicalize().map_err(|error| format!("{}: {error}", self.source.display()))?;
        let inside = |what: &str, path: &str| {
            let found = source
                .join(path)
                .canonicalize()
                .map_err(|_| format!("the repository has no {what} {path}"))?;
            if found.starts_with(&source) {
                Ok(found)
            } else {
                Err(format!("the {what} {path} links out of the repository"))
            }
        };
        Ok(Places {
            dockerfile: inside("Dockerfile", &self.dockerfile)?,
            context: inside("context", &self.context)?,
        })
    }
}

/// Why a build failed: its daemon may have been ended.
fn cause(evidence: &Evidence, daemon: &Daemon) -> StepFailure {
    let cause = evidence.cause();
    match daemon.why_gone() {
        Some(why) => StepFailure::new(BUILD_FAILED, why).with_detail(cause.detail.unwrap_or_default()),
        None => cause,
    }
}

struct Places {
    dockerfile: PathBuf,
    context: PathBuf,
}

impl Places {
    /// The folder of the Dockerfile and its name there. Beside it stands the file that is ignored by, if it has its own.
    fn of_dockerfile(&self) -> (&Path, String) {
        let folder = self.dockerfile.parent().unwrap_or(&self.context);
        (folder, self.dockerfile.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests;
