//! Names of images: a repository, and exactly one image in it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::names::is_subdomain;
use super::{DeploymentId, RunName};

/// Longest image repository, in bytes; leaves room for `-cache-e<N>` within the 255 that registries take.
const MAX_IMAGE: usize = 200;
/// Hexadecimal digits of a SHA-256 digest.
const DIGEST_DIGITS: usize = 64;

/// An image's name without tag or digest, with its registry: `registry.example.com/team/app`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
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

impl From<ImageRepository> for String {
    fn from(image: ImageRepository) -> Self {
        image.0
    }
}

impl TryFrom<String> for ImageRepository {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse("image", &text)
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

/// An image that a deployment pushed: `registry.example.com/team/app:dep-x@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    /// Where it was pushed.
    pub repository: ImageRepository,
    /// The deployment that built it; its run's name is the tag.
    pub built_by: DeploymentId,
    /// Exactly this image.
    pub digest: ImageDigest,
}

impl BuiltImage {
    /// Reads what is shown; `None` where it has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, digest) = text.split_once('@')?;
        let (repository, tag) = name.rsplit_once(':')?;
        Some(Self {
            repository: ImageRepository::parse("image", repository).ok()?,
            built_by: DeploymentId::parse(tag)?,
            digest: ImageDigest::parse(digest)?,
        })
    }

    /// Its tag.
    pub fn tag(&self) -> RunName {
        self.built_by.run_name()
    }
}

impl fmt::Display for BuiltImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}@{}", self.repository, self.tag(), self.digest)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_built_image_is_read_as_it_is_shown() {
        let text = format!("localhost:5000/api:dep-mwuangvh9xk2mq7rz4tb@sha256:{}", "0a".repeat(32));

        let image = BuiltImage::parse(&text).unwrap();

        assert_eq!(image.to_string(), text);
        assert_eq!(image.tag().as_str(), "dep-mwuangvh9xk2mq7rz4tb");
        assert!(BuiltImage::parse("localhost:5000/api:latest").is_none());
    }

    #[test]
    fn a_digest_is_sha256() {
        assert!(ImageDigest::parse(&format!("sha256:{}", "0a".repeat(32))).is_some());
        for wrong in ["", "sha256:", "sha512:00", &format!("sha256:{}", "0A".repeat(32))] {
            assert!(ImageDigest::parse(wrong).is_none(), "{wrong}");
        }
    }
}
