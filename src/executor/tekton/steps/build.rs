//! The step `build`: builds the image, pushes it, and then tries to keep its layers for the next build.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::domain::ImageDigest;
use crate::executor::tekton::exit_codes::{BUILD_FAILED, PUSH_FAILED, SUCCEEDED, of_failed_build};

use super::dockerfile::unseen_by_cache;
use super::process::{Program, write_result};

/// Lines of a failed push of the cache that are shown.
const SHOWN_LINES: usize = 5;

/// What to build and where to push it.
#[derive(Debug, Clone)]
pub struct BuildStep {
    /// What `clone` fetched.
    pub source: PathBuf,
    /// The folder that the build sees, below the source.
    pub context: String,
    /// The file to build by, below the source.
    pub dockerfile: String,
    /// Arguments of the build.
    pub build_args: BTreeMap<String, String>,
    /// The image's repository and tag.
    pub image: String,
    /// Where layers are kept, if they are.
    pub cache: Option<String>,
    /// A file as docker's `config.json`.
    pub registry_auth: Option<PathBuf>,
    /// Where `clone` told the commit.
    pub commit_file: PathBuf,
    /// Where the digest is told.
    pub digest_file: PathBuf,
    /// Where a failure is told.
    pub message_file: PathBuf,
    /// A folder of the step's own.
    pub scratch: PathBuf,
}

/// An exit code and a sentence.
type Failure = (u8, String);

/// Reads the arguments of a build as they travel: a JSON object.
///
/// # Errors
/// Where it is none.
pub fn read_build_args(text: &str) -> Result<BTreeMap<String, String>, String> {
    serde_json::from_str(text).map_err(|error| format!("STACKBLAZE_BUILD_ARGS: {error}"))
}

impl BuildStep {
    /// Builds and pushes, and gives the exit code of the table; a failing RUN keeps its own.
    pub fn run(&self) -> u8 {
        match self.build_and_push() {
            Ok(digest) => {
                println!("pushed {}@{digest}", self.image);
                self.keep_layers();
                SUCCEEDED
            }
            Err((code, message)) => {
                println!("{message}");
                drop(write_result(&self.message_file, &message));
                code
            }
        }
    }

    fn build_and_push(&self) -> Result<ImageDigest, Failure> {
        let failed = |message: String| (BUILD_FAILED, message);
        let places = self.places().map_err(failed)?;
        let commit = std::fs::read_to_string(&self.commit_file).unwrap_or_default();
        let unseen = self.cache.as_ref().and(unseen(&places));
        if let Some(unseen) = unseen {
            println!("{unseen}: built without the layer cache, which does not see what changes there");
        }
        let cache = self.cache.as_ref().filter(|_| unseen.is_none());
        let cache_from = cache.map(|cache| format!("--cache-from={cache}"));
        let build = self.build(&places, commit.trim(), cache_from);
        let code = build.show().map_err(|error| failed(format!("buildah: {error}")))?;
        if code != Some(0) {
            let told = code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
            return Err((of_failed_build(code), format!("the build ended with {told}")));
        }
        self.push().map_err(|message| (PUSH_FAILED, message))
    }

    fn push(&self) -> Result<ImageDigest, String> {
        println!("pushing {}", self.image);
        let told = self.scratch.join("stackblaze-digest");
        let digest_file = format!("--digestfile={}", told.display());
        let push =
            self.buildah(vec!["push".into(), storage(), digest_file.into(), self.image.clone().into()]);
        if push.show().map_err(|error| format!("buildah: {error}"))? != Some(0) {
            return Err(format!("{} could not be pushed; the log says why", self.image));
        }
        let text = std::fs::read_to_string(&told).map_err(|error| format!("{}: {error}", told.display()))?;
        let digest = ImageDigest::parse(text.trim()).ok_or("the pushed image has no sha256 digest")?;
        write_result(&self.digest_file, digest.as_str())?;
        Ok(digest)
    }

