//! How a service is built and deployed in a cluster: image names, the build, the Secrets' names, the workloads.
//!
//! Every text here ends in a Tekton object, where `$(…)` is a template, so each grammar is an allow-list without `$`;
//! values of build arguments are free and are encoded where they are written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::image::ImageRepository;
use super::names::is_subdomain;
use super::release::ReleaseSettings;
use super::secret_key::SecretKey;
use super::step_resources::StepResources;
use super::workload::{Workload, check_workloads};
use super::{Faults, Invalid};

/// Longest path inside a repository, in bytes.
const MAX_PATH: usize = 500;
/// Most build arguments, longest value and all names and values together, in bytes.
const MAX_BUILD_ARGS: usize = 100;
const MAX_BUILD_ARG: usize = 4_096;
const MAX_BUILD_ARGS_BYTES: usize = 32_768;

/// Most build secrets.
const MAX_BUILD_SECRETS: usize = 16;
/// Longest name of a stage and of a build secret, in bytes.
const MAX_WORD: usize = 100;
/// A build argument that would have another program read the Dockerfile.
const FRONTEND_ARGUMENT: &str = "BUILDKIT_SYNTAX";

/// Where layers of earlier builds are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum CacheRepository {
    /// Beside the image: its name and `-cache`.
    #[default]
    BesideImage,
    /// Nowhere: every build is a full one.
    None,
    /// In this repository.
    At(ImageRepository),
}

impl CacheRepository {
    /// Reads `none`, an image repository, or the empty text for the default.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "" => Ok(Self::BesideImage),
            "none" => Ok(Self::None),
            _ => ImageRepository::parse("cacheRepository", text).map(Self::At),
        }
    }

    /// The text that [`parse`](Self::parse) reads.
    pub fn as_str(&self) -> &str {
        match self {
            Self::BesideImage => "",
            Self::None => "none",
            Self::At(repository) => repository.as_str(),
        }
    }
}

impl From<CacheRepository> for String {
    fn from(cache: CacheRepository) -> Self {
        cache.as_str().to_owned()
    }
}

impl TryFrom<String> for CacheRepository {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

/// How the executor `tekton` builds and deploys a service. Its serde form is that of the database: a field that is added
/// needs `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TektonSettings {
    /// Where the built image is pushed; the tag is the run's name.
    pub image: ImageRepository,
    /// Where layers of earlier builds are kept.
    pub cache_repository: CacheRepository,
    /// The file to build by, relative to the repository's root.
    pub dockerfile: String,
    /// The folder that the build sees, relative to the repository's root; `.` is the root.
    pub context: String,
    /// The stage to build; none is the last one.
    #[serde(default)]
    pub target: Option<String>,
    /// What the Dockerfile may mount by these names, out of Secrets of the build namespace.
    #[serde(default)]
    pub build_secrets: BTreeMap<String, SecretKey>,
    /// Arguments of the build. They end in the image's history: no place for secrets.
    pub build_args: BTreeMap<String, String>,
    /// What the steps ask for and may take.
    #[serde(default)]
    pub resources: StepResources,
    /// Secret in the build namespace, type `kubernetes.io/basic-auth` or `kubernetes.io/ssh-auth`; used in `clone` only.
    pub git_secret: Option<String>,
    /// Secret in the build namespace, type `kubernetes.io/dockerconfigjson`; used in `build` only.
    pub registry_secret: Option<String>,
    /// What serves: 1 to 16 different objects, all of which are given the image.
    pub workloads: Vec<Workload>,
    /// What is run with the new image before any of them is changed.
    #[serde(default)]
    pub release: ReleaseSettings,
    /// Whether a new version that does not come up is replaced by the one before.
    pub rollback: bool,
}

impl TektonSettings {
    /// Settings with every default.
    pub fn new(image: ImageRepository, workloads: Vec<Workload>) -> Self {
        Self {
            image,
            cache_repository: CacheRepository::default(),
            dockerfile: "Dockerfile".to_owned(),
            context: ".".to_owned(),
            target: None,
            build_secrets: BTreeMap::new(),
            build_args: BTreeMap::new(),
            resources: StepResources::default(),
            git_secret: None,
            registry_secret: None,
            workloads,
            release: ReleaseSettings::default(),
            rollback: true,
        }
    }

