//! How a service is built and deployed in a cluster: image names, the build, the Secrets' names, the workload.
//!
//! Every text here ends in a Tekton object, where `$(…)` is a template, so each grammar is an allow-list without `$`;
//! values of build arguments are free and are encoded where they are written.

use std::collections::BTreeMap;
use std::fmt;

use super::Invalid;

/// Longest image repository, in bytes; leaves room for `-cache-e<N>` within the 255 that registries take.
const MAX_IMAGE: usize = 200;
/// Longest DNS label, in bytes.
const MAX_LABEL: usize = 63;
/// Longest DNS subdomain, in bytes.
const MAX_SUBDOMAIN: usize = 253;
/// Longest path inside a repository, in bytes.
const MAX_PATH: usize = 500;
/// Most build arguments, longest value and all names and values together, in bytes.
const MAX_BUILD_ARGS: usize = 100;
const MAX_BUILD_ARG: usize = 4_096;
const MAX_BUILD_ARGS_BYTES: usize = 32_768;
/// Hexadecimal digits of a SHA-256 digest.
const DIGEST_DIGITS: usize = 64;

/// An image's name without tag or digest, with its registry: `registry.example.com/team/app`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRepository(String);

impl ImageRepository {
    /// Reads a name; `field` is how the caller spells it. The registry must be named, since a short name means another
    /// image on each machine.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        let wrong = |detail: &str| Err(Invalid::new(field, detail));
        if text.is_empty() || text.len() > MAX_IMAGE {
            return wrong("an image has 1 to 200 bytes, for example registry.example.com/team/app");
        }
        let Some((registry, path)) = text.split_once('/') else {
            return wrong("must begin with its registry, for example registry.example.com/team/app");
        };
        if !is_registry(registry) {
            return wrong(
                "must begin with a registry's host, for example registry.example.com or localhost:5000",
            );
        }
        if path.split('/').any(|part| !is_path_part(part)) {
            return wrong(
                "the name has parts of a-z, 0-9, and single . _ - between them; no tag and no digest",
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `sha256:` and 64 hexadecimal digits: exactly one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDigest(String);

impl ImageDigest {
    /// Reads a digest; `None` where it has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?;
        let is_hex = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (digits.len() == DIGEST_DIGITS && is_hex).then(|| Self(text.to_owned()))
    }

    /// The digest with `sha256:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where layers of earlier builds are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

/// The Kubernetes Deployment that serves, and which of its containers is given the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub deployment: String,
    /// The container; needed only where there is more than one.
    pub container: Option<String>,
}

impl Workload {
    /// Reads `NAMESPACE/DEPLOYMENT` or `NAMESPACE/DEPLOYMENT/CONTAINER`.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut parts = text.splitn(3, '/');
        let (Some(namespace), Some(deployment)) = (parts.next(), parts.next()) else {
            return Err(Invalid::new(
                "workload",
                "must be NAMESPACE/DEPLOYMENT or NAMESPACE/DEPLOYMENT/CONTAINER",
            ));
        };
        let container = parts.next().map(str::to_owned);
        let workload = Self { namespace: namespace.to_owned(), deployment: deployment.to_owned(), container };
        workload.check()?;
        Ok(workload)
    }

    fn check(&self) -> Result<(), Invalid> {
        let wrong = |part: &str, detail: &str| Err(Invalid::new(format!("workload.{part}"), detail));
        if !is_label(&self.namespace) {
            return wrong("namespace", "is 1 to 63 of a-z, 0-9 and -, with no - at either end");
        }
        if !is_subdomain(&self.deployment) {
            return wrong("deployment", "is the name of a Kubernetes Deployment: a-z, 0-9, - and .");
        }
        if self.container.as_ref().is_some_and(|container| !is_label(container)) {
            return wrong("container", "is 1 to 63 of a-z, 0-9 and -, with no - at either end");
        }
        Ok(())
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.deployment)?;
        self.container.as_ref().map_or(Ok(()), |container| write!(f, "/{container}"))
    }
}

/// How the executor `tekton` builds and deploys a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TektonSettings {
    /// Where the built image is pushed; the tag is the run's name.
    pub image: ImageRepository,
    /// Where layers of earlier builds are kept.
    pub cache_repository: CacheRepository,
    /// The file to build by, relative to the repository's root.
    pub dockerfile: String,
    /// The folder that the build sees, relative to the repository's root; `.` is the root.
    pub context: String,
    /// Arguments of the build. They end in the image's history: no place for secrets.
    pub build_args: BTreeMap<String, String>,
    /// Secret in the build namespace, type `kubernetes.io/basic-auth` or `kubernetes.io/ssh-auth`; used in `clone` only.
    pub git_secret: Option<String>,
    /// Secret in the build namespace, type `kubernetes.io/dockerconfigjson`; used in `build` only.
    pub registry_secret: Option<String>,
    /// What serves.
    pub workload: Workload,
    /// Whether a new version that does not come up is replaced by the one before.
    pub rollback: bool,
}

impl TektonSettings {
    /// Settings with every default.
    pub fn new(image: ImageRepository, workload: Workload) -> Self {
        Self {
            image,
            cache_repository: CacheRepository::default(),
            dockerfile: "Dockerfile".to_owned(),
            context: ".".to_owned(),
            build_args: BTreeMap::new(),
            git_secret: None,
            registry_secret: None,
            workload,
            rollback: true,
        }
    }

