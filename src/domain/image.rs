//! Names of images: a repository, a tag and a digest in it. `image_reference` puts them together.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::names::is_subdomain;

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

    /// The registry's host, with its port.
    pub fn registry(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
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

    /// The twelve digits that lists show.
    pub fn short(&self) -> &str {
        let at = self.0.len() - DIGEST_DIGITS;
        &self.0[at..at + 12]
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Longest tag, in bytes, as the OCI distribution specification has it.
const MAX_TAG: usize = 128;

/// A name of an image in its repository, which may move to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTag(String);

impl ImageTag {
    /// Reads a tag; `None` where it has another shape than the OCI distribution specification gives it.
    pub fn parse(text: &str) -> Option<Self> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fits = (1..=MAX_TAG).contains(&text.len()) && is_word(text.as_bytes()[0]);
        let is_legal = text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-');
        (fits && is_legal).then(|| Self(text.to_owned()))
    }

    /// The tag that a name without tag and digest stands for.
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }

    /// The tag without a colon.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
    fn a_tag_is_one_word() {
        for right in ["latest", "v1.2.3", "_x", "dep-00000000aaaaaaaaaaaa", &"x".repeat(128)] {
            assert!(ImageTag::parse(right).is_some(), "{right}");
        }
        for wrong in ["", ".x", "-x", "a b", "a/b", "a:b", "$(x)", "ä", &"x".repeat(129)] {
            assert!(ImageTag::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_digest_is_sha256() {
        assert!(ImageDigest::parse(&format!("sha256:{}", "0a".repeat(32))).is_some());
        for wrong in ["", "sha256:", "sha512:00", &format!("sha256:{}", "0A".repeat(32))] {
            assert!(ImageDigest::parse(wrong).is_none(), "{wrong}");
        }
    }
}