    /// Checks what is checked only once it is all there.
    pub fn check(&self, faults: &mut Faults) {
        faults.take(check_path("dockerfile", &self.dockerfile));
        if self.context != "." {
            faults.take(check_path("context", &self.context));
        }
        for (field, name) in [("gitSecret", &self.git_secret), ("registrySecret", &self.registry_secret)] {
            if name.as_ref().is_some_and(|name| !is_subdomain(name)) {
                faults.add(field, "is the name of a Secret: a-z, 0-9, - and .");
            }
        }
        if self.target.as_ref().is_some_and(|stage| !is_word(stage)) {
            let detail =
                "is the name of a stage: letters, digits and . _ -, beginning with a letter or a digit";
            faults.add("target", detail);
        }
        check_workloads(&self.workloads, faults);
        self.release.check(faults);
        self.check_build_secrets(faults);
        self.check_build_args(faults);
    }

    /// The cache's repository in this epoch; a higher epoch never meets what an earlier one left.
    pub fn cache_at(&self, epoch: u32) -> Option<String> {
        match &self.cache_repository {
            CacheRepository::BesideImage => Some(format!("{}-cache-e{epoch}", self.image)),
            CacheRepository::None => None,
            CacheRepository::At(repository) => Some(format!("{repository}-e{epoch}")),
        }
    }

    fn check_build_secrets(&self, faults: &mut Faults) {
        if self.build_secrets.len() > MAX_BUILD_SECRETS {
            faults.add("buildSecrets", format!("at most {MAX_BUILD_SECRETS} secrets"));
        }
        for name in self.build_secrets.keys().filter(|name| !is_word(name)) {
            let detail = "a secret's name is letters, digits and . _ -, beginning with a letter or a digit";
            faults.add(format!("buildSecrets.{name}"), detail);
        }
    }

    fn check_build_args(&self, faults: &mut Faults) {
        if self.build_args.len() > MAX_BUILD_ARGS {
            faults.add("buildArgs", format!("at most {MAX_BUILD_ARGS} arguments"));
        }
        for (name, value) in &self.build_args {
            if let Err(detail) = check_build_arg(name, value) {
                faults.add(format!("buildArgs.{name}"), detail);
            }
        }
        let bytes: usize = self.build_args.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MAX_BUILD_ARGS_BYTES {
            faults.add("buildArgs", format!("all together have at most {MAX_BUILD_ARGS_BYTES} bytes"));
        }
    }
}

fn check_build_arg(name: &str, value: &str) -> Result<(), String> {
    let is_name = (1..=100).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.as_bytes()[0].is_ascii_digit();
    if !is_name {
        return Err("an argument's name is letters, digits and _".to_owned());
    }
    if name == FRONTEND_ARGUMENT {
        return Err("Dockerfiles are built by BuildKit's own frontend alone".to_owned());
    }
    if value.len() > MAX_BUILD_ARG || value.contains('\0') {
        return Err(format!("a value has at most {MAX_BUILD_ARG} bytes and no NUL"));
    }
    Ok(())
}