    /// Pushes the layers that this build made.
    ///
    /// A second build, which finds each layer in the local store: buildah pushes those too, and a failing push of a layer
    /// fails a build, so the first one must not have to push any.
    fn keep_layers(&self) {
        let (Some(cache), Ok(places)) = (&self.cache, self.places()) else { return };
        if unseen(&places).is_some() {
            return;
        }
        println!("keeping layers in {cache}");
        let commit = std::fs::read_to_string(&self.commit_file).unwrap_or_default();
        let again = self.build(&places, commit.trim(), Some(format!("--cache-to={cache}"))).keep();
        let errors = match again {
            Ok(ended) if ended.code == Some(0) => return,
            Ok(ended) => ended.errors,
            Err(error) => error.to_string(),
        };
        let lines: Vec<_> = errors.lines().collect();
        println!("{}", lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"));
        println!("warning: the layers could not be kept in {cache}; the next build takes longer");
    }

    /// Without a flag for the cache no layer is reused, not even one of this build.
    fn build(&self, places: &Places, commit: &str, cache: Option<String>) -> Program {
        let mut arguments: Vec<OsString> = vec!["build".into(), "--isolation=chroot".into(), storage()];
        arguments.push(format!("--layers={}", cache.is_some()).into());
        arguments.push(prefixed("--file=", &places.dockerfile));
        arguments.push(format!("--tag={}", self.image).into());
        arguments.push(format!("--label=org.opencontainers.image.revision={commit}").into());
        arguments
            .extend(self.build_args.iter().map(|(name, value)| format!("--build-arg={name}={value}").into()));
        arguments.extend(cache.map(OsString::from));
        arguments.extend(["--".into(), places.context.clone().into()]);
        self.buildah(arguments)
    }

    fn buildah(&self, arguments: Vec<OsString>) -> Program {
        let auth = self.registry_auth.iter().map(|file| ("REGISTRY_AUTH_FILE".into(), file.clone().into()));
        Program { name: "buildah", arguments, environment: auth.collect(), folder: None }
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

struct Places {
    dockerfile: PathBuf,
    context: PathBuf,
}

/// What of the Dockerfile the layer cache does not see. One that cannot be read is left to the builder.
fn unseen(places: &Places) -> Option<&'static str> {
    unseen_by_cache(&String::from_utf8_lossy(&std::fs::read(&places.dockerfile).ok()?))
}

/// overlay on the step's own volume; vfs copies every layer whole.
fn storage() -> OsString {
    "--storage-driver=overlay".into()
}

fn prefixed(flag: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(flag);
    argument.push(path);
    argument
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(source: &Path) -> BuildStep {
        BuildStep {
            source: source.to_owned(),
            context: ".".to_owned(),
            dockerfile: "Dockerfile".to_owned(),
            build_args: read_build_args(r#"{"MODE":"\u0024(params.image) --x"}"#).unwrap(),
            image: "r.example.com/api:dep-1".to_owned(),
            cache: Some("r.example.com/api-cache-e1".to_owned()),
            registry_auth: Some("/secret/config.json".into()),
            commit_file: source.join("commit"),
            digest_file: source.join("digest"),
            message_file: source.join("message"),
            scratch: source.to_owned(),
        }
    }

    #[test]
    fn every_value_is_one_argument_and_the_context_stands_behind_the_flags() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
        let step = step(folder.path());

        let program = step.build(&step.places().unwrap(), "4444", Some("--cache-from=r".to_owned()));

        let arguments: Vec<_> = program.arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        let root = folder.path().canonicalize().unwrap();
        assert_eq!(
            arguments[..4],
            ["build", "--isolation=chroot", "--storage-driver=overlay", "--layers=true"]
        );
        assert!(arguments.contains(&"--build-arg=MODE=$(params.image) --x".into()), "{arguments:?}");
        assert!(arguments.contains(&"--label=org.opencontainers.image.revision=4444".into()));
        assert_eq!(arguments[arguments.len() - 2..], ["--", &*root.to_string_lossy()]);
        assert_eq!(program.environment, [("REGISTRY_AUTH_FILE".into(), "/secret/config.json".into())]);
    }

    #[test]
    fn links_out_of_the_repository_and_missing_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(step(folder.path()).places().is_err_and(|why| why.contains("has no Dockerfile")));

        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("Dockerfile")).unwrap();
        assert!(step(folder.path()).places().is_err_and(|why| why.contains("links out")));
    }

    #[test]
    fn without_a_builder_the_build_fails_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let step = step(folder.path());

        assert_eq!(step.run(), BUILD_FAILED);
        assert!(std::fs::read_to_string(&step.message_file).unwrap().contains("has no Dockerfile"));
    }
}