    /// Checks paths, names and lengths.
    ///
    /// # Errors
    /// Names the field.
    pub fn check(&self) -> Result<(), Invalid> {
        check_path("dockerfile", &self.dockerfile)?;
        if self.context != "." {
            check_path("context", &self.context)?;
        }
        for (field, name) in [("gitSecret", &self.git_secret), ("registrySecret", &self.registry_secret)] {
            if name.as_ref().is_some_and(|name| !is_subdomain(name)) {
                return Err(Invalid::new(field, "is the name of a Secret: a-z, 0-9, - and ."));
            }
        }
        self.workload.check()?;
        self.check_build_args()
    }

    /// The cache's repository in this epoch; a higher epoch never meets what an earlier one left.
    pub fn cache_at(&self, epoch: u32) -> Option<String> {
        match &self.cache_repository {
            CacheRepository::BesideImage => Some(format!("{}-cache-e{epoch}", self.image)),
            CacheRepository::None => None,
            CacheRepository::At(repository) => Some(format!("{repository}-e{epoch}")),
        }
    }

    fn check_build_args(&self) -> Result<(), Invalid> {
        if self.build_args.len() > MAX_BUILD_ARGS {
            return Err(Invalid::new("buildArgs", format!("at most {MAX_BUILD_ARGS} arguments")));
        }
        for (name, value) in &self.build_args {
            let field = format!("buildArgs.{name}");
            let is_name = (1..=100).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !name.as_bytes()[0].is_ascii_digit();
            if !is_name {
                return Err(Invalid::new(field, "an argument's name is letters, digits and _"));
            }
            if value.len() > MAX_BUILD_ARG || value.contains('\0') {
                return Err(Invalid::new(
                    field,
                    format!("a value has at most {MAX_BUILD_ARG} bytes and no NUL"),
                ));
            }
        }
        let bytes: usize = self.build_args.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MAX_BUILD_ARGS_BYTES {
            return Err(Invalid::new(
                "buildArgs",
                format!("all together have at most {MAX_BUILD_ARGS_BYTES} bytes"),
            ));
        }
        Ok(())
    }
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

fn is_registry(host: &str) -> bool {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    is_subdomain(name) && is_port && (name.contains('.') || port.is_some() || name == "localhost")
}

/// One part of an image's path, as the OCI distribution specification has it.
fn is_path_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let Some(rest) = part.strip_prefix(is_word) else { return false };
    let separators = rest.split(is_word).filter(|between| !between.is_empty());
    let mut separators = separators.map(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'));
    part.ends_with(is_word) && separators.all(|is_legal| is_legal)
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= MAX_SUBDOMAIN && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> TektonSettings {
        let image = ImageRepository::parse("image", "registry.example.com/team/app").unwrap();
        TektonSettings::new(image, Workload::parse("apps/api").unwrap())
    }

    #[test]
    fn an_image_names_its_registry_and_neither_tag_nor_digest() {
        for right in
            ["registry.example.com/app", "localhost/app", "localhost:5000/a/b-c_d.e", "10.77.0.1:5000/api"]
        {
            assert!(ImageRepository::parse("image", right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "app",
            "team/app",
            "registry.example.com/",
            "registry.example.com/App",
            "r.io/app:1",
            "r.io/a//b",
            "r.io/app@sha256:0",
            "r.io/$(params.x)",
            "-r.io/app",
            "r.io/-app",
            "r.io:0/app",
            "r.io/a b",
            "r.io/a..b",
        ] {
            assert!(ImageRepository::parse("image", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_workload_is_two_or_three_names() {
        assert_eq!(Workload::parse("apps/api/web").unwrap().to_string(), "apps/api/web");
        assert_eq!(Workload::parse("apps/api").unwrap().container, None);
        for wrong in ["", "api", "apps/", "/api", "Apps/api", "apps/api/", "apps/api/web/x", "apps/a_b"] {
            assert!(Workload::parse(wrong).is_err(), "{wrong}");
        }
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
            assert_eq!(broken.check().unwrap_err().field, "dockerfile", "{wrong}");
        }
        assert!(TektonSettings { context: "services/api".to_owned(), ..settings() }.check().is_ok());
    }

    #[test]
    fn names_of_secrets_and_arguments_are_checked() {
        let broken = TektonSettings { git_secret: Some("A b".to_owned()), ..settings() };
        assert_eq!(broken.check().unwrap_err().field, "gitSecret");

        let build_args = BTreeMap::from([("A-B".to_owned(), String::new())]);
        assert_eq!(TektonSettings { build_args, ..settings() }.check().unwrap_err().field, "buildArgs.A-B");

        let build_args = BTreeMap::from([("NODE_ENV".to_owned(), "$(params.x) is kept as it is".to_owned())]);
        assert!(TektonSettings { build_args, ..settings() }.check().is_ok());
    }

    #[test]
    fn a_digest_is_sha256() {
        assert!(ImageDigest::parse(&format!("sha256:{}", "0a".repeat(32))).is_some());
        for wrong in ["", "sha256:", "sha512:00", &format!("sha256:{}", "0A".repeat(32))] {
            assert!(ImageDigest::parse(wrong).is_none(), "{wrong}");
        }
    }
}