/// The name of a stage or of a build secret.
fn is_word(text: &str) -> bool {
    (1..=MAX_WORD).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn check_path(field: &str, path: &str) -> Result<(), Invalid> {
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.starts_with('-')
            && part.chars().all(|c| c.is_alphanumeric() || "._-+@".contains(c))
    };
    if path.len() <= MAX_PATH && path.split('/').all(is_part) {
        return Ok(());
    }
    Err(Invalid::new(
        field,
        "is a path inside the repository such as deploy/Dockerfile: letters, digits and . _ - + @, no .. in it",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl TektonSettings {
        /// The first field that is wrong, or nothing.
        fn fault(&self) -> String {
            let mut faults = Faults::default();
            self.check(&mut faults);
            faults.finish(()).err().map(|all| all[0].field.clone()).unwrap_or_default()
        }
    }

    fn settings() -> TektonSettings {
        let image = ImageRepository::parse("image", "registry.example.com/team/app").unwrap();
        TektonSettings::new(image, vec![Workload::parse("apps/api").unwrap()])
    }

    #[test]
    fn settings_are_read_as_they_were_written_and_only_where_they_keep_the_rules() {
        let settings = TektonSettings {
            cache_repository: CacheRepository::None,
            build_args: BTreeMap::from([("KEY".to_owned(), "a \"value\" $(x)".to_owned())]),
            git_secret: Some("git".to_owned()),
            rollback: false,
            ..settings()
        };
        let stored = serde_json::to_string(&settings).unwrap();
        let read = |json: &str| serde_json::from_str::<TektonSettings>(json).ok();

        assert_eq!(read(&stored), Some(settings));
        assert_eq!(read("{}"), None);
        assert_eq!(read(&stored.replace("apps/api", "apps")), None);
        assert_eq!(read(&stored.replace("registry.example.com/team/app", "app")), None);
    }

    #[test]
    fn the_cache_goes_by_epoch_beside_the_image_or_elsewhere_or_nowhere() {
        let mut settings = settings();
        assert_eq!(settings.cache_at(3).as_deref(), Some("registry.example.com/team/app-cache-e3"));

        settings.cache_repository = CacheRepository::parse("r.example.com/cache").unwrap();
        assert_eq!(settings.cache_at(0).as_deref(), Some("r.example.com/cache-e0"));

        settings.cache_repository = CacheRepository::parse("none").unwrap();
        assert_eq!(settings.cache_at(0), None);
    }

    #[test]
    fn paths_stay_inside_the_repository_and_are_no_templates() {
        for wrong in ["", "/etc/x", "../x", "a/../b", "a//b", "-f", "a/-f", "$(params.x)", "a b", "./a"] {
            let broken = TektonSettings { dockerfile: wrong.to_owned(), ..settings() };
            assert_eq!(broken.fault(), "dockerfile", "{wrong}");
        }
        assert!(TektonSettings { context: "services/api".to_owned(), ..settings() }.fault().is_empty());
    }

    #[test]
    fn a_build_secret_has_a_name_that_is_one_word() {
        let key = SecretKey::parse("buildSecrets.npm", "npm-token/.dockerconfigjson").unwrap();
        for (name, is_right) in
            [("npm", true), ("npm.rc-1_2", true), ("", false), ("a,b", false), (".a", false)]
        {
            let build_secrets = BTreeMap::from([(name.to_owned(), key.clone())]);
            let settings = TektonSettings { build_secrets, ..settings() };
            assert_eq!(settings.fault().is_empty(), is_right, "{name}");
        }
    }

    #[test]
    fn a_stage_is_a_word_and_no_argument_names_another_frontend() {
        for (stage, is_right) in
            [("build", true), ("Prod-1.2", true), ("2", true), ("-x", false), ("$(x)", false)]
        {
            let settings = TektonSettings { target: Some(stage.to_owned()), ..settings() };
            assert_eq!(settings.fault().is_empty(), is_right, "{stage}");
        }
        let build_args = BTreeMap::from([("BUILDKIT_SYNTAX".to_owned(), "example.com/own".to_owned())]);
        let refused = TektonSettings { build_args, ..settings() };
        assert_eq!(refused.fault(), "buildArgs.BUILDKIT_SYNTAX");
    }

    #[test]
    fn names_of_secrets_and_arguments_are_checked() {
        let broken = TektonSettings { git_secret: Some("A b".to_owned()), ..settings() };
        assert_eq!(broken.fault(), "gitSecret");

        let build_args = BTreeMap::from([("A-B".to_owned(), String::new())]);
        assert_eq!(TektonSettings { build_args, ..settings() }.fault(), "buildArgs.A-B");

        let build_args = BTreeMap::from([("NODE_ENV".to_owned(), "$(params.x) is kept as it is".to_owned())]);
        assert!(TektonSettings { build_args, ..settings() }.fault().is_empty());
    }
}
